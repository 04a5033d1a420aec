package proxy

import (
	"log/slog"
	"testing"
	"time"

	"pgweir/pool"
	"pgweir/session"
	"pgweir/status"
	"pgweir/wire"
)

// tracerFunc follows the sampled.
type tracerFunc func(*status.TracedQuery)

func (f tracerFunc) Follows(sampled bool) bool   { return sampled }
func (f tracerFunc) Query(q *status.TracedQuery) { f(q) }

const comment = "/*traceparent='00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'*/"

// tracedClient is one that has a backend and says something.
func tracedClient() (*client, *worker) {
	c := &client{pool: &clientPool{key: poolKey{"db", "user"}}, server: &server{lent: lent{b: new(pool.Backend)}}}
	c.sess.Init(&session.Config{}, new(wire.Vars))
	return c, &worker{proxy: &Proxy{traces: newTraces(tracerFunc(nil))}}
}

func message(typ byte, body string) string {
	return string(wire.AppendMessage(nil, typ, []byte(body)))
}

func TestAQueryWithoutATraceparentAllocatesNothingMore(t *testing.T) {
	c, w := tracedClient()
	for _, said := range []string{
		message('Q', "select 1\x00"),
		message('Q', "select traceparent from mine\x00"),
		message('P', "\x00select 1\x00\x00\x00") + message('B', "\x00\x00\x00\x00\x00\x00\x00\x00") + message('E', "\x00\x00\x00\x00\x00") + message('S', ""),
		message('B', "\x00name\x00\x00\x00\x00\x00\x00\x00") + message('S', ""),
		message('Q', "select 1 "+comment[:len(comment)-5]+"0'*/\x00"), // not sampled
	} {
		in := []byte(said)
		if n := testing.AllocsPerRun(100, func() { c.openTrace(w, in, false) }); n != 0 || c.server.trace != nil {
			t.Errorf("%q: %v allocations, %v", said, n, c.server.trace)
		}
	}
}

func TestATraceparentIsLookedForInTheFirstMessages(t *testing.T) {
	for _, l := range []struct {
		said string
		want bool
	}{
		{message('Q', "select 1 "+comment+"\x00"), true},
		{message('Q', "begin\x00") + message('Q', "select 1 "+comment+"\x00"), true},
		{message('P', "name\x00"+comment+"select 1\x00\x00\x00"), true},
		{message('S', "") + message('H', ""), false},
		{message('Q', "select 1 "+comment+"\x00")[:30], false},
		{"Q\x00\x00", false},
		{"Q\x00\x00\x00\x00", false},
		{pipelinedSyncs(maxTraceLook-1) + message('Q', comment+"\x00"), true},
		{pipelinedSyncs(maxTraceLook) + message('Q', comment+"\x00"), false},
	} {
		c, w := tracedClient()
		if c.openTrace(w, []byte(l.said), false); (c.server.trace != nil) != l.want {
			t.Errorf("%.200q: %v, want %v", l.said, c.server.trace, l.want)
		}
	}
}

func pipelinedSyncs(n int) (all string) {
	for range n {
		all += message('S', "")
	}
	return all
}

// TestATracerThatTakesItsTimeHoldsNobodyUp: what is too much is dropped, and counted.
func TestATracerThatTakesItsTimeHoldsNobodyUp(t *testing.T) {
	entered, leave := make(chan struct{}, 1), make(chan struct{})
	q := newTraces(tracerFunc(func(*status.TracedQuery) {
		select {
		case entered <- struct{}{}:
		default:
		}
		<-leave
	}))
	go q.run(func() time.Duration { return time.Minute }, slog.New(slog.DiscardHandler))
	q.tell(&trace{pool: new(pool.Pool)})
	<-entered
	const more = 7
	for range maxTraces + more {
		q.tell(&trace{pool: new(pool.Pool)})
	}
	if got := q.status(); got != (status.Traces{On: true, Dropped: more}) {
		t.Errorf("%+v", got)
	}
	close(leave)
	q.close()
	if got := q.status(); got != (status.Traces{On: true, Queries: maxTraces + 1, Dropped: more}) {
		t.Errorf("%+v", got)
	}
}
