package proxy

import (
	"time"

	"pgweir/pool"
	"pgweir/status"
	"pgweir/wire"
)

// A query whose text names a place in a trace is followed here from its message to its
// answer, and then told to whoever makes a span of it. What comes of a transaction's
// end, a pin, may be known only after the answer, so the query is told when the backend
// has been asked, and at the latest by the tick.

// trace is such a query. It belongs to the loop of its client until it is told.
type trace struct {
	status.TracedQuery
	pool          *pool.Pool
	ended, pinned time.Duration // 0 if it is not, by the loop's batches of events
}

// maxTraceLook is of how many messages that have come together the texts are searched.
const maxTraceLook = 16

// openTrace looks for a place in a trace in what comes next. begins says that the lease
// does, with this: what is put ahead then is part of it.
func (c *client) openTrace(w *worker, in []byte, begins bool) {
	s := c.server
	if s == nil || c.sess.Owes() || c.sess.Prepares() && !begins {
		return // it is said later, perhaps on another backend
	}
	if in = c.sess.Begins(in); len(in) == 0 {
		return
	}
	if s.trace != nil && s.trace.ended > 0 {
		w.proxy.tellTrace(&s.lent)
	}
	if tp, state, ok := c.traceparent(w, in); ok {
		s.trace = c.newTrace(tp, state)
		s.trace.Network, s.trace.Server, s.trace.PID = s.b.Address.Network, s.b.Address.Addr, s.b.PID
		s.trace.Waited = s.clocks.waited
	}
}

func (c *client) newTrace(tp wire.Traceparent, state string) *trace {
	return &trace{pool: c.pool.pool, TracedQuery: status.TracedQuery{
		Trace: tp.Trace, Span: tp.Span, Sampled: tp.Sampled, State: state, Client: c.id, Database: c.pool.key.database, User: c.userName(),
	}}
}

// traceparent is the first that the texts of these messages have, and its tracestate.
func (c *client) traceparent(w *worker, in []byte) (tp wire.Traceparent, state string, ok bool) {
	parsed := false
	for range maxTraceLook {
		if len(in) < wire.HeaderLen {
			break
		}
		_, total := wire.Header(in)
		if total == 0 {
			break
		}
		message := in[:min(total, len(in))]
		if !parsed || message[0] != 'B' { // else it may be about what is parsed just now
			text := c.sess.TextOf(message)
			if tp, ok := wire.FindTraceparent(text); ok && w.proxy.traces.sink.Follows(tp.Sampled) {
				return tp, wire.FindTracestate(text), true
			}
		}
		parsed = parsed || message[0] == 'P'
		in = in[len(message):]
	}
	return tp, "", false
}

// followTrace notes an error, and the last answer.
func (c *client) followTrace(w *worker, errors int64, code func() string, answered bool) {
	q := c.lent()
	if q == nil || q.trace == nil || q.trace.ended > 0 {
		return
	}
	if errors > 0 && q.trace.SQLState == "" {
		q.trace.SQLState = code()
	}
	if answered {
		q.endTrace(c, w.now())
	}
}

// endTrace: the query is over.
func (q *lent) endTrace(c *client, now time.Duration) {
	parts := q.clocks.split(now, max(now-c.asked, 0))
	q.trace.Preparing, q.trace.Working, q.trace.Sending = parts.preparing, parts.server, parts.sending
	q.trace.ended = now
}

// pinTrace notes that the client keeps its backend.
func (c *client) pinTrace(w *worker, reasons []string) {
	s := c.server
	if s == nil || s.trace == nil || len(reasons) == 0 {
		return
	}
	s.trace.Pins, s.trace.pinned = reasons, w.now()
	if s.trace.ended > 0 {
		w.proxy.tellTrace(&s.lent)
	}
}

// checkTrace tells a query about which nothing more will be known.
func (c *client) checkTrace(w *worker, s *server) {
	if s.trace != nil && s.trace.ended > 0 && !c.sess.Prepares() {
		w.proxy.tellTrace(&s.lent)
	}
}

// leaveTrace: the lease ends. A client that says its query again on another backend has
// its trace begin anew.
func (c *client) leaveTrace(w *worker, s *server, again bool) {
	switch {
	case s.trace.ended > 0:
		w.proxy.tellTrace(&s.lent)
	case again:
		s.trace = nil
	default:
		c.giveTraceUp(w, &s.lent, w.now())
	}
}

// giveTraceUp tells a query that is not answered.
func (c *client) giveTraceUp(w *worker, q *lent, now time.Duration) {
	q.endTrace(c, now)
	q.trace.Unanswered = true
	w.proxy.tellTrace(q)
}

// refuseTrace tells a query that gets no backend.
func (c *client) refuseTrace(w *worker, in []byte, waited time.Duration, e *wire.Error) {
	tp, state, ok := c.traceparent(w, in)
	if !ok {
		return
	}
	t := c.newTrace(tp, state)
	t.Waited, t.SQLState, t.ended = waited, e.Code, w.now()
	w.proxy.traces.tell(t)
}

func (p *Proxy) tellTrace(q *lent) {
	t := q.trace
	q.trace = nil
	p.traces.tell(t)
}
