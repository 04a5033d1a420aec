package web

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"pgweir/status"
)

// changing is a Source whose censuses can be changed, and that counts readings.
type changing struct {
	*made
	reads atomic.Int64
	mu    sync.Mutex
	all   []*status.Census
}

func (c *changing) Snapshot(status.Detail) *status.Snapshot {
	c.reads.Add(1)
	s := *c.made.s
	c.mu.Lock()
	defer c.mu.Unlock()
	s.Censuses = c.all
	return &s
}

func (c *changing) set(all []*status.Census) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = all
}

// event is one event as a listener gets it.
type event struct{ name, data string }

// listenTo listens, and gives the answer and its events. The channel is closed
// when the answer ends.
func listenTo(t *testing.T, ctx context.Context, url string) (*http.Response, <-chan event) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	out := make(chan event, 1000)
	go func() {
		defer answer.Body.Close()
		defer close(out)
		lines := bufio.NewReader(answer.Body)
		var e event
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				return
			}
			name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
			switch name {
			case "event":
				e.name = value
			case "data":
				e.data = value
			case "":
				if e.name != "" {
					out <- e
				}
				e = event{}
			}
		}
	}()
	return answer, out
}

// next waits for the next event of a name, and passes over others.
func next(t *testing.T, from <-chan event, name string) event {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		select {
		case e, ok := <-from:
			if !ok {
				t.Fatalf("the events have ended without a %s", name)
			}
			if e.name == name {
				return e
			}
		case <-deadline:
			t.Fatalf("no %s comes", name)
		}
	}
}

func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for ; !condition(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

// serveEvents serves events of a source, and looks in the end that no goroutine
// is left.
func serveEvents(t *testing.T, e *events) string {
	t.Helper()
	before := goleak.IgnoreCurrent()
	server := httptest.NewServer(e)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		http.DefaultClient.CloseIdleConnections()
		goleak.VerifyNone(t, before)
	})
	return server.URL
}

func (e *events) counts() (listeners, serving int, runs bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.listeners), e.serving, e.stop != nil
}

func TestEventsAreTheWordsOfThePage(t *testing.T) {
	m := world(14)
	e := newEvents(m)
	answer, from := listenTo(t, t.Context(), serveEvents(t, e))
	if answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%s, %s", answer.Status, answer.Header.Get("Content-Type"))
	}
	census := next(t, from, "census") // first, so that a state finds the servers there
	state := next(t, from, "state")
	for data, v := range map[string]any{census.data: censusOf(m.s.Censuses), state.data: stateOf(m.s, m.h, m.sizing)} {
		if want, err := json.Marshal(v); err != nil || data != string(want) {
			t.Errorf("got %s, want %s, %v", data, want, err)
		}
	}
}

func TestACensusIsSentWhenItIsNew(t *testing.T) {
	src := &changing{made: world(2), all: world(2).s.Censuses}
	e := newEvents(src)
	e.every = 300 * time.Millisecond // on a busy machine somebody is soon too far behind
	_, from := listenTo(t, t.Context(), serveEvents(t, e))
	next(t, from, "census")
	for range 5 {
		if got := <-from; got.name != "state" {
			t.Fatalf("a %s that is not new", got.name)
		}
	}
	src.set(world(5).s.Censuses)
	if got := next(t, from, "census"); !strings.Contains(got.data, `"clients":"5"`) {
		t.Errorf("the new one is %s", got.data)
	}
	src.set(nil)
	if got := next(t, from, "census"); got.data != `{"servers":[]}` {
		t.Errorf("the last one is %s", got.data)
	}
}

func TestMessagesAreMadeOnceForAll(t *testing.T) {
	src := &changing{made: world(2)}
	e := newEvents(src)
	e.every = time.Hour
	url := serveEvents(t, e)
	for range 10 {
		_, from := listenTo(t, t.Context(), url)
		next(t, from, "state") // whoever comes later gets the last one at once
	}
	if n := src.reads.Load(); n != 1 {
		t.Errorf("10 listeners make %d readings", n)
	}
}

func TestNobodyListensAndNothingIsRead(t *testing.T) {
	src := &changing{made: world(2)}
	e := newEvents(src)
	e.every = 20 * time.Millisecond
	url := serveEvents(t, e)
	for range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		_, from := listenTo(t, ctx, url)
		next(t, from, "state")
		cancel()
		until(t, "the goroutine has been told to end", func() bool { _, serving, runs := e.counts(); return serving == 0 && !runs })
	}
	goleak.VerifyNone(t, goleak.IgnoreTopFunction("testing.(*T).Run"), goleak.IgnoreAnyFunction("net/http.(*Server).Serve"),
		goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"),
		goleak.IgnoreAnyFunction("net/http.(*conn).serve"))
	n := src.reads.Load()
	w := httptest.NewRecorder()
	e.ServeHTTP(w, httptest.NewRequest(http.MethodHead, "/events", nil))
	if w.Header().Get("Content-Type") != "text/event-stream" || src.reads.Load() != n {
		t.Error("HEAD is no answer without a body")
	}
}

func TestListenersAreBounded(t *testing.T) {
	e := newEvents(world(1))
	url := serveEvents(t, e)
	var leave context.CancelFunc
	for range maxListeners {
		ctx, cancel := context.WithCancel(t.Context())
		_, from := listenTo(t, ctx, url)
		next(t, from, "state")
		leave = cancel
	}
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(answer.Body)
	answer.Body.Close()
	if answer.StatusCode != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") == "" || !strings.Contains(string(body), "64 listeners already") {
		t.Errorf("one too many gets %s %q", answer.Status, body)
	}
	leave()
	until(t, "one has left", func() bool { _, serving, _ := e.counts(); return serving == maxListeners-1 })
	_, from := listenTo(t, t.Context(), url)
	next(t, from, "state")
}

func TestAListenerThatDoesNotReadIsDroppedAndHoldsUpNobody(t *testing.T) {
	e := newEvents(world(300))
	e.every, e.patience = 500*time.Millisecond, 2*time.Second // in which the other one reads, also on a busy machine
	ended := make(chan struct{})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.ServeHTTP(w, r)
		if r.URL.Path == "/slow" {
			close(ended)
		}
	}))
	// What the kernel holds for somebody who does not read is to be little.
	server.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		_ = c.(*net.TCPConn).SetWriteBuffer(4 << 10)
		return ctx
	}
	server.Start()
	defer server.Close()
	defer server.CloseClientConnections()
	slow, err := (&net.Dialer{}).Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	if err := slow.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(slow, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	_, from := listenTo(t, t.Context(), server.URL)
	deadline := time.After(20 * time.Second)
	for dropped := false; !dropped; {
		select {
		case _, ok := <-from:
			if !ok {
				t.Fatal("the one who reads was dropped")
			}
		case <-ended:
			dropped = true
		case <-deadline:
			t.Fatal("it was not dropped")
		}
	}
	next(t, from, "state")
	if listeners, serving, _ := e.counts(); listeners != 1 || serving != 1 {
		t.Errorf("%d listeners, %d requests are left", listeners, serving)
	}
}

func TestAServerThatShutsDownEndsItsEvents(t *testing.T) {
	before := goleak.IgnoreCurrent()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := newEvents(world(1))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, ln, e, everybody()) }()
	_, from := listenTo(t, t.Context(), "http://"+ln.Addr().String())
	next(t, from, "state")
	began := time.Now()
	cancel()
	for range from { // to its end
	}
	if err := <-done; err != nil || time.Since(began) > stopTime/2 {
		t.Errorf("%v after %v", err, time.Since(began))
	}
	if l := e.join(); l != nil {
		t.Error("another one may come in")
	}
	http.DefaultClient.CloseIdleConnections()
	goleak.VerifyNone(t, before)
}
