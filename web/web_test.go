package web

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"

	"pgweir/status"
)

// fixed is a Source that always gives the same.
type fixed struct{ s *status.Snapshot }

func (f fixed) Snapshot(status.Detail) *status.Snapshot { return f.s }
func (f fixed) Censuses() []*status.Census              { return f.s.Censuses }
func (f fixed) History() status.History                 { return status.History{} }
func (f fixed) PoolHistory(_, _ string) status.History  { return status.History{} }
func (f fixed) Sizing() *status.Sizing                  { return &status.Sizing{} }
func (f fixed) Reload() (*status.Reload, error)         { return &status.Reload{}, nil }

func fixture() *status.Snapshot {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s := &status.Snapshot{
		At: at, Started: at.Add(-90 * time.Minute), Version: "0.1.0", Ready: true,
		Pools: []status.Pool{
			{Database: "app", User: "alice", Mode: "transaction", Size: 20, ClientsActive: 140, ClientsWaiting: 10,
				ClientsActiveCancel: 1, ClientsWaitingCancel: 2, ServersActive: 5, ServersActiveCancel: 1,
				ServersBeingCanceled: 1, ServersIdle: 2, ServersTested: 1, ServersLogin: 3, ServersClosing: 3,
				MaxWait: 2500 * time.Millisecond, OldestPin: time.Minute, Pinned: 2, PinnedBy: map[string]int{"advisory lock": 1, "temporary table": 2, "new": 3},
				Listening: 1, ListeningClients: 30, Replays: 51, Questions: 52, LeaksFound: 53,
				Evidence: &status.Evidence{Shapes: map[string]int{"proven": 54, "leaves state": 55}, Hinted: 56, Unproven: 57, Catalog: 61, Sampled: 58,
					Found: 59, Generation: 60, Certain: true},
				Totals: status.Totals{ServerAssignments: 90, Transactions: 100, Queries: 300, Received: 4000, Sent: 1 << 40,
					TransactionTime: 5 * time.Second, QueryTime: 4 * time.Second, WaitTime: 1500 * time.Millisecond,
					ClientParses: 11, ServerParses: 12, Binds: 13, ClientLogins: 1000, ServerLogins: 16, Errors: 17},
				Averages:         status.Totals{Queries: 30, QueryTime: 40 * time.Millisecond},
				Waits:            []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13},
				TransactionTimes: []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18},
				QueryTimes:       []uint64{2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19},
				ClientsPeak:      160, BackendsPeak: 20, SavedPeak: 142, BackendMemory: 16 * 2 << 20},
			{Database: "app", User: "<b>bob</b>", Mode: "session", Size: 5, Paused: true, BackendMemory: -1},
			{Database: "pgweir", User: "admin", Mode: "statement", ClientsActive: 1, BackendMemory: -1},
		},
		Savings: status.Savings{Clients: 150, Backends: 16, Saved: 134, Ratio: 9.375, ClientLogins: 1001, ServerLogins: 17,
			BackendMemory: 2 << 20, MemorySaved: 134 * 2 << 20, MemorySource: "measured"},
		Lists: status.Lists{LoginClients: 3},
	}
	s.Savings.Peak.Clients, s.Savings.Peak.Backends, s.Savings.Peak.Saved = 161, 21, 142
	return s
}

// everybody may read, under any name.
func everybody() *Guard { return NewGuard(Access{Open: true, Hosts: []string{"*"}}) }

// ask asks the handler and gives the answer with its body.
func ask(t *testing.T, s *status.Snapshot, method, path string) (*http.Response, string) {
	t.Helper()
	w := httptest.NewRecorder()
	Handler(fixed{s}, "0.1.0", everybody()).ServeHTTP(w, httptest.NewRequest(method, path, nil))
	answer := w.Result()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(body)
}

func TestEveryPathAnswersGetAndHeadAndNothingElse(t *testing.T) {
	types := map[string]string{"/": "text/html; charset=utf-8", "/savings": "application/json", "/pools": "application/json",
		"/metrics": "text/plain; version=0.0.4; charset=utf-8", "/metrics/pgbouncer": "text/plain; version=0.0.4; charset=utf-8", "/healthz": "text/plain; charset=utf-8", "/readyz": "text/plain; charset=utf-8"}
	for path, contentType := range types {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			answer, _ := ask(t, fixture(), method, path)
			if answer.StatusCode != http.StatusOK {
				t.Errorf("%s %s: %s", method, path, answer.Status)
			}
			h := answer.Header
			if got, _, _ := strings.Cut(h.Get("Content-Type"), "; escaping"); got != contentType {
				t.Errorf("%s %s: %s", method, path, got)
			}
			if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") != "no-store" || h.Get("Content-Security-Policy") == "" {
				t.Errorf("%s %s: %v", method, path, h)
			}
		}
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions} {
			if answer, _ := ask(t, fixture(), method, path); answer.StatusCode != http.StatusMethodNotAllowed {
				t.Errorf("%s %s: %s", method, path, answer.Status)
			}
		}
	}
	for _, path := range []string{"/nothing", "/savings/x", "/metrics/", "/page.html"} {
		if answer, _ := ask(t, fixture(), http.MethodGet, path); answer.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", path, answer.Status)
		}
	}
}

func TestSavingsHasTheKeysThatProgramsRelyOn(t *testing.T) {
	_, body := ask(t, fixture(), http.MethodGet, "/savings")
	want := `{
  "clients": 150,
  "backends": 16,
  "saved": 134,
  "ratio": 9.375,
  "peak": {
    "clients": 161,
    "backends": 21,
    "saved": 142
  },
  "client_logins_total": 1001,
  "server_logins_total": 17,
  "forks_avoided": 984,
  "backend_memory_bytes": 2097152,
  "memory_saved_bytes": 281018368,
  "memory_source": "measured",
  "pools": [
    {
      "database": "app",
      "user": "alice",
      "clients": 150,
      "backends": 16,
      "saved": 134,
      "ratio": 9.375,
      "peak": {
        "clients": 160,
        "backends": 20,
        "saved": 142
      },
      "client_logins_total": 1000,
      "server_logins_total": 16,
      "forks_avoided": 984,
      "backend_memory_bytes": 2097152,
      "memory_saved_bytes": 281018368,
      "memory_source": "measured"
    },
    {
      "database": "app",
      "user": "\u003cb\u003ebob\u003c/b\u003e",
      "clients": 0,
      "backends": 0,
      "saved": 0,
      "ratio": 0,
      "peak": {
        "clients": 0,
        "backends": 0,
        "saved": 0
      },
      "client_logins_total": 0,
      "server_logins_total": 0,
      "forks_avoided": 0,
      "backend_memory_bytes": null,
      "memory_saved_bytes": null,
      "memory_source": "unknown"
    }
  ]
}
`
	if body != want {
		t.Errorf("got %s", body)
	}
}

func TestUnknownMemoryIsNullAndNever0(t *testing.T) {
	s := fixture()
	s.Savings.BackendMemory, s.Savings.MemorySaved, s.Savings.MemorySource = -1, -1, "unknown"
	s.Pools = s.Pools[:1]
	_, body := ask(t, s, http.MethodGet, "/savings")
	if n := strings.Count(body, `_bytes": null`); n != 4 {
		t.Errorf("%d are null: %s", n, body)
	}
	if n := strings.Count(body, `"memory_source": "unknown"`); n != 2 {
		t.Errorf("%d sources are unknown", n)
	}
	_, metrics := ask(t, s, http.MethodGet, "/metrics")
	if strings.Contains(metrics, "memory_saved_bytes") || strings.Contains(metrics, "backend_memory_bytes") {
		t.Error("the metrics claim to know")
	}
	_, page := ask(t, s, http.MethodGet, "/")
	if strings.Contains(page, "of memory") {
		t.Error("the page claims to know")
	}
}

func TestSavingsWithoutPoolsIsAnEmptyListAndNotNull(t *testing.T) {
	for _, path := range []string{"/savings", "/pools"} {
		if _, body := ask(t, &status.Snapshot{}, http.MethodGet, path); !strings.Contains(body, `"pools": []`) {
			t.Errorf("%s: %s", path, body)
		}
	}
}

func TestPoolsSaysWhatIsWrongWithPgweirItself(t *testing.T) {
	s := fixture()
	if _, body := ask(t, s, http.MethodGet, "/pools"); !strings.Contains(body, `"findings": []`) {
		t.Errorf("with nothing wrong: %s", body)
	}
	s.Findings = []status.Finding{{ID: status.PoolsTooLarge, Severity: status.Warning, Text: "wrong", Advice: "mend", Since: s.At, Down: true}}
	_, body := ask(t, s, http.MethodGet, "/pools")
	var got struct{ Findings []map[string]any }
	if err := json.Unmarshal([]byte(body), &got); err != nil || len(got.Findings) != 1 {
		t.Fatalf("%v: %s", err, body)
	}
	want := map[string]any{"id": "pools_too_large", "severity": "warning", "text": "wrong", "advice": "mend", "since": s.At.Format(time.RFC3339Nano)}
	if !reflect.DeepEqual(got.Findings[0], want) {
		t.Errorf("%v, want %v", got.Findings[0], want)
	}
}

func TestPoolsHasEveryFieldOfAPoolInSnakeCase(t *testing.T) {
	_, body := ask(t, fixture(), http.MethodGet, "/pools")
	var got struct {
		At    time.Time
		Pools []map[string]any
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	if !got.At.Equal(fixture().At) || len(got.Pools) != 3 {
		t.Fatalf("%v, %d pools", got.At, len(got.Pools))
	}
	compare(t, "pool", reflect.ValueOf(fixture().Pools[0]), got.Pools[0])
	if by, ok := got.Pools[1]["pinned_by"].(map[string]any); !ok || len(by) != 0 {
		t.Errorf("without pins, pinned_by is %v", got.Pools[1]["pinned_by"])
	}
	if hosts, ok := got.Pools[1]["hosts"].([]any); !ok || len(hosts) != 0 {
		t.Errorf("with one host, hosts is %v", got.Pools[1]["hosts"])
	}
	for _, key := range []string{"backend_memory", "evidence"} {
		if v, ok := got.Pools[1][key]; v != nil || !ok {
			t.Errorf("%s is %v where it is unknown", key, v)
		}
	}
}

// compare checks that an object has every field of a struct, with its value.
func compare(t *testing.T, where string, want reflect.Value, got map[string]any) {
	t.Helper()
	if want.NumField() != len(got) {
		t.Errorf("%s has %d keys for %d fields", where, len(got), want.NumField())
	}
	for i := range want.NumField() {
		key := snake(want.Type().Field(i).Name)
		v, ok := got[key]
		if !ok {
			t.Errorf("%s has no %s", where, key)
			continue
		}
		switch f := want.Field(i); x := f.Interface().(type) {
		case status.Totals:
			compare(t, where+"."+key, f, v.(map[string]any))
		case *status.Evidence:
			compare(t, where+"."+key, f.Elem(), v.(map[string]any))
		case time.Duration:
			if v != x.Seconds() {
				t.Errorf("%s.%s is %v, want %v", where, key, v, x.Seconds())
			}
		case []uint64:
			if len(v.([]any)) != len(x) || v.([]any)[4] != float64(x[4]) {
				t.Errorf("%s.%s is %v", where, key, v)
			}
		case map[string]int:
			by, ok := v.(map[string]any)
			if !ok || len(by) != len(x) {
				t.Errorf("%s.%s is %v, want %v", where, key, v, x)
			}
			for name, n := range x {
				if by[name] != float64(n) {
					t.Errorf("%s.%s[%q] is %v, want %d", where, key, name, by[name], n)
				}
			}
		case []status.PoolHost:
			all, ok := v.([]any)
			if !ok || len(all) != len(x) {
				t.Fatalf("%s.%s is %v, want %v", where, key, v, x)
			}
			for i := range x {
				compare(t, where+"."+key, f.Index(i), all[i].(map[string]any))
			}
		case string, bool:
			if v != x {
				t.Errorf("%s.%s is %v, want %v", where, key, v, x)
			}
		default:
			if v != float64(f.Int()) {
				t.Errorf("%s.%s is %v, want %v", where, key, v, x)
			}
		}
	}
}

func snake(name string) string {
	var b strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// counting is a Source that counts how often it is read.
type counting struct {
	fixed
	reads int
}

func (c *counting) Snapshot(d status.Detail) *status.Snapshot {
	c.reads++
	return c.fixed.Snapshot(d)
}

func TestOneRequestReadsOneSnapshot(t *testing.T) {
	src := &counting{fixed: fixed{fixture()}}
	h := Handler(src, "0.1.0", everybody())
	for _, path := range []string{"/", "/savings", "/pools", "/metrics", "/readyz"} {
		src.reads = 0
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, nil))
		if src.reads != 1 {
			t.Errorf("%s reads %d snapshots", path, src.reads)
		}
	}
}

func TestReadyzSaysWhyNot(t *testing.T) {
	s := fixture()
	s.Ready, s.NotReady = false, "shutting down"
	answer, body := ask(t, s, http.MethodGet, "/readyz")
	if answer.StatusCode != http.StatusServiceUnavailable || body != "not ready: shutting down\n" {
		t.Errorf("%s %q", answer.Status, body)
	}
	if answer, body := ask(t, s, http.MethodGet, "/healthz"); answer.StatusCode != http.StatusOK || body != "ok\n" {
		t.Errorf("%s %q", answer.Status, body)
	}
	if _, page := ask(t, s, http.MethodGet, "/"); !strings.Contains(page, "not ready: shutting down") {
		t.Error("the page says nothing of it")
	}
}

func TestServeStopsWithItsContextOnceRequestsUnderWayHaveEnded(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	begun, goOn := make(chan struct{}), make(chan struct{})
	done := make(chan error, 1)
	go func() {
		done <- Serve(ctx, ln, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			close(begun)
			<-goOn
			writeText(w, http.StatusOK, "ok")
		}), everybody())
	}()
	answered := make(chan string, 1)
	go func() {
		answer, err := http.Get("http://" + ln.Addr().String() + "/")
		if err != nil {
			answered <- err.Error()
			return
		}
		defer answer.Body.Close()
		body, _ := io.ReadAll(answer.Body)
		answered <- string(body)
	}()
	<-begun
	cancel()
	// It has stopped listening before the request under way ends.
	deadline := time.Now().Add(10 * time.Second)
	for {
		conn, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			break
		}
		conn.Close()
		if time.Now().After(deadline) {
			t.Fatal("it still listens")
		}
	}
	close(goOn)
	if body := <-answered; body != "ok\n" {
		t.Errorf("the request under way got %q", body)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestServeReturnsTheErrorOfItsListener(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	if err := Serve(t.Context(), ln, http.NotFoundHandler(), everybody()); err == nil {
		t.Error("it returned nil")
	}
}

// A program that shows both takes them of one answer.
func TestPoolsHaveTheSavingsOfTheSameMoment(t *testing.T) {
	var all, pools map[string]any
	for path, into := range map[string]*map[string]any{"/savings": &all, "/pools": &pools} {
		_, body := ask(t, fixture(), http.MethodGet, path)
		if err := json.Unmarshal([]byte(body), into); err != nil {
			t.Fatal(err)
		}
	}
	delete(all, "pools")
	if got := pools["savings"]; !reflect.DeepEqual(got, any(all)) {
		t.Errorf("got %v, want %v", got, all)
	}
}
