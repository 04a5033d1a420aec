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

// lateAtOnce is how much of what has come late is told at once.
const lateAtOnce = 32 << 10

// incoming is what a ring knows of what is received.
type incoming struct {
	bufs      *uring.BufferRing
	starved   []*Conn // found no buffer
	shortages uint64  // how often that was so
	late      map[*Conn]*late
	ripe      []*Conn // want what is in late
}

// late is what has been received for a connection that did not want it any more:
// the kernel goes on until it has been told. It is no more than one entry to the
// kernel brings.
type late struct {
	bytes []byte
	err   error // why nothing comes behind them
	ripe  bool  // in the list of those
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
// from in large pieces, and a listener accepts. A completion without bytes then says so.
func (r *ring) receive(c *Conn) {
	c.put(reading, true)
	if c.accepts || c.streak >= gatherAfter {
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

// feed has those receive that have found no buffer, as many as there are now. Who has
// gone, or wants nothing any more, takes none from those behind.
func (r *ring) feed() {
	fed, free := 0, r.bufs.Free()
	for _, c := range r.starved {
		if free == 0 {
			break
		}
		fed++
		if r.loop.find(c.fd, c.gen) == c && c.is(wanted) && !c.is(reading) {
			r.want(c)
			free--
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

// receiveLate keeps what has come for c until it wants it.
func (r *ring) receiveLate(c *Conn, e *completion) {
	r.goesOn(c, e)
	if c.accepts {
		return
	}
	err := e.ending()
	if len(e.piece.Bytes) > 0 || err != nil {
		k := r.late[c]
		if k == nil {
			k = new(late)
			r.late[c] = k
		}
		k.bytes = append(k.bytes, e.piece.Bytes...)
		k.err = err
		r.changes(c) // see want
	}
	r.giveBack(e)
	if c.is(wanted) {
		r.ripens(c)
	}
}

// forget gives up what has come late for c, which it returns.
func (r *ring) forget(c *Conn) *late {
	k := r.late[c]
	if k != nil {
		delete(r.late, c)
	}
	return k
}

// ripens: c wants what has come late for it.
func (r *ring) ripens(c *Conn) {
	if k := r.late[c]; k != nil && !k.ripe {
		k.ripe = true
		r.ripe = append(r.ripe, c)
	}
}

// tellRipe has handlers told what has come late for them, a piece to each.
func (r *ring) tellRipe() {
	batch := r.ripe
	r.ripe = nil
	for _, c := range batch {
		k := r.late[c]
		if k == nil {
			continue
		}
		k.ripe = false
		if !c.is(wanted) || r.loop.find(c.fd, c.gen) != c {
			continue
		}
		back := r.loop.claimBack(c)
		r.loop.told = false
		r.tellLate(c, k)
		if back && !r.loop.told {
			c.deliver(r.loop.kept(c))
		}
	}
}

func (r *ring) tellLate(c *Conn, k *late) {
	n := min(len(k.bytes), lateAtOnce)
	p := k.bytes[:n:n]
	k.bytes = k.bytes[n:]
	if len(k.bytes) > 0 || n > 0 && k.err != nil {
		r.ripens(c) // the rest comes next, the end by itself: if c wants it still
	} else {
		delete(r.late, c)
		r.changes(c)
	}
	if n > 0 {
		r.tellBytes(c, p)
	} else {
		c.arrived(nil, 0, k.err)
	}
}

// expect has nothing to do: receiving is tried before it is waited for.
func (r *ring) expect(*Conn) {}

// read reads at once, if the kernel does not receive for c anyway.
func (r *ring) read(c *Conn) {
	if !c.is(reading) && r.late[c] == nil {
		c.read()
	}
}
