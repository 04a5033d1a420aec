package pool

import (
	"bufio"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
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
	if e := k.refusal(); e.Code != wire.CodeCannotConnect {
		t.Error(e)
	}
}

func TestAServerHasToProveThatItKnowsThePasswordToo(t *testing.T) {
	ok := wire.AppendAuthOK(nil)
	rest := wire.AppendReadyForQuery(wire.AppendBackendKeyData(nil, 4711, []byte{1, 2, 3, 4}), 'I')
	letIn := append(slices.Clone(ok), rest...)
	scram := wire.AppendAuthSASL(nil, wire.MechanismSCRAM)
	final := func(text string) []byte { return wire.AppendAuthSASLFinal(nil, []byte(text)) }
	wrong := "v=" + base64.StdEncoding.EncodeToString(make([]byte, sha256.Size))
	for name, c := range map[string]struct {
		first     []byte // before the client's first message
		proceeds  bool   // the server answers that with its own first message
		behind    []byte // at once behind it
		last      []byte // behind the client's proof
		trueFinal bool   // before last comes the proof of a server that knows the password
	}{
		"all is well": {first: scram, proceeds: true, trueFinal: true, last: letIn},
		"AuthenticationOk instead of SASLContinue":  {first: append(slices.Clone(scram), letIn...)},
		"AuthenticationOk behind SASLContinue":      {first: scram, proceeds: true, behind: letIn},
		"AuthenticationOk instead of SASLFinal":     {first: scram, proceeds: true, last: letIn},
		"no AuthenticationOk at all":                {first: rest},
		"no AuthenticationOk behind SASLContinue":   {first: scram, proceeds: true, behind: rest},
		"no AuthenticationOk behind SASLFinal":      {first: scram, proceeds: true, trueFinal: true, last: rest},
		"a wrong signature":                         {first: scram, proceeds: true, last: append(final(wrong), letIn...)},
		"no signature":                              {first: scram, proceeds: true, last: append(final("x=1"), letIn...)},
		"an empty signature":                        {first: scram, proceeds: true, last: append(final("v="), letIn...)},
		"an empty SASLFinal":                        {first: scram, proceeds: true, last: append(final(""), letIn...)},
		"SASLFinal instead of SASLContinue":         {first: append(append(slices.Clone(scram), final(wrong)...), letIn...)},
		"the password in clear text behind SASL":    {first: append(append(slices.Clone(scram), wire.AppendAuthCleartext(nil)...), letIn...)},
		"the password in clear text behind a proof": {first: scram, proceeds: true, last: append(wire.AppendAuthCleartext(nil), letIn...)},
		"SASL twice":                                 {first: append(append(slices.Clone(scram), scram...), letIn...)},
		"a password twice":                           {first: append(append(wire.AppendAuthCleartext(nil), wire.AppendAuthCleartext(nil)...), letIn...)},
		"a setting ahead of AuthenticationOk":        {first: append(wire.AppendParameterStatus(nil, "TimeZone", "UTC"), letIn...)},
		"a cancel key ahead of AuthenticationOk":     {first: append(wire.AppendBackendKeyData(nil, 4711, []byte{1, 2, 3, 4}), letIn...)},
		"AuthenticationOk twice":                     {first: append(slices.Clone(ok), letIn...)},
		"SASL behind AuthenticationOk":               {first: append(append(slices.Clone(ok), scram...), rest...)},
		"the password behind AuthenticationOk":       {first: append(append(slices.Clone(ok), wire.AppendAuthCleartext(nil)...), rest...)},
		"SASLContinue that nobody has asked for":     {first: append(wire.AppendAuthSASLContinue(nil, []byte("r=x,s=eA==,i=1")), letIn...)},
		"a proof where a password was asked for":     {first: append(append(wire.AppendAuthCleartext(nil), final(wrong)...), letIn...)},
		"SASLContinue twice, the second of no nonce": {first: scram, proceeds: true, behind: wire.AppendAuthSASLContinue(nil, []byte("r=x,s=eA==,i=1")), last: letIn},
	} {
		t.Run(name, func(t *testing.T) {
			ours, theirs := net.Pipe()
			defer ours.Close()
			go func() {
				defer theirs.Close()
				x := wire.NewSCRAMServer(wire.DeriveSCRAMSecret("secret", []byte("some salt"), 4096), wire.SCRAMNonce())
				in := bufio.NewReader(theirs)
				receive := func(n int) []byte { // the body of a message behind n bytes of header
					h := make([]byte, n)
					if _, err := io.ReadFull(in, h); err != nil {
						return nil
					}
					body := make([]byte, int(binary.BigEndian.Uint32(h[n-4:]))-4)
					io.ReadFull(in, body)
					return body
				}
				receive(4)
				theirs.Write(c.first)
				if c.proceeds {
					_, first, err := wire.DecodeSASLInitial(receive(5))
					if err != nil {
						return
					}
					answer, err := x.First(first)
					if err != nil {
						t.Error(err)
					}
					theirs.Write(append(wire.AppendAuthSASLContinue(nil, answer), c.behind...))
					proof := receive(5)
					if c.trueFinal {
						answer, _, err := x.Final(proof)
						if err != nil {
							t.Error(err)
						}
						theirs.Write(wire.AppendAuthSASLFinal(nil, answer))
					}
					theirs.Write(c.last)
				}
				io.Copy(io.Discard, in)
			}()
			ours.SetDeadline(time.Now().Add(patience))
			settings := Settings{Credentials: wire.Credentials{User: "user", Password: "secret"}}
			l := loginConn{conn: &unpiped{Conn: ours}, r: bufio.NewReader(ours), settings: &settings}
			_, err := l.run(nil, nil)
			if name == "all is well" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var e *wire.Error
			if !errors.As(err, &e) || e.Severity != "FATAL" || e.Code != wire.CodeProtocolViolation && e.Code != wire.CodeCannotConnect {
				t.Errorf("ended with %v", err)
			}
		})
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
