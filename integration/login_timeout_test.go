package integration

import (
	"io"
	"net"
	"testing"
	"time"
)

// halfLogins are ways to begin a login and to stop; TLS is there.
var halfLogins = map[string]func(t *testing.T, w *weir, c net.Conn) net.Conn{
	"nothing":              func(t *testing.T, w *weir, c net.Conn) net.Conn { return c },
	"half a startup":       sends(startupPacket(protocol30, "user", "postgres")[:14]),
	"half a CancelRequest": sends(cancelPacket(1, []byte("1234"))[:12]),
	"an SSLRequest":        sends(sslRequest),
	"half a hello":         sends(sslRequest, helloBegins),
	"half a direct hello":  sends(helloBegins),
	"TLS and nothing": func(t *testing.T, w *weir, c net.Conn) net.Conn {
		s, err := shaken(t, c, "postgresql")
		if err != nil {
			t.Fatal(err)
		}
		return s
	},
	"half a password in TLS": func(t *testing.T, w *weir, c net.Conn) net.Conn {
		s, err := shaken(t, c, "postgresql")
		if err != nil {
			t.Fatal(err)
		}
		tlsWire(t, s).send(startupPacket(protocol30, "user", "postgres", "database", w.DB))
		tlsWire(t, s).send(length("p", 40))
		return s
	},
}

var helloBegins = []byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")

// sends is a client that sends the first, and then, when it has an answer, the next.
func sends(first []byte, then ...[]byte) func(*testing.T, *weir, net.Conn) net.Conn {
	return func(t *testing.T, _ *weir, c net.Conn) net.Conn {
		if _, err := c.Write(first); err != nil {
			t.Fatal(err)
		}
		for _, p := range then {
			if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Write(p); err != nil {
				t.Fatal(err)
			}
		}
		return c
	}
}

// TestALoginThatIsNotFinishedIsEnded wherever it stops, and also if it has not been
// looked at yet.
func TestALoginThatIsNotFinishedIsEnded(t *testing.T) {
	t.Parallel()
	w, _ := startWithTLS(t, weirOptions{Top: "auth_type = \"scram-sha-256\"\nclient_login_timeout = \"5s\"", Tables: "[users.postgres]\npassword = \"right\"\n"})
	line := startWeir(t, weirOptions{Top: "max_logins = 2\nclient_login_timeout = \"5s\""})
	for what, begin := range halfLogins {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			endsBy(t, w, begin)
		})
	}
	for range 3 {
		t.Run("in the line", func(t *testing.T) {
			t.Parallel()
			endsBy(t, line, halfLogins["nothing"])
		})
	}
}

// endsBy waits for the end of a login that pgweir is to end.
func endsBy(t *testing.T, w *weir, begin func(*testing.T, *weir, net.Conn) net.Conn) {
	start := time.Now()
	c, err := net.Dial("tcp", w.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	c = begin(t, w, c)
	if _, err := io.Copy(io.Discard, c); err != nil && isTimeout(err) {
		t.Error("it is not ended")
	}
	if took := time.Since(start); took < 4*time.Second {
		t.Errorf("it is ended after %v, by something else than client_login_timeout", took)
	}
}
