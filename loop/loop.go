package loop

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// readSize is how much is read at once. Large results come in large
	// pieces, and each read costs a system call however small it is.
	readSize = 128 << 10
	// MaxKept is how much a handler may leave unconsumed: with that much
	// kept, a connection is not read any further until some is consumed.
	MaxKept = 64 << 10
	// MaxUnread is how much Conn.Unread may put back.
	MaxUnread = 16 << 10
)

// tickEvery is how often Options.Tick is called while nothing happens.
const tickEvery = 200 * time.Millisecond

// loops numbers the loops, from 1 on.
var loops atomic.Int32

// Options of a loop.
type Options struct {
	Engine Engine
	// Tick is called on the loop's thread every now and then (five times a
	// second), for whatever has a deadline.
	Tick func(now time.Duration)
	// Retreated is called on the loop's thread when its engine has failed: it goes
	// on with epoll.
	Retreated func(error)
}

// Loop serves the connections that are on it, on one goroutine of its own.
type Loop struct {
	opts   Options
	id     int32
	engine engine  // see use
	conns  []*Conn // by descriptor
	count  atomic.Int64
	base   time.Time
	now    time.Duration
	// buf is what everything is read into: room for what a handler left over
	// (MaxKept), one read behind it, and what is put back (MaxUnread).
	buf    []byte
	raw    []byte // what TLS connections receive, before it is decrypted; nil before there is one
	sealed []byte // records to be sent in one piece
	bufs   buffers
	held   []*held // that no connection has
	again  []*Conn // to be received again without waiting for more bytes
	spare  []*Conn // takes turns with again
	told   bool    // a handler has been called since it was set to false
	tick   time.Duration

	resting []*Listener // that have failed, until the next tick

	gathering []*Conn       // not read before gatherEnd; see gather.go
	gatherEnd time.Duration // since base

	// movable: the threads of other loops may take off what is parked; see
	// engine.movable.
	movable atomic.Bool

	mail struct {
		sync.Mutex
		box    []func()
		closed bool // the engine's descriptors may be others' by now
	}
	hasMail  atomic.Bool
	sleeping atomic.Bool
	slept    atomic.Int64 // nanoseconds spent with nothing to do
	stopped  bool
	// suspended: no connection of the loop's is read; see suspend.go.
	suspended bool
	done      chan struct{}
}

// New makes a loop. It does nothing before Run.
func New(opts Options) (*Loop, error) {
	l := &Loop{
		opts: opts, id: loops.Add(1), base: time.Now(),
		buf: make([]byte, MaxKept+readSize+MaxUnread), done: make(chan struct{}),
	}
	e, err := opts.Engine.begin(l)
	if err != nil {
		return nil, fmt.Errorf("event loop: %w", err)
	}
	l.use(e)
	return l, nil
}

// use makes e the loop's engine. Post calls it on other threads, with the mail locked,
// and Claim does if it is movable: once this is over, they leave the one before alone.
func (l *Loop) use(e engine) {
	l.mail.Lock()
	defer l.mail.Unlock()
	l.engine = e
	l.movable.Store(e.movable())
}

// Run serves until Stop. Unless its engine needs that (ring), it is not locked to
// its thread: the Go scheduler interrupts a goroutine that has run for 10 ms, and
// gives one that is locked back to its thread only by way of another one.
func (l *Loop) Run() {
	defer close(l.done)
	l.engine.run()
	l.now = time.Since(l.base)
	for !l.stopped {
		if len(l.again) == 0 || l.suspended {
			l.sleep()
		} else {
			l.engine.wait(0)
			l.now = time.Since(l.base)
		}
		if l.hasMail.Load() {
			l.readMail() // what was posted before these events is done before them
		}
		l.engine.dispatch()
		l.redeliver()
		if len(l.gathering) > 0 {
			l.endGathering()
		}
		if l.hasMail.Load() {
			l.readMail()
		}
		if l.now >= l.tick {
			l.tick = l.now + tickEvery
			l.wakeListeners()
			if l.opts.Tick != nil {
				l.opts.Tick(l.now)
			}
		}
	}
	l.mail.Lock()
	defer l.mail.Unlock()
	l.mail.closed = true
	l.engine.end()
}

// sleep waits for something to happen, no longer than until the next tick.
func (l *Loop) sleep() {
	l.sleeping.Store(true)
	if l.hasMail.Load() {
		l.sleeping.Store(false)
		l.engine.wait(0)
		l.now = time.Since(l.base)
		return
	}
	before := time.Since(l.base)
	wait := l.tick - before
	if len(l.gathering) > 0 {
		wait = min(wait, l.gatherEnd-before)
	}
	l.engine.wait(max(wait, 0))
	l.sleeping.Store(false)
	l.now = time.Since(l.base)
	l.slept.Add(int64(l.now - before))
}

// Now is when the present batch of events was met, since the loop was made.
// Only on the loop's thread.
func (l *Loop) Now() time.Duration { return l.now }

// Time is Now as a time of day.
func (l *Loop) Time() time.Time { return l.base.Add(l.now) }

// Elapsed is the time now since the loop was made. Any goroutine may ask.
func (l *Loop) Elapsed() time.Duration { return time.Since(l.base) }

// Slept is how long the loop has had nothing to do since it was made. Any
// goroutine may ask.
func (l *Loop) Slept() time.Duration { return time.Duration(l.slept.Load()) }

// Len is how many connections are on the loop. Any goroutine may ask.
func (l *Loop) Len() int { return int(l.count.Load()) }

// Post has f called on the loop's thread soon. Any goroutine may post. After
// Stop, f may never be called.
func (l *Loop) Post(f func()) {
	l.mail.Lock()
	defer l.mail.Unlock()
	l.mail.box = append(l.mail.box, f)
	l.hasMail.Store(true)
	if l.sleeping.Load() && !l.mail.closed {
		l.engine.wake()
	}
}

func (l *Loop) readMail() {
	l.hasMail.Store(false)
	l.mail.Lock()
	box := l.mail.box
	l.mail.box = nil
	l.mail.Unlock()
	for _, f := range box {
		f()
	}
}

// Stop ends Run when the present batch is done; connections stay as they are.
func (l *Loop) Stop() {
	l.Post(func() { l.stopped = true })
}

// Discard gives back what a loop has taken that will never Run.
func (l *Loop) Discard() {
	l.mail.Lock()
	defer l.mail.Unlock()
	l.mail.closed = true
	l.engine.end()
}

// Done is closed when Run has returned.
func (l *Loop) Done() <-chan struct{} { return l.done }

// find is the connection that a completion is for. It may be older than what has
// happened since: the connection closed, its descriptor given to another, or gone to
// another loop; then it is nil.
func (l *Loop) find(fd int32, gen uint32) *Conn {
	if int(fd) >= len(l.conns) {
		return nil
	}
	if c := l.conns[fd]; c != nil && c.gen == gen {
		return c
	}
	return nil
}

// Has tells whether c is this loop's and not parked, so that no other loop can
// claim it. On the loop's thread.
func (l *Loop) Has(c *Conn) bool { return c.owner.Load() == l.id }

// claimBack ends the parking of c, if it is parked here. Its handler has to be
// told, whatever becomes of it: somebody may have failed to claim c just then,
// and waits for what the handler does.
func (l *Loop) claimBack(c *Conn) bool { return c.owner.CompareAndSwap(-l.id, l.id) }

// redeliver gives kept bytes to the handlers that asked for them again.
func (l *Loop) redeliver() {
	if l.suspended {
		return
	}
	// Those who ask anew meanwhile wait until the poller has been asked, and
	// the others have had their turn.
	batch := l.again
	l.again = l.spare
	for i, c := range batch {
		batch[i] = nil
		back := l.claimBack(c)
		if !l.Has(c) {
			continue
		}
		c.queued = false
		l.told = false
		c.deliverKept()
		if back && !l.told {
			c.deliver(l.kept(c))
		}
	}
	l.spare = batch[:0]
}
