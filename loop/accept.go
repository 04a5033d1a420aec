package loop

import (
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// acceptAtOnce bounds how many connections one event accepts, so that a storm
// of logins leaves room for those who are in.
const acceptAtOnce = 64

// Listener accepts connections on a loop.
type Listener struct {
	conn   Conn
	accept func(fd int, peer unix.Sockaddr)
	failed func(error)
}

// Listen accepts connections from a listening, non-blocking descriptor, which
// the Listener owns from now on. Each is given to accept as a non-blocking
// descriptor, which accept owns. A failure that is not the peer's (no more
// descriptors, say) goes to failed, and is tried again at the next tick. On
// the loop's thread.
func (l *Loop) Listen(fd int, accept func(fd int, peer unix.Sockaddr), failed func(error)) (*Listener, error) {
	n := &Listener{accept: accept, failed: failed}
	n.conn.Init(fd, n)
	n.conn.accepts = true
	return n, l.Add(&n.conn)
}

// FD is the descriptor, while it is open. On the loop's thread.
func (n *Listener) FD() (fd int, open bool) { return n.conn.FD(), !n.conn.Closed() }

// Close stops accepting.
func (n *Listener) Close() { n.conn.Close() }

// Drained has nothing to do: nothing is sent.
func (n *Listener) Drained(*Conn) {}

// Ended: the engine does not watch the descriptor any more, and may do so later.
func (n *Listener) Ended(_ *Conn, err error) {
	n.conn.ended = false
	n.rest(err)
}

// rest stops accepting until the next tick.
func (n *Listener) rest(err error) {
	n.conn.Pause()
	l := n.conn.Loop()
	l.resting = append(l.resting, n)
	n.failed(err)
}

// Received: somebody waits to be accepted.
func (n *Listener) Received(*Conn, []byte) int {
	n.ready()
	return 0
}

func (n *Listener) ready() {
	for range acceptAtOnce {
		if n.conn.closed { // by the last call of accept
			return
		}
		fd, peer, err := accept(int(n.conn.fd))
		switch err {
		case nil:
			n.accept(fd, peer)
		case syscall.EAGAIN:
			return
		case syscall.EINTR, syscall.ECONNABORTED:
		default:
			// Whoever waits to be accepted goes on waiting, and the engine
			// would say so without a pause.
			n.rest(err)
			return
		}
	}
}

// wakeListeners has those try again that have failed.
func (l *Loop) wakeListeners() {
	for i, n := range l.resting {
		l.resting[i] = nil
		n.conn.Resume()
	}
	l.resting = l.resting[:0]
}

// TakeListener gives the descriptor of a net.Listener to the caller and closes
// the rest of it.
func TakeListener(l net.Listener) (fd int, err error) {
	raw, err := l.(syscall.Conn).SyscallConn()
	if err != nil {
		return -1, err
	}
	fd, err = dup(raw)
	l.Close()
	return fd, err
}

// dup copies a descriptor.
func dup(raw syscall.RawConn) (fd int, err error) {
	if cerr := raw.Control(func(p uintptr) {
		fd, err = unix.FcntlInt(p, unix.F_DUPFD_CLOEXEC, 0)
	}); cerr != nil {
		err = cerr
	}
	if err != nil {
		return -1, os.NewSyscallError("dup", err)
	}
	return fd, nil
}
