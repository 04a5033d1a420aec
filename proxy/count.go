package proxy

import (
	"time"

	"pgweir/session"
)

// count keeps the statistics.
func (c *client) count(w *worker, o *session.Out) {
	if o.Asked {
		c.asked = w.now()
		if c.begun <= 0 {
			c.begun = c.asked
		}
	}
	if o.Queries == 0 && o.Parses == 0 && o.Binds == 0 && o.Errors == 0 && o.Questions == 0 && o.Replays == 0 {
		if o.Answered { // later than that was counted
			c.rest(w.now(), o)
		}
		return
	}
	st := c.pool.stats[w.index]
	st.questions += o.Questions
	st.replays += o.Replays
	t := &st.totals
	t.Queries += o.Queries
	t.Transactions += o.Transactions
	t.ClientParses += o.Parses
	t.ServerParses += o.ServerParses
	t.Binds += o.Binds
	t.Errors += o.Errors
	if w.proxy.traces != nil {
		c.followTrace(w, o.Errors, o.SQLState, o.Answered)
	}
	if o.Answered {
		if o.Queries > 0 { // else pgweir has answered, and no backend was at work
			c.countTimes(w, st, o)
		}
		c.rest(w.now(), o)
		c.endWithheld(w, w.now(), true)
		if w.proxy.draining.Load() {
			c.post(c.endAtRest) // not in the middle of this
		}
	}
	if s := c.server; s != nil && o.Queries > 0 {
		s.clocks.answer(w.now(), o.Transactions > 0)
	}
}

// countTimes counts how long the client had to wait for its answer.
func (c *client) countTimes(w *worker, st *poolStats, o *session.Out) {
	now := w.now()
	took := now - c.asked
	if slow := &w.proxy.rules.Load().slow; took >= slow.query {
		c.logQuery(w, slow, took)
	}
	st.totals.QueryTime += took
	st.queries[durationBucket(took)]++
	if o.Transactions > 0 {
		if c.begun > 0 {
			took = now - c.begun
		}
		st.totals.TransactionTime += took
		st.transactions[durationBucket(took)]++
	}
}

// rest notes that the client has the last answer that it waited for.
func (c *client) rest(now time.Duration, o *session.Out) {
	switch {
	case !c.sess.InTransaction():
		c.begun = -now
	case o.Transactions > 0: // and another has begun
		c.begun = now
	}
}
