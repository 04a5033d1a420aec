package integration

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The whole of 127.0.0.0/8 is the machine itself on Linux: one address of it is the
// proxy, and any other is somebody whom nobody trusts.
const (
	proxyAddress    = "127.0.0.2"
	strangerAddress = "127.0.0.3"
)

const (
	headerV1  = "PROXY TCP4 203.0.113.7 127.0.0.1 56324 6432\r\n"
	headerV1B = "PROXY TCP4 203.0.113.8 127.0.0.1 56324 6432\r\n"
	headerV16 = "PROXY TCP6 2001:db8::7 ::1 56324 6432\r\n"
	endsV4    = "\xcb\x00\x71\x07\x7f\x00\x00\x01\xdc\x04\x19\x20"
	endsV6    = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\xdc\x04\x19\x20"
	endsV6Of4 = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xcb\x00\x71\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\x7f\x00\x00\x01\xdc\x04\x19\x20"
)

// headerV2 is a header of version 2 of the PROXY protocol.
func headerV2(command, family byte, body string) string {
	b := append([]byte("\r\n\r\n\x00\r\nQUIT\n"), command, family)
	return string(binary.BigEndian.AppendUint16(b, uint16(len(body)))) + body
}

// proxyHBA lets postgres in from two addresses and a Unix socket, and elsewhere asks
// the proxy's own connections for nothing.
const proxyHBA = `local all postgres trust
host all postgres 203.0.113.7/32 trust
host all postgres 2001:db8::7/128 trust
host all ordinary 127.0.0.2/32 trust
`

func startProxied(t *testing.T, top string) *weir {
	t.Helper()
	ca := newAuthority(t, "the authority")
	cert, key := ca.Sign(t, "weir.example", net.IPv4(127, 0, 0, 1))
	return startWeir(t, weirOptions{
		Top: `auth_type = "hba"
auth_hba_file = "hba.conf"
proxy_protocol_networks = "` + proxyAddress + `"
client_tls_cert_file = "weir.crt"
client_tls_key_file = "weir.key"
` + top,
		Files:  map[string]string{"hba.conf": proxyHBA, "weir.crt": cert, "weir.key": key},
		Tables: "[users.postgres]\n[users.ordinary]\n",
	})
}

// dialFrom connects from an address of this machine, and says what is given.
func dialFrom(t *testing.T, from string, w *weir, say string) *wireClient {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: patience}
	conn, err := d.Dial("tcp", w.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	c := &wireClient{t: t, conn: conn, r: bufio.NewReader(conn)}
	c.send([]byte(say))
	return c
}

// verdict is what a client is told of its login first: "in", "refused" (it is asked for
// something, as by a wrong password), an SQLSTATE, or "closed".
func (c *wireClient) verdict() string {
	c.t.Helper()
	typ, body, err := c.read()
	switch {
	case errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET):
		return "closed"
	case err != nil:
		c.t.Fatal(err)
	case typ == 'E':
		return errorFields(body)['C']
	case typ == 'R' && binary.BigEndian.Uint32(body) == 0:
		return "in"
	}
	return "refused"
}

func (w *weir) startup(user string) string {
	return string(startupPacket(protocol30, "user", user, "database", w.DB))
}

func TestAProxysHeaderSaysWhereAClientComesFrom(t *testing.T) {
	t.Parallel()
	w := startProxied(t, "")
	unix := "/tmp/client" + strings.Repeat("\x00", 97)
	for _, c := range []struct{ name, from, header, user, want string }{
		{"version 1", proxyAddress, headerV1, "postgres", "in"},
		{"version 1, another client", proxyAddress, headerV1B, "postgres", "refused"},
		{"version 1, IPv6", proxyAddress, headerV16, "postgres", "in"},
		{"version 2", proxyAddress, headerV2(0x21, 0x11, endsV4), "postgres", "in"},
		{"version 2, IPv6", proxyAddress, headerV2(0x21, 0x21, endsV6), "postgres", "in"},
		{"version 2, IPv4 as IPv6", proxyAddress, headerV2(0x21, 0x21, endsV6Of4), "postgres", "in"},
		{"version 2, more about the client", proxyAddress, headerV2(0x21, 0x11, endsV4+"\x02\x00\x02db\x20\x00\x05\x00\x00\x00\x00\x00"), "postgres", "in"},
		{"version 2, a wrong checksum", proxyAddress, headerV2(0x21, 0x11, endsV4+"\x03\x00\x04zero"), "postgres", "closed"},
		{"version 2, the proxy's own connection", proxyAddress, headerV2(0x20, 0x00, ""), "postgres", "refused"},
		{"version 2, the proxy's own user", proxyAddress, headerV2(0x20, 0x11, endsV4), "ordinary", "in"},
		{"version 2, of an unknown client", proxyAddress, headerV2(0x21, 0x00, ""), "ordinary", "in"},
		{"version 2, a Unix socket of the proxy's is none of ours", proxyAddress, headerV2(0x21, 0x31, unix+unix), "postgres", "refused"},
		{"version 1, of an unknown client", proxyAddress, "PROXY UNKNOWN\r\n", "ordinary", "in"},
		{"no header", proxyAddress, "", "ordinary", "closed"},
		{"a malformed header", proxyAddress, "PROXY TCP4 203.0.113.7\r\n", "postgres", "closed"},
		{"two headers", proxyAddress, headerV1 + headerV1, "postgres", "08P01"},
		{"version 1 from a stranger", strangerAddress, headerV1, "postgres", "08P01"},
		{"version 2 from a stranger", strangerAddress, headerV2(0x21, 0x11, endsV4), "postgres", "08P01"},
		{"a stranger", strangerAddress, "", "postgres", "refused"},
		{"a request over HTTP", strangerAddress, "GET / HTTP/1.1\r\n\r\n", "postgres", "08P01"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := dialFrom(t, c.from, w, c.header+w.startup(c.user)).verdict(); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
	eventually(t, "the log says what was wrong", func() bool {
		log := w.Log()
		return strings.Contains(log, "the connection does not begin with a header of the PROXY protocol") &&
			strings.Contains(log, "is not TCP4 or TCP6 with two addresses and two ports") &&
			strings.Contains(log, "does not have the checksum that it says")
	})
	w.Says(t, `reason="a header of the PROXY protocol, and proxy_protocol_networks does not have its address"`, 2)
	w.Says(t, `reason="a second header of the PROXY protocol"`, 1)
	w.Says(t, `reason="a request over HTTP, which is for the port of http_listen"`, 1)
	t.Run("a Unix socket has none", func(t *testing.T) {
		conn, err := net.Dial("unix", w.SocketPath())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		c := &wireClient{t: t, conn: conn, r: bufio.NewReader(conn)}
		c.send([]byte(headerV1 + w.startup("postgres")))
		if got := c.verdict(); got != "08P01" {
			t.Error(got)
		}
		w.Says(t, `reason="a header of the PROXY protocol, which is not for Unix sockets"`, 1)
	})
}

func TestAfterAProxysHeaderAllGoesOnAsWithoutIt(t *testing.T) {
	t.Parallel()
	w := startProxied(t, "")
	direct := connect(t, w.Direct())
	console := connect(t, w.Console("host="+w.Dir, simpleProtocol))
	for version, header := range map[string]string{"1": headerV1, "2": headerV2(0x21, 0x11, endsV4)} {
		for how, wrap := range map[string]func(net.Conn) net.Conn{
			"at once":      func(c net.Conn) net.Conn { return c },
			"byte by byte": func(c net.Conn) net.Conn { return slow{c} },
		} {
			open := func(t *testing.T) net.Conn {
				c := dialFrom(t, proxyAddress, w, "")
				if err := c.conn.(*net.TCPConn).SetNoDelay(true); err != nil {
					t.Fatal(err)
				}
				return &withHeader{Conn: wrap(c.conn), header: header}
			}
			kinds := map[string]func(*testing.T) *wireClient{
				"plain": func(t *testing.T) *wireClient {
					conn := open(t)
					return &wireClient{t: t, conn: conn, r: bufio.NewReader(conn)}
				},
				"TLS by SSLRequest": func(t *testing.T) *wireClient {
					conn := open(t)
					if _, err := conn.Write(binary.BigEndian.AppendUint32([]byte{0, 0, 0, 8}, 80877103)); err != nil {
						t.Fatal(err)
					}
					answer := make([]byte, 1)
					if _, err := io.ReadFull(conn, answer); err != nil || answer[0] != 'S' {
						t.Fatalf("%q, %v", answer, err)
					}
					c, err := shaken(t, conn, "postgresql")
					if err != nil {
						t.Fatal(err)
					}
					return tlsWire(t, c)
				},
				"TLS at once": func(t *testing.T) *wireClient {
					c, err := shaken(t, open(t), "postgresql")
					if err != nil {
						t.Fatal(err)
					}
					return tlsWire(t, c)
				},
			}
			for kind, dial := range kinds {
				t.Run(fmt.Sprintf("version %s, %s, %s", version, kind, how), func(t *testing.T) {
					c := dial(t)
					name := strings.ReplaceAll(version+kind+how, " ", "")
					c.login(protocol30, "user", "postgres", "database", w.DB, "application_name", name)
					showsClient(t, console, map[string]string{"application_name": name, "addr": "203.0.113.7", "port": "56324"})
					eventually(t, "the log says who has come, and by whom", func() bool {
						return strings.Contains(w.Log(), "addr=203.0.113.7 user=postgres database="+w.DB+" application="+name+" tls="+fmt.Sprint(kind != "plain")+" proxy="+proxyAddress)
					})
					c.send(simpleQuery("select pg_sleep(60), '" + name + "'"))
					eventually(t, "the query runs", func() bool {
						return ask(t, direct, "select count(*) from pg_stat_activity where query like '%"+name+"%' and pid <> pg_backend_pid() and state = 'active'") == "1"
					})
					canceling := dial(t)
					canceling.send(cancelPacket(c.pid, c.key))
					if code, err := c.answer(); code != "57014" || err != nil {
						t.Errorf("canceled: %q, %v", code, err)
					}
					if code := canceling.ended(patience); code != "" {
						t.Errorf("a CancelRequest was answered with %s", code)
					}
				})
			}
		}
	}
}

// withHeader writes a header ahead of the first bytes, with them.
type withHeader struct {
	net.Conn
	header string
}

func (h *withHeader) Write(p []byte) (int, error) {
	if h.header == "" {
		return h.Conn.Write(p)
	}
	both := append([]byte(h.header), p...)
	h.header = ""
	if _, err := h.Conn.Write(both); err != nil {
		return 0, err
	}
	return len(p), nil
}

func TestWhoMustSendAHeaderAndDoesNotIsEndedByClientLoginTimeout(t *testing.T) {
	t.Parallel()
	w := startProxied(t, "")
	console := connect(t, w.Console("host="+w.Dir, simpleProtocol))
	silent := dialFrom(t, proxyAddress, w, "")
	halfway := dialFrom(t, proxyAddress, w, headerV1[:20])
	late := dialFrom(t, proxyAddress, w, headerV1)
	eventually(t, "all are accepted, and the last one's header is read", func() bool {
		return loginClients(t, console) == "3" && loginsOf(t, console, "203.0.113.7") != nil
	})
	w.WriteConfig(t, "client_login_timeout = 1\n"+w.Config())
	w.Signal(t, syscall.SIGHUP)
	for _, c := range []*wireClient{silent, halfway} {
		if got := c.verdict(); got != "closed" {
			t.Error(got)
		}
	}
	eventually(t, "the log says so", func() bool {
		return strings.Contains(w.Log(), "canceling authentication due to timeout") && strings.Contains(w.Log(), "addr=127.0.0.2")
	})
	if code := late.ended(time.Minute); code != "08P01" { // as anybody who says nothing
		t.Error(code)
	}
}

func TestAHealthCheckThatSaysNothingLeavesNoLineInTheLog(t *testing.T) {
	t.Parallel()
	w := startProxied(t, "")
	console := connect(t, w.Console("host="+w.Dir, simpleProtocol))
	check := dialFrom(t, proxyAddress, w, "")
	eventually(t, "the check is accepted", func() bool { return loginClients(t, console) == "1" })
	_ = check.conn.Close()
	eventually(t, "the check has gone", func() bool { return loginClients(t, console) == "0" })
	if got := dialFrom(t, proxyAddress, w, headerV1+w.startup("postgres")).verdict(); got != "in" {
		t.Fatal(got)
	}
	w.Says(t, "client connected", 2)
	w.Says(t, "login failed", 0)
}

func TestWhoIsAProxyMayChangeAtAReload(t *testing.T) {
	t.Parallel()
	w := startProxied(t, "")
	console := connect(t, w.Console("host="+w.Dir, simpleProtocol))
	if got := dialFrom(t, strangerAddress, w, headerV1+w.startup("postgres")).verdict(); got != "08P01" {
		t.Error(got)
	}
	w.WriteConfig(t, strings.Replace(w.Config(), `"`+proxyAddress+`"`, `"::1, 127.0.0.0/8"`, 1))
	w.Signal(t, syscall.SIGHUP)
	eventually(t, "the setting is in force", func() bool {
		return rowOf(t, show(t, console, "show config"), "key", "proxy_protocol_networks")["value"] == "::1, 127.0.0.0/8"
	})
	if got := dialFrom(t, strangerAddress, w, headerV1+w.startup("postgres")).verdict(); got != "in" {
		t.Error(got)
	}
}

// TestLoginsThroughAProxyAreCountedAtTheAddressOfTheirClient: one client's many logins
// leave the turns of the others that come through the same proxy alone.
func TestLoginsThroughAProxyAreCountedAtTheAddressOfTheirClient(t *testing.T) {
	t.Parallel()
	w := startProxied(t, "max_logins_per_address = 2\n")
	console := connect(t, w.Console("host="+w.Dir, simpleProtocol))
	for range 5 {
		dialFrom(t, proxyAddress, w, headerV1B)
	}
	eventually(t, "two of them have their turn", func() bool {
		row := loginsOf(t, console, "203.0.113.8")
		return row != nil && row["served"] == "2" && row["waiting"] == "3"
	})
	if row := loginsOf(t, console, proxyAddress); row != nil && row["served"]+row["waiting"] != "00" {
		t.Errorf("the proxy itself: %v", row)
	}
	if got := dialFrom(t, proxyAddress, w, headerV1+w.startup("postgres")).verdict(); got != "in" {
		t.Errorf("another client: %s", got)
	}
}

// TestClientsThroughAProxyAreLimitedByTheirOwnAddress: max_client_conn_per_address.
func TestClientsThroughAProxyAreLimitedByTheirOwnAddress(t *testing.T) {
	t.Parallel()
	w := startProxied(t, "max_client_conn_per_address = 1\n")
	for _, tc := range []struct {
		header string
		in     bool
	}{{headerV1, true}, {headerV1, false}, {headerV16, true}, {headerV16, false}, {headerV2(0x21, 0x11, endsV4), false}} {
		c := dialFrom(t, proxyAddress, w, tc.header+w.startup("postgres"))
		if tc.in {
			c.until('Z')
		} else if code := c.ended(patience); code != "53300" {
			t.Errorf("%q: %s", tc.header, code)
		}
	}
}

// TestWhatComesWithTheHeaderIsKeptWhileItsClientWaits: nothing of it is lost.
func TestWhatComesWithTheHeaderIsKeptWhileItsClientWaits(t *testing.T) {
	t.Parallel()
	w := startProxied(t, "max_logins_per_address = 1\n")
	console := connect(t, w.Console("host="+w.Dir, simpleProtocol))
	first := dialFrom(t, proxyAddress, w, headerV1)
	eventually(t, "it has its turn", func() bool {
		row := loginsOf(t, console, "203.0.113.7")
		return row != nil && row["served"] == "1"
	})
	second := dialFrom(t, proxyAddress, w, headerV1+w.startup("postgres"))
	eventually(t, "the next one waits", func() bool { return loginsOf(t, console, "203.0.113.7")["waiting"] == "1" })
	_ = first.conn.Close()
	if got := second.verdict(); got != "in" {
		t.Errorf("who has waited: %s", got)
	}
}
