package proxy

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"pgweir/status"
)

// Tracer makes spans of queries whose text names a place in a trace.
type Tracer interface {
	// Follows tells whether a query is to be followed whose caller's span is sampled, or
	// is not. It is called on event loops, and must be quick.
	Follows(sampled bool) bool
	// Query is told a query that is over, of one after the other, and may take its time:
	// meanwhile some are kept, and others dropped.
	Query(*status.TracedQuery)
}

// traces takes queries from the event loops to the tracer, of which no loop waits for
// anything.
type traces struct {
	sink          Tracer
	queue         chan *trace
	told, dropped atomic.Int64
	done          chan struct{} // closed when all is told
	closing       sync.Once
}

const (
	// maxTraces is how many queries wait to be told.
	maxTraces = 2048
	// tracesLeft is how long the end waits for those.
	tracesLeft = time.Second
	// droppedEvery is how often the log says that some were dropped.
	droppedEvery = time.Minute
)

// newTraces is nil if there is no tracer.
func newTraces(sink Tracer) *traces {
	if sink == nil {
		return nil
	}
	return &traces{sink: sink, queue: make(chan *trace, maxTraces), done: make(chan struct{})}
}

// tell hands a query over, or drops it.
func (q *traces) tell(t *trace) {
	select {
	case q.queue <- t:
	default:
		q.dropped.Add(1)
	}
}

// run tells the tracer of queries until close. since is the time since the epoch of the
// loops' clocks.
func (q *traces) run(since func() time.Duration, log *slog.Logger) {
	defer close(q.done)
	var warned time.Time
	var known int64
	for t := range q.queue {
		now := time.Now()
		epoch := now.Add(-since())
		t.End = epoch.Add(t.ended)
		if t.pinned > 0 {
			t.Pinned = epoch.Add(t.pinned)
		}
		t.DBName = t.pool.Settings().DBName
		q.sink.Query(&t.TracedQuery)
		q.told.Add(1)
		if dropped := q.dropped.Load(); dropped > known && now.Sub(warned) >= droppedEvery {
			log.Warn("traced queries were dropped: spans leave too slowly", "queries", dropped-known)
			warned, known = now, dropped
		}
	}
}

// close has run end when all is told that was handed over, and waits for that a while.
// Nothing may be handed over any more.
func (q *traces) close() {
	if q == nil {
		return
	}
	q.closing.Do(func() { close(q.queue) })
	select {
	case <-q.done:
	case <-time.After(tracesLeft):
	}
}

func (q *traces) status() status.Traces {
	if q == nil {
		return status.Traces{}
	}
	return status.Traces{On: true, Queries: q.told.Load(), Dropped: q.dropped.Load()}
}
