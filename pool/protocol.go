package pool

import (
	"bytes"
	"context"
	"errors"
	"net"
	"time"

	"pgweir/wire"
)

// Which version of the protocol is spoken with a server:
//
//  1. it is asked for the newest one that the settings allow (server_max_protocol_version)
//  2. a server that knows only an older one says so (NegotiateProtocolVersion), and
//     that one is spoken
//  3. what stands in a server's place may refuse the newer one, or hang up; then
//     3.0 is tried in the same login, and if the server takes that, it is what the
//     pool's logins begin with for a while

// olderFor is how long it is remembered that a server takes protocol 3.0 only.
const olderFor = time.Hour

// loginAsSpoken is login in the protocol that the pool knows the server to speak.
func (p *Pool) loginAsSpoken(s *Settings, params []wire.Param) (b *Backend, failed net.Conn, err error) {
	p.mu.Lock()
	if time.Since(p.epoch) < p.olderUntil {
		s.Protocol = wire.Protocol30
	}
	generation := p.generation
	p.mu.Unlock()
	b, failed, err = login(s, params, &p.transport)
	if b != nil && b.older {
		p.mu.Lock()
		if p.generation == generation { // or it may be another server by now
			p.olderUntil = time.Since(p.epoch) + olderFor
		}
		p.mu.Unlock()
	}
	return b, failed, err
}

// unspoken is the end of a login that the server has ended before anything else
// was said, so that the version of the protocol may be the reason.
type unspoken struct{ error }

// mayBeVersion tells whether the version of the protocol may be the reason that a
// login has come to this end before its authentication has begun.
func mayBeVersion(err error) bool {
	var e *wire.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code {
	case wire.CodeConnectionFailure, wire.CodeFeatureNotSupported, wire.CodeProtocolViolation:
		return true
	}
	return false
}

// spoken is attempt in a version of the protocol that the server speaks.
func spoken(ctx context.Context, s *Settings, params, more []wire.Param, t *transport, mustTLS bool) (*Backend, net.Conn, error) {
	b, failed, err := attempt(ctx, s, params, more, t, mustTLS)
	silent, ok := err.(unspoken)
	if !ok {
		return b, failed, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		outlast(failed, deadline)
	}
	other := *s
	other.Protocol = wire.Protocol30
	if b, failed, err = attempt(ctx, &other, params, more, t, mustTLS); err == nil {
		b.older = true
	}
	if silent, ok = err.(unspoken); ok {
		err = silent.error
	}
	return b, failed, err
}

// asked is the version of the protocol that a login asks for.
func (s *Settings) asked() uint32 { return max(s.Protocol, wire.Protocol30) }

// maxNegotiation bounds a NegotiateProtocolVersion, in bytes of its body, as libpq does.
const maxNegotiation = 2000

// optionPrefix is how names of the protocol's own options begin.
var optionPrefix = []byte("_pq_.")

// negotiate takes the server's word on the version of the protocol. What it may say
// is what libpq takes (pqGetNegotiateProtocolVersion3): an older version than was
// asked for, once and before the login is over. No options are asked for, so that
// there is none it could refuse.
func (l *loginConn) negotiate(body []byte) error {
	wrong := func(format string, args ...any) error {
		return wire.Fatalf(wire.CodeProtocolViolation, "the server's NegotiateProtocolVersion "+format, args...)
	}
	if l.negotiated {
		return wrong("came twice")
	}
	l.negotiated = true
	if len(body) > maxNegotiation {
		return wrong("has %d bytes", len(body))
	}
	version, unknown, names, err := wire.DecodeNegotiateProtocolVersion(body)
	if err != nil {
		return err
	}
	switch {
	case version > l.version:
		return wrong("asks for a newer version (%d.%d) than was asked of it", version>>16, version&0xffff)
	case version < wire.Protocol30, version == wire.Protocol30|1:
		return wrong("asks for version %d.%d, which there is not", version>>16, version&0xffff)
	case unknown == 0 && version == l.version:
		return wrong("changes nothing")
	}
	if unknown > 0 {
		name, _, _ := bytes.Cut(names, []byte{0})
		if !bytes.HasPrefix(name, optionPrefix) {
			return wrong("names %.60q, which is no option of the protocol", name)
		}
		return wrong("refuses %.60q, which was not asked for", name)
	}
	l.version = version
	return nil
}

// takeKey takes a BackendKeyData: the key has four bytes in protocol 3.0.
func (l *loginConn) takeKey(b *Backend, body []byte) error {
	pid, key, err := wire.DecodeBackendKeyData(body)
	if err != nil {
		return err
	}
	if b.Key != nil {
		return wire.Fatalf(wire.CodeProtocolViolation, "the server sent a second BackendKeyData")
	}
	if l.version == wire.Protocol30 && len(key) != 4 {
		return wire.Fatalf(wire.CodeProtocolViolation, "the server sent a cancel key of %d bytes, which protocol 3.0 does not know", len(key))
	}
	b.PID, b.Key = pid, bytes.Clone(key)
	return nil
}
