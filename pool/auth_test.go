package pool

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"pgweir/wire"

	"golang.org/x/sys/unix"
)

// clientKeys are what a client that knows the password reveals to a server of
// the same secret.
func clientKeys(t *testing.T, password string) (clientKey, serverKey []byte) {
	t.Helper()
	salted, err := pbkdf2.Key(sha256.New, password, []byte("some salt"), 4096, sha256.Size)
	if err != nil {
		t.Fatal(err)
	}
	sum := func(text string) []byte {
		m := hmac.New(sha256.New, salted)
		m.Write([]byte(text))
		return m.Sum(nil)
	}
	return sum("Client Key"), sum("Server Key")
}

func TestEachAuthenticationThatIsKnownLogsIn(t *testing.T) {
	clientKey, serverKey := clientKeys(t, "secret")
	password := wire.Credentials{User: "user", Password: "secret"}
	wrong := wire.Credentials{User: "user", Password: "Secret"}
	none := wire.Credentials{User: "user"}
	for _, c := range []struct {
		name, auth string
		with       wire.Credentials
		code       string
	}{
		{"trust", "trust", none, ""},
		{"password", "password", password, ""},
		{"wrong password", "password", wrong, "28P01"},
		{"no password", "password", none, "28P01"},
		{"password, MD5 known", "password", wire.Credentials{User: "user", MD5: wire.MD5Secret("user", "secret")}, "28P01"},
		{"md5", "md5", password, ""},
		{"md5 of a secret", "md5", wire.Credentials{User: "user", MD5: wire.MD5Secret("user", "secret")}, ""},
		{"md5, wrong", "md5", wrong, "28P01"},
		{"md5, nothing known", "md5", none, "28P01"},
		{"scram", "scram-sha-256", password, ""},
		{"scram with keys", "scram-sha-256", wire.Credentials{User: "user", ClientKey: clientKey, ServerKey: serverKey}, ""},
		{"scram with other keys", "scram-sha-256", wire.Credentials{User: "user", ClientKey: serverKey, ServerKey: clientKey}, "28P01"},
		{"scram, wrong", "scram-sha-256", wrong, "28P01"},
		{"scram, nothing known", "scram-sha-256", none, "28P01"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, s := newHost(t), serve(t)
			s.auth, s.password = c.auth, "secret"
			p := h.pool(s, func(s *Settings) { s.Credentials = c.with })
			k := h.taker(p)
			k.ask(p, nil)
			if c.code == "" {
				h.giveBack(k.wait())
				return
			}
			e := k.refusal()
			if e.Code != c.code || e.Severity != "FATAL" {
				t.Error(e)
			}
			if strings.Contains(e.Error()+e.Hint+e.Detail, "secret\"") {
				t.Error("a secret is told")
			}
			if told, lacks := h.denied.Load() == 1, e.Hint != ""; told == lacks {
				t.Errorf("the host was told of it: %v, with the hint %q", told, e.Hint)
			}
			if strings.HasSuffix(c.name, "known") && c.with.MD5 == "" && e.Hint == "" {
				t.Error("no hint what to do")
			}
		})
	}
}

func TestAServerThatDoesNotKnowTheSecretEitherIsRefused(t *testing.T) {
	clientKey, _ := clientKeys(t, "secret")
	h, s := newHost(t), serve(t)
	s.auth, s.password = "scram-sha-256", "secret"
	p := h.pool(s, func(s *Settings) {
		s.Credentials.ClientKey, s.Credentials.ServerKey = clientKey, make([]byte, sha256.Size)
	})
	k := h.taker(p)
	k.ask(p, nil)
	k.refusal()
}

func TestWhatAClientsLoginRevealsServesFromThenOnAndAfterAReload(t *testing.T) {
	for name, reveal := range map[string]func(*testing.T, *Pool){
		"keys": func(t *testing.T, p *Pool) {
			client, server := clientKeys(t, "secret")
			p.Learn(Learned{ClientKey: client, ServerKey: server})
		},
		"password": func(t *testing.T, p *Pool) { p.Learn(Learned{Password: "secret"}) },
	} {
		t.Run(name, func(t *testing.T) {
			h, s := newHost(t), serve(t)
			s.auth, s.password = "scram-sha-256", "secret"
			p := h.pool(s, func(s *Settings) { s.LoginRetry = 0 })
			k := h.taker(p)
			k.ask(p, nil)
			k.refusal()
			reveal(t, p)
			eventually(t, "the pause is over", p.failureIsOver)
			b := h.lease(p)
			h.giveBack(b)
			// A reload that changes nothing closes nothing and forgets nothing.
			p.Set(h.settings(s, "user", nil))
			if got := h.lease(p); got != b {
				t.Error("the backend was closed")
			}
			other := h.lease(p)
			h.giveBack(b)
			h.giveBack(other)
		})
	}
}

func TestAnotherSecretOfTheUsersClosesTheBackendsOfTheOldOne(t *testing.T) {
	h, s := newHost(t), serve(t)
	s.auth, s.password = "scram-sha-256", "old"
	p := h.pool(s, nil)
	client, server := clientKeys(t, "old")
	p.Learn(Learned{ClientKey: client, ServerKey: server})
	idle, lent := h.lease(p), h.lease(p)
	h.giveBack(idle)
	s.mu.Lock()
	s.password = "new"
	s.mu.Unlock()
	p.Relearn(Learned{Password: "new"})
	h.giveBack(lent)
	b := h.lease(p)
	if b == idle || b == lent {
		t.Error("a backend of the old secret is lent")
	}
	h.giveBack(b)
	if p.Relearn(Learned{MD5: "md5"}); p.candidates()[0].Password != "" {
		t.Error("an old password is kept")
	}
}

func TestALoginThatWasUnderWayAtAReloadIsOfNoUse(t *testing.T) {
	h, old, s := newHost(t), serve(t), serve(t)
	hold := make(chan struct{})
	old.hold = hold
	p := h.pool(old, nil)
	params := []wire.Param{param("TimeZone", "Asia/Tokyo")}
	k := h.taker(p, params...)
	k.ask(p, params)
	old.startsAre(1)
	p.Set(h.settings(s, "user", nil))
	close(hold)
	b := k.wait()
	if b.Address.Addr != s.addr || len(s.logins()) != 1 {
		t.Fatal("lent a backend of the old server")
	}
	if zone, _ := s.logins()[0].Get("TimeZone"); zone != "Asia/Tokyo" {
		t.Error("the old server's answer was taken for the new one's")
	}
	h.giveBack(b)
	eventually(t, "the old one is gone", func() bool { live, _ := old.counts(); return live == 0 })
	if _, w := p.Variant(params); w == nil {
		t.Error("the new server's answer is not known")
	}
}

func TestConnectTimeoutHoldsForDialling(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	raw, err := ln.(*net.TCPListener).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) { err = unix.Listen(int(fd), 0) })
	if err != nil {
		t.Fatal(err)
	}
	// Nobody accepts, and with the queue full nobody is answered any more.
	full := false
	for range 20 {
		conn, err := net.DialTimeout("tcp", ln.Addr().String(), 50*time.Millisecond)
		if err != nil {
			full = true
			break
		}
		defer conn.Close()
	}
	if !full {
		t.Fatal("the queue of a listener never fills up")
	}
	h, s := newHost(t), serveTCP(t)
	p := h.pool(s, func(s *Settings) {
		s.Address.Addr = ln.Addr().String()
		s.ConnectTimeout = 30 * time.Millisecond
	})
	k := h.taker(p)
	k.ask(p, nil)
	if e := k.trouble(p); e.Code != wire.CodeCannotConnect {
		t.Error(e)
	}
}

// TestAPasswordIsGivenOnce: a server that has it, where server_auth_methods allows
// that, may say nothing more but AuthenticationOk.
func TestAPasswordIsGivenOnce(t *testing.T) {
	inClear, md5 := wire.AppendAuthCleartext(nil), wire.AppendAuthMD5(nil, [4]byte{1, 2, 3, 4})
	for _, first := range [][]byte{inClear, md5} {
		for name, second := range map[string][]byte{
			"in clear text": inClear, "md5": md5, "SCRAM": wire.AppendAuthSASL(nil, wire.MechanismSCRAM),
			"SCRAM in its midst": wire.AppendAuthSASLContinue(nil, []byte("r=x,s=eA==,i=1")), "SCRAM at its end": wire.AppendAuthSASLFinal(nil, []byte("v=eA==")),
		} {
			ours, theirs := net.Pipe()
			answers := make(chan int, 1)
			go func() {
				defer close(answers)
				theirs.Write(slices.Concat(first, second, letIn))
				sent, _ := io.ReadAll(theirs)
				answers <- bytes.Count(sent, []byte{'p', 0, 0, 0})
			}()
			ours.SetDeadline(time.Now().Add(patience))
			settings := Settings{Credentials: wire.Credentials{User: "user", Password: "secret"}}
			l := loginConn{conn: &unpiped{Conn: ours}, r: bufio.NewReader(ours), settings: &settings}
			_, err := l.run(nil, nil)
			var e *wire.Error
			if !errors.As(err, &e) || e.Severity != "FATAL" || e.Code != wire.CodeProtocolViolation {
				t.Errorf("%s: ended with %v", name, err)
			}
			l.conn.(*unpiped).Close()
			if n := <-answers; n != 1 {
				t.Errorf("%s: %d answers", name, n)
			}
			theirs.Close()
		}
	}
}

// unpiped writes in the background, for a pipe keeps nothing that is not read.
type unpiped struct {
	net.Conn
	before chan struct{}
}

func (u *unpiped) Write(p []byte) (int, error) {
	p = slices.Clone(p)
	before, done := u.before, make(chan struct{})
	u.before = done
	go func() {
		defer close(done)
		if before != nil {
			<-before
		}
		u.Conn.Write(p)
	}()
	return len(p), nil
}

// Close lets what was written be read first.
func (u *unpiped) Close() error {
	if u.before != nil {
		<-u.before
	}
	return u.Conn.Close()
}
