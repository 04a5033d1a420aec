package proxy

import (
	"time"

	"pgweir/config"
	"pgweir/wire"
)

// A client that takes too long is ended here: by query_timeout, transaction_timeout,
// idle_transaction_timeout and client_idle_timeout. What its backend is doing for it
// is canceled, and its transaction rolled back. The clocks are those of the loops'
// batches of events; the settings are looked at now and then, by tick.

// maxIdleRound is how far apart the looks at all idle clients are at most.
const maxIdleRound = 10 * time.Second

// timing is which timeouts hold for anybody, so that none costs anything where it
// holds for nobody.
type timing struct {
	leased bool          // a timeout for clients with a backend
	round  time.Duration // between looks at those without; 0 for never
}

func timingOf(c *config.Config) timing {
	t := c.ShortestClientTimeouts()
	n := timing{leased: t.Query > 0 || t.Transaction > 0 || t.IdleTransaction > 0}
	if t.ClientIdle > 0 {
		n.round = min(max(t.ClientIdle/10, 1), maxIdleRound)
	}
	return n
}

// timeouts are those of the client.
func (c *client) timeouts(r *rules) config.ClientTimeouts {
	key := c.pool.key
	db, ok := r.config.Database(key.database)
	if !ok {
		return config.ClientTimeouts{} // the database has been taken out of the configuration
	}
	return r.config.ClientTimeoutsFor(db, db.PoolUser(key.user), c.userName())
}

// checkTimeouts ends a client with a backend that takes too long.
func (c *client) checkTimeouts(s *server, now time.Duration, r *rules) {
	if c.replication != replicationNone { // its command has no end
		return
	}
	owes, inTransaction := c.sess.Owes(), c.sess.InTransaction()
	if !owes && !inTransaction {
		return
	}
	t := c.timeouts(r)
	over := func(timeout, since time.Duration) bool { return timeout > 0 && now-since >= timeout }
	switch {
	case owes && over(t.Query, max(c.asked, s.clocks.answered)):
		c.kill(wire.Fatalf(wire.CodeQueryCanceled, "terminating connection due to query_timeout (%v)", t.Query))
	case c.sess.IdleInBlock() && over(t.IdleTransaction, s.clocks.answered):
		c.kill(wire.Fatalf(wire.CodeIdleInTransactionTimeout, "terminating connection due to idle_transaction_timeout (%v)", t.IdleTransaction))
	case over(t.Transaction, max(c.begun, s.clocks.ended)):
		c.kill(wire.Fatalf(wire.CodeTransactionTimeout, "terminating connection due to transaction_timeout (%v)", t.Transaction))
	}
}

// checkIdleClients ends the clients of this loop that have asked for nothing for too
// long. There may be very many, so they are looked at seldom.
func (w *worker) checkIdleClients(now time.Duration, r *rules) {
	if r.timing.round == 0 || now-w.idleRound < r.timing.round {
		return
	}
	w.idleRound = now
	for _, c := range w.proxy.clients.all() {
		if c.worker.Load() != w || c.console.Load() != nil || c.state != clientOpen || c.login != nil || !c.isIdle() {
			continue
		}
		if t := c.timeouts(r).ClientIdle; t > 0 && now-c.idleSince() >= t {
			c.kill(wire.Fatalf(wire.CodeIdleSessionTimeout, "terminating connection due to client_idle_timeout (%v)", t))
		}
	}
}

// isIdle tells whether the client holds no backend, waits for nothing and listens
// for nothing.
func (c *client) isIdle() bool {
	return c.server == nil && c.pool.pool != nil && c.begun <= 0 && c.atRest() && len(c.sess.Wanted()) == 0
}

// idleSince is when the client had its last answer, or came in.
func (c *client) idleSince() time.Duration { return max(c.since, c.asked, -c.begun) }
