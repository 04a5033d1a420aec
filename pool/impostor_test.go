package pool

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"

	"pgweir/wire"
)

// impostorPassword is the secret that an impostor must not come by.
const impostorPassword = "geheim-und-lang"

// turn is a point of a login at which a server has something to say.
type turn int

const (
	turnSSL      turn = iota // answers the SSLRequest
	turnAsk                  // answers the startup packet: AuthenticationSASL
	turnContinue             // answers the client-first message
	turnFinal                // answers the client-final message: AuthenticationSASLFinal
	turnOK                   // goes on at once: AuthenticationOk
	turnLetIn                // goes on at once: settings, key, ReadyForQuery
	turnSetUp                // answers the first of pgweir's own questions
)

// impostor is a server that logs in as PostgreSQL does, but for one turn, at which
// it says something else and then nothing more.
type impostor struct {
	t    *testing.T
	ln   net.Listener
	tls  *tls.Config // nil: answers 'N'
	wg   sync.WaitGroup
	turn turn
	says func(w io.Writer, client string) // client is the nonce of the client, if it has said one

	mu     sync.Mutex
	honest bool     // it is PostgreSQL from now on
	behind [][]byte // what came behind the wrong turn, by connection
	all    []byte   // everything that came, within TLS and without
}

func newImpostor(t *testing.T, at turn, says func(io.Writer, string)) *impostor {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &impostor{t: t, ln: ln, turn: at, says: says}
	s.wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			s.wg.Go(func() {
				defer conn.Close()
				x := &impostorConn{s: s, conn: conn}
				x.r = bufio.NewReader(x)
				x.login()
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		s.wg.Wait() // pgweir has closed every connection
	})
	return s
}

// lies tells whether this is the turn at which it says something else.
func (s *impostor) lies(now turn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return now == s.turn && !s.honest
}

// behaves has it be PostgreSQL from now on. What it returns is what pgweir has said until
// then: behind the wrong turn, and everything.
func (s *impostor) behaves() (behind, all []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.honest = true
	return bytes.Join(s.behind, nil), bytes.Clone(s.all)
}

// impostorConn is one connection of an impostor's.
type impostorConn struct {
	s     *impostor
	conn  net.Conn
	r     *bufio.Reader
	nonce string
}

func (x *impostorConn) Read(p []byte) (int, error) {
	n, err := x.conn.Read(p)
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	if !x.s.honest {
		x.s.all = append(x.s.all, p[:n]...)
	}
	return n, err
}

// at says what belongs to a turn; false if this was the wrong one.
func (x *impostorConn) at(now turn, right []byte) bool {
	if !x.s.lies(now) {
		_, err := x.conn.Write(right)
		return err == nil
	}
	x.s.says(x.conn, x.nonce)
	behind, _ := io.ReadAll(x.r) // until pgweir closes its end
	x.s.mu.Lock()
	x.s.behind = append(x.s.behind, behind)
	x.s.mu.Unlock()
	return false
}

// body reads a packet whose length stands behind n bytes of its header.
func (x *impostorConn) body(n int) []byte {
	h := make([]byte, n+4)
	if _, err := io.ReadFull(x.r, h); err != nil {
		return nil
	}
	body := make([]byte, int(binary.BigEndian.Uint32(h[n:]))-4)
	if _, err := io.ReadFull(x.r, body); err != nil {
		return nil
	}
	return body
}

func (x *impostorConn) login() {
	start := x.body(0)
	if len(start) == 4 { // an SSLRequest
		answer := []byte{'N'}
		if x.s.tls != nil {
			answer[0] = 'S'
		}
		if !x.at(turnSSL, answer) {
			return
		}
		if x.s.tls != nil {
			x.conn = tls.Server(x.conn, x.s.tls)
		}
		start = x.body(0)
	}
	if start == nil || !x.at(turnAsk, wire.AppendAuthSASL(nil, wire.MechanismSCRAM)) {
		return
	}
	scram := wire.NewSCRAMServer(wire.DeriveSCRAMSecret(impostorPassword, []byte("some salt"), 2), wire.SCRAMNonce())
	_, first, err := wire.DecodeSASLInitial(x.body(1))
	if err != nil {
		return
	}
	_, nonce, _ := bytes.Cut(first, []byte(",r="))
	x.nonce = string(nonce)
	answer, err := scram.First(first)
	if err != nil {
		x.s.t.Error(err)
		return
	}
	if !x.at(turnContinue, wire.AppendAuthSASLContinue(nil, answer)) {
		return
	}
	answer, _, err = scram.Final(x.body(1))
	if err != nil {
		return
	}
	letIn := wire.AppendParameterStatus(nil, "server_version", "15.0")
	letIn = wire.AppendReadyForQuery(wire.AppendBackendKeyData(letIn, 4711, []byte{1, 2, 3, 4}), 'I')
	if !x.at(turnFinal, wire.AppendAuthSASLFinal(nil, answer)) || !x.at(turnOK, wire.AppendAuthOK(nil)) || !x.at(turnLetIn, letIn) {
		return
	}
	if x.s.lies(turnSetUp) { // two queries come in one write
		x.body(1)
		x.body(1)
		x.at(turnSetUp, nil)
		return
	}
	for len(x.body(1)) > 0 { // a Query; Terminate has no body
		x.conn.Write(wire.AppendReadyForQuery(nil, 'I')) // nothing is known of any question
	}
}

func serverTLS(t *testing.T) *tls.Config {
	t.Helper()
	return &tls.Config{Certificates: []tls.Certificate{newPKI(t, "localhost").pair}}
}
