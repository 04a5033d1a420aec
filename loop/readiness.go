package loop

import (
	"io"
	"syscall"
	"time"
)

// event is what the poller says of one descriptor.
type event struct {
	fd       int32
	gen      uint32 // Conn.gen at the time of its registration
	readable bool   // bytes, the end, or an error: a read will tell
	writable bool
}

// poller is readiness, as the kernel tells it: epoll or kqueue. Reading is
// level-triggered. All but wake are called on the loop's thread, or, for a
// connection that has been claimed, on the claiming loop's (remove).
type poller interface {
	add(fd int32, gen uint32, read, write bool) error
	set(fd int32, gen uint32, read, write bool) error
	remove(fd int32) error
	// closing is remove for a descriptor that is closed next.
	closing(fd int32)
	// poll appends what is ready to evs. It does not block; sleep does, for
	// at most the given time, and wake ends a sleep from another goroutine.
	poll(evs []event) []event
	sleep(evs []event, d time.Duration) []event
	wake()
	close()
}

// readiness is the engine that reads and writes when a poller says that it can be
// done.
type readiness struct {
	loop   *Loop
	poller poller
	evs    []event
	fresh  []*Conn // see expect
}

func newReadiness(l *Loop) (*readiness, error) {
	p, err := newPoller()
	if err != nil {
		return nil, err
	}
	return &readiness{loop: l, poller: p}, nil
}

func (r *readiness) run()          {}
func (r *readiness) end()          { r.poller.close() }
func (r *readiness) wake()         { r.poller.wake() }
func (r *readiness) movable() bool { return true }

// watch brings the poller's idea of c up to date. A descriptor of which nothing is
// wanted is not watched at all: epoll would report its end over and over.
func (r *readiness) watch(c *Conn, read bool) (err error) {
	write := c.blocked
	switch {
	case c.is(registered) && read == c.is(reading) && write == c.is(writing):
		return nil
	case !read && !write:
		if c.is(registered) {
			err = r.poller.remove(c.fd)
		}
		c.put(registered, false)
	case c.is(registered):
		err = r.poller.set(c.fd, c.gen, read, write)
	default:
		err = r.poller.add(c.fd, c.gen, read, write)
		c.put(registered, err == nil)
	}
	c.put(reading, read)
	c.put(writing, write)
	return err
}

func (r *readiness) write(c *Conn, p []byte) (int, error) { return tryWrite(c.fd, p) }

func (r *readiness) flush(*Conn) error { return nil }

// tryWrite writes what the kernel has room for.
func tryWrite(fd int32, p []byte) (int, error) {
	n, err := sysWrite(int(fd), p)
	if err == syscall.EAGAIN || err == syscall.EINTR {
		err = nil
	}
	return max(n, 0), err
}

func (r *readiness) remove(c *Conn) {
	if c.is(registered) {
		r.poller.remove(c.fd)
		c.put(registered, false)
	}
}

func (r *readiness) close(c *Conn) {
	if c.is(registered) {
		r.poller.closing(c.fd)
		c.put(registered, false)
	}
	sysClose(int(c.fd))
}

func (r *readiness) wait(d time.Duration) {
	if d > 0 {
		r.evs = r.poller.sleep(r.evs[:0], d)
	} else {
		r.evs = r.poller.poll(r.evs[:0])
	}
}

func (r *readiness) dispatch() {
	for i := range r.evs {
		r.tell(&r.evs[i])
	}
	r.readFresh()
}

// expect spares a connection that has just been accepted the poller: its first bytes
// have come by the end of the turn, most likely.
func (r *readiness) expect(c *Conn) { r.fresh = append(r.fresh, c) }

func (r *readiness) readFresh() {
	for i, c := range r.fresh {
		r.fresh[i] = nil
		if r.loop.Has(c) && c.moved == 0 && c.is(reading) {
			c.read()
		}
	}
	r.fresh = r.fresh[:0]
}

func (r *readiness) tell(e *event) {
	l := r.loop
	c := l.find(e.fd, e.gen)
	if c == nil {
		return
	}
	back := l.claimBack(c)
	if !l.Has(c) {
		return
	}
	l.told = false
	if e.writable && c.blocked {
		c.sent(tryWrite(c.fd, c.out[c.outOff:]))
	}
	if e.readable && l.Has(c) {
		r.receive(c)
	}
	if back && !l.told {
		c.deliver(l.kept(c))
	}
}

func (r *readiness) read(c *Conn) { c.read() }

// receive reads once. What more there is the poller will say again, so that one busy
// peer does not keep the others waiting.
func (r *readiness) receive(c *Conn) {
	switch {
	case c.accepts:
		c.handler.Received(c, nil)
	case c.is(reading):
		c.read()
	}
}

// read reads once what the kernel has for c. It is false if there is nothing.
func (c *Conn) read() bool {
	p, kept := c.room()
	n, err := sysRead(int(c.fd), p[kept:])
	if err == syscall.EAGAIN || err == syscall.EINTR {
		return false
	}
	if n == 0 && err == nil {
		err = io.EOF
	}
	c.arrived(p[:kept+max(n, 0)], kept, err)
	return true
}
