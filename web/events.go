package web

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"pgweir/status"
)

// Limits of /events.
const (
	// maxListeners bounds those who listen at a time.
	maxListeners = 64
	// maxBehind is how many messages a listener may be behind before it is dropped.
	maxBehind = 4
	// writeTime is how long a listener may take to accept one.
	writeTime = 10 * time.Second
	// heartbeat is after how much silence a comment is sent, so that whatever is
	// between us and the browser does not take the connection for a dead one.
	heartbeat = 15 * time.Second
)

// events is /events, the server-sent events that keep the page up to date:
//
//	event: census  the trees of processes, when there are new ones
//	event: state   everything else, each second
//
// Their data is JSON for page.js and nobody else. As long as somebody listens,
// one goroutine makes the messages, once for all.
type events struct {
	src      Source
	every    time.Duration // between readings
	patience time.Duration // how long a listener may take to accept a message
	register sync.Once     // with the server, for its end

	// mu guards what follows. No message is made and none is written under it.
	mu        sync.Mutex
	listeners map[*listener]struct{}
	serving   int                // requests; those of dropped listeners end a little later
	shut      bool               // the server is shutting down
	stop      context.CancelFunc // ends the goroutine that makes messages; nil if nobody listens
	latest    [2][]byte          // the last messages of each kind, for whoever comes next
}

// listener is one who listens. Its channel is closed when it is dropped.
type listener struct{ messages chan []byte }

func newEvents(src Source) *events {
	return &events{src: src, every: time.Second, patience: writeTime, listeners: map[*listener]struct{}{}}
}

// ServeHTTP sends events until the listener goes, falls behind, or its server
// shuts down.
func (e *events) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	if r.Method == http.MethodHead {
		h.Set("Content-Type", "text/event-stream")
		return
	}
	if server, ok := r.Context().Value(http.ServerContextKey).(*http.Server); ok {
		// A server that shuts down waits for its requests, and this one has no end.
		e.register.Do(func() { server.RegisterOnShutdown(e.shutDown) })
	}
	l := e.join()
	if l == nil {
		h.Set("Retry-After", "10")
		http.Error(w, fmt.Sprintf("shutting down, or there are %d listeners already", maxListeners), http.StatusServiceUnavailable)
		return
	}
	defer e.leave(l)
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // nginx would hold events back
	out := http.NewResponseController(w)
	send := func(message []byte) bool {
		// The server's own limit is for answers that end. One that cannot be set
		// is that of a connection that has none.
		_ = out.SetWriteDeadline(time.Now().Add(e.patience))
		if _, err := w.Write(message); err != nil {
			return false
		}
		return out.Flush() == nil
	}
	if !send([]byte("retry: 2000\n\n")) {
		return
	}
	silence := time.NewTimer(heartbeat)
	defer silence.Stop()
	for {
		select {
		case <-r.Context().Done():
			return
		case message, ok := <-l.messages:
			if !ok || !send(message) {
				return
			}
		case <-silence.C:
			if !send([]byte(": still here\n\n")) {
				return
			}
		}
		silence.Reset(heartbeat)
	}
}

// join adds a listener; nil if there are too many, or no more to come.
func (e *events) join() *listener {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.shut || e.serving == maxListeners {
		return nil
	}
	e.serving++
	l := &listener{messages: make(chan []byte, maxBehind)}
	for _, message := range e.latest {
		if message != nil {
			l.messages <- message
		}
	}
	e.listeners[l] = struct{}{}
	if e.stop == nil {
		var ctx context.Context
		ctx, e.stop = context.WithCancel(context.Background())
		go e.run(ctx)
	}
	return l
}

// leave takes a listener off, if it has not been dropped before.
func (e *events) leave(l *listener) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.serving--
	delete(e.listeners, l)
	e.rest()
}

// shutDown drops all listeners, and lets no other in.
func (e *events) shutDown() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.shut = true
	for l := range e.listeners {
		e.drop(l)
	}
	e.rest()
}

// drop ends a listener's request. e.mu is held.
func (e *events) drop(l *listener) {
	delete(e.listeners, l)
	close(l.messages)
}

// rest ends the goroutine that makes messages when nobody listens. e.mu is held.
func (e *events) rest() {
	if len(e.listeners) == 0 && e.stop != nil {
		e.stop()
		e.stop, e.latest = nil, [2][]byte{}
	}
}

// run makes messages until ctx ends.
func (e *events) run(ctx context.Context) {
	tick := time.NewTicker(e.every)
	defer tick.Stop()
	var seen []*status.Census
	for first := true; ; first = false {
		s := e.src.Snapshot(status.Counts)
		if first || !slices.Equal(s.Censuses, seen) {
			seen = s.Censuses
			e.tell(ctx, 0, message("census", censusOf(s.Censuses)))
		}
		e.tell(ctx, 1, message("state", stateOf(s, e.src.History(), e.src.Sizing())))
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// message frames one event. JSON has no line breaks of its own.
func message(name string, v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic("bug: a view that is no JSON: " + err.Error())
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "event: %s\ndata: %s\n\n", name, data)
	return b.Bytes()
}

// tell hands a message to every listener, and drops those who are too far
// behind: their browsers come back by themselves.
func (e *events) tell(ctx context.Context, kind int, message []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if ctx.Err() != nil {
		return // these listeners have gone, and others have a goroutine of their own
	}
	e.latest[kind] = message
	for l := range e.listeners {
		select {
		case l.messages <- message:
		default:
			e.drop(l)
		}
	}
	e.rest()
}
