package integration

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// startWithTLS starts a pgweir that shows clients a certificate for 127.0.0.1.
func startWithTLS(t *testing.T, opts weirOptions) (w *weir, ca *authority) {
	t.Helper()
	ca = newAuthority(t, "the authority")
	cert, key := ca.Sign(t, "weir.example", net.IPv4(127, 0, 0, 1))
	opts.Top += "\nclient_tls_cert_file = \"weir.crt\"\nclient_tls_key_file = \"weir.key\"\n"
	opts.Files = map[string]string{"weir.crt": cert, "weir.key": key, "ca.crt": ca.PEM}
	return startWeir(t, opts), ca
}

// shaken does a TLS handshake on a connection, with these protocols of ALPN.
func shaken(t *testing.T, conn net.Conn, protocols ...string) (*tls.Conn, error) {
	t.Helper()
	conn.SetDeadline(time.Now().Add(patience))
	c := tls.Client(conn, &tls.Config{InsecureSkipVerify: true, NextProtos: protocols})
	return c, c.Handshake()
}

// tlsWire is a wireClient on a TLS connection.
func tlsWire(t *testing.T, c *tls.Conn) *wireClient {
	return &wireClient{t: t, conn: c, r: bufio.NewReader(c)}
}

var gssRequest = binary.BigEndian.AppendUint32([]byte{0, 0, 0, 8}, 80877104)

// slow sends what is written byte by byte.
type slow struct{ net.Conn }

func (s slow) Write(p []byte) (int, error) {
	for i := range p {
		if _, err := s.Conn.Write(p[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(p), nil
}

func TestTLSMayBeginWithoutAnSSLRequest(t *testing.T) {
	t.Parallel()
	w, _ := startWithTLS(t, weirOptions{Top: `client_tls_sslmode = "require"`})
	for name, wrap := range map[string]func(net.Conn) net.Conn{
		"at once":      func(c net.Conn) net.Conn { return c },
		"byte by byte": func(c net.Conn) net.Conn { return slow{c} },
	} {
		t.Run(name, func(t *testing.T) {
			c, err := shaken(t, wrap(dialWire(t, w.Addr()).conn), "h2", "postgresql")
			if err != nil {
				t.Fatal(err)
			}
			if p := c.ConnectionState().NegotiatedProtocol; p != "postgresql" {
				t.Errorf("the protocol is %q", p)
			}
			x := tlsWire(t, c)
			x.login(protocol30, "user", w.Role(), "database", w.DB)
			if code, err := x.roundTrip("select repeat('x', 100000)"); code != "" || err != nil {
				t.Errorf("%s, %v", code, err)
			}
			canceling, err := shaken(t, dialWire(t, w.Addr()).conn, "postgresql")
			if err != nil {
				t.Fatal(err)
			}
			x.send(simpleQuery("select pg_sleep(60)"))
			eventually(t, "the query runs", func() bool {
				return ask(t, connect(t, w.Direct()), "select count(*) from pg_stat_activity where query like '%pg_sleep(60)' and pid <> pg_backend_pid() and state = 'active'") == "1"
			})
			if _, err := canceling.Write(cancelPacket(x.pid, x.key)); err != nil {
				t.Fatal(err)
			}
			if code, err := x.answer(); code != "57014" || err != nil {
				t.Errorf("canceled: %q, %v", code, err)
			}
		})
	}
	conn := connect(t, w.DSN("sslmode=require", "sslnegotiation=direct"))
	if got := ask(t, conn, "select 'with a driver'"); got != "with a driver" {
		t.Error(got)
	}
}

func TestDirectTLSIsRefusedWithoutTheProtocolsName(t *testing.T) {
	t.Parallel()
	w, _ := startWithTLS(t, weirOptions{})
	for _, protocols := range [][]string{nil, {"h2"}, {"http/1.1", "postgres"}} {
		_, err := shaken(t, dialWire(t, w.Addr()).conn, protocols...)
		if err == nil || !strings.Contains(err.Error(), "no application protocol") {
			t.Errorf("%q: %v", protocols, err)
		}
	}
	eventually(t, "the log has the reason", func() bool {
		return strings.Contains(w.Log(), "received direct SSL connection request without ALPN protocol negotiation extension")
	})

	t.Run("over a Unix socket there is none", func(t *testing.T) {
		conn, err := net.Dial("unix", w.SocketPath())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := shaken(t, conn, "postgresql"); !errors.Is(err, io.EOF) && !strings.Contains(fmt.Sprint(err), "reset") {
			t.Error(err)
		}
	})
}

// TestRequestsWithinTLSAreAnsweredAsByPostgreSQL17: within direct TLS each may come
// once, and is answered no; within TLS that was asked for, and again, it is an
// unknown protocol.
func TestRequestsWithinTLSAreAnsweredAsByPostgreSQL17(t *testing.T) {
	t.Parallel()
	w, _ := startWithTLS(t, weirOptions{})
	requests := map[string][]byte{"SSLRequest": sslRequest, "GSSENCRequest": gssRequest}
	for name, request := range requests {
		c, err := shaken(t, dialWire(t, w.Addr()).conn, "postgresql")
		if err != nil {
			t.Fatal(err)
		}
		x := tlsWire(t, c)
		x.send(request)
		if b, err := x.r.ReadByte(); b != 'N' || err != nil {
			t.Errorf("%s within direct TLS is answered %q, %v", name, b, err)
		}
		x.send(request)
		if code := x.ended(promptly); code != "0A000" {
			t.Errorf("a second %s: %q", name, code)
		}

		plain := dialWire(t, w.Addr())
		plain.send(sslRequest)
		if b, err := plain.r.ReadByte(); b != 'S' || err != nil {
			t.Fatalf("%q, %v", b, err)
		}
		if c, err = shaken(t, plain.conn); err != nil {
			t.Fatal(err)
		}
		x = tlsWire(t, c)
		x.send(request)
		if code := x.ended(promptly); code != "0A000" {
			t.Errorf("%s within TLS that was asked for: %q", name, code)
		}
	}
}

// TestOpenSSLSpeaksTLSInBothWays: it is what libpq has.
func TestOpenSSLSpeaksTLSInBothWays(t *testing.T) {
	t.Parallel()
	w, _ := startWithTLS(t, weirOptions{})
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"-alpn", "postgresql"}, "ALPN protocol: postgresql"},
		{[]string{"-alpn", "postgresql", "-tls1_2"}, "ALPN protocol: postgresql"},
		{[]string{"-alpn", "http/1.1"}, "no application protocol"},
		{nil, "no application protocol"},
		{[]string{"-starttls", "postgres", "-alpn", "postgresql"}, "ALPN protocol: postgresql"},
		{[]string{"-starttls", "postgres"}, "No ALPN negotiated"},
	} {
		cmd := exec.CommandContext(t.Context(), "openssl", append([]string{"s_client", "-connect", w.Addr()}, c.args...)...)
		out, _ := cmd.CombinedOutput() // it has no input, so it ends behind the handshake
		if !strings.Contains(string(out), c.want) {
			t.Errorf("openssl s_client %q: no %q in\n%s", c.args, c.want, out)
		}
	}
}

func TestVersionsAndSuitesAreThoseOfTheSettings(t *testing.T) {
	t.Parallel()
	w, _ := startWithTLS(t, weirOptions{Top: `client_tls_protocols = "tlsv1.2"
client_tls_ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384"`})
	c, err := shaken(t, dialWire(t, w.Addr()).conn, "postgresql")
	if err != nil {
		t.Fatal(err)
	}
	if s := c.ConnectionState(); s.Version != tls.VersionTLS12 || s.CipherSuite != tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 {
		t.Errorf("%s, %s", tls.VersionName(s.Version), tls.CipherSuiteName(s.CipherSuite))
	}
}

// TestTLSWithPostgreSQLMayBeginAtOnce: from version 17 on.
func TestTLSWithPostgreSQLMayBeginAtOnce(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t, "the authority")
	pg := startTLSCluster(t, ca, "local all all trust", "host all all all trust")
	w := startWeir(t, weirOptions{
		Cluster: pg,
		Top: `server_tls_sslmode = "verify-full"
server_tls_ca_file = "ca.crt"
server_tls_negotiation = "direct"
server_login_retry = 0`,
		Database: `user = "postgres"`,
		Files:    map[string]string{"ca.crt": ca.PEM},
	})
	if pg.Programs.Major < 17 {
		if err := tryLogin(t, w.DSN()); err == nil || !strings.Contains(err.Error(), "which needs PostgreSQL 17") {
			t.Error(err)
		}
		return
	}
	conn := connect(t, w.DSN())
	if got := ask(t, conn, "select ssl from pg_stat_ssl where pid = pg_backend_pid()"); got != "t" {
		t.Error(got)
	}
	if out, code := pgweir(t, "check", "-c", w.ConfigPath()); code != 0 || strings.Contains(out, "not compared") {
		t.Errorf("check: %d, %s", code, out)
	}
}
