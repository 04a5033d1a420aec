package proxy

import (
	"time"

	"pgweir/pool"
)

// However many requests to cancel a query come, PostgreSQL is asked once at a time for
// each backend. A request that overtakes the query, which the backend may have been sent
// just now, does nothing; so if nothing has come from there after a pause, it is asked
// again. All requests that come meanwhile join:
//
//	       ┌── something has come from the backend, or it is not the client's any more ──► finished
//	on its way ──► pausing ──► on its way
//	       └── one has joined for what may be another query ──► on its way

// canceling is what goes on to cancel what a backend does for a client. It belongs to
// the loop that the backend is on.
type canceling struct {
	client *client
	server *server
	joined []func() // told at the end
	onWay  bool     // a request is; else there is a pause
	anew   bool     // it is asked once more in any case
	over   bool
	pause  time.Duration

	// When the request was made: what had come from the backend, and what the client
	// had asked for.
	moved     uint32
	asked     time.Duration
	withdrawn chan struct{} // closed when it is not wanted any more
}

// The pauses after which PostgreSQL is asked again.
const (
	firstAsking = 5 * time.Millisecond
	lastAsking  = time.Second
)

// maxJoined bounds how many requests wait for the end of one. The answer to further
// ones, which is none, is given at once.
const maxJoined = 64

// join has PostgreSQL cancel what the client waits for.
func (c *client) join(w *worker, s *server, done func()) {
	x := s.canceling
	if x == nil {
		x = &canceling{client: c, server: s, joined: []func(){done}}
		s.canceling = x
		x.send(w, firstAsking)
		return
	}
	if len(x.joined) == maxJoined {
		done()
	} else {
		x.joined = append(x.joined, done)
	}
	switch {
	case x.moved == s.conn.Moved(): // what goes on is for the same query
	case x.onWay:
		x.anew = true
	default:
		x.send(w, firstAsking)
	}
}

// send passes a request on, on a goroutine.
func (x *canceling) send(w *worker, pause time.Duration) {
	c, s := x.client, x.server
	x.onWay, x.anew, x.pause = true, false, pause
	x.moved, x.asked, x.withdrawn = s.conn.Moved(), c.asked, make(chan struct{})
	asked := x.asked
	r := pool.CancelRequest{Withdrawn: x.withdrawn, Wanted: func() (wanted bool) {
		w.do(func() { wanted = w.holder(s) == c && c.sess.Owes() && c.asked == asked })
		return wanted
	}}
	go func() {
		settled, err := s.b.Pool().CancelQuery(s.b, r)
		if err != nil && !pool.Withdrawn(err) {
			server := s.b.Address.Addr
			if say, unsaid := w.proxy.cancelFailures.Note(server, time.Now()); say {
				w.proxy.log.Warn("a cancel request could not be passed on", "client", c.id, "backend", s.b.ID, "server", server, "err", err, "unsaid", unsaid)
			}
		}
		w.post(func() { x.sent(w, settled, err) })
	}()
}

// sent goes on when a request has come to its end.
func (x *canceling) sent(w *worker, settled bool, err error) {
	c, s := x.client, x.server
	x.onWay = false
	s.spoiled = s.spoiled || !settled
	switch {
	case w.holder(s) != c || !c.sess.Owes() || err != nil && !pool.Withdrawn(err):
		x.finish()
	case x.anew:
		x.send(w, firstAsking)
	case !x.waits() || x.pause >= lastAsking:
		x.finish()
	default:
		time.AfterFunc(x.pause, func() { w.post(func() { x.ask(w) }) })
	}
	w.letGo(s)
}

// ask asks again after a pause.
func (x *canceling) ask(w *worker) {
	switch {
	case x.over || x.onWay:
	case w.holder(x.server) == x.client && x.waits():
		x.send(w, 2*x.pause)
	default:
		x.finish()
	}
}

// waits tells whether nothing has come of the last request.
func (x *canceling) waits() bool { return x.server.conn.Moved() == x.moved && x.client.sess.Owes() }

// finish tells all who have joined that it is over.
func (x *canceling) finish() {
	x.server.canceling, x.over = nil, true
	for _, done := range x.joined {
		done()
	}
}

// uncancel ends what goes on to cancel what the client waited for, which gives the
// backend up. A request that PostgreSQL has been given goes on to its end.
func (s *server) uncancel() {
	x := s.canceling
	if x == nil {
		return
	}
	if !x.onWay {
		x.finish()
		return
	}
	select {
	case <-x.withdrawn:
	default:
		close(x.withdrawn)
	}
}

// beingCanceled tells whether a request for the backend is on its way.
func (s *server) beingCanceled() bool { return s.canceling != nil && s.canceling.onWay }
