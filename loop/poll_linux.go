package loop

import (
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const pollerName = "epoll"

// epoll is the poller of Linux.
type epoll struct {
	fd  int
	efd int // eventfd that ends a sleep
	evs [256]unix.EpollEvent
	// woken: the sleep was ended by wake.
	woken bool
	// lively: the last sleep was not for nothing, so the next one begins with a
	// nap.
	lively bool
}

func newPoller() (poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	efd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	p := &epoll{fd: fd, efd: efd}
	if err := p.add(int32(efd), 0, true, false); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func interest(read, write bool) (m uint32) {
	if read {
		m = unix.EPOLLIN | unix.EPOLLRDHUP
	}
	if write {
		m |= unix.EPOLLOUT
	}
	return m
}

// The generation rides in the second half of the event's data.

func (p *epoll) add(fd int32, gen uint32, read, write bool) error {
	e := unix.EpollEvent{Events: interest(read, write), Fd: fd, Pad: int32(gen)}
	return unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, int(fd), &e)
}

func (p *epoll) set(fd int32, gen uint32, read, write bool) error {
	e := unix.EpollEvent{Events: interest(read, write), Fd: fd, Pad: int32(gen)}
	return unix.EpollCtl(p.fd, unix.EPOLL_CTL_MOD, int(fd), &e)
}

func (p *epoll) remove(fd int32) error {
	return unix.EpollCtl(p.fd, unix.EPOLL_CTL_DEL, int(fd), nil)
}

// closing has nothing to do: with its last descriptor a socket leaves the set.
func (p *epoll) closing(int32) {}

// poll asks without blocking, and therefore without telling the scheduler.
func (p *epoll) poll(evs []event) []event { return p.wait(evs, 0) }

// napLength is how long a sleep is kept from the scheduler, in milliseconds.
// Under load something is ready long before, and then the detour through the
// scheduler (which takes the processor away, wakes another thread, and has to
// give it back) would cost half as much again as the wait itself. It is longer
// than the kernel's tick (4 ms, mostly), or the hardware's timer would be set anew
// for each wait, which costs a microsecond or more of a virtual machine. A garbage
// collection that wants the thread meanwhile ends the nap by its signal; other
// goroutines need a processor of their own. A loop that has slept for nothing
// does without the nap: while it lasts, Go's scheduler watches it closely, which
// costs more than the nap of somebody who has nothing to do.
const napLength = 8

func (p *epoll) sleep(evs []event, d time.Duration) []event {
	if d < time.Millisecond {
		return p.waitShort(evs, d)
	}
	before := len(evs)
	if p.lively {
		if evs = p.wait(evs, napLength); len(evs) > before || p.woken {
			p.woken = false
			return evs
		}
	}
	ms := int((d + time.Millisecond - 1) / time.Millisecond)
	n, err := unix.EpollWait(p.fd, p.evs[:], ms)
	if err != nil {
		return evs
	}
	evs = p.collect(evs, n)
	p.lively, p.woken = len(evs) > before || p.woken, false
	return evs
}

func (p *epoll) wait(evs []event, ms int) []event {
	n, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd),
		uintptr(unsafe.Pointer(&p.evs[0])), uintptr(len(p.evs)), uintptr(ms), 0, 0)
	if errno != 0 {
		return evs
	}
	return p.collect(evs, int(n))
}

// waitShort is wait for less than a millisecond. A kernel older than 5.11
// does not have it, and is asked over and over.
func (p *epoll) waitShort(evs []event, d time.Duration) []event {
	tuneThread()
	ts := unix.NsecToTimespec(int64(d))
	n, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT2, uintptr(p.fd),
		uintptr(unsafe.Pointer(&p.evs[0])), uintptr(len(p.evs)), uintptr(unsafe.Pointer(&ts)), 0, 0)
	if errno == unix.ENOSYS {
		return p.wait(evs, 0)
	}
	if errno != 0 {
		return evs
	}
	return p.collect(evs, int(n))
}

// tuneThread lets the calling thread's short waits be as short as they are
// meant to be; by default the kernel adds up to 50 µs.
func tuneThread() {
	syscall.RawSyscall(unix.SYS_PRCTL, unix.PR_SET_TIMERSLACK, 1000, 0)
}

func (p *epoll) collect(evs []event, n int) []event {
	for i := range p.evs[:n] {
		e := &p.evs[i]
		if int(e.Fd) == p.efd {
			var b [8]byte
			unix.Read(p.efd, b[:])
			p.woken = true
			continue
		}
		evs = append(evs, event{
			fd: e.Fd, gen: uint32(e.Pad),
			readable: e.Events&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0,
			writable: e.Events&(unix.EPOLLOUT|unix.EPOLLHUP|unix.EPOLLERR) != 0,
		})
	}
	return evs
}

func (p *epoll) wake() {
	one := [8]byte{1}
	unix.Write(p.efd, one[:])
}

func (p *epoll) close() {
	unix.Close(p.efd)
	unix.Close(p.fd)
}

// sysRead and sysWrite are for non-blocking descriptors: they return at once,
// so the scheduler need not hear of them.

func sysRead(fd int, p []byte) (int, error) {
	n, _, errno := syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), 0, 0, 0)
	if errno != 0 {
		return -1, errno
	}
	return int(n), nil
}

// sysReadable tells whether there is something to read: bytes, the end, or an
// error.
func sysReadable(fd int) bool {
	var b byte
	_, _, errno := syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&b)), 1, unix.MSG_PEEK|unix.MSG_DONTWAIT, 0, 0)
	return errno != unix.EAGAIN && errno != unix.EINTR
}

func sysWrite(fd int, p []byte) (int, error) {
	// Not write(2): a peer that has gone would raise SIGPIPE.
	n, _, errno := syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), unix.MSG_NOSIGNAL, 0, 0)
	if errno != 0 {
		return -1, errno
	}
	return int(n), nil
}

func sysClose(fd int) { syscall.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0) }

// accept is accept4(2); it says nothing of a peer on a Unix socket.
func accept(fd int) (int, unix.Sockaddr, error) {
	var raw unix.RawSockaddrAny
	size := uint32(unix.SizeofSockaddrAny)
	n, _, errno := syscall.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd), uintptr(unsafe.Pointer(&raw)),
		uintptr(unsafe.Pointer(&size)), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	if errno != 0 {
		return -1, nil, errno
	}
	switch raw.Addr.Family {
	case unix.AF_INET:
		a := (*unix.RawSockaddrInet4)(unsafe.Pointer(&raw))
		return int(n), &unix.SockaddrInet4{Port: port(&a.Port), Addr: a.Addr}, nil
	case unix.AF_INET6:
		a := (*unix.RawSockaddrInet6)(unsafe.Pointer(&raw))
		return int(n), &unix.SockaddrInet6{Port: port(&a.Port), ZoneId: a.Scope_id, Addr: a.Addr}, nil
	}
	return int(n), nil, nil
}

// port is a port number as it came over the network, most significant byte first.
func port(p *uint16) int {
	b := (*[2]byte)(unsafe.Pointer(p))
	return int(b[0])<<8 | int(b[1])
}
