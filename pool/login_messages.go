package pool

import (
	"io"

	"pgweir/wire"
)

// What is sent and read during a login to PostgreSQL. Who is at the other end is
// not certain yet, and may never be: every length is bounded, and so is the sum.

const (
	// maxLoginMessage bounds what the server may send in one message of a login.
	maxLoginMessage = 64 << 10
	// maxLogin bounds what it may send in all: settings, notices, and the answers
	// to what the session has begun with.
	maxLogin = 4 << 20
)

func (l *loginConn) send(p []byte) error {
	if _, err := l.conn.Write(p); err != nil {
		return broken(err)
	}
	return nil
}

func (l *loginConn) receive() (byte, []byte, error) {
	var h [wire.HeaderLen]byte
	if _, err := io.ReadFull(l.r, h[:]); err != nil {
		return 0, nil, broken(err)
	}
	typ, total := wire.Header(h[:])
	if total == 0 || total > maxLoginMessage {
		return 0, nil, wire.Fatalf(wire.CodeProtocolViolation, "the server sent a message of impossible length during the login")
	}
	if l.received += total; l.received > maxLogin {
		return 0, nil, wire.Fatalf(wire.CodeProtocolViolation, "the server sent more than %d MB during the login", maxLogin>>20)
	}
	body := make([]byte, total-wire.HeaderLen)
	if _, err := io.ReadFull(l.r, body); err != nil {
		return 0, nil, broken(err)
	}
	return typ, body, nil
}

// idle reads the body of a ReadyForQuery, and is nil if the session is in no
// transaction.
func idle(body []byte) error {
	if string(body) == "I" {
		return nil
	}
	return wire.Fatalf(wire.CodeProtocolViolation, "the server is ready for a query in state %q at the end of the login", body)
}

// refusal reads the body of an ErrorResponse. The error has an SQLSTATE and a
// message, even if the server sends none.
func refusal(body []byte) error {
	e, err := wire.DecodeError(body)
	if err != nil {
		return err
	}
	if !isSQLState(e.Code) {
		e.Code = wire.CodeProtocolViolation
	}
	if e.Message == "" {
		e.Message = "the server refuses the login and does not say why"
	}
	return e
}

func isSQLState(code string) bool {
	for _, c := range []byte(code) {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return len(code) == 5
}

// hintLacking says what to do when the server asks for what nobody knows.
const hintLacking = "Set password in [users] or [databases] to the password itself. Or have the server ask for scram-sha-256, set password to the SCRAM secret that it stores, and let clients log in with scram-sha-256."

// lacking is the error for a server that asks for what cannot be answered with
// these credentials. It says what is known, and why that does not serve.
func lacking(c *wire.Credentials, asked AuthMethods) error {
	e := wire.Fatalf(wire.CodeInvalidPassword, "the server asks for the password of user %q by the method %s, and none that answers it is known",
		c.User, asked)
	switch {
	case c.MD5 != "":
		e.Detail = "An MD5 secret is known, which answers md5 only."
	case len(c.ServerKey) > 0 && len(c.ClientKey) == 0:
		e.Detail = "A SCRAM secret is known, which answers scram-sha-256 only, and only when a client has logged in with it."
	case len(c.ServerKey) > 0:
		e.Detail = "A SCRAM secret is known, which answers scram-sha-256 only."
	}
	e.Hint = hintLacking
	return e
}
