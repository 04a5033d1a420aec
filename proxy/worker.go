package proxy

import (
	"context"
	"time"

	"pgweir/loop"
	"pgweir/session"
)

// closeGrace is how long a client that is being closed may take to read its
// last message.
const closeGrace = 5 * time.Second

// worker is one event loop with what belongs to it. All but do and post run
// on the loop's thread.
type worker struct {
	proxy *Proxy
	index int
	loop  *loop.Loop
	out   session.Out
	// applying: the effects of a session's step are being carried out. Nothing
	// that this leads to may begin a step of another session, which would need
	// out; it is posted.
	applying bool
	buf      []byte // for messages made here

	logins  map[*client]struct{} // not logged in yet
	closing map[*client]struct{} // to be closed when all is sent
	leased  []*server            // lent to a client of this loop
	waiters waiters
	looked  []*server          // memory of tick
	idlers  map[*client]*idler // with an idle_session_timeout
	heard   time.Duration      // when checkSilence was last called
	// idleRound is when checkIdleClients was last called.
	idleRound time.Duration
	// excused is when the last tick of a suspension was; 0 if there is none.
	excused time.Duration

	skew time.Duration // from the loop's time to the proxy's
	ring ringRecord
}

func (p *Proxy) newWorker(i int, engine loop.Engine) (*worker, error) {
	w := &worker{
		proxy: p, index: i,
		logins: map[*client]struct{}{}, closing: map[*client]struct{}{}, idlers: map[*client]*idler{},
	}
	l, err := loop.New(loop.Options{Engine: engine, Tick: w.tick, Retreated: w.retreated})
	if err != nil {
		return nil, err
	}
	w.loop = l
	w.skew = p.since() - l.Elapsed()
	return w, nil
}

// number is how the pools know it.
func (w *worker) number() int32 { return int32(w.index) }

// now is the time of the present batch of events, since the proxy was made.
func (w *worker) now() time.Duration { return w.loop.Now() + w.skew }

// post has f called on the loop's thread.
func (w *worker) post(f func()) { w.loop.Post(f) }

// do has f called on the loop's thread and waits for it. Not from that thread.
func (w *worker) do(f func()) {
	done := make(chan struct{})
	w.loop.Post(func() { f(); close(done) })
	select {
	case <-done:
	case <-w.loop.Done():
	}
}

// LoopsAnswer returns when each event loop has come to what was posted to it: all serve
// their clients. It waits for as long as one does not, and the error is ctx's then.
func (p *Proxy) LoopsAnswer(ctx context.Context) error {
	for _, w := range p.workers {
		came := make(chan struct{})
		w.post(func() { close(came) })
		select {
		case <-came:
		case <-w.loop.Done():
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// holder is the client of this loop that holds a backend, if there is one.
// Another loop's may touch it at any moment.
func (w *worker) holder(s *server) *client {
	if c := s.client.Load(); c != nil && c.worker.Load() == w {
		return c
	}
	return nil
}

// tick ends what has taken too long.
func (w *worker) tick(time.Duration) {
	now := w.now()
	if w.excuses(now) {
		w.endClosing(now)
		return
	}
	r := w.proxy.rules.Load()
	for c := range w.logins {
		c.login.checkProbe(now, r.config.ServerConnectTimeout)
		c.login.settle()
	}
	if timeout := r.config.ClientLoginTimeout; timeout > 0 {
		for c := range w.logins {
			if now-c.since > timeout {
				c.login.late(timeout)
			}
		}
	}
	for c, i := range w.idlers {
		c.checkIdle(w, i, now)
	}
	w.endClosing(now)
	if now-w.heard >= silenceEvery {
		w.heard = now
		w.checkSilence(now, r.keepAlive.Patience())
	}
	w.checkIdleClients(now, r)
	// What is done to one lease may end it, and begin others.
	w.looked = append(w.looked[:0], w.leased...)
	for _, s := range w.looked {
		if c := w.holder(s); c != nil && c.state == clientOpen && c.login == nil {
			c.checkStall(now, r.config.ClientMessageTimeout)
		}
		if c := w.holder(s); c != nil && c.state == clientOpen && c.login == nil {
			c.checkPin(w)
			c.checkTrace(w, s)
			c.checkRest()
		}
		if c := w.holder(s); c != nil && c.state == clientOpen && c.login == nil {
			c.checkLag(now)
		}
		if c := w.holder(s); r.timing.leased && c != nil && c.state == clientOpen && c.login == nil {
			c.checkTimeouts(s, now, r)
		}
	}
	clear(w.looked)
	if w.proxy.draining.Load() {
		w.proxy.endIdle(w)
	}
}

// endClosing closes the clients that take too long to read their last message.
func (w *worker) endClosing(now time.Duration) {
	for c := range w.closing {
		if now-c.since > closeGrace {
			c.finish()
		}
	}
}
