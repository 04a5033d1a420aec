package loop

import (
	"errors"
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
)

// ring is the engine that gives operations to io_uring, those of a turn of the loop
// together: by the system call that waits for the next completions. The goroutine
// of the loop is locked to its thread.
type ring struct {
	loop   *Loop
	ring   *uring.Ring
	efd    int // the eventfd that ends a wait, and what is read from it
	count  [8]byte
	awake  bool  // the wait was ended by wake
	lively bool  // the last wait was not for nothing, so the next one begins with a nap
	broken error // the ring is of no use any more
	lost   bool  // because completions are: any connection may have a gap

	changed []*Conn // want something else than before
	incoming
	outgoing

	done []completion // fetched, and told up to next
	next int
}

// completion is what the kernel says of an operation.
type completion struct {
	user  uint64 // see operation
	res   int32  // as the system call returns it, or -errno
	more  bool   // the operation goes on
	piece uring.Piece
}

// operation is what a completion is of; it rides in its user beside the descriptor and
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

func operationOf(user uint64) operation { return operation(user >> opShift & 7) }

// conn is whose operation it was, nil if it is not on the loop any more.
func (r *ring) conn(user uint64) *Conn {
	return r.loop.find(int32(user&fdMask), uint32(user>>32))
}

func newRing(l *Loop) (*ring, error) {
	u, err := uring.New(ringEntries, ringCompletions)
	if err != nil {
		return nil, err
	}
	r := &ring{loop: l, ring: u}
	if err = r.provideBuffers(); err == nil {
		r.efd, err = unix.Eventfd(0, unix.EFD_CLOEXEC)
	}
	if err != nil {
		u.Close()
		return nil, err
	}
	return r, nil
}

func (r *ring) run() {
	runtime.LockOSThread()
	if r.fails(r.ring.Enable()); r.broken == nil {
		r.listen()
	}
}

// fails: the ring is of no use any more.
func (r *ring) fails(err error) {
	if err != nil && r.broken == nil {
		r.broken, r.lost = err, errors.Is(err, syscall.EBADR)
	}
}

// listen waits for wake.
func (r *ring) listen() { r.ring.Read(r.efd, uint64(opWake)<<opShift, r.count[:]) }

func (r *ring) wake() {
	one := [8]byte{1}
	unix.Write(r.efd, one[:])
}

func (r *ring) end() {
	r.submit()
	r.free()
}

func (r *ring) free() {
	r.ring.Close()
	unix.Close(r.efd)
	runtime.UnlockOSThread()
}

func (r *ring) movable() bool { return false }

func (r *ring) watch(c *Conn, read bool) error {
	c.put(registered, true)
	c.put(wanted, read)
	if read && len(r.late) > 0 {
		r.ripens(c)
	}
	if read != c.is(reading) || c.blocked && !c.is(writing) {
		r.changes(c)
	}
	return nil
}

// changes has the kernel be told, at the end of the turn, what c wants.
func (r *ring) changes(c *Conn) {
	if !c.is(changed) {
		c.put(changed, true)
		r.changed = append(r.changed, c)
	}
}

// want begins or ends operations as c wants it. As long as bytes are late, no more of
// them are received: they would be late too.
func (r *ring) want(c *Conn) {
	receives := c.is(wanted) && r.late[c] == nil
	switch {
	case receives && !c.is(reading):
		r.receive(c)
	case !receives && c.is(reading) && !c.is(cancelling):
		c.put(cancelling, true)
		r.ring.Cancel(opReceive.of(c), 0).SkipSuccess()
	}
	if c.blocked && !c.is(writing) {
		c.put(writing, true)
		r.ring.WatchOnce(int(c.fd), opRoom.of(c), unix.POLLOUT)
	}
}

func (r *ring) remove(c *Conn) {
	if err := r.flush(c); err != nil {
		c.broken(err)
	}
	if c.is(reading) || c.is(writing) {
		r.ring.CancelFd(int(c.fd), 0).SkipSuccess()
		r.claim(c)
		for (c.is(reading) || c.is(writing)) && r.broken == nil {
			r.entered(r.ring.Wait(1, time.Second))
			r.claim(c)
		}
	}
	if late := r.takeLate(c); r.lost {
		r.giveUp(c)
		c.torn = true
	} else {
		c.keepRaw(late)
	}
	c.engines = 0
}

// claim takes the completions of c out of those that have not been told.
func (r *ring) claim(c *Conn) {
	for i := r.next; i < len(r.done); i++ {
		e := &r.done[i]
		switch e.user {
		case opReceive.of(c):
			r.receiveLate(c, e)
		case opRoom.of(c):
			c.put(writing, false)
		default:
			continue
		}
		*e = completion{}
	}
}

func (r *ring) close(c *Conn) {
	r.sendLast(c)
	if c.is(reading) && !c.is(cancelling) {
		r.ring.Cancel(opReceive.of(c), 0).SkipSuccess()
	}
	if c.is(writing) {
		r.ring.Cancel(opRoom.of(c), 0).SkipSuccess()
	}
	r.takeLate(c)
	c.put(sending|changed|registered, false)
	r.ring.CloseFd(int(c.fd), 0).SkipSuccess()
}

// queue has the kernel be told, at the next entry to it, what connections want, and
// be given what they send.
func (r *ring) queue() {
	for i, c := range r.changed {
		r.changed[i] = nil
		if r.loop.find(c.fd, c.gen) == c && c.is(changed) {
			c.put(changed, false)
			r.want(c)
		}
	}
	r.changed = r.changed[:0]
	r.feed()
	r.queueSends()
}

// submit gives the kernel all that is queued, without waiting. A ring that has failed is
// not entered any more: what is under way could take bytes from a connection that has
// left.
func (r *ring) submit() {
	if r.broken == nil {
		r.queue()
		r.entered(r.ring.Poll())
	}
}

// nap is how long a wait is kept from the scheduler; see napLength.
const nap = napLength * time.Millisecond

func (r *ring) wait(d time.Duration) {
	if r.broken != nil { // as it may remain for some time: see retreat
		time.Sleep(time.Millisecond)
		return
	}
	r.queue()
	switch {
	case d <= 0 || r.isBusy():
		r.entered(r.ring.Poll())
		return
	case d < time.Millisecond:
		tuneThread()
		r.entered(r.ring.Nap(r.instant+1, d))
		return
	}
	if r.lively {
		if r.entered(r.ring.Nap(r.instant+1, nap)); r.awake || r.isBusy() {
			r.awake = false
			return
		}
	}
	r.entered(r.ring.Wait(r.instant+1, d))
	r.lively, r.awake = r.awake || r.isBusy(), false
}

// isBusy tells whether there is something to tell.
func (r *ring) isBusy() bool { return r.next < len(r.done) || len(r.ripe) > 0 || r.broken != nil }

// entered fetches the completions that an entry to the kernel has brought. Those of
// sending are dealt with: the memory is needed.
func (r *ring) entered(err error) {
	r.fails(err)
	if r.next > 0 {
		r.done = r.done[:copy(r.done, r.done[r.next:])]
		r.next = 0
	}
	for {
		e, ok := r.ring.Next()
		if !ok {
			break
		}
		switch operationOf(e.User) {
		case opNothing:
		case opWake:
			r.awake = true
			r.listen()
		case opSend:
			r.sent(e)
		default:
			k := completion{user: e.User, res: e.Res, more: e.More()}
			if pieces := r.bufs.Pieces(e); e.HasBuffer() {
				k.piece, _ = pieces.Next()
			}
			r.done = append(r.done, k)
		}
	}
	if r.ring.Unsubmitted() == 0 {
		r.submitted()
	}
}

func (r *ring) dispatch() {
	for r.next < len(r.done) && !r.lost {
		e := r.done[r.next]
		r.next++
		if e.user != 0 {
			r.tell(&e)
		}
	}
	if !r.lost {
		r.tellRipe()
	}
	if r.broken != nil {
		r.retreat()
	}
}

func (r *ring) tell(e *completion) {
	l := r.loop
	c := r.conn(e.user)
	if c == nil {
		r.giveBack(e)
		return
	}
	back := l.claimBack(c)
	l.told = false
	if operationOf(e.user) == opRoom {
		r.hasRoom(c)
	} else {
		r.received(c, e)
	}
	if back && !l.told {
		c.deliver(l.kept(c))
	}
}
