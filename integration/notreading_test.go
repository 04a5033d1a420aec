package integration

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
)

// loginUnix logs in as loginWire does, over the Unix socket: what the kernel
// keeps there for a client that does not read is little.
func loginUnix(t *testing.T, w *weir, more ...string) *wireClient {
	t.Helper()
	conn, err := net.DialTimeout("unix", w.SocketPath(), patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	c := &wireClient{t: t, conn: conn, r: bufio.NewReader(conn)}
	c.login(protocol30, append([]string{"user", "postgres", "database", w.DB}, more...)...)
	return c
}

// TestAListenerThatDoesNotReadIsEnded: it gets notifications without a gap up to
// its end, and costs the others nothing.
func TestAListenerThatDoesNotReadIsEnded(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Database: "pool_size = 3"})
	deaf, other, sender := loginUnix(t, w), loginWire(t, w), loginWire(t, w)
	deaf.does("listen a")
	other.does("listen a")
	const all, batch, size, most = 3000, 100, 7000, 10 << 20
	for i := 0; i < all; i += batch {
		sender.does(fmt.Sprintf("select count(pg_notify('a', i || repeat('x', %d))) from generate_series(%d, %d) i", size, i+1, i+batch))
		for range batch {
			other.hear()
		}
	}
	n := 0
	for {
		typ, body, err := deaf.read()
		if err != nil {
			break // closed, and perhaps before there was room for the error
		}
		if typ == 'E' {
			if code := errorFields(body)['C']; code != "08006" {
				t.Errorf("it is ended with %v", errorFields(body))
			}
			continue
		}
		if n++; typ != 'A' || !strings.Contains(string(body), fmt.Sprintf("\x00%dx", n)) {
			t.Fatalf("message %d is %q %.40q", n, typ, body)
		}
	}
	if n == 0 || n*size > most {
		t.Errorf("%d notifications were kept", n)
	}
	other.does("select 1")
}

// TestAClientThatDoesNotReadIsNotRead: PostgreSQL would not answer its next query
// either before it has taken the answer to the last.
func TestAClientThatDoesNotReadIsNotRead(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Database: "pool_size = 1"})
	execSQL(t, w.Direct(), "create sequence run")
	deaf, other := loginUnix(t, w), loginWire(t, w)
	const all = 150
	for range all {
		// The other one stands behind it in the line.
		deaf.send(simpleQuery("select nextval('run'), repeat('x', 8000)"))
		other.does("select 1")
	}
	if ask(t, connect(t, w.Direct()), "select last_value from run") == fmt.Sprint(all) {
		t.Error("all its queries have been run, and it has read no answer")
	}
	for i := range all {
		if code, err := deaf.answer(); code != "" || err != nil {
			t.Fatalf("query %d: %q, %v", i, code, err)
		}
	}
}
