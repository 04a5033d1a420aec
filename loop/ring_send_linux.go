package loop

import (
	"syscall"

	"golang.org/x/sys/unix"

	"pgweir/uring"
)

// maxGathered is how many bytes of a connection wait for the end of a turn to be
// sent. What is larger is worth a system call of its own.
const maxGathered = 32 << 10

// outgoing is what a ring knows of what is sent. The kernel is given what a connection
// has to send at the end of a turn, by an operation that does not wait for room: it
// has been done when the entry to the kernel returns.
type outgoing struct {
	sending []*Conn
	// given is memory that operations have the address of, and that no connection
	// has any more: they have left, or got on with other memory.
	given   [][]byte
	instant uint32 // completions that will be there as soon as all is submitted
}

// write takes little to be sent at the end of the turn, and gives the kernel much at
// once.
func (r *ring) write(c *Conn, p []byte) (int, error) {
	if len(c.out)+len(p) <= maxGathered {
		c.hold()
		if c.given > 0 && len(c.out)+len(p) > cap(c.out) { // the kernel knows the old place
			r.given = append(r.given, c.out)
			c.out = append(r.loop.bufs.get(len(c.out)+len(p)), c.out...)
		}
		c.out = r.loop.bufs.add(c.out, p)
		r.sends(c)
		return len(p), nil
	}
	if err := r.flush(c); err != nil || c.blocked {
		return 0, err
	}
	return tryWrite(c.fd, p)
}

// sends has the kernel be given what c has to send.
func (r *ring) sends(c *Conn) {
	if !c.is(sending) {
		c.put(sending, true)
		r.sending = append(r.sending, c)
	}
}

func (r *ring) queueSends() {
	for i, c := range r.sending {
		r.sending[i] = nil
		if r.loop.find(c.fd, c.gen) != c || !c.is(sending) {
			continue
		}
		c.put(sending, false)
		if !c.blocked && len(c.out) > 0 && c.given == 0 {
			c.given = int32(len(c.out)) - c.outOff
			r.send(c, opSend.of(c))
		}
	}
	r.sending = r.sending[:0]
}

func (r *ring) send(c *Conn, user uint64) {
	r.ring.Send(int(c.fd), user, c.out[c.outOff:], unix.MSG_DONTWAIT)
	r.instant++
}

// sendLast sends what the kernel was to be given at the end of the turn; c is closed
// then.
func (r *ring) sendLast(c *Conn) {
	if err := r.settle(c); err == nil && c.is(sending) && !c.blocked && len(c.out) > 0 {
		r.send(c, 0)
		r.given = append(r.given, c.out)
		c.out = nil
		c.letGo(r.loop)
	}
}

// settleTries is how often the kernel is asked to take what it has no memory for,
// before the ring is given up.
const settleTries = 1000

// settle has the sending of c that is queued be done, so that more can be sent behind.
// If the ring fails, it cannot be told whether it has been done: nothing can come behind
// it, and c ends.
func (r *ring) settle(c *Conn) error {
	for tries := 0; c.given > 0 && r.broken == nil; tries++ {
		if r.submit(); tries == settleTries {
			r.fails(syscall.ENOMEM)
		}
	}
	if c.given == 0 {
		return nil
	}
	r.giveUp(c)
	return r.broken
}

// giveUp has nothing more be sent to c, of whose last bytes it cannot be told whether
// they have been.
func (r *ring) giveUp(c *Conn) {
	if c.out != nil {
		r.given = append(r.given, c.out)
		c.out, c.outOff, c.given = nil, 0, 0
		c.letGo(r.loop)
	}
	unix.Shutdown(int(c.fd), unix.SHUT_RDWR)
}

// flush gives the kernel now what c has to send. c is blocked if there is no room
// for it.
func (r *ring) flush(c *Conn) error {
	if err := r.settle(c); err != nil || c.blocked || len(c.out) == 0 {
		return err
	}
	n, err := tryWrite(c.fd, c.out[c.outOff:])
	if err != nil {
		c.clearOut(r.loop)
		return err
	}
	r.took(c, n)
	return nil
}

// took notes that the kernel has taken n bytes of what c has to send, and has no
// room for more.
func (r *ring) took(c *Conn, n int) {
	c.outOff += int32(n)
	if int(c.outOff) == len(c.out) {
		c.clearOut(r.loop)
		return
	}
	c.blocked = true
	r.watch(c, c.is(wanted)) // as it is: c may be parked
}

// sent is the completion of sending.
func (r *ring) sent(e uring.CQE) {
	c := r.conn(e.User)
	if c == nil || c.given == 0 {
		return
	}
	given := c.given
	c.given = 0
	switch err := e.Err(); {
	case err == nil && e.Res == given && int(c.outOff+given) < len(c.out): // more has come behind it
		c.outOff += given
		r.sends(c)
	case err == nil:
		r.took(c, int(e.Res))
	case err == syscall.EAGAIN, err == syscall.EINTR:
		r.took(c, 0)
	default:
		c.clearOut(r.loop)
		c.broken(err)
	}
}

// submitted: all operations are the kernel's, and those of sending are done.
func (r *ring) submitted() {
	clear(r.given)
	r.given, r.instant = r.given[:0], 0
}

// hasRoom: the kernel has room for what c has to send.
func (r *ring) hasRoom(c *Conn) {
	c.put(writing, false)
	if c.blocked {
		c.sent(tryWrite(c.fd, c.out[c.outOff:]))
	}
	if c.blocked {
		c.watch()
	}
}
