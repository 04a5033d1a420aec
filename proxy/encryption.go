package proxy

import "pgweir/wire"

// asked is what a client has asked for ahead of its StartupMessage. Each may be
// asked for once, and neither within TLS that was asked for: PostgreSQL takes what
// comes again for a protocol that it does not know.
type asked uint8

const (
	askedTLS asked = 1 << iota
	askedGSS
)

// again notes that something is asked for, and fails the login if it may not be.
func (l *login) again(what asked, s *wire.Startup) bool {
	if l.asked&what == 0 {
		l.asked |= what
		return false
	}
	l.fail(wire.UnsupportedProtocol(s.Version))
	return true
}

// secure answers an SSLRequest.
func (l *login) secure(trailing bool) bool {
	s := l.c.worker.Load().proxy.rules.Load().tls.shown.Load()
	if s == nil || l.c.conn.TLS() != nil || l.c.peer.local() {
		l.c.conn.Send([]byte{'N'})
		return true
	}
	if trailing {
		// Somebody who does not have the key could have put it there.
		l.fail(wire.Fatalf(wire.CodeProtocolViolation, "received unencrypted data after SSL request"))
		return false
	}
	l.c.conn.Send([]byte{'S'})
	l.asked |= askedGSS
	l.stage = stageHandshake
	l.c.post(func() { l.handshake(s, s.requested) })
	return false
}

// recordHandshake begins a TLS handshake (RFC 8446, 5.1). No packet does: it would
// be hundreds of megabytes long.
const recordHandshake = 0x16

// direct begins TLS with a client that has not asked for it (PostgreSQL 17's
// sslnegotiation=direct). The handshake takes over what has come of it.
func (l *login) direct() {
	s := l.c.worker.Load().proxy.rules.Load().tls.shown.Load()
	if s == nil || l.c.peer.local() {
		// Without a word, as PostgreSQL: the client would take it for a part of
		// the handshake.
		l.unshaken("the client begins with TLS, and there is none here")
		l.hangUp()
		return
	}
	l.stage = stageHandshake
	l.c.post(func() { l.handshake(s, s.direct) })
}
