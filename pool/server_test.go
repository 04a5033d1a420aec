package pool

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"pgweir/wire"
)

// server is a scripted PostgreSQL. It counts a connection from its startup
// packet until it closes it itself, as a process of PostgreSQL's would count.
type server struct {
	t       testing.TB
	network string
	addr    string

	mu       sync.Mutex
	ln       net.Listener
	auth     string                       // "trust", "password", "md5", "scram-sha-256"
	offer    []string                     // SASL mechanisms of scram-sha-256; nil for that one
	password string                       // of every user
	refuse   func(*startup) *wire.Error   // instead of letting in
	answers  func(*startup) []wire.Param  // more ParameterStatus messages
	raw      func(*startup) []byte        // sent instead of all that
	ahead    []byte                       // sent ahead of the AuthenticationOk
	key      []byte                       // of every process; nil for one of its own
	hold     chan struct{}                // logins wait until it is closed
	holdEnd  chan struct{}                // ends wait until it is closed
	late     time.Duration                // ends take up to that long
	tls      *tls.Config                  // nil: answers 'N'
	carefree bool                         // takes TLS at once without naming the protocol
	deaf     bool                         // reads nothing after the login but a cancel ends that
	ignore   int                          // so many cancels come too early
	query    func(*serverSession, string) // answers a Query; nil: nobody does
	live     int                          // processes
	most     int                          // of them at once
	sessions map[uint32]*serverSession    // logged in, by process ID
	starts   []*startup                   // startup packets that have come
	cancels  []uint32                     // process IDs of CancelRequests

	holdCancels             chan struct{} // their connections stay open until it is closed
	nowCancels, mostCancels int           // connections of them, and the most at once
	ways                    []*startup    // how they came
	pids                    uint32
	wg                      sync.WaitGroup
}

type startup struct {
	wire.Startup
	tls               bool
	direct            bool   // without an SSLRequest
	protocol          string // of ALPN
	certs             int
	mechanism, header string // of the client's SASL
}

type serverSession struct {
	pid      uint32
	key      []byte
	conn     net.Conn
	start    *startup
	canceled chan struct{}
	once     sync.Once
}

func serve(t testing.TB) *server {
	t.Helper()
	return serveOn(t, "unix", t.TempDir()+"/s")
}

func serveTCP(t testing.TB) *server {
	t.Helper()
	return serveOn(t, "tcp", "127.0.0.1:0")
}

func serveOn(t testing.TB, network, addr string) *server {
	t.Helper()
	s := &server{t: t, network: network, addr: addr, auth: "trust", sessions: map[uint32]*serverSession{}}
	s.listen()
	t.Cleanup(func() {
		s.stop()
		s.wg.Wait()
	})
	return s
}

// listen begins to accept; again after stop.
func (s *server) listen() {
	s.t.Helper()
	ln, err := net.Listen(s.network, s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.mu.Lock()
	s.ln, s.addr = ln, ln.Addr().String()
	s.mu.Unlock()
	s.wg.Add(1)
	go func() {
		defer s.wg.Done()
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			s.wg.Add(1)
			go func() {
				defer s.wg.Done()
				s.connection(conn)
			}()
		}
	}()
}

// stop closes the listening socket and all sessions, as a crash would.
func (s *server) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ln.Close()
	for _, x := range s.sessions {
		x.conn.Close()
		x.cancel()
	}
	for _, gate := range []chan struct{}{s.hold, s.holdEnd} {
		if gate != nil {
			select {
			case <-gate:
			default:
				close(gate)
			}
		}
	}
}

func (s *server) set(f func(*server)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s)
}

// counts are the processes there are, and the most that were at once since
// the last call.
func (s *server) counts() (live, most int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	live, most = s.live, s.most
	s.most = s.live
	return live, most
}

func (s *server) logins() []*startup {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.starts)
}

func (x *serverSession) isCanceled() bool {
	select {
	case <-x.canceled:
		return true
	default:
		return false
	}
}

func (x *serverSession) cancel() { x.once.Do(func() { close(x.canceled) }) }

func (s *server) connection(conn net.Conn) {
	x := &serverSession{conn: conn, start: new(startup), canceled: make(chan struct{})}
	counted := false
	defer func() {
		if counted {
			s.end(x)
		}
		x.conn.Close()
	}()
	if !s.beginsWithTLS(x) {
		return
	}
	for {
		var head [8]byte
		if _, err := io.ReadFull(x.conn, head[:]); err != nil {
			return
		}
		packet := make([]byte, binary.BigEndian.Uint32(head[:]))
		copy(packet, head[:])
		if _, err := io.ReadFull(x.conn, packet[8:]); err != nil {
			return
		}
		start, _, err := wire.DecodeStartup(packet)
		if err != nil {
			s.t.Error(err)
			return
		}
		switch start.Kind {
		case wire.KindSSLRequest:
			if !s.answerSSL(x) {
				return
			}
			continue
		case wire.KindCancelRequest:
			s.mu.Lock()
			s.cancels = append(s.cancels, start.PID)
			s.ways = append(s.ways, x.start)
			if y := s.sessions[start.PID]; y != nil && len(s.cancels) > s.ignore && string(y.key) == string(start.Key) {
				y.cancel()
			}
			s.nowCancels++
			s.mostCancels = max(s.mostCancels, s.nowCancels)
			hold := s.holdCancels
			s.mu.Unlock()
			if hold != nil {
				<-hold
			}
			s.set(func(s *server) { s.nowCancels-- })
			return
		}
		x.start.Startup = start
		break
	}
	s.mu.Lock()
	counted = true
	s.live++
	s.most = max(s.most, s.live)
	s.pids++
	x.pid = s.pids
	if x.key = s.key; x.key == nil {
		x.key = []byte{byte(x.pid >> 8), byte(x.pid), 3, 4}
	}
	s.starts = append(s.starts, x.start)
	hold := s.hold
	s.mu.Unlock()
	if hold != nil {
		<-hold
	}
	if s.letIn(x) {
		s.talk(x)
	}
}

// beginsWithTLS does the handshake of a client that has not asked for it, as
// PostgreSQL 17; false if it failed. An older one hangs up.
func (s *server) beginsWithTLS(x *serverSession) bool {
	r := bufio.NewReader(x.conn)
	first, err := r.Peek(1)
	x.conn = peeked{x.conn, r}
	if err != nil || first[0] != 0x16 {
		return err == nil
	}
	s.mu.Lock()
	config := s.tls
	s.mu.Unlock()
	if config == nil || len(config.NextProtos) == 0 && !s.carefree {
		return false
	}
	x.start.direct = true
	return s.shake(x, config)
}

// peeked is a connection of which the first bytes have been looked at.
type peeked struct {
	net.Conn
	r *bufio.Reader
}

func (p peeked) Read(b []byte) (int, error) { return p.r.Read(b) }

func (s *server) answerSSL(x *serverSession) bool {
	s.mu.Lock()
	config := s.tls
	s.mu.Unlock()
	if config == nil {
		x.conn.Write([]byte{'N'})
		return true
	}
	x.conn.Write([]byte{'S'})
	return s.shake(x, config)
}

func (s *server) shake(x *serverSession, config *tls.Config) bool {
	c := tls.Server(x.conn, config)
	if err := c.Handshake(); err != nil {
		return false
	}
	state := c.ConnectionState()
	x.conn, x.start.tls, x.start.certs, x.start.protocol = c, true, len(state.PeerCertificates), state.NegotiatedProtocol
	return true
}

// letIn does the login, and is false if it failed.
func (s *server) letIn(x *serverSession) bool {
	s.mu.Lock()
	auth, offer, password, refuse, answers, raw := s.auth, s.offer, s.password, s.refuse, s.answers, s.raw
	s.mu.Unlock()
	send := func(p []byte) { x.conn.Write(p) }
	if raw != nil {
		if p := raw(x.start); p != nil {
			send(p)
			return false
		}
	}
	user, _ := x.start.Get("user")
	in := bufio.NewReader(x.conn)
	receive := func() []byte {
		var h [wire.HeaderLen]byte
		if _, err := io.ReadFull(in, h[:]); err != nil {
			return nil
		}
		typ, total := wire.Header(h[:])
		body := make([]byte, total-wire.HeaderLen)
		if _, err := io.ReadFull(in, body); err != nil || typ != 'p' {
			return nil
		}
		return body
	}
	ok := true
	switch auth {
	case "password":
		send(wire.AppendAuthCleartext(nil))
		given, _ := wire.DecodePassword(receive())
		ok = given == password
	case "md5":
		salt := [4]byte{1, 2, 3, 4}
		send(wire.AppendAuthMD5(nil, salt))
		given, _ := wire.DecodePassword(receive())
		ok = wire.CheckMD5(wire.MD5Secret(user, password), given, salt)
	case "scram-sha-256":
		if offer == nil {
			offer = []string{wire.MechanismSCRAM}
		}
		send(wire.AppendAuthSASL(nil, offer...))
		ok = s.scram(x, offer, password, send, receive)
	}
	if !ok {
		send(wire.Fatalf(wire.CodeInvalidPassword, "password authentication failed for user %q", user).Append(nil))
		return false
	}
	if refuse != nil {
		if e := refuse(x.start); e != nil {
			send(e.Append(nil))
			return false
		}
	}
	out := wire.AppendAuthOK(slices.Clone(s.ahead))
	for _, name := range []string{"application_name", "client_encoding", "DateStyle", "IntervalStyle", "TimeZone"} {
		value := map[string]string{"client_encoding": "UTF8", "DateStyle": "ISO, MDY", "IntervalStyle": "postgres", "TimeZone": "UTC"}[name]
		for _, p := range x.start.Params {
			if wire.VarIndex([]byte(p.Name)) == wire.VarIndex([]byte(name)) {
				value = p.Value
			}
		}
		if name == "DateStyle" && value == "ISO" {
			value = "ISO, MDY" // the server's own words
		}
		out = wire.AppendParameterStatus(out, name, value)
	}
	out = wire.AppendParameterStatus(out, "server_version", "15.0")
	if answers != nil {
		for _, p := range answers(x.start) {
			out = wire.AppendParameterStatus(out, p.Name, p.Value)
		}
	}
	out = wire.AppendBackendKeyData(out, x.pid, x.key)
	s.set(func(s *server) { s.sessions[x.pid] = x })
	send(wire.AppendReadyForQuery(out, 'I'))
	return true
}

func (s *server) scram(y *serverSession, offer []string, password string, send func([]byte), receive func() []byte) bool {
	x := wire.NewSCRAMServer(wire.DeriveSCRAMSecret(password, []byte("some salt"), 4096), wire.SCRAMNonce())
	mechanism, first, err := wire.DecodeSASLInitial(receive())
	if err != nil {
		return false
	}
	flag, _, _ := bytes.Cut(first, []byte(","))
	s.set(func(*server) { y.start.mechanism, y.start.header = mechanism, string(flag) })
	switch {
	case mechanism == wire.MechanismSCRAMPlus:
		cert, err := x509.ParseCertificate(s.tls.Certificates[0].Certificate[0])
		if err != nil {
			s.t.Error(err)
			return false
		}
		endPoint, err := wire.ServerEndPoint(cert)
		if err != nil {
			s.t.Error(err)
		}
		x.Bind(wire.SCRAMBound(endPoint))
	case slices.Contains(offer, wire.MechanismSCRAMPlus):
		x.Bind(wire.SCRAMPassed())
	}
	out, err := x.First(first)
	if err != nil {
		s.t.Error(err)
		return false
	}
	send(wire.AppendAuthSASLContinue(nil, out))
	out, _, err = x.Final(receive())
	if err != nil {
		return false
	}
	send(wire.AppendAuthSASLFinal(nil, out))
	return true
}

// talk reads until Terminate or the end.
func (s *server) talk(x *serverSession) {
	s.mu.Lock()
	deaf, query := s.deaf, s.query
	s.mu.Unlock()
	if deaf {
		<-x.canceled
	}
	for {
		var h [wire.HeaderLen]byte
		if _, err := io.ReadFull(x.conn, h[:]); err != nil {
			return
		}
		typ, total := wire.Header(h[:])
		if typ == 'X' {
			return
		}
		body := make([]byte, total-wire.HeaderLen)
		if _, err := io.ReadFull(x.conn, body); err != nil {
			return
		}
		if typ == 'Q' && query != nil {
			query(x, string(body[:len(body)-1]))
		}
	}
}

// end is a process going: late, and uncounted before its connection is closed.
func (s *server) end(x *serverSession) {
	s.mu.Lock()
	late, hold := s.late, s.holdEnd
	s.mu.Unlock()
	if hold != nil {
		<-hold
	}
	if late > 0 {
		<-time.After(time.Duration(rand.Int64N(int64(late))))
	}
	s.mu.Lock()
	delete(s.sessions, x.pid)
	s.live--
	s.mu.Unlock()
}
