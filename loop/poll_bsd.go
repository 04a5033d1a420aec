//go:build darwin || freebsd

package loop

import (
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const pollerName = "kqueue"

// kqueue is the poller of macOS and FreeBSD. It has no room for a generation
// beside the descriptor, so it remembers them.
type kqueue struct {
	mu   sync.Mutex // guards gens and on, for remove by another loop
	fd   int
	evs  [256]unix.Kevent_t
	gens map[int32]uint32
	on   map[int32][2]bool // registered: read, write
}

// wakeIdent is the identifier of the user event that ends a sleep.
const wakeIdent = 1

func newPoller() (poller, error) {
	fd, err := unix.Kqueue()
	if err != nil {
		return nil, err
	}
	unix.CloseOnExec(fd)
	p := &kqueue{fd: fd, gens: map[int32]uint32{}, on: map[int32][2]bool{}}
	wake := unix.Kevent_t{Ident: wakeIdent, Filter: unix.EVFILT_USER, Flags: unix.EV_ADD | unix.EV_CLEAR}
	if _, err := unix.Kevent(fd, []unix.Kevent_t{wake}, nil, nil); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return p, nil
}

func (p *kqueue) add(fd int32, gen uint32, read, write bool) error {
	p.mu.Lock()
	p.gens[fd] = gen
	p.on[fd] = [2]bool{}
	p.mu.Unlock()
	return p.set(fd, gen, read, write)
}

func (p *kqueue) set(fd int32, _ uint32, read, write bool) error {
	var changes [2]unix.Kevent_t
	n := 0
	p.mu.Lock()
	on := p.on[fd]
	for i, want := range [2]bool{read, write} {
		if want == on[i] {
			continue
		}
		filter, flags := unix.EVFILT_READ, unix.EV_ADD
		if i == 1 {
			filter = unix.EVFILT_WRITE
		}
		if !want {
			flags = unix.EV_DELETE
		}
		unix.SetKevent(&changes[n], int(fd), filter, flags)
		n++
	}
	p.on[fd] = [2]bool{read, write}
	p.mu.Unlock()
	if n == 0 {
		return nil
	}
	_, err := unix.Kevent(p.fd, changes[:n], nil, nil)
	return err
}

func (p *kqueue) remove(fd int32) error {
	err := p.set(fd, 0, false, false)
	p.mu.Lock()
	delete(p.gens, fd)
	delete(p.on, fd)
	p.mu.Unlock()
	return err
}

func (p *kqueue) closing(fd int32) { p.remove(fd) }

func (p *kqueue) poll(evs []event) []event { return p.sleep(evs, 0) }

func (p *kqueue) sleep(evs []event, d time.Duration) []event {
	ts := unix.NsecToTimespec(int64(d))
	n, err := unix.Kevent(p.fd, nil, p.evs[:], &ts)
	if err != nil {
		return evs
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.evs[:n] {
		e := &p.evs[i]
		if e.Filter == unix.EVFILT_USER {
			continue
		}
		fd := int32(e.Ident)
		evs = append(evs, event{
			fd: fd, gen: p.gens[fd],
			readable: e.Filter == unix.EVFILT_READ,
			writable: e.Filter == unix.EVFILT_WRITE,
		})
	}
	return evs
}

func (p *kqueue) wake() {
	e := unix.Kevent_t{Ident: wakeIdent, Filter: unix.EVFILT_USER, Fflags: unix.NOTE_TRIGGER}
	unix.Kevent(p.fd, []unix.Kevent_t{e}, nil, nil)
}

func (p *kqueue) close() { unix.Close(p.fd) }

func sysRead(fd int, p []byte) (int, error)  { return unix.Read(fd, p) }
func sysWrite(fd int, p []byte) (int, error) { return unix.Write(fd, p) }
func sysClose(fd int)                        { unix.Close(fd) }

// sysReadable tells whether there is something to read: bytes, the end, or an
// error.
func sysReadable(fd int) bool {
	var b [1]byte
	_, _, err := unix.Recvfrom(fd, b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	return err != unix.EAGAIN && err != unix.EINTR
}

func accept(fd int) (int, unix.Sockaddr, error) {
	nfd, addr, err := unix.Accept(fd)
	if err != nil {
		return -1, nil, err
	}
	unix.CloseOnExec(nfd)
	if err := unix.SetNonblock(nfd, true); err != nil {
		unix.Close(nfd)
		return -1, nil, err
	}
	// macOS raises SIGPIPE unless told otherwise; the Go runtime ignores it
	// for sockets only when it wrote them itself.
	if err := noSigpipe(nfd); err != nil {
		unix.Close(nfd)
		return -1, nil, err
	}
	return nfd, addr, nil
}
