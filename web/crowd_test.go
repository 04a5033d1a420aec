package web

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"
)

// TestAFloodOfConnectionsKeepsNobodyOut: neither who asks, nor who is being answered.
func TestAFloodOfConnectionsKeepsNobodyOut(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	guard := NewGuard(Access{Keys: Keys{Readers: digests(readersToken)}})
	begun, goOn := make(chan struct{}), make(chan struct{})
	done := make(chan error, 1)
	go func() {
		done <- Serve(ctx, ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if may, _ := guard.judge(r); may == Nothing {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			defer engage(r.Context())()
			if r.URL.Path == "/slow" {
				close(begun)
				<-goOn
			}
			writeText(w, http.StatusOK, "ok")
		}), guard)
	}()
	var conns []net.Conn
	defer func() {
		for _, conn := range conns { // the end would wait for them
			conn.Close()
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	dial := func() net.Conn {
		t.Helper()
		conn, err := net.DialTimeout("tcp", ln.Addr().String(), 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
		if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		return conn
	}
	ask := func(conn net.Conn, path string) {
		t.Helper()
		if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", path, readersToken); err != nil {
			t.Fatal(err)
		}
	}
	answered := func(conn net.Conn) bool {
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		return err == nil && answer.StatusCode == http.StatusOK
	}

	slow := dial()
	ask(slow, "/slow")
	<-begun
	first := dial()
	for i := range 2 * maxConns {
		conn := dial()
		if i%2 == 0 { // a request that never ends
			if _, err := conn.Write([]byte("GET / HTTP/1.1\r\nHost: ")); err != nil {
				t.Fatal(err)
			}
		}
		if i%64 == 0 {
			asking := dial()
			if ask(asking, "/"); !answered(asking) {
				t.Fatalf("after %d connections somebody who asks is kept out", i)
			}
		}
	}
	if _, err := first.Read(make([]byte, 1)); err == nil {
		t.Error("the first that asked for nothing is still there")
	}
	if n := guard.refusals.of(tooMany); n == 0 {
		t.Error("none gave way")
	}
	close(goOn)
	if !answered(slow) {
		t.Error("the request under way was cut off")
	}
}

func TestACrowdOfTheBusyTakesNoOther(t *testing.T) {
	c := newCrowd(nil, 2, nil)
	a, b, late := &guest{of: c, busy: 1}, &guest{of: c, busy: 1}, &guest{of: c}
	if c.admit(a) != nil || c.admit(b) != nil {
		t.Fatal("there was room")
	}
	if c.admit(late) != late || len(c.guests) != 2 {
		t.Errorf("%d guests", len(c.guests))
	}
	a.busy, a.since = 0, time.Unix(1, 0)
	if c.admit(late) != a || len(c.guests) != 2 {
		t.Error("the one at rest did not give way")
	}
}
