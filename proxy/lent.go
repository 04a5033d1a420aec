package proxy

import (
	"bytes"
	"time"

	"pgweir/pool"
)

// lent is a backend as its client's query sees it.
type lent struct {
	b      *pool.Backend
	clocks clocks // of the lease
	text   []byte // the beginning of its client's query, with log_query_text
	trace  *trace // of its client's query, or the last one; nil if it has none
}

// lent is what the client's query runs on, or has run on, if its answer is withheld and the
// lease has ended before that: then the client waits for the pool's listening backend. It
// is nil if there is none.
func (c *client) lent() *lent {
	switch {
	case c.server != nil:
		return &c.server.lent
	case c.extra != nil:
		return c.extra.withheld
	}
	return nil
}

// withhold keeps what is to be known of a query whose answer outlives its lease.
func (c *client) withhold(s *server) {
	kept := s.lent
	kept.text, s.trace = bytes.Clone(s.text), nil
	c.more().withheld = &kept
}

// endWithheld forgets that, when the answer has been told or will never be.
func (c *client) endWithheld(w *worker, now time.Duration, told bool) {
	if c.extra == nil || c.extra.withheld == nil {
		return
	}
	q := c.extra.withheld
	c.extra.withheld = nil
	switch {
	case q.trace == nil:
	case told || q.trace.ended > 0:
		w.proxy.tellTrace(q)
	default:
		c.giveTraceUp(w, q, now)
	}
}
