package web

import (
	"encoding/json"
	"io"
	"net/http"

	"pgweir/status"
)

// Source is where the figures come from. Snapshot is called once for each
// request, by many goroutines at a time; what it returns is not changed.
type Source interface {
	Snapshot(status.Detail) *status.Snapshot
}

// Handler answers GET and HEAD of:
//
//	/         a page for people
//	/savings  JSON: what the pools save
//	/pools    JSON: every figure of every pool
//	/metrics  Prometheus' text format
//	/healthz  200 as long as the process lives
//	/readyz   200 if clients can be served, else 503 and the reason
//
// version is pgweir's own, as "0.1.0".
func Handler(src Source, version string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		writePage(w, src.Snapshot(status.Counts))
	})
	mux.HandleFunc("GET /savings", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, savingsOf(src.Snapshot(status.Counts)))
	})
	mux.HandleFunc("GET /pools", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, poolsOf(src.Snapshot(status.Counts)))
	})
	mux.Handle("GET /metrics", metricsHandler(src, version))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		writeText(w, http.StatusOK, "ok")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		s := src.Snapshot(status.Counts)
		if !s.Ready {
			writeText(w, http.StatusServiceUnavailable, "not ready: "+s.NotReady)
			return
		}
		writeText(w, http.StatusOK, "ok")
	})
	return secured(mux)
}

// secured adds what keeps a browser from making anything of an answer but what
// it is: figures of this moment, to be looked at by whoever asked.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Content-Security-Policy",
			"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		next.ServeHTTP(w, r)
	})
}

func writeJSON(w http.ResponseWriter, v any) {
	body, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		http.Error(w, "cannot render: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	// A client that has gone is nobody's concern.
	_, _ = w.Write(append(body, '\n'))
}

func writeText(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = io.WriteString(w, text+"\n")
}
