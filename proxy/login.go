package proxy

import (
	"bytes"
	"sync/atomic"
	"time"

	"pgweir/auth"
	"pgweir/authquery"
	"pgweir/loop"
	"pgweir/pool"
	"pgweir/throttle"
	"pgweir/wire"
)

// A client's login, in order:
//
//  1. a seat, and its turn: arrive.go
//  2. from a proxy, the header of the PROXY protocol
//  3. started: SSLRequest, GSSENCRequest, CancelRequest, StartupMessage, or TLS at once
//  4. TLS handshake, on a goroutine of its own; then 3 again
//  5. the authentication exchange; what takes long in it, on a goroutine; what comes
//     too soon after wrong passwords waits: delay.go
//  6. the pool is found, and what the server says to the startup parameters: if
//     that is not known, a backend is asked, or one is opened with them; in
//     session mode too a backend is waited for
//  7. AuthenticationOk, ParameterStatus, BackendKeyData, ReadyForQuery
//
// None of it blocks, but for what has a goroutine. A client that has not come through 5
// within client_login_timeout of its arrival is ended.

type loginStage uint8

const (
	stageStart   loginStage = iota
	stageWaiting            // for its turn; no bytes are read here
	stageHeader             // the header of the PROXY protocol is to come
	stagePassword
	stageDelay     // the client's password waits to be judged, unread, or to be told wrong
	stageDerive    // keys are derived from the client's password; no bytes are read here
	stageInquire   // what it hangs on how it is let in is asked for: names, the user's secret, roles, an LDAP server's word; no bytes are read here
	stageHandshake // no bytes are read here; the last one that client_login_timeout ends in any case
	stageBackend   // waits for a backend; query_wait_timeout holds, and client_login_timeout while PostgreSQL gives none
	stageProbe     // a backend is asked about the startup parameters; server_connect_timeout holds
	stageCancel    // a CancelRequest, until it has been carried out
)

var errLoginTimeout = wire.Fatalf(wire.CodeProtocolViolation, "canceling authentication due to timeout")

// login is a client that is not in yet.
type login struct {
	c        *client
	stage    loginStage
	first    loginStage // with which it begins or goes on when its turn has come
	visitor  throttle.Visitor
	attempt  throttle.Attempt // the client's at a password
	proven   bool             // the client has proven who it is, and has not been told so
	rules    *rules
	endPoint []byte // of the certificate that the client was shown; nil without TLS
	asked    asked
	ask      ask
	why      string // it will not be let in, whatever it proves, and why: for the log. The client is not told
	via      peer   // the proxy whose header has told of the client; the zero value if there was none
	exchange *auth.Exchange
	final    []byte            // the exchange's last message, in the worker's buffer, until it is sent with what follows; nil otherwise
	answer   *time.Timer       // tells the client that it was wrong; nil if nothing is told later
	lookedUp *authquery.Answer // of auth_query for the user's secret; nil if it was not asked
	anew     *anew             // nil if the password is judged once
	roles    memberOf          // that the user is a member of; nil if that was not asked for
	// directory is where the password is checked; nil if that is here.
	directory *directory
	leave     func()        // says that what is asked for is not wanted any more; nil if nothing is
	variant   *pool.Variant // of its startup parameters
	welcome   *pool.Welcome
	doubted   *pool.Welcome // what was known, while a backend is opened to hear whether it is still true
	probing   *probing      // nil if nothing is to be asked
	over      atomic.Bool   // the client has been given up
}

// begin starts the login of a client that has just been accepted, on its loop.
func (c *client) begin() {
	w := c.worker.Load()
	c.state = clientOpen
	c.since = w.now()
	w.logins[c] = struct{}{}
	w.proxy.clients.login.Add(1)
	if c.login.stage != stageWaiting {
		c.login.read()
	}
	c.readMail()
}

// read begins to read what the client says, or goes on.
func (l *login) read() {
	c, w := l.c, l.c.worker.Load()
	if c.conn.Loop() != nil {
		c.conn.Resume()
		return
	}
	if err := w.loop.Add(&c.conn); err != nil {
		w.proxy.log.Error("a client cannot be served", "client", c.id, "err", err)
		l.ended()
		return
	}
	c.conn.Expect()
}

// maxAhead is how many bytes a client may have sent that it is too soon to look at,
// before it has shown who it is.
const maxAhead = loop.MaxKept

func (l *login) received(p []byte) int {
	n := 0
	for {
		k, more := 0, false
		switch l.stage {
		case stageHeader:
			k, more = l.header(p[n:])
		case stageStart:
			k, more = l.startup(p[n:])
		case stagePassword:
			k, more = l.password(p[n:])
		}
		n += k
		if !more || l.c.state != clientOpen || l.c.login == nil {
			break
		}
	}
	if l.c.state == clientOpen && l.c.login == l && !l.proven && len(p)-n > maxAhead {
		l.fail(wire.Fatalf(wire.CodeProtocolViolation, "more than %d bytes before the login", maxAhead))
	}
	if l.c.state != clientOpen {
		return len(p)
	}
	if l.c.login == nil && n < len(p) {
		l.c.conn.Again() // the client's first query has come along
	}
	return n
}

// startup takes one packet of the kind that has no type; more tells that it
// did and that there may be another.
func (l *login) startup(p []byte) (n int, more bool) {
	if len(p) > 0 && p[0] == recordHandshake && l.asked == 0 && l.c.conn.TLS() == nil {
		l.direct()
		return 0, false
	}
	if bytes.HasPrefix(p, []byte("X\x00\x00\x00")) {
		l.ended() // Terminate already: nobody is there to be told what is wrong with it
		return 0, false
	}
	s, n, err := wire.DecodeStartup(p)
	if err != nil && s.Kind == wire.KindCancelRequest {
		l.ended() // as any other key that is not right
		return 0, false
	}
	if err != nil {
		l.why = l.mistaken(p)
		l.fail(asError(err))
		return 0, false
	}
	if n == 0 {
		return 0, false
	}
	switch s.Kind {
	case wire.KindSSLRequest:
		if l.again(askedTLS, &s) {
			return 0, false
		}
		return n, l.secure(len(p) > n)
	case wire.KindGSSENCRequest:
		if l.again(askedGSS, &s) {
			return 0, false
		}
		l.c.conn.Send([]byte{'N'})
		return n, true
	case wire.KindCancelRequest:
		return n, l.cancel(&s)
	}
	return n, l.authenticate(&s)
}

// cancel carries a CancelRequest out. Its server may take long to answer, and others
// log in meanwhile.
func (l *login) cancel(s *wire.Startup) bool {
	p := l.c.worker.Load().proxy
	if !p.entrance.EndTurn(&l.visitor) {
		l.fail(l.noSeat())
		return false
	}
	l.stage = stageCancel
	p.cancel(s.PID, s.Key, func() { l.c.post(l.ended) })
	return false
}

// authenticate looks at the StartupMessage and begins the exchange.
func (l *login) authenticate(s *wire.Startup) bool {
	c, w := l.c, l.c.worker.Load()
	l.rules = w.proxy.rules.Load()
	var e *wire.Error
	if l.ask, e = readStartup(s, l.rules); e != nil {
		l.fail(e)
		return false
	}
	if !w.proxy.entrance.Upgrade(&l.visitor) && !l.ask.console {
		l.fail(l.noSeat())
		return false
	}
	if l.rules.tls.required && c.conn.TLS() == nil && !c.peer.local() {
		l.fail(wire.Fatalf(wire.CodeInvalidAuthorization, "an encrypted connection is required (client_tls_sslmode)"))
		return false
	}
	if l.ask.replication == replicationNone && l.rules.config.ApplicationNameAddHost {
		l.ask.addHost(c.origin(l.rules.config.ListenPort))
	}
	if len(l.ask.unknown) > 0 || l.ask.newer {
		c.conn.Send(wire.AppendNegotiateProtocolVersion(nil, l.ask.minor, l.ask.unknown))
	}
	if l.ask.console && l.isSelf() {
		return l.enter()
	}
	return l.decide()
}

// password takes one message of the exchange.
func (l *login) password(p []byte) (n int, more bool) {
	if len(p) < wire.HeaderLen {
		return 0, false
	}
	typ, total := wire.Header(p)
	if typ != 'p' {
		l.fail(wire.Fatalf(wire.CodeProtocolViolation, "expected password response, got message type %d", typ))
		return 0, false
	}
	if total == 0 || total > l.exchange.MaxMessage() {
		l.fail(wire.Fatalf(wire.CodeProtocolViolation, "invalid length of a password response"))
		return 0, false
	}
	if len(p) < total {
		return 0, false
	}
	if l.exchange.Decides() && !l.mayJudge() {
		return 0, false
	}
	body := p[wire.HeaderLen:total]
	l.keep(body)
	if l.exchange.Derives() {
		l.derive(bytes.Clone(body))
		return total, false
	}
	w := l.c.worker.Load()
	out, done, err := l.exchange.Receive(w.buf[:0], body)
	w.buf = out[:0]
	return total, l.exchanged(out, done, err)
}

// derive has the exchange take a message on a goroutine, because keys have to
// be derived for that.
func (l *login) derive(body []byte) {
	w := l.c.worker.Load()
	l.stage = stageDerive
	go w.proxy.deriving.do(func() {
		if l.over.Load() {
			return
		}
		out, done, err := l.exchange.Receive(nil, body)
		w.post(func() {
			l.resume(func() bool { return l.exchanged(out, done, err) })
		})
	})
}

// exchanged goes on after a step of the exchange; it is true if the client may
// say more.
func (l *login) exchanged(out []byte, done bool, err error) bool {
	if err != nil {
		l.doubt(err)
		e := asError(err)
		if l.hopes(e) {
			return l.askAnew(e)
		}
		l.failsIn(l.judged(outcome(e)), e)
		return false
	}
	if done {
		l.judged(throttle.Right)
		l.final = out
		more := l.enter()
		l.c.conn.Send(l.takeFinal()) // nothing has followed: a backend is waited for
		return more
	}
	l.c.conn.Send(out)
	if password, ok := l.exchange.Given(); ok {
		return l.askDirectory(password)
	}
	return true
}

// takeFinal is the exchange's last message, if it has not been sent yet. What the client
// is told next is appended, so that both go out in one write.
func (l *login) takeFinal() []byte {
	out := l.final
	l.final = nil
	return out
}

// appendAuthOK begins what a client is told that has proven who it is.
func (l *login) appendAuthOK() []byte {
	out := l.takeFinal()
	if out == nil {
		out = l.c.worker.Load().buf[:0]
	}
	return wire.AppendAuthOK(out)
}

// fail tells the client why it is not let in, and closes it.
func (l *login) fail(e *wire.Error) {
	if l.c.state != clientOpen {
		return
	}
	fatal := *e
	if fatal.Severity != "FATAL" && fatal.Severity != "PANIC" {
		fatal.Severity, fatal.Localized = "FATAL", ""
	}
	say, unsaid := l.worthALine(e)
	attrs := []any{"client", l.c.id, "addr", l.c.peer.addr(), "user", l.ask.user, "database", l.ask.database, "err", fatal.Error()}
	if l.why != "" {
		attrs = append(attrs, "reason", l.why)
	}
	if say {
		l.c.worker.Load().proxy.log.Info("login failed", l.told(attrs, unsaid)...)
	}
	if l.stage == stageHandshake || l.stage == stageHeader {
		l.hangUp()
		return
	}
	out := l.takeFinal()
	if l.proven {
		// As PostgreSQL: libpq takes an error before it for a reason to try
		// again with or without TLS.
		out = wire.AppendAuthOK(out)
	}
	l.c.conn.Send(fatal.Append(out))
	l.giveUp()
	l.c.end()
}

// late ends a login that has taken too long to show who it is, or that waits for a
// backend of a server that gives none.
func (l *login) late(timeout time.Duration) {
	switch {
	case l.stage <= stageHandshake:
		l.fail(errLoginTimeout)
	case l.stage == stageBackend && l.c.wait != nil:
		if e := l.c.pool.pool.GiveUp(l.c.wait, "client_login_timeout", timeout); e != nil {
			l.c.waitFailed(l.c.worker.Load(), waitTimedOut)
			l.fail(e)
		}
	}
}

// ended closes a client that is not in yet, and has gone.
func (l *login) ended() {
	if l.c.state != clientClosed {
		l.giveUp()
		l.c.finish()
	}
}

// giveUp leaves the waiting line, or gives back what came of it.
func (l *login) giveUp() {
	c, w := l.c, l.c.worker.Load()
	l.over.Store(true)
	if l.leave != nil {
		l.leave()
	}
	if l.anew != nil && l.anew.failed != nil {
		l.judged(throttle.Wrong) // who hangs up meanwhile has guessed
	}
	l.judged(throttle.Abandoned)
	if l.answer != nil {
		l.answer.Stop()
	}
	switch {
	case l.stage == stageProbe && c.server != nil:
		c.drop(true)
	case l.stage == stageBackend && c.server != nil:
		c.release()
	case l.stage == stageBackend:
		if c.leaveLine() {
			c.waitFailed(w, waitLeft)
		}
	}
	if _, ok := w.logins[c]; ok {
		delete(w.logins, c)
		w.proxy.clients.login.Add(-1)
	}
}

func asError(err error) *wire.Error {
	if e, ok := err.(*wire.Error); ok {
		return e
	}
	return wire.Fatalf(wire.CodeProtocolViolation, "%s", err)
}
