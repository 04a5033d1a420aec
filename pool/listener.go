package pool

import (
	"slices"
	"strings"
	"sync"
	"time"

	"pgweir/wire"
)

// linger is how long the listening backend is kept without a channel, and how
// long it goes on listening to one that nobody hears any more.
const linger = 10 * time.Second

// maxChannelName is PostgreSQL's NAMEDATALEN less the NUL.
const maxChannelName = 63

// Subscriber hears notifications, by way of Host.Notify. It is a key of maps, so it has
// to be a pointer, say. Its method is called as Host.Notify is.
type Subscriber interface {
	// Missed says that the listening backend was lost, and that all channels
	// are listened to again: what was sent in between has not been heard.
	Missed()
}

// Listener hears notifications (LISTEN) for all clients of a pool, by way of
// one backend that listens to the union of their channels. It is opened for
// the first channel and closed when none has been wanted for a while.
type Listener struct {
	pool   *Pool
	linger time.Duration
	rest   time.Duration // the pause after a backend that was lost at once
	// wake tells the goroutine that there is something to look at: requests,
	// a place for the backend, or new settings of the pool.
	wake chan struct{}

	// failures are logins that have failed in a row; the goroutine's own.
	failures int

	// mu guards all below. No other lock is taken under it, and nobody is
	// called.
	mu       sync.Mutex
	running  bool // there is a goroutine
	subs     map[Subscriber]*subscription
	channels map[string]*channel // heard, or listened to, or both
	heard    int                 // channels that somebody hears
	stale    map[*channel]bool   // listened to, and heard by nobody
	queue    []*request          // that need the backend, in order
	settled  []func()            // what remains to be told of requests that are over
	failure  failure
	backend  *Backend // that is connected, or nil

	notifications, losses int64
	lost                  *wire.Error // why, the last time
}

// subscription is what one Subscriber hears.
type subscription struct {
	who      Subscriber
	channels []*channel // by name
	requests int        // queued or under way; they take effect in order
	gone     bool       // it has left
}

// channel is one channel of a listening backend's. While the backend is
// connected and not listening anew after a loss, whoever hears a channel can
// rely on its being listened to.
type channel struct {
	name     string
	listened bool
	subs     map[*subscription]bool
	hearers  []Subscriber // those of subs, made at need and never written again
}

// request is a call of Listen or, without a subscription, of Sync.
type request struct {
	sub   *subscription
	names []string // by name, each once
	done  func(*wire.Error)
	alone bool // failed together with others: to be tried without them
	tries int  // backends that were lost meanwhile
}

func newListener(p *Pool) *Listener {
	return &Listener{
		pool: p, linger: linger, rest: firstPause, wake: make(chan struct{}, 1),
		subs: map[Subscriber]*subscription{}, channels: map[string]*channel{}, stale: map[*channel]bool{},
	}
}

// Listener is the pool's one. It has no backend before the first channel.
func (p *Pool) Listener() *Listener { return p.listener }

// Listen makes channels all that s hears, in place of what it heard before.
// They are names as PostgreSQL has them, without quotes and of 63 bytes at
// most; the slice is the caller's again afterwards.
//
// done, which may be nil, is called once: with nil when all of them are
// listened to, or with the reason why they cannot be, and then s hears what it
// heard before. The reason is the server's own error if there is one. s hears
// no notification before done is called, and none that was sent before Listen
// was called.
//
// What s hears changes in the moment in which done is called. A call that adds
// nothing takes effect at once, unless an earlier one of s is under way; yet a
// notification that is just being told may come after it.
func (l *Listener) Listen(s Subscriber, channels []string, done func(*wire.Error)) {
	if done == nil {
		done = func(*wire.Error) {}
	}
	names, e := channelNames(channels)
	l.mu.Lock()
	defer l.mu.Unlock()
	if e != nil {
		l.settle(func() { done(e) })
		l.nudge()
		return
	}
	sub := l.subs[s]
	if sub == nil {
		sub = &subscription{who: s}
		l.subs[s] = sub
	}
	sub.requests++
	r := &request{sub: sub, names: names, done: done}
	if sub.requests == 1 && !r.adds() {
		l.apply(r)
	} else {
		l.queue = append(l.queue, r)
	}
	l.nudge()
}

// Leave forgets s: it hears nothing any more, and Listen calls of it that are
// under way end with an error.
func (l *Listener) Leave(s Subscriber) {
	l.mu.Lock()
	defer l.mu.Unlock()
	sub := l.subs[s]
	if sub == nil {
		return
	}
	l.forget(sub)
	l.takeBack(sub)
	l.nudge()
}

// Withdraw ends the calls of Listen by s that have not been begun with, with an
// error; s hears what it heard before. Those under way take effect all the same.
func (l *Listener) Withdraw(s Subscriber) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if sub := l.subs[s]; sub != nil {
		l.takeBack(sub)
		l.drop(sub)
		l.nudge()
	}
}

var errLeft = wire.Errorf(wire.CodeQueryCanceled, "the client has gone that wanted to listen")

// Sync calls done when every notification that was sent before the call has
// been told, or is lost.
func (l *Listener) Sync(done func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.backend == nil {
		l.settle(done)
	} else {
		l.queue = append(l.queue, &request{done: func(*wire.Error) { done() }})
	}
	l.nudge()
}

// Connected tells whether there is a listening backend, from which something
// may come.
func (l *Listener) Connected() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.backend != nil
}

// ListenerStatus is one reading of a Listener.
type ListenerStatus struct {
	// Of the listening backend, if one is connected; else PID is 0.
	PID     uint32
	ID      uint64 // as Backend.ID
	Since   time.Time
	Address Address
	TLS     string // as Backend.TLS

	Channels      int         // that somebody hears
	Subscribers   int         // that hear any
	Notifications int64       // that have come from the server, each counted once
	Losses        int64       // of a backend that was connected
	Lost          *wire.Error // why, the last time
	Failure       *wire.Error // why a backend could not be had, or not listen, the last time; nil since one could
}

// Status reads all at once.
func (l *Listener) Status() ListenerStatus {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := ListenerStatus{
		Channels: l.heard, Notifications: l.notifications, Losses: l.losses, Lost: l.lost, Failure: l.failure.err,
	}
	for _, sub := range l.subs {
		if len(sub.channels) > 0 {
			s.Subscribers++
		}
	}
	if b := l.backend; b != nil {
		s.PID, s.ID, s.Since, s.Address, s.TLS = b.PID, b.ID, b.Opened, b.Address, b.TLS
	}
	return s
}

// ChannelStatus is how many subscribers hear a channel.
type ChannelStatus struct {
	Name        string
	Subscribers int
}

// Channels lists the channels that somebody hears, by name.
func (l *Listener) Channels() []ChannelStatus {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]ChannelStatus, 0, l.heard)
	for _, c := range l.channels {
		if len(c.subs) > 0 {
			out = append(out, ChannelStatus{c.name, len(c.subs)})
		}
	}
	slices.SortFunc(out, func(a, b ChannelStatus) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// channelNames sorts names and takes out what is there twice.
func channelNames(channels []string) ([]string, *wire.Error) {
	for _, name := range channels {
		switch {
		case name == "" || strings.IndexByte(name, 0) >= 0:
			return nil, wire.Errorf(codeInvalidName, "invalid channel name %q", name)
		case len(name) > maxChannelName:
			return nil, wire.Errorf(codeInvalidName, "channel name %q is longer than %d bytes", name, maxChannelName)
		}
	}
	names := slices.Clone(channels)
	slices.Sort(names)
	return slices.Compact(names), nil
}

const codeInvalidName = "42602"

// The methods below are called under mu.

// settle has the goroutine call told, which says how a request has ended.
func (l *Listener) settle(told func()) { l.settled = append(l.settled, told) }

// nudge has the goroutine look at what has changed.
func (l *Listener) nudge() {
	if !l.running {
		l.running = true
		go l.run()
		return
	}
	l.signal()
}

// signal is nudge, if there is a goroutine. It needs no lock.
func (l *Listener) signal() {
	select {
	case l.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// adds tells whether a request needs the backend: it wants a channel that its
// subscriber does not hear now, or it is a Sync.
func (r *request) adds() bool {
	if r.sub == nil {
		return true
	}
	have := r.sub.channels
	for _, name := range r.names {
		for len(have) > 0 && have[0].name < name {
			have = have[1:]
		}
		if len(have) == 0 || have[0].name != name {
			return true
		}
	}
	return false
}

// apply has a request take effect. All of its channels are listened to.
func (l *Listener) apply(r *request) {
	sub := r.sub
	switch {
	case sub == nil:
	case sub.gone:
		l.settle(func() { r.done(errLeft) })
		return
	default:
		l.change(sub, r.names)
		sub.requests--
		l.drop(sub)
	}
	l.settle(func() { r.done(nil) })
}

// change makes names, which are sorted, all that a subscription hears.
func (l *Listener) change(sub *subscription, names []string) {
	old := sub.channels
	next := make([]*channel, 0, len(names))
	for _, name := range names {
		for len(old) > 0 && old[0].name < name {
			l.unhear(old[0], sub)
			old = old[1:]
		}
		if len(old) > 0 && old[0].name == name {
			next = append(next, old[0])
			old = old[1:]
			continue
		}
		next = append(next, l.hear(name, sub))
	}
	for _, c := range old {
		l.unhear(c, sub)
	}
	sub.channels = next
}

func (l *Listener) hear(name string, sub *subscription) *channel {
	c := l.channel(name)
	if len(c.subs) == 0 {
		l.heard++
		delete(l.stale, c)
	}
	c.subs[sub] = true
	c.hearers = nil
	return c
}

func (l *Listener) unhear(c *channel, sub *subscription) {
	delete(c.subs, sub)
	c.hearers = nil
	if len(c.subs) > 0 {
		return
	}
	l.heard--
	if c.listened {
		l.stale[c] = true
	} else {
		delete(l.channels, c.name)
	}
}

func (l *Listener) channel(name string) *channel {
	c := l.channels[name]
	if c == nil {
		c = &channel{name: name, subs: map[*subscription]bool{}}
		l.channels[name] = c
	}
	return c
}

// refuse ends a request with an error.
func (l *Listener) refuse(r *request, e *wire.Error) {
	if r.sub != nil {
		r.sub.requests--
		l.drop(r.sub)
	}
	l.settle(func() { r.done(e) })
}

// refuseAll ends all requests: those that cannot do without the backend with
// an error.
func (l *Listener) refuseAll(e *wire.Error) {
	queue := l.queue
	l.queue = nil
	for _, r := range queue {
		if r.adds() {
			l.refuse(r, e)
		} else {
			l.apply(r)
		}
	}
}

// drop drops a subscription that is of no use any more.
func (l *Listener) drop(sub *subscription) {
	if len(sub.channels) == 0 && sub.requests == 0 && !sub.gone {
		delete(l.subs, sub.who)
	}
}

// takeBack takes the requests of a subscription out of the queue.
func (l *Listener) takeBack(sub *subscription) {
	l.queue = slices.DeleteFunc(l.queue, func(r *request) bool {
		if r.sub != sub {
			return false
		}
		sub.requests--
		l.settle(func() { r.done(errLeft) })
		return true
	})
}

// forget drops a subscription for good.
func (l *Listener) forget(sub *subscription) {
	l.change(sub, nil)
	sub.gone = true
	delete(l.subs, sub.who)
}

// tell calls what is to be told. It takes mu itself.
func (l *Listener) tell() {
	l.mu.Lock()
	for len(l.settled) > 0 {
		settled := l.settled
		l.settled = nil
		l.mu.Unlock()
		for _, f := range settled {
			f()
		}
		l.mu.Lock()
	}
	l.mu.Unlock()
}
