package pool

import (
	"bufio"
	"context"
	"io"
	"net"
	"slices"
	"time"

	"pgweir/wire"
)

// login opens a connection to the server and logs in with these startup
// parameters, on the calling goroutine. Errors are *wire.Error: the server's
// own as they came, or ours. After an error, failed is the connection, if there
// was one: the server has a process for it until it closes its end.
func login(s *Settings, params []wire.Param, t *transport) (b *Backend, failed net.Conn, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), s.ConnectTimeout)
	defer cancel()
	var more []wire.Param
	if s.Sharing != SharedNever && !replicates(params) {
		more = []wire.Param{exempt}
	}
	b, failed, err = negotiated(ctx, s, params, more, t)
	if more != nil && refusesExempt(err) {
		if deadline, ok := ctx.Deadline(); ok {
			outlast(failed, deadline)
		}
		b, failed, err = negotiated(ctx, s, params, nil, t)
	}
	return b, failed, err
}

// negotiated is login with more startup parameters, which are pgweir's own. It
// tries with TLS and without, as far as the mode allows.
func negotiated(ctx context.Context, s *Settings, params, more []wire.Param, t *transport) (b *Backend, failed net.Conn, err error) {
	b, failed, err = spoken(ctx, s, params, more, t, false)
	mode := s.Address.TLS.Mode
	if e, ok := err.(*wire.Error); ok && (mode == TLSAllow || mode == TLSPrefer) &&
		s.Address.Network == "tcp" && e.Code == wire.CodeInvalidAuthorization {
		// The server may insist on TLS, or on none.
		if deadline, ok := ctx.Deadline(); ok {
			outlast(failed, deadline)
		}
		other := *s
		if mode == TLSPrefer {
			other.Address.TLS.Mode = TLSDisable
		}
		var err2 error
		if b, failed, err2 = spoken(ctx, &other, params, more, t, mode == TLSAllow); err2 == nil {
			b.Address = s.Address
			return b, nil, nil
		}
	}
	return b, failed, err
}

// outlast waits until the server has closed its end of a connection, which it
// does when its process goes, and closes ours. The end of what we send is its
// reason to go if it has not been told before.
func outlast(conn net.Conn, deadline time.Time) {
	if c, ok := conn.(interface{ CloseWrite() error }); ok {
		c.CloseWrite()
	}
	conn.SetDeadline(deadline)
	io.Copy(io.Discard, conn)
	conn.Close()
}

func attempt(ctx context.Context, s *Settings, params, more []wire.Param, t *transport, mustTLS bool) (*Backend, net.Conn, error) {
	conn, err := t.connect(ctx, s.Address)
	if err != nil {
		return nil, nil, unreachable{asError(err)}
	}
	deadline, _ := ctx.Deadline()
	conn.SetDeadline(deadline)
	secured := conn
	if mustTLS {
		secured, err = t.negotiate(conn, s.Address, true)
	} else {
		secured, err = t.protect(conn, s.Address)
	}
	if err == nil {
		l := loginConn{conn: secured, r: bufio.NewReaderSize(secured, 4096), settings: s, version: s.asked()}
		var b *Backend
		b, err = l.run(params, more)
		if err != nil && !l.begun && l.version > wire.Protocol30 && mayBeVersion(err) {
			err = unspoken{err}
		}
		if err == nil && s.Sharing >= SharedAsking && !replicates(params) {
			err = l.setUp(b, params)
		}
		if err == nil {
			secured.SetDeadline(time.Time{})
			b.Conn, b.Address, b.User, b.remote = secured, s.Address, s.Credentials.User, remoteAddr(conn)
			if tcp, ok := conn.LocalAddr().(*net.TCPAddr); ok {
				b.Local = tcp.AddrPort()
			}
			if t, ok := secured.(Secured); ok {
				b.TLS = t.Describe()
			}
			return b, nil, nil
		}
	}
	return nil, conn, err
}

// loginConn is one login under way.
type loginConn struct {
	conn     net.Conn
	r        *bufio.Reader
	settings *Settings
	auth     authStep
	scram    *wire.SCRAMClient
	received int    // bytes, see maxLogin
	status   []byte // of the last ReadyForQuery of an exchange

	version    uint32 // of the protocol: what was asked for, or what the server has made of it
	begun      bool   // the server has said something that is no error
	negotiated bool   // it was a NegotiateProtocolVersion
}

// authStep is where the authentication stands. Whatever the server says out of
// turn is refused: with SCRAM it has to prove that it knows the password too,
// and a server that skips its proof does not.
//
//	authBegun ─┬─ AuthenticationOk ──────────────────────────────────────────► authDone
//	           ├─ CleartextPassword, MD5Password ─► authAnswered ── Ok ──────► authDone
//	           └─ SASL ─► authOffered ── SASLContinue ─► authProven ── SASLFinal ─► authAnswered
type authStep uint8

const (
	authBegun    authStep = iota
	authOffered           // the client-first message has been sent
	authProven            // the client-final message has been sent; the server's proof is to come
	authAnswered          // the server may let us in
	authDone
)

// authSteps are the steps in which each kind of Authentication message may come.
var authSteps = map[uint32][]authStep{
	wire.AuthOK:           {authBegun, authAnswered},
	wire.AuthCleartext:    {authBegun},
	wire.AuthMD5:          {authBegun},
	wire.AuthSASL:         {authBegun},
	wire.AuthSASLContinue: {authOffered},
	wire.AuthSASLFinal:    {authProven},
}

func (l *loginConn) run(params, more []wire.Param) (*Backend, error) {
	all := append([]wire.Param{
		{Name: "user", Value: l.settings.Credentials.User},
		{Name: "database", Value: l.settings.DBName},
	}, params...)
	start, err := wire.AppendStartup(nil, l.version, slices.Concat(all, more))
	if err != nil && len(more) > 0 { // too long, and the client's own are not to fail for that
		start, err = wire.AppendStartup(nil, l.version, all)
	}
	if err != nil {
		return nil, err
	}
	if err := l.send(start); err != nil {
		return nil, err
	}
	b := &Backend{Vars: new(wire.Vars)}
	for {
		typ, body, err := l.receive()
		if err != nil {
			return nil, err
		}
		if l.auth != authDone && typ != 'R' && typ != 'E' && typ != 'N' && typ != 'v' {
			return nil, wire.Fatalf(wire.CodeProtocolViolation, "the server sent a message of type %q before its AuthenticationOk", typ)
		}
		l.begun = l.begun || typ != 'E'
		switch typ {
		case 'R':
			if err := l.authenticate(body); err != nil {
				return nil, err
			}
		case 'S':
			if err := b.reports(body); err != nil {
				return nil, err
			}
		case 'K':
			if err := l.takeKey(b, body); err != nil {
				return nil, err
			}
		case 'Z':
			if err := idle(body); err != nil {
				return nil, err
			}
			return b, l.behind(b)
		case 'E':
			return nil, refusal(body)
		case 'v':
			if l.auth == authDone {
				return nil, wire.Fatalf(wire.CodeProtocolViolation, "the server sent a NegotiateProtocolVersion behind its AuthenticationOk")
			}
			if err := l.negotiate(body); err != nil {
				return nil, err
			}
		case 'N': // notices of a login have nobody to go to
		default:
			return nil, wire.Fatalf(wire.CodeProtocolViolation, "the server sent a message of type %q during the login", typ)
		}
	}
}

// behind reads what has come along behind a ReadyForQuery and nobody has asked for:
// a setting that a reload has changed, or the last words of a backend that is shot.
func (l *loginConn) behind(b *Backend) error {
	for l.r.Buffered() > 0 {
		typ, body, err := l.receive()
		if err != nil {
			return err
		}
		switch typ {
		case 'S':
			if err := b.reports(body); err != nil {
				return err
			}
		case 'E':
			return refusal(body)
		case 'N':
		default:
			return wire.Fatalf(wire.CodeProtocolViolation, "the server sent a message of type %q behind its ReadyForQuery", typ)
		}
	}
	return nil
}

// reports notes a ParameterStatus of the login.
func (b *Backend) reports(body []byte) error {
	name, value, err := wire.DecodeParameterStatus(body)
	if err != nil {
		return err
	}
	b.Params = append(b.Params, wire.Param{Name: string(name), Value: string(value)})
	if i := wire.VarIndex(name); i >= 0 {
		b.Vars[i] = string(value)
	}
	return nil
}

// authenticate answers one Authentication message.
func (l *loginConn) authenticate(body []byte) error {
	kind, rest, err := wire.DecodeAuthentication(body)
	if err != nil {
		return err
	}
	steps, known := authSteps[kind]
	if !known {
		return wire.Fatalf(wire.CodeFeatureNotSupported, "the server asks for an authentication (%d) that is not supported here", kind)
	}
	if !slices.Contains(steps, l.auth) {
		return wire.Fatalf(wire.CodeProtocolViolation, "the server sent an Authentication message (%d) out of turn", kind)
	}
	c := &l.settings.Credentials
	switch kind {
	case wire.AuthOK:
		if l.auth == authBegun {
			if err := l.settings.mayUse(AuthTrust); err != nil {
				return err
			}
		}
		l.auth = authDone
		return nil
	case wire.AuthCleartext:
		if err := l.settings.mayUse(AuthPassword); err != nil {
			return err
		}
		if c.Password == "" {
			return lacking(c, AuthPassword)
		}
		l.auth = authAnswered
		return l.send(wire.AppendPassword(nil, c.Password))
	case wire.AuthMD5:
		if err := l.settings.mayUse(AuthMD5); err != nil {
			return err
		}
		secret := c.MD5
		if c.Password != "" {
			secret = wire.MD5Secret(c.User, c.Password)
		}
		if secret == "" {
			return lacking(c, AuthMD5)
		}
		l.auth = authAnswered
		return l.send(wire.AppendPassword(nil, wire.MD5Response(secret, [4]byte(rest))))
	case wire.AuthSASL:
		return l.beginSCRAM(rest)
	case wire.AuthSASLContinue:
		deriving <- struct{}{}
		answer, err := l.scram.Continue(rest)
		<-deriving
		if err != nil {
			return err
		}
		l.auth = authProven
		return l.send(wire.AppendSASLResponse(nil, answer))
	default: // wire.AuthSASLFinal
		if err := l.scram.Final(rest); err != nil {
			return err
		}
		l.auth = authAnswered
		return nil
	}
}
