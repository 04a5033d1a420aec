package proxy

import (
	"time"
	"unique"

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
	// clientIdle is the shortest client_idle_timeout.
	clientIdle time.Duration
}

func timingOf(c *config.Config) timing {
	t := c.ShortestClientTimeouts()
	n := timing{leased: t.Query > 0 || t.Transaction > 0 || t.IdleTransaction > 0}
	if t.ClientIdle > 0 {
		n.round, n.clientIdle = min(max(t.ClientIdle/10, 1), maxIdleRound), t.ClientIdle
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
		c.cut(wire.CodeQueryCanceled, "query_timeout", t.Query)
	case c.sess.IdleInBlock() && over(t.IdleTransaction, s.clocks.answered):
		c.cut(wire.CodeIdleInTransactionTimeout, "idle_transaction_timeout", t.IdleTransaction)
	case over(t.Transaction, max(c.begun, s.clocks.ended)):
		c.cut(wire.CodeTransactionTimeout, "transaction_timeout", t.Transaction)
	}
}

// cut ends a client because of a setting.
func (c *client) cut(code, setting string, timeout time.Duration) {
	c.kill(wire.Fatalf(code, "terminating connection due to %s (%v)", setting, timeout))
}

// checkIdleClients ends the clients of this loop that have asked for nothing for too
// long. There may be very many, so they are looked at seldom.
func (w *worker) checkIdleClients(now time.Duration, r *rules) {
	if r.timing.round == 0 || now-w.idleRound < r.timing.round {
		return
	}
	w.idleRound = now
	type kind struct {
		pool *clientPool
		user unique.Handle[string]
	}
	timeouts := map[kind]time.Duration{}
	for _, c := range w.proxy.clients.all() {
		if c.worker.Load() != w || c.state != clientOpen || c.login != nil || !c.isIdle() || now-c.idleSince() < r.timing.clientIdle {
			continue
		}
		k := kind{c.pool, c.user}
		t, ok := timeouts[k]
		if !ok {
			t = c.timeouts(r).ClientIdle
			timeouts[k] = t
		}
		if t > 0 && now-c.idleSince() >= t {
			c.cut(wire.CodeIdleSessionTimeout, "client_idle_timeout", t)
		}
	}
}

// isIdle tells whether the client holds no backend and waits for nothing. The
// console's have no pool of backends.
func (c *client) isIdle() bool {
	return c.server == nil && c.pool.pool != nil && c.sess.Unconcerned()
}

// idleSince is when the client had its last answer, or came in.
func (c *client) idleSince() time.Duration { return max(c.since, c.asked, -c.begun) }
