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
	// Reload reads the configuration again. After an error nothing has changed.
	Reload() (*status.Reload, error)
}

// Handler answers GET and HEAD, but for /reload, of:
//
//	/         a page for people
//	/savings  JSON: what the pools save
//	/pools    JSON: every figure of every pool
//	/history  JSON: the last hour; of one pool with ?database=…&user=…
//	/sizing   JSON: whether the pools fit their servers and their clients
//	/census   JSON: the processes of a server; of another one with ?server=host:port
//	/events   server-sent events, for the page
//	/metrics  Prometheus' text format
//	/metrics/pgbouncer
//	          the same under the names of pgbouncer_exporter
//	/reload   by POST: reads the configuration again; JSON: what has changed
//	/login    asks for a token, and leads to the page
//	/healthz  200 as long as the process lives
//	/readyz   200 if clients can be served, else 503 and the reason
//
// Guard says who sees what; the last two answer anybody, without the reason.
// version is pgweir's own, as "0.1.0".
func Handler(src Source, version string, guard *Guard) http.Handler {
	figures := newSite(&reader{Source: src}, version, guard)
	statements := newSite(src, version, guard)
	readiness := &readiness{src: src}
	return secured(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == pathReload {
			reload(w, r, src, guard)
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "only GET and HEAD are answered", http.StatusMethodNotAllowed)
			return
		}
		may, why := guard.judge(r)
		switch {
		case may == Statements:
			defer engage(r.Context())()
			statements.ServeHTTP(w, r)
		case may == Figures:
			defer engage(r.Context())()
			figures.ServeHTTP(w, r)
		case r.URL.Path == pathHealth:
			writeText(w, http.StatusOK, "ok")
		case r.URL.Path == pathReady:
			readiness.ServeHTTP(w, r)
		default:
			guard.refuse(w, r, why)
		}
	}))
}

const (
	pathHealth = "/healthz"
	pathReady  = "/readyz"
	pathLogin  = "/login"
	pathReload = "/reload"
)

// newSite is all that those see who have the right to what src gives.
func newSite(src Source, version string, guard *Guard) http.Handler {
	paths := []struct {
		path    string
		handler http.Handler
	}{
		{"/", pageHandler(src)},
		{"/savings", jsonOf(func(*http.Request) any { return savingsOf(src.Snapshot(status.Counts)) })},
		{"/pools", jsonOf(func(*http.Request) any { return poolsOf(src.Snapshot(status.WithEvidence)) })},
		{"/history", jsonOf(func(r *http.Request) any { return historyAsked(src, r) })},
		{"/sizing", jsonOf(func(*http.Request) any { return sizingOf(src.Sizing()) })},
		{"/census", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			writeCensus(w, src.Censuses(), r.URL.Query().Get("server"))
		})},
		{"/events", newEvents(src)},
		{"/metrics", metricsHandler(src, version, guard)},
		{"/metrics/pgbouncer", pgbouncerHandler(src)},
		{pathLogin, http.HandlerFunc(guard.login)},
		{pathHealth, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { writeText(w, http.StatusOK, "ok") })},
		{pathReady, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { serveReady(w, src) })},
	}
	mux := http.NewServeMux()
	all := make([]string, len(paths), len(paths)+1)
	for i, p := range paths {
		pattern := "GET " + p.path
		if p.path == "/" {
			pattern += "{$}"
		}
		mux.Handle(pattern, p.handler)
		all[i] = p.path
	}
	all = append(all, pathReload) // which Handler answers
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "there is no such page, but: "+strings.Join(all, " "), http.StatusNotFound)
	})
	return mux
}

func jsonOf(make func(*http.Request) any) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { writeJSON(w, make(r)) })
}

func historyAsked(src Source, r *http.Request) history {
	q := r.URL.Query()
	if !q.Has("database") && !q.Has("user") {
		return historyOf(src.History())
	}
	return historyOf(src.PoolHistory(q.Get("database"), q.Get("user")))
}

// secured adds what keeps a browser from making anything of an answer but what
// it is: figures of this moment, to be looked at by whoever asked.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
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
