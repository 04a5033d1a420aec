package loop

import (
	"io"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"pgweir/uring"
)

const (
	// ringEntries is how many operations are given to the kernel at once, and
	// ringCompletions how many of its answers there is room for. More of either
	// cost a little more.
	ringEntries     = 512
	ringCompletions = 4096

	// The kernel receives into ringBuffers buffers of ringBufferSize, of which a
	// completion has one. Whoever streams does without them: see gather.go.
	ringBuffers    = 64
	ringBufferSize = 16 << 10

	// maxGathered is how many bytes of a connection wait for the end of a turn to
	// be sent. What is larger is worth a system call of its own.
	maxGathered = 32 << 10
)

// ring is the engine that gives operations to io_uring, those of a turn of the loop
// together: by the system call that waits for the next completions. The goroutine
// of the loop is locked to its thread.
type ring struct {
	loop   *Loop
	ring   *uring.Ring
	bufs   *uring.BufferRing
	count  [8]byte // of the eventfd that ends a wait
	efd    int
	awake  bool // the wait was ended by wake, or by what else is worth a nap
	lively bool // the last wait was not for nothing, so the next one begins with a nap

	changed []*Conn // want something else than before
	sending []*Conn // have bytes that the kernel is to be given
	ripe    []*Conn // want what is in late
	late    map[*Conn]*late
	lateLen int
	// given is memory of operations that are queued for connections that have
	// left, or have got on with other memory.
	given   [][]byte
	instant uint32 // completions that will be there as soon as all is submitted

	done []uring.CQE // taken, and told up to next
	next int
}

// late is what has been received for a connection that did not want it any more:
// the kernel goes on until it has been told.
type late struct {
	bytes []byte
	err   error // why nothing comes behind them
	ripe  bool  // in the list of those
}

// operation is what a completion is of; it rides in User beside the descriptor and
// Conn.gen.
type operation uint64

const (
	opNothing operation = iota // nobody waits for it
	opWake
	opReceive // also a Listener's
	opSend
	opRoom // to send
)

const opShift, fdMask = 28, 1<<28 - 1

func (o operation) of(c *Conn) uint64 {
	return uint64(c.gen)<<32 | uint64(o)<<opShift | uint64(c.fd)&fdMask
}

func newRing(l *Loop) (*ring, error) {
	u, err := uring.New(ringEntries, ringCompletions)
	if err != nil {
		return nil, err
	}
	r := &ring{loop: l, ring: u, late: map[*Conn]*late{}}
	if r.bufs, err = u.NewBufferRing(uring.Buffers{Count: ringBuffers, Size: ringBufferSize}); err != nil {
		u.Close()
		return nil, err
	}
	if r.efd, err = unix.Eventfd(0, unix.EFD_CLOEXEC); err != nil {
		u.Close()
		return nil, err
	}
	return r, nil
}

func (r *ring) run() error {
	runtime.LockOSThread()
	if err := r.ring.Enable(); err != nil {
		return err
	}
	r.listen()
	return nil
}

// listen waits for wake.
func (r *ring) listen() { r.ring.Read(r.efd, uint64(opWake)<<opShift, r.count[:]) }

func (r *ring) end() {
	r.submit()
	r.ring.Close()
	unix.Close(r.efd)
	runtime.UnlockOSThread()
}

func (r *ring) wake() {
	one := [8]byte{1}
	unix.Write(r.efd, one[:])
}

func (r *ring) movable() bool { return false }

func (r *ring) watch(c *Conn, read bool) error {
	c.put(registered, true)
	c.put(wanted, read)
	if read && r.lateLen > 0 {
		r.ripens(c)
	}
	if !c.is(changed) && (read != c.is(reading) || c.blocked && !c.is(writing)) {
		c.put(changed, true)
		r.changed = append(r.changed, c)
	}
	return nil
}

// write takes little to be given to the kernel at the end of the turn, and gives it
// much at once.
func (r *ring) write(c *Conn, p []byte) (int, error) {
	if len(c.out)+len(p) <= maxGathered {
		if c.given > 0 && len(c.out)+len(p) > cap(c.out) { // the kernel knows the old place
			r.given = append(r.given, c.out)
			c.out = append(r.loop.bufs.get(len(c.out)+len(p)), c.out...)
		}
		c.out = r.loop.bufs.add(c.out, p)
		r.sends(c)
		return len(p), nil
	}
	if len(c.out) > 0 {
		if err := r.flush(c); err != nil || c.blocked {
			return 0, err
		}
	}
	return tryWrite(c.fd, p)
}

// sends has the kernel be given what c has to send, at the end of the turn.
func (r *ring) sends(c *Conn) {
	if !c.is(sending) {
		c.put(sending, true)
		r.sending = append(r.sending, c)
	}
}

// flush gives the kernel now what c has to send. c is blocked if there is no room
// for it.
func (r *ring) flush(c *Conn) error {
	if c.blocked || len(c.out) == 0 {
		return nil
	}
	if c.given > 0 {
		if r.submit(); c.blocked || len(c.out) == 0 {
			return nil
		}
	}
	n, err := tryWrite(c.fd, c.out[c.outOff:])
	if err != nil {
		c.clearOut(r.loop)
		return err
	}
	r.took(c, n)
	return nil
}

// took notes that the kernel has taken n bytes of what c has to send.
func (r *ring) took(c *Conn, n int) {
	c.outOff += int32(n)
	if int(c.outOff) == len(c.out) {
		c.clearOut(r.loop)
		return
	}
	c.blocked = true
	c.watch()
}

func (r *ring) remove(c *Conn) {
	if err := r.flush(c); err != nil {
		c.broken(err)
	}
	if c.is(reading) || c.is(writing) {
		r.ring.CancelFd(int(c.fd), 0).SkipSuccess()
		for r.claim(c); c.is(reading) || c.is(writing); r.claim(c) {
			r.ring.Wait(1, time.Second)
			r.take()
		}
	}
	if late := r.late[c]; late != nil {
		r.forget(c)
		c.keepRaw(late.bytes)
	}
	c.put(sending, false)
	c.put(changed, false)
	c.put(registered, false)
}

// claim takes the completions of c out of those that have not been told.
func (r *ring) claim(c *Conn) {
	for i := r.next; i < len(r.done); i++ {
		e := &r.done[i]
		switch e.User {
		case opReceive.of(c):
			r.receiveLate(c, *e)
		case opRoom.of(c):
			c.put(writing, false)
		default:
			continue
		}
		*e = uring.CQE{}
	}
}

func (r *ring) close(c *Conn) {
	if c.given > 0 {
		r.submit()
	}
	if c.is(sending) && !c.blocked && len(c.out) > 0 {
		r.ring.Send(int(c.fd), 0, c.out[c.outOff:], unix.MSG_DONTWAIT)
		r.instant++
		r.given = append(r.given, c.out)
		c.out = nil
	}
	if c.is(reading) && !c.is(cancelling) {
		r.ring.Cancel(opReceive.of(c), 0).SkipSuccess()
	}
	if c.is(writing) {
		r.ring.Cancel(opRoom.of(c), 0).SkipSuccess()
	}
	r.forget(c)
	c.put(sending, false)
	c.put(changed, false)
	c.put(registered, false)
	r.ring.CloseFd(int(c.fd), 0).SkipSuccess()
}

// forget gives up what has come late for c.
func (r *ring) forget(c *Conn) {
	if late := r.late[c]; late != nil {
		r.lateLen -= len(late.bytes)
		delete(r.late, c)
	}
}

// queue has the kernel be told what connections want, and be given what they send.
func (r *ring) queue() {
	for i, c := range r.changed {
		r.changed[i] = nil
		if r.loop.find(c.fd, c.gen) == c && c.is(changed) {
			c.put(changed, false)
			r.want(c)
		}
	}
	r.changed = r.changed[:0]
	for i, c := range r.sending {
		r.sending[i] = nil
		if r.loop.find(c.fd, c.gen) != c || !c.is(sending) {
			continue
		}
		c.put(sending, false)
		if !c.blocked && len(c.out) > 0 && c.given == 0 {
			c.given = int32(len(c.out)) - c.outOff
			r.ring.Send(int(c.fd), opSend.of(c), c.out[c.outOff:], unix.MSG_DONTWAIT)
			r.instant++
		}
	}
	r.sending = r.sending[:0]
}

// want begins or ends operations as c wants it.
func (r *ring) want(c *Conn) {
	fd := int(c.fd)
	switch {
	case c.is(wanted) && !c.is(reading):
		if late := r.late[c]; late != nil {
			break // first that
		}
		c.put(reading, true)
		if c.accepts {
			r.ring.WatchOnce(fd, opReceive.of(c), unix.POLLIN)
		} else {
			r.ring.Recv(fd, opReceive.of(c), 0)
		}
	case !c.is(wanted) && c.is(reading) && !c.is(cancelling):
		c.put(cancelling, true)
		r.ring.Cancel(opReceive.of(c), 0).SkipSuccess()
	}
	if c.blocked && !c.is(writing) {
		c.put(writing, true)
		r.ring.WatchOnce(fd, opRoom.of(c), unix.POLLOUT)
	}
}

// submit gives the kernel all that is queued, without waiting.
func (r *ring) submit() {
	r.queue()
	r.ring.Poll()
	r.take()
}

// nap is how long a wait is kept from the scheduler; see napLength.
const nap = napLength * time.Millisecond

func (r *ring) wait(d time.Duration) {
	r.queue()
	switch {
	case d <= 0 || r.next < len(r.done) || len(r.ripe) > 0:
		r.ring.Poll()
		r.take()
		return
	case d < time.Millisecond:
		tuneThread()
		r.ring.Nap(r.instant+1, d)
		r.take()
		return
	}
	if r.lively {
		r.ring.Nap(r.instant+1, nap)
		if r.take(); r.awake || r.next < len(r.done) {
			r.awake = false
			return
		}
	}
	r.ring.Wait(r.instant+1, d)
	r.take()
	r.lively, r.awake = r.awake || r.next < len(r.done), false
}

// take fetches the completions that are there. Those of sending are dealt with: the
// memory is needed.
func (r *ring) take() {
	if r.next > 0 {
		r.done = r.done[:copy(r.done, r.done[r.next:])]
		r.next = 0
	}
	for {
		e, ok := r.ring.Next()
		if !ok {
			break
		}
		switch operation(e.User >> opShift & 7) {
		case opNothing:
		case opWake:
			r.awake = true
			r.listen()
		case opSend:
			r.sent(e)
		default:
			r.done = append(r.done, e)
		}
	}
	if r.ring.Unsubmitted() == 0 {
		clear(r.given)
		r.given, r.instant = r.given[:0], 0
	}
}

func (r *ring) sent(e uring.CQE) {
	c := r.loop.find(int32(e.User&fdMask), uint32(e.User>>32))
	if c == nil || c.given == 0 {
		return
	}
	all := e.Res == c.given
	c.given = 0
	switch err := e.Err(); err {
	case nil:
		if c.outOff += e.Res; all && int(c.outOff) < len(c.out) { // more has come behind it
			r.sends(c)
			return
		}
		r.took(c, 0)
	case syscall.EAGAIN, syscall.EINTR:
		r.took(c, 0)
	default:
		c.clearOut(r.loop)
		c.broken(err)
	}
}

func (r *ring) dispatch() {
	for r.next < len(r.done) {
		e := r.done[r.next]
		r.next++
		if e.User != 0 {
			r.tell(e)
		}
	}
	r.tellRipe()
}

func (r *ring) tell(e uring.CQE) {
	l := r.loop
	c := l.find(int32(e.User&fdMask), uint32(e.User>>32))
	if c == nil {
		r.giveBack(e)
		return
	}
	back := l.claimBack(c)
	l.told = false
	if operation(e.User>>opShift&7) == opRoom {
		c.put(writing, false)
		if c.blocked {
			c.sent(tryWrite(c.fd, c.out[c.outOff:]))
		}
		if c.blocked {
			c.watch()
		}
	} else {
		r.received(c, e)
	}
	if back && !l.told {
		c.deliver(l.kept(c))
	}
}

// giveBack gives back what has been received for nobody.
func (r *ring) giveBack(e uring.CQE) {
	for p := r.bufs.Pieces(e); ; {
		piece, ok := p.Next()
		if !ok {
			return
		}
		r.bufs.Give(piece.ID)
	}
}

// received has the handler told of what has come, if it wants it.
func (r *ring) received(c *Conn, e uring.CQE) {
	if !c.is(wanted) || r.late[c] != nil {
		r.receiveLate(c, e)
		return
	}
	r.ended(c, e)
	if c.accepts {
		c.handler.Received(c, nil)
		return
	}
	for p := r.bufs.Pieces(e); ; {
		piece, ok := p.Next()
		if !ok {
			break
		}
		if len(piece.Bytes) > 0 {
			r.tellBytes(c, piece.Bytes)
		}
		r.bufs.Give(piece.ID)
	}
	if err := ending(e); err != nil && r.loop.Has(c) {
		c.arrived(nil, 0, err)
	}
}

// ended notes that c's receiving has ended, if it has: it is to begin anew.
func (r *ring) ended(c *Conn, e uring.CQE) {
	if e.More() {
		return
	}
	c.put(reading, false)
	c.put(cancelling, false)
	if !c.is(changed) {
		c.put(changed, true)
		r.changed = append(r.changed, c)
	}
}

// ending is why nothing more comes, nil if more may.
func ending(e uring.CQE) error {
	switch err := e.Err(); err {
	case nil:
		if e.Res == 0 {
			return io.EOF
		}
		return nil
	case syscall.ECANCELED, syscall.ENOBUFS, syscall.EAGAIN, syscall.EINTR:
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
func (r *ring) receiveLate(c *Conn, e uring.CQE) {
	r.ended(c, e)
	k := r.late[c]
	keep := func() {
		if k == nil {
			k = new(late)
			r.late[c] = k
		}
	}
	for p := r.bufs.Pieces(e); ; {
		piece, ok := p.Next()
		if !ok {
			break
		}
		keep()
		k.bytes = append(k.bytes, piece.Bytes...)
		r.lateLen += len(piece.Bytes)
		r.bufs.Give(piece.ID)
	}
	if err := ending(e); err != nil && !c.accepts {
		keep()
		k.err = err
	}
	if c.is(wanted) {
		r.ripens(c)
	}
}

// ripens: c wants what has come late for it.
func (r *ring) ripens(c *Conn) {
	if late := r.late[c]; late != nil && !late.ripe {
		late.ripe = true
		r.ripe = append(r.ripe, c)
	}
}

// tellRipe has handlers told what has come late for them, one read's worth each.
func (r *ring) tellRipe() {
	batch := r.ripe
	r.ripe = nil
	for _, c := range batch {
		late := r.late[c]
		if late == nil {
			continue
		}
		late.ripe = false
		if !c.is(wanted) || r.loop.find(c.fd, c.gen) != c {
			continue
		}
		back := r.loop.claimBack(c)
		r.loop.told = false
		r.tellLate(c, late)
		if back && !r.loop.told {
			c.deliver(r.loop.kept(c))
		}
	}
}

func (r *ring) tellLate(c *Conn, late *late) {
	n := min(len(late.bytes), ringBufferSize)
	p, rest := late.bytes[:n:n], late.bytes[n:]
	r.lateLen -= n
	late.bytes = rest
	err := late.err
	if len(rest) > 0 {
		err = nil
		r.ripens(c)
	} else {
		delete(r.late, c)
		if !c.is(changed) {
			c.put(changed, true)
			r.changed = append(r.changed, c)
		}
	}
	if n > 0 {
		r.tellBytes(c, p)
	}
	if err != nil && r.loop.Has(c) {
		c.arrived(nil, 0, err)
	}
}

// read reads at once, if the kernel is not to receive for c anyway.
func (r *ring) read(c *Conn) {
	if !c.is(reading) && r.late[c] == nil {
		c.read()
	}
}
