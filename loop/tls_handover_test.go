package loop

import (
	"crypto/tls"
	"net"
	"testing"
	"time"
)

// TestAHandshakeBeginsWithWhatTheLoopHasRead: a client that begins with TLS has
// said its first words to the loop, whole or in part.
func TestAHandshakeBeginsWithWhatTheLoopHasRead(t *testing.T) {
	for name, wrap := range map[string]func(net.Conn, chan struct{}) net.Conn{
		"whole": func(conn net.Conn, _ chan struct{}) net.Conn { return conn },
		"in part": func(conn net.Conn, goOn chan struct{}) net.Conn {
			return &halting{Conn: conn, goOn: goOn}
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := start(t, Options{})
			fd, raw := tcpPair(t)
			heard, goOn := make(chan struct{}, 1), make(chan struct{})
			c := attach(t, l, fd, &handler{received: func(*Conn, []byte) int {
				select {
				case heard <- struct{}{}:
				default:
				}
				return 0
			}})
			client := tls.Client(wrap(raw, goOn), clientConfig(tls.VersionTLS13))
			client.SetDeadline(time.Now().Add(patience))
			shaken := make(chan error, 1)
			go func() { shaken <- client.Handshake() }()
			wait(t, heard, "nothing is heard")
			var conn net.Conn
			var received []byte
			on(t, l, func() {
				var err error
				if conn, received, err = c.Handover(); err != nil {
					t.Error(err)
				}
			})
			close(goOn)
			if len(received) == 0 || received[0] != 0x16 || c.Kept() != 0 || c.Loop() != nil {
				t.Fatalf("%d bytes handed over, %d kept", len(received), c.Kept())
			}
			s := ServerTLS(conn, serverConfig(), received)
			s.SetDeadline(time.Now().Add(patience))
			if err := s.Handshake(); err != nil {
				t.Fatal(err)
			}
			if err := wait(t, shaken, "no handshake"); err != nil {
				t.Fatal(err)
			}
			conn.Close()
			k := collect()
			on(t, l, func() {
				c.SetHandler(k)
				c.AttachTLS(s)
				if err := l.Add(c); err != nil {
					t.Error(err)
				}
			})
			write(t, client, []byte("a query"))
			eventually(t, "the first words within TLS come", func() bool { return k.n.Load() == 7 })
		})
	}
}

// halting stops in the midst of its first write until goOn is closed.
type halting struct {
	net.Conn
	goOn  chan struct{}
	begun bool
}

func (h *halting) Write(p []byte) (int, error) {
	if h.begun {
		return h.Conn.Write(p)
	}
	h.begun = true
	n, err := h.Conn.Write(p[:3])
	if err != nil {
		return n, err
	}
	<-h.goOn
	m, err := h.Conn.Write(p[3:])
	return n + m, err
}

// TestWhatIsReadAheadOutlivesTheHandshake: bytes that were handed over and that
// the handshake did not need come to the handler, in front of the others.
func TestWhatIsReadAheadOutlivesTheHandshake(t *testing.T) {
	u := &under{received: []byte("ab")}
	p := make([]byte, 1)
	for _, want := range []string{"a", "b"} {
		if n, err := u.Read(p); n != 1 || err != nil || string(p) != want {
			t.Errorf("%d, %v, %q; want %q", n, err, p, want)
		}
	}
}
