package loop

import (
	"errors"
	"os"
	"sync/atomic"
)

// Handler is who is told what happens to a connection, always on the thread
// of the loop that the connection is on.
type Handler interface {
	// Received is given all bytes that have come and have not been consumed
	// yet, and returns how many of them it consumes. p belongs to the loop and
	// may not be kept. What is left comes again in front of the next bytes. p
	// may be empty: a parked connection has been claimed back for nothing, and
	// may be parked again.
	Received(c *Conn, p []byte) int
	// Drained says that all that Send had to keep has been written.
	Drained(c *Conn)
	// Ended says that the peer has closed its side (io.EOF) or that the
	// connection broke. Nothing more is received; the handler closes it.
	Ended(c *Conn, err error)
}

// nobody is the owner of a connection that is on no loop. -n is the owner of
// one that is parked on loop n: so a loop that has known it before can tell
// that it is parked on another by now.
const nobody = 0

// Conn is one descriptor on a loop. Its methods may be called on that loop's
// thread only, but for Claim.
type Conn struct {
	// home is the loop whose engine serves c, owner the number of the loop
	// that may touch it, or below zero if c is parked. They differ only while
	// c changes hands. Whoever does not own c may touch nothing else of it, but
	// for fd and gen, which do not change.
	home    atomic.Pointer[Loop]
	owner   atomic.Int32
	fd      int32
	gen     uint32 // tells c from others that had the same descriptor
	moved   uint32 // counts reads and writes that got on
	handler Handler
	*held   // the bytes that it keeps; holdsNothing if there are none
	tls     *TLS

	blocked bool // the kernel has no room for what is in out

	accepts   bool // its handler, a Listener, does instead of reading
	paused    bool // by Pause
	gathering bool // until the loop's gatherEnd: as if paused
	streaming bool // by Streaming
	streak    uint8
	engines   engineState
	full      bool // in is full: as if paused
	queued    bool // in the loop's list of those to receive again
	closed    bool
	ended     bool
	torn      bool // bytes of its peer's have been lost
}

// engineState is what a loop's engine has noted of a connection.
type engineState uint8

const (
	registered engineState = 1 << iota // the engine knows of it
	reading                            // watched for bytes, or receiving is under way
	writing                            // watched for room to write
	wanted                             // it is to receive, as watch was told
	changed                            // what it wants is not what is under way
	sending                            // out is to be given to the kernel
	cancelling                         // receiving is about to end
)

func (c *Conn) is(s engineState) bool { return c.engines&s != 0 }

func (c *Conn) put(s engineState, on bool) {
	c.engines &^= s
	if on {
		c.engines |= s
	}
}

var generations atomic.Uint32

// Init makes c the connection of a non-blocking descriptor, which it owns
// from now on. It is on no loop before Add.
func (c *Conn) Init(fd int, h Handler) {
	c.fd, c.handler, c.gen, c.held = int32(fd), h, generations.Add(1), holdsNothing
}

// FD is the descriptor.
func (c *Conn) FD() int { return int(c.fd) }

// Loop is the loop that c is on, or nil.
func (c *Conn) Loop() *Loop { return c.home.Load() }

// SetHandler changes who is told.
func (c *Conn) SetHandler(h Handler) { c.handler = h }

// errLost: which connection they were of cannot be told.
var errLost = errors.New("the kernel has lost completions of io_uring for want of memory")

// Add puts c on the loop and begins to read. If that fails, c is on no loop. On
// the loop's thread.
func (l *Loop) Add(c *Conn) error {
	if c.closed {
		return os.ErrClosed // its descriptor may be another's by now
	}
	if c.torn {
		return errLost
	}
	l.put(c)
	if err := c.watch(); err != nil {
		c.Remove()
		return err
	}
	c.greet()
	return nil
}

// Expect says of a connection that has just been added that its first bytes have come
// already, most likely.
func (c *Conn) Expect() {
	if l := c.home.Load(); l != nil {
		l.engine.expect(c)
	}
}

// greet has the handler told what c has brought along.
func (c *Conn) greet() {
	if (len(c.in) > 0 || c.tls != nil) && !c.paused {
		c.Again()
	}
}

// put has c be the loop's; its engine does not know of it yet.
func (l *Loop) put(c *Conn) {
	for int(c.fd) >= len(l.conns) {
		l.conns = append(l.conns, make([]*Conn, 256)...)
	}
	l.conns[c.fd] = c
	c.home.Store(l)
	c.owner.Store(l.id)
	l.count.Add(1)
	c.engines = 0 // what another engine has noted means nothing to this one
}

// Remove takes c off its loop; it keeps its descriptor and its bytes.
func (c *Conn) Remove() {
	l := c.home.Load()
	if l == nil {
		return
	}
	l.engine.remove(c)
	l.forget(c)
}

// forget takes c off the loop's books.
func (l *Loop) forget(c *Conn) {
	c.gathering = false
	l.conns[c.fd] = nil
	c.queued = false
	c.home.Store(nil)
	c.owner.Store(nobody)
	l.count.Add(-1)
}

// Close closes the descriptor; what has not been sent is lost.
func (c *Conn) Close() {
	if c.closed {
		return
	}
	if c.tls != nil {
		c.tls.CloseWrite() // says that the end is meant; comes back to sendRaw
	}
	l := c.home.Load()
	if l == nil {
		sysClose(c.Release())
		return
	}
	c.closed = true
	l.engine.close(c)
	l.forget(c)
	c.free(l)
}

// Release takes c off its loop for good and gives its descriptor to the
// caller, who has to close it.
func (c *Conn) Release() (fd int) {
	l := c.home.Load()
	c.closed = true
	if l != nil {
		c.Remove()
	}
	c.free(l)
	return int(c.fd)
}

// free gives the buffers back, to l if that is not nil.
func (c *Conn) free(l *Loop) {
	if l != nil {
		l.bufs.put(c.in)
		l.bufs.put(c.out)
	}
	c.dropHeld(l)
}

// Closed tells whether Close or Release has been called.
func (c *Conn) Closed() bool { return c.closed }

// Kept is how many bytes have been received and not consumed.
func (c *Conn) Kept() int { return len(c.in) }

// Congested tells that the peer takes bytes more slowly than they come.
func (c *Conn) Congested() bool { return c.blocked }

// Unsent is how many bytes have not been given to the kernel.
func (c *Conn) Unsent() int { return len(c.out) - int(c.outOff) }

// Moved is a number that changes whenever bytes have come, or kept ones have
// been taken by the peer.
func (c *Conn) Moved() uint32 { return c.moved }

// Pause stops reading: whoever takes the bytes cannot take more of them.
func (c *Conn) Pause() {
	c.paused = true
	c.rewatch()
}

// Resume ends Pause; kept bytes are received again first.
func (c *Conn) Resume() {
	if !c.paused {
		return
	}
	c.paused = false
	c.rewatch()
	if len(c.in) > 0 || c.tls != nil {
		c.Again()
	}
}

// Unread puts bytes back that the handler has consumed, MaxUnread of them at
// most, in front of those that are kept. Not within Received.
func (c *Conn) Unread(p []byte) {
	if len(p) == 0 {
		return
	}
	in := append(make([]byte, 0, len(p)+len(c.in)), p...)
	in = append(in, c.in...)
	if l := c.home.Load(); l != nil && c.in != nil {
		l.bufs.put(c.in)
	}
	c.hold()
	c.in = in
}

// Again has the kept bytes received again, soon, though no new ones have come.
func (c *Conn) Again() {
	if l := c.home.Load(); l != nil && !c.queued {
		c.queued = true
		l.again = append(l.again, c)
	}
}

// watch has the engine know what c wants.
func (c *Conn) watch() (err error) { return c.watchFor(c.wantsRead()) }

// watchFor is watch, and says whether c is to receive.
func (c *Conn) watchFor(read bool) (err error) {
	if l := c.home.Load(); l != nil {
		return l.engine.watch(c, read)
	}
	return nil
}

// rewatch is watch, and has the handler told if the engine refuses: it would
// wait for ever.
func (c *Conn) rewatch() {
	if err := c.watch(); err != nil {
		c.broken(err)
	}
}

// wantsRead tells whether c is to receive.
func (c *Conn) wantsRead() bool {
	l := c.home.Load()
	return !c.paused && !c.full && !c.ended && !c.gathering && (l == nil || !l.suspended)
}

// room is where bytes are received for c: behind kept ones that are there already.
func (c *Conn) room() (p []byte, kept int) {
	l := c.home.Load()
	if c.tls != nil {
		if l.raw == nil {
			l.raw = make([]byte, rawSize)
		}
		return l.raw, 0
	}
	kept = len(l.kept(c))
	return l.buf[:kept+readSize], kept
}

// kept copies what is kept of c to where it is received: behind it there is room for
// a read.
func (l *Loop) kept(c *Conn) []byte {
	if need := len(c.in) + readSize; need > len(l.buf) {
		l.buf = make([]byte, need)
	}
	return l.buf[:copy(l.buf, c.in)]
}

// keepRaw keeps what has been received while c was not to receive, behind what is kept
// already.
func (c *Conn) keepRaw(p []byte) {
	if len(p) == 0 {
		return
	}
	var kept *[]byte
	if c.tls != nil {
		kept = &c.tls.under.received
	} else {
		c.hold()
		kept = &c.in
	}
	*kept = append(append([]byte(nil), *kept...), p...)
}

// hasKept tells whether something has been received that the handler has not consumed.
func (c *Conn) hasKept() bool {
	return len(c.in) > 0 || c.tls != nil && len(c.tls.under.received) > 0
}

// arrived is the completion of receiving: p is what the handler left over the last
// time (kept bytes) and what has come behind it. err tells why nothing more will
// come.
func (c *Conn) arrived(p []byte, kept int, err error) {
	l := c.home.Load()
	if n := len(p) - kept; n > 0 {
		c.moved++
		c.streaming = false
		if c.tls != nil {
			c.decrypt(p)
		} else {
			c.deliver(p)
		}
		switch {
		case !l.Has(c): // closed or parked, and perhaps another loop's by now
		case c.streaming && n >= gatherFrom:
			l.gather(c)
		case c.streaming: // a little of it
		default:
			c.streak = 0
		}
	}
	if err != nil && l.Has(c) {
		c.end(err)
	}
}

// deliverKept gives the handler what it has left over before.
func (c *Conn) deliverKept() {
	if c.paused {
		return
	}
	l := c.home.Load()
	if len(c.in) > 0 {
		c.deliver(l.kept(c))
	}
	if l.Has(c) && c.tls != nil && !c.full {
		c.decrypt(nil)
	}
}

// tellKept is deliverKept for one who was parked: its handler is told even if it is
// nothing.
func (l *Loop) tellKept(c *Conn) {
	l.told = false
	c.deliverKept()
	if !l.told {
		c.deliver(l.kept(c))
	}
}

// deliver calls the handler and keeps what it leaves. p is in the loop's
// buffer, and holds the kept bytes already.
func (c *Conn) deliver(p []byte) {
	l := c.home.Load()
	if c.in != nil {
		l.bufs.put(c.in)
		c.in = nil
		c.letGo(l)
	}
	l.told = true
	rest := p[c.handler.Received(c, p):]
	if !l.Has(c) {
		// Closed or parked, and perhaps another loop's by now; or taken off
		// the loop, and the rest goes along. A handler that leaves some may
		// not let another loop add c before it returns.
		if len(rest) > 0 && c.owner.Load() == nobody && !c.closed {
			c.hold()
			c.in = append(append([]byte(nil), rest...), c.in...) // more may have come while it left
		}
		return
	}
	if len(rest) > 0 {
		c.hold()
		c.in = append(l.bufs.get(len(rest)), rest...)
	}
	if full := len(c.in) >= MaxKept; full != c.full {
		c.full = full
		c.rewatch()
		if !full && c.tls != nil {
			c.Again() // there may be decrypted bytes, of which the engine knows nothing
		}
	}
}

// end tells the handler that nothing more will come. What it wants to receive
// again comes first.
func (c *Conn) end(err error) {
	if c.ended || c.closed {
		return
	}
	if l := c.home.Load(); c.queued && len(c.in) > 0 && !c.paused {
		c.deliver(l.kept(c))
		if !l.Has(c) || c.ended {
			return
		}
	}
	c.ended = true
	l := c.home.Load()
	l.told = true
	c.handler.Ended(c, err)
	if l.Has(c) {
		c.watch() // only now: most are closed, and leave the engine with that
	}
}
