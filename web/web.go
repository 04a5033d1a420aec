package web

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"pgweir/status"
)

// Source is where the figures come from. Snapshot is called once for each
// request, by many goroutines at a time; what it returns is not changed.
type Source interface {
	Snapshot(status.Detail) *status.Snapshot
	// Censuses are the last ones, of each server, in order of their hosts.
	Censuses() []*status.Census
	// History is the last hour of all pools together, PoolHistory of one; it is
	// empty if there is no such pool.
	History() status.History
	PoolHistory(database, user string) status.History
	Sizing() *status.Sizing
}

// Handler answers GET and HEAD of:
//
//	/         a page for people
//	/savings  JSON: what the pools save
//	/pools    JSON: every figure of every pool
//	/history  JSON: the last hour; of one pool with ?database=…&user=…
//	/sizing   JSON: whether the pools fit their servers and their clients
//	/census   JSON: the processes of a server; of another one with ?server=host:port
//	/events   server-sent events, for the page
//	/metrics  Prometheus' text format
//	/healthz  200 as long as the process lives
//	/readyz   200 if clients can be served, else 503 and the reason
//
// version is pgweir's own, as "0.1.0".
func Handler(src Source, version string) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", pageHandler(src))
	mux.HandleFunc("GET /savings", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, savingsOf(src.Snapshot(status.Counts)))
	})
	mux.HandleFunc("GET /pools", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, poolsOf(src.Snapshot(status.WithEvidence)))
	})
	mux.HandleFunc("GET /history", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if !q.Has("database") && !q.Has("user") {
			writeJSON(w, historyOf(src.History()))
			return
		}
		writeJSON(w, historyOf(src.PoolHistory(q.Get("database"), q.Get("user"))))
	})
	mux.HandleFunc("GET /sizing", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, sizingOf(src.Sizing()))
	})
	mux.Handle("GET /events", newEvents(src))
	mux.HandleFunc("GET /census", func(w http.ResponseWriter, r *http.Request) {
		writeCensus(w, src.Censuses(), r.URL.Query().Get("server"))
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

// writeCensus writes the census of one server, the first if none is named.
func writeCensus(w http.ResponseWriter, all []*status.Census, server string) {
	var hosts []string
	for _, c := range all {
		if server == "" || c.Server.Host == server {
			writeJSON(w, c)
			return
		}
		hosts = append(hosts, c.Server.Host)
	}
	why := "no census has been taken yet, or census_interval is 0"
	if server != "" && len(hosts) > 0 {
		why = "no such server: there is " + strings.Join(hosts, ", ")
	}
	http.Error(w, why, http.StatusNotFound)
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
