package loop

import (
	"io"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"pgweir/uring"
)

// ringBuffers are the buffers that the kernel receives into, and chooses from, the best
// first. Where it can, it fills one with what comes for several connections (incremental
// buffers); where it cannot, each piece takes a buffer of its own, so there are more of
// them, and small ones. Whoever streams does without them: see gather.go.
var ringBuffers = []uring.Buffers{
	{Count: 32, Size: 32 << 10, Incremental: true},
	{Count: 256, Size: 4 << 10},
}

// incoming is what a ring knows of what is received.
type incoming struct {
	bufs      *uring.BufferRing
	starved   []*Conn // found no buffer
	shortages uint64  // how often that was so
	lateness
}

func (r *ring) provideBuffers() (err error) {
	r.late = map[*Conn]*late{}
	for _, shape := range ringBuffers {
		if r.bufs, err = r.ring.NewBufferRing(shape); err == nil {
			return nil
		}
	}
	return err
}

// receive begins to receive for c, or to wait until it can be done: who streams is read
// from in large pieces, a listener accepts, and as long as late bytes hold buffers nobody
// hangs on those that are left. A completion without bytes then says so.
func (r *ring) receive(c *Conn) {
	c.put(reading, true)
	if c.accepts || c.streak >= gatherAfter || r.held > 0 {
		r.ring.WatchOnce(int(c.fd), opReceive.of(c), unix.POLLIN)
	} else {
		r.ring.Recv(int(c.fd), opReceive.of(c), 0)
	}
}

// received has the handler told of what has come, if it wants it.
func (r *ring) received(c *Conn, e *completion) {
	if !c.is(wanted) || r.late[c] != nil {
		r.receiveLate(c, e)
		return
	}
	r.goesOn(c, e)
	switch p := e.piece.Bytes; {
	case c.accepts:
		c.handler.Received(c, nil)
		return
	case len(p) > 0:
		r.tellBytes(c, p)
	case e.res > 0 && p == nil:
		c.read()
	}
	r.giveBack(e)
	if err := e.ending(); err != nil && r.loop.Has(c) {
		c.arrived(nil, 0, err)
	}
}

// giveBack gives back the buffer of a completion, if it has one.
func (r *ring) giveBack(e *completion) {
	if e.piece.Bytes != nil {
		r.bufs.Give(e.piece.ID)
	}
}

// goesOn has receiving begin anew if it has ended with e.
func (r *ring) goesOn(c *Conn, e *completion) {
	if e.more {
		return
	}
	c.put(reading|cancelling, false)
	if e.res == -int32(syscall.ENOBUFS) {
		r.starved = append(r.starved, c)
		r.shortages++
	} else {
		r.changes(c)
	}
}

// feed has those receive that have found no buffer, as many as there are now, or all if
// it goes without: see receive. Who has gone, or wants nothing any more, takes none from
// those behind.
func (r *ring) feed() {
	fed, free := 0, r.bufs.Free()
	for _, c := range r.starved {
		if free == 0 && r.held == 0 {
			break
		}
		fed++
		if r.loop.find(c.fd, c.gen) == c && c.is(wanted) && !c.is(reading) {
			r.want(c)
			free = max(free-1, 0)
		}
	}
	r.starved = slices.Delete(r.starved, 0, fed)
}

// ending is why nothing more comes, nil if more may.
func (e *completion) ending() error {
	switch err := syscall.Errno(-e.res); {
	case e.res > 0:
		return nil
	case e.res == 0:
		return io.EOF
	case err == syscall.ECANCELED, err == syscall.ENOBUFS, err == syscall.EAGAIN, err == syscall.EINTR:
		return nil
	default:
		return err
	}
}

func (r *ring) tellBytes(c *Conn, p []byte) {
	if c.tls == nil && len(c.in) > 0 {
		all, kept := c.room()
		c.arrived(all[:kept+copy(all[kept:], p)], kept, nil)
		return
	}
	c.arrived(p, 0, nil)
}

// expect has nothing to do: receiving is tried before it is waited for.
func (r *ring) expect(*Conn) {}

// read reads at once, if the kernel does not receive for c anyway.
func (r *ring) read(c *Conn) {
	if !c.is(reading) && r.late[c] == nil {
		c.read()
	}
}
