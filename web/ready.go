package web

import (
	"net/http"
	"sync"
	"time"

	"pgweir/status"
)

// readyEvery bounds how often strangers have a snapshot taken: it takes time of
// the event loops.
const readyEvery = 200 * time.Millisecond

// serveReady is /readyz for those who may know why clients cannot be served: the
// reason has names and addresses.
func serveReady(w http.ResponseWriter, src Source) {
	s := src.Snapshot(status.Counts)
	if !s.Ready {
		writeText(w, http.StatusServiceUnavailable, "not ready: "+s.NotReady)
		return
	}
	writeText(w, http.StatusOK, "ok")
}

// readiness is /readyz for everybody else.
type readiness struct {
	src Source

	mu    sync.Mutex // held while a snapshot is taken, which serves all who wait
	at    time.Time  // of the last one
	ready bool
}

// ServeHTTP implements http.Handler.
func (r *readiness) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	if r.look(time.Now()) {
		writeText(w, http.StatusOK, "ok")
		return
	}
	writeText(w, http.StatusServiceUnavailable, "not ready")
}

func (r *readiness) look(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.at.IsZero() || now.Sub(r.at) >= readyEvery {
		r.at, r.ready = now, r.src.Snapshot(status.Counts).Ready
	}
	return r.ready
}
