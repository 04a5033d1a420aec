package loop

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// certificate is a self-made one for "localhost".
var certificate = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
})

func serverConfig() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{certificate()}}
}

func clientConfig(version uint16) *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version}
}

// secure does the handshake of a connection whose end fd is for a loop, as the
// server, on a goroutine and on a copy of the descriptor.
func secure(t testing.TB, fd int, peer net.Conn) (*TLS, net.Conn) {
	t.Helper()
	client := tls.Client(peer, clientConfig(tls.VersionTLS13))
	return handshake(t, fd, func(conn net.Conn) *TLS { return ServerTLS(conn, serverConfig(), nil) }, client), client
}

func handshake(t testing.TB, fd int, wrap func(net.Conn) *TLS, peer *tls.Conn) *TLS {
	t.Helper()
	done := make(chan error, 2)
	conn, err := DupConn(fd)
	if err != nil {
		t.Fatal(err)
	}
	secured := wrap(conn)
	secured.SetDeadline(time.Now().Add(patience))
	go func() { done <- secured.Handshake() }()
	go func() { done <- peer.Handshake() }()
	for range 2 {
		if err := wait(t, done, "no handshake"); err != nil {
			t.Fatal(err)
		}
	}
	conn.Close()
	return secured
}

// roles are the ways in which a loop's connection may be encrypted: as server
// or client, in each version.
var roles = []struct {
	name    string
	client  bool
	version uint16
}{
	{"server, TLS 1.3", false, tls.VersionTLS13},
	{"server, TLS 1.2", false, tls.VersionTLS12},
	{"client, TLS 1.3", true, tls.VersionTLS13},
	{"client, TLS 1.2", true, tls.VersionTLS12},
}

// secured makes a connection on a loop whose other end is a *tls.Conn.
func secured(t testing.TB, l *Loop, client bool, version uint16, h Handler, wrapPeer func(net.Conn) net.Conn) (*Conn, *tls.Conn) {
	t.Helper()
	fd, raw := tcpPair(t)
	if wrapPeer != nil {
		raw = wrapPeer(raw)
	}
	var peer *tls.Conn
	var s *TLS
	if client {
		peer = tls.Server(raw, serverConfig())
		s = handshake(t, fd, func(conn net.Conn) *TLS { return ClientTLS(conn, clientConfig(version)) }, peer)
	} else {
		peer = tls.Client(raw, clientConfig(version))
		s = handshake(t, fd, func(conn net.Conn) *TLS { return ServerTLS(conn, serverConfig(), nil) }, peer)
	}
	c := new(Conn)
	c.Init(fd, h)
	c.AttachTLS(s)
	if c.TLS() != s {
		t.Fatal("not attached")
	}
	add(t, l, c)
	return c, peer
}

func TestTLSCarriesBytesBothWays(t *testing.T) {
	for _, role := range roles {
		t.Run(role.name, func(t *testing.T) {
			l := start(t, Options{})
			c, peer := secured(t, l, role.client, role.version, echo(), nil)
			if d := c.TLS().Describe(); !strings.HasPrefix(d, "TLSv1.") || !strings.Contains(d, "/TLS_") {
				t.Errorf("described as %q", d)
			}
			for _, n := range []int{1, 1000, 20_000, 500_000} {
				p := pattern(n)
				done := writeAll(peer, p)
				same(t, read(t, peer, n), p)
				if err := wait(t, done, "write"); err != nil {
					t.Fatal(err)
				}
			}
			on(t, l, func() {
				if c.in != nil || c.Kept() != 0 {
					t.Error("an idle connection has a buffer")
				}
			})
			atRest(t, l)
		})
	}
}

// records reads what its peer has sent and notes the length of each TLS record.
type records struct {
	net.Conn
	seen    []byte
	longest int
}

func (r *records) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	r.seen = append(r.seen, p[:n]...)
	for len(r.seen) >= 5 {
		length := int(r.seen[3])<<8 | int(r.seen[4])
		if len(r.seen) < 5+length {
			break
		}
		r.longest = max(r.longest, length)
		r.seen = r.seen[5+length:]
	}
	return n, err
}

// TestTLSRecordsAreNoLongerThanPostgreSQLs: a client of libpq's that waits for
// its socket itself would not see the rest of a longer one.
func TestTLSRecordsAreNoLongerThanPostgreSQLs(t *testing.T) {
	for _, role := range roles {
		t.Run(role.name, func(t *testing.T) {
			l := start(t, Options{})
			var r *records
			c, peer := secured(t, l, role.client, role.version, collect(), func(conn net.Conn) net.Conn {
				r = &records{Conn: conn}
				return r
			})
			p := pattern(500_000)
			l.Post(func() { c.Send(p) })
			same(t, read(t, peer, len(p)), p)
			const overhead = 64 // of encryption, at most
			if r.longest > 8192+overhead || r.longest < 8192 {
				t.Errorf("a record of %d bytes", r.longest)
			}
		})
	}
}

// slicer writes in small pieces, so that records come in parts.
type slicer struct {
	net.Conn
	size int
}

func (s slicer) Write(p []byte) (int, error) {
	for at := 0; at < len(p); at += s.size {
		if _, err := s.Conn.Write(p[at:min(at+s.size, len(p))]); err != nil {
			return at, err
		}
	}
	return len(p), nil
}

func TestTLSRecordsMayComeInParts(t *testing.T) {
	for _, size := range []int{1, 7, 1000} {
		l := start(t, Options{})
		_, peer := secured(t, l, false, tls.VersionTLS13, echo(), func(conn net.Conn) net.Conn {
			if err := conn.(*net.TCPConn).SetNoDelay(true); err != nil {
				t.Fatal(err)
			}
			return slicer{conn, size}
		})
		p := pattern(3000 * min(size, 10))
		done := writeAll(peer, p)
		same(t, read(t, peer, len(p)), p)
		if err := wait(t, done, "write"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTLSWhatCameWithTheHandshakeIsNotForgotten(t *testing.T) {
	l := start(t, Options{})
	fd, raw := tcpPair(t)
	h := &holder{Conn: raw, hello: make(chan struct{}), more: make(chan struct{})}
	client := tls.Client(h, clientConfig(tls.VersionTLS13))
	conn, err := DupConn(fd)
	if err != nil {
		t.Fatal(err)
	}
	s := ServerTLS(conn, serverConfig(), nil)
	s.SetDeadline(time.Now().Add(patience))
	done := make(chan error, 1)
	go func() { done <- s.Handshake() }()
	if err := client.Handshake(); err != nil {
		t.Fatal(err)
	}
	write(t, client, []byte("early"))
	h.flush() // the client's last message of the handshake and its first bytes, in one
	if err := wait(t, done, "no handshake"); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	k := collect()
	c := new(Conn)
	c.Init(fd, k)
	add(t, l, c)
	on(t, l, func() { c.AttachTLS(s) }) // as late as can be
	eventually(t, "the first bytes come", func() bool { return k.n.Load() == 5 })
}

// holder passes the first write on and holds the others back until flush.
type holder struct {
	net.Conn
	hello, more chan struct{}
	first       bool
	held        []byte
}

func (h *holder) Write(p []byte) (int, error) {
	if !h.first {
		h.first = true
		return h.Conn.Write(p)
	}
	h.held = append(h.held, p...)
	return len(p), nil
}

func (h *holder) flush() { h.Conn.Write(h.held) }

func TestTLSCarriesMuchBothWaysAtOnceUnderBackPressure(t *testing.T) {
	l := start(t, Options{})
	fd, plain := pair(t)
	f1, f2 := new(forward), new(forward)
	c1 := new(Conn)
	c1.Init(fd, f1)
	c2, secure := secured(t, l, false, tls.VersionTLS13, f2, nil)
	on(t, l, func() { f1.to, f2.to = c2, c1 })
	add(t, l, c1)

	flowBothWays(t, plain, secure, pattern(24<<20))
	on(t, l, func() {
		for _, f := range []*forward{f1, f2} {
			if f.most > 2*readSize {
				t.Errorf("%d bytes had to be kept at once", f.most)
			}
		}
	})
}

func TestTLSPausesAndResumes(t *testing.T) {
	l := start(t, Options{})
	k := collect()
	c, peer := secured(t, l, true, tls.VersionTLS13, k, nil)
	on(t, l, c.Pause)
	p := pattern(6 << 20)
	done := writeAll(peer, p)
	atRest(t, l)
	if n := k.n.Load(); n != 0 {
		t.Fatalf("%d bytes came while paused", n)
	}
	on(t, l, c.Resume)
	if err := wait(t, done, "write"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all has come", func() bool { return k.n.Load() == int64(len(p)) })
	on(t, l, func() { same(t, k.got, p) })
}

func TestTLSAPauseWithinReceivedLeavesTheDecryptedBytesForLater(t *testing.T) {
	l := start(t, Options{})
	var sum atomic.Int64
	var got []byte
	_, peer := secured(t, l, false, tls.VersionTLS13, &handler{received: func(c *Conn, p []byte) int {
		got = append(got, p...)
		sum.Add(int64(len(p)))
		c.Pause()
		l.Post(c.Resume)
		return len(p)
	}}, nil)
	p := pattern(2 << 20)
	done := writeAll(peer, p)
	eventually(t, "all has come", func() bool { return sum.Load() == int64(len(p)) })
	if err := wait(t, done, "write"); err != nil {
		t.Fatal(err)
	}
	on(t, l, func() { same(t, got, p) })
}

func TestTLSAFullConnectionGoesOnWhenSomeIsConsumed(t *testing.T) {
	l := start(t, Options{})
	var sum atomic.Int64
	consume := false
	c, peer := secured(t, l, false, tls.VersionTLS13, &handler{received: func(_ *Conn, p []byte) int {
		if !consume {
			return 0
		}
		sum.Add(int64(len(p)))
		return len(p)
	}}, nil)
	p := pattern(2 << 20)
	done := writeAll(peer, p)
	eventuallyOn(t, l, "the connection is full", func() bool { return c.Kept() >= MaxKept })
	atRest(t, l)
	on(t, l, func() {
		if c.Kept() > MaxKept+readSize {
			t.Errorf("%d bytes kept", c.Kept())
		}
		consume = true
		c.Again()
	})
	eventually(t, "all has come", func() bool { return sum.Load() == int64(len(p)) })
	if err := wait(t, done, "write"); err != nil {
		t.Fatal(err)
	}
}

func TestTLSEndsWithCloseNotifyBothWays(t *testing.T) {
	l := start(t, Options{})
	k := collect()
	_, peer := secured(t, l, false, tls.VersionTLS13, k, nil)
	write(t, peer, []byte("bye"))
	peer.Close()
	if err := wait(t, k.over, "no end"); err != io.EOF {
		t.Fatal(err)
	}
	on(t, l, func() { same(t, k.got, []byte("bye")) })

	c, peer := secured(t, l, false, tls.VersionTLS13, collect(), nil)
	on(t, l, func() {
		c.Send([]byte("bye"))
		c.Close()
	})
	b, err := io.ReadAll(peer) // without close_notify, it would be an unexpected EOF
	if err != nil || string(b) != "bye" {
		t.Fatalf("%q, %v", b, err)
	}
}

func TestTLSACutConnectionIsAnErrorAndNoEnd(t *testing.T) {
	l := start(t, Options{})
	k := collect()
	var raw net.Conn
	secured(t, l, false, tls.VersionTLS13, k, func(conn net.Conn) net.Conn { raw = conn; return conn })
	raw.Close()
	if err := wait(t, k.over, "no end"); err == nil {
		t.Fatal("no error")
	}

	k = collect()
	secured(t, l, false, tls.VersionTLS13, k, func(conn net.Conn) net.Conn { raw = conn; return conn })
	write(t, raw, []byte("this is not a record of TLS at all"))
	var header tls.RecordHeaderError
	if err := wait(t, k.over, "no end"); !errors.As(err, &header) {
		t.Fatal(err)
	}
	if len(k.got) != 0 {
		t.Errorf("got %q", k.got)
	}
}

func TestTLSForwardingAllocatesLittle(t *testing.T) {
	l := start(t, Options{})
	_, peer := secured(t, l, false, tls.VersionTLS13, echo(), nil)
	msg := make([]byte, 1000)
	round := func() {
		if _, err := peer.Write(msg); err != nil {
			t.Error(err)
		}
		if _, err := io.ReadFull(peer, msg); err != nil {
			t.Error(err)
		}
	}
	for range 100 {
		round()
	}
	// crypto/tls itself, on both sides, allocates a little for each record.
	if n := allocations(1000, round); n > 10 {
		t.Errorf("%v allocations for each round", n)
	}
}
