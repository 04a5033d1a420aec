package proxy

import (
	"time"

	"pgweir/wire"
)

// A client that is idle for longer than its idle_session_timeout is ended here:
// PostgreSQL would end the backend, which is not the client's.

// idler is a client with such a timeout.
type idler struct {
	asked time.Duration // client.asked when it was last looked at
	since time.Duration // it has been idle
}

var errIdleSession = wire.Fatalf(wire.CodeIdleSessionTimeout, "terminating connection due to idle-session timeout")

// noteIdle has the client's loop look at it, if it has a timeout.
func (c *client) noteIdle(w *worker) {
	if c.sess.IdleTimeout() == 0 || c.state != clientOpen {
		delete(w.idlers, c)
		return
	}
	w.idlers[c] = &idler{asked: c.asked, since: w.now()}
}

// checkIdle ends the client if it has been idle for too long.
func (c *client) checkIdle(w *worker, i *idler, now time.Duration) {
	switch {
	case c.worker.Load() != w:
		delete(w.idlers, c)
		c.post(func() { c.noteIdle(c.worker.Load()) })
	case c.state != clientOpen:
		delete(w.idlers, c)
	case c.asked != i.asked || !c.atRest():
		i.asked, i.since = c.asked, now
	case now-i.since >= c.sess.IdleTimeout():
		delete(w.idlers, c)
		c.kill(errIdleSession)
	}
}
