package auth

import (
	"crypto/rand"
	"errors"

	"pgweir/wire"
)

// step is where an Exchange stands.
//
//	stepStart ─ Start ─┬─ Plain ─► stepPassword ─ password ───────────────► stepDone
//	                   │                              └─ AskPassword ─► stepVerdict ─ Verdict ─► stepDone
//	                   ├─ MD5 ───► stepMD5 ────── response ───────────────► stepDone
//	                   └─ SCRAM ─► stepInitial ── client-first ─► stepProof ─ client-final ─► stepDone
//	                                    └─ no data ─► stepFirst ──────▲
//
// An error leads to stepDone too.
type step uint8

const (
	stepStart step = iota
	stepPassword
	stepMD5
	stepInitial // the SASLInitialResponse
	stepFirst   // the client-first message, after a SASLInitialResponse without data
	stepProof   // the client-final message
	stepVerdict // somebody else says whether the password is the user's
	stepDone
)

// Exchange is the conversation of one login. It is used by one goroutine.
type Exchange struct {
	user   *User
	sent   string // the name that the client makes its MD5 response of
	step   step
	method Method // of this exchange: what the client is asked for
	doomed bool   // it fails: the user is unknown, has no secret, or may not come in
	others bool   // the password is somebody else's to check
	salt   [4]byte
	server *wire.SCRAMServer
	// endPoint is the server's certificate's of the client's TLS channel; nil
	// for none. binding is what the client has chosen to make of it.
	endPoint []byte
	binding  wire.SCRAMBinding
	matched  Secret // that the client has proven to have
	key      []byte
	clear    string
	stopped  error
}

// Begin begins the login, by a method, of a client that says it is this user.
func (u *Users) Begin(method Method, name string) *Exchange {
	if x := u.known[name]; x.canLogIn() {
		return begin(method, x)
	}
	x := begin(method, stranger("", name, u.model(name)))
	x.doomed = true
	return x
}

// BeginAs is Begin for a user whose secret has been asked of a server. user is nil
// for one that the server does not know, whose course is that of one of the models.
func BeginAs(method Method, name string, user *User, models *Models) *Exchange {
	if user.canLogIn() {
		return begin(method, user)
	}
	x := begin(method, models.stranger(name))
	x.doomed = true
	return x
}

// Refuse has the login of a client that may not come in fail, whatever it proves. It
// takes the course of one with a wrong password, and is told the same.
func (x *Exchange) Refuse() { x.doomed = true }

// AskPassword begins the login of a client whose password somebody else is to check,
// such as an LDAP server. The client is asked for it in clear text. When Given has it,
// Verdict ends the exchange.
func AskPassword(name string) *Exchange {
	return &Exchange{method: Plain, user: newUser("", name, Secret{}, Secret{}), others: true}
}

func (x *User) canLogIn() bool {
	return x != nil && (x.secret.kind != NoSecret || x.next.kind != NoSecret)
}

func begin(method Method, user *User) *Exchange {
	if method == MD5 && user.has(SCRAMSecret) {
		method = SCRAM
	}
	return &Exchange{method: method, user: user}
}

// Bind tells of the TLS channel to the client: the end point of the certificate
// that the client was shown, see wire.ServerEndPoint. SCRAM is then offered with
// channel binding first, and without it second. With a nil endPoint, or without
// Bind, channel binding is not offered. It is called before Start.
func (x *Exchange) Bind(endPoint []byte) {
	if x.step != stepStart {
		panic("bug: Exchange.Bind called after Start")
	}
	x.endPoint = endPoint
}

// Sent tells the name as the client has sent it, if that is longer than the
// user's: PostgreSQL cuts names, and libpq makes its MD5 response of the whole.
// It is called before Receive.
func (x *Exchange) Sent(name string) { x.sent = name }

// Start appends the Authentication request. It is called once, before Receive.
func (x *Exchange) Start(dst []byte) (out []byte) {
	if x.step != stepStart {
		panic("bug: Exchange.Start called twice")
	}
	switch x.method {
	case Plain:
		x.step = stepPassword
		return wire.AppendAuthCleartext(dst)
	case MD5:
		x.step = stepMD5
		rand.Read(x.salt[:]) // never fails: crypto/rand ends the program if it must
		return wire.AppendAuthMD5(dst, x.salt)
	}
	x.step = stepInitial
	if x.endPoint != nil {
		return wire.AppendAuthSASL(dst, wire.MechanismSCRAMPlus, wire.MechanismSCRAM)
	}
	return wire.AppendAuthSASL(dst, wire.MechanismSCRAM)
}

// Derives tells whether the next Receive derives SCRAM keys from a password,
// which takes a millisecond of CPU at least, and seconds for a secret of very
// many iterations. A caller that must not stand still has it done elsewhere. It
// says nothing of whether the user is known.
func (x *Exchange) Derives() bool {
	switch x.step {
	case stepPassword:
		return x.user.has(SCRAMSecret)
	case stepInitial, stepFirst:
		return !x.user.derived.Load()
	}
	return false
}

// Decides tells whether the next Receive says whether the client has proven who it
// is. It says nothing of whether the user is known.
func (x *Exchange) Decides() bool {
	return x.step == stepPassword || x.step == stepMD5 || x.step == stepProof
}

// MaxMessage is how long the client's next message may be, in bytes with its
// header: as PostgreSQL has it.
func (x *Exchange) MaxMessage() int {
	switch x.step {
	case stepInitial, stepFirst, stepProof:
		return wire.MaxSASLMessage
	}
	return wire.MaxPasswordMessage
}

// Receive takes the body of the client's next 'p' message (PasswordMessage,
// SASLInitialResponse or SASLResponse) and appends the answer, if there is one.
// done says that the client has proven who it is; the caller then sends
// AuthenticationOk after what was appended.
//
// An error ends the login. It is a FATAL *wire.Error: 28P01, in the same words
// for a wrong password and an unknown user; 08P01 for a message out of place or
// malformed; 0A000 for a SCRAM feature that is not supported; 28000 for a client
// that is bound to another TLS channel, or believes that it cannot be bound.
func (x *Exchange) Receive(dst, body []byte) (out []byte, done bool, err error) {
	out, err = x.receive(dst, body)
	if err != nil {
		x.step, x.stopped = stepDone, err
		return dst, false, err
	}
	return out, x.step == stepDone, nil
}

func (x *Exchange) receive(dst, body []byte) ([]byte, error) {
	switch x.step {
	case stepPassword, stepMD5:
		password, err := wire.DecodePassword(body)
		if err != nil {
			return nil, err
		}
		if x.others {
			return dst, x.take(password)
		}
		return dst, x.checkPassword(password)
	case stepInitial:
		mechanism, data, err := wire.DecodeSASLInitial(body)
		if err != nil {
			return nil, err
		}
		if err := x.choose(mechanism); err != nil {
			return nil, err
		}
		if data == nil {
			x.step = stepFirst
			return wire.AppendAuthSASLContinue(dst, nil), nil
		}
		return x.first(dst, data)
	case stepFirst:
		return x.first(dst, body)
	case stepProof:
		return x.proof(dst, body)
	}
	if x.stopped != nil {
		return nil, x.stopped
	}
	return nil, wire.Fatalf(wire.CodeProtocolViolation, "unexpected password message")
}

func (x *Exchange) checkPassword(password string) error {
	ok := false
	for _, secret := range x.user.secrets() { // all of them, whichever fits
		if x.fits(secret, password) && !ok {
			ok, x.matched = true, secret
		}
	}
	if !ok || x.doomed {
		return x.refused()
	}
	if x.step == stepPassword {
		x.clear = password
	}
	x.step = stepDone
	return nil
}

// fits tells whether what the client has sent is right for a secret.
func (x *Exchange) fits(secret Secret, password string) bool {
	name := x.user.name
	if x.step != stepMD5 {
		// No user has an empty password in PostgreSQL, so none logs in with it.
		return secret.fits(name, password) && password != ""
	}
	ok := wire.CheckMD5(secret.md5(name), password, x.salt)
	if x.sent != "" && x.sent != name {
		ok = wire.CheckMD5(secret.md5(x.sent), password, x.salt) || ok
	}
	return ok
}

// take keeps a password for somebody else to check. An empty one is nobody's: LDAP
// servers take it for an anonymous login, and say that it is fine (RFC 4513, 5.1.2).
func (x *Exchange) take(password string) error {
	if password == "" || x.doomed {
		return x.refused()
	}
	x.clear, x.step = password, stepVerdict
	return nil
}

// Given is the password that somebody else has to check; false if there is none.
func (x *Exchange) Given() (password string, ok bool) {
	return x.clear, x.step == stepVerdict
}

// Verdict ends an exchange that AskPassword has begun: with nil if the password is the
// user's, and otherwise with the error of a wrong one. It is called once, after Given
// has had the password.
func (x *Exchange) Verdict(right bool) error {
	if x.step != stepVerdict {
		panic("bug: Exchange.Verdict called without a password")
	}
	x.step = stepDone
	if !right {
		x.clear, x.stopped = "", x.refused()
	}
	return x.stopped
}

// choose takes the SASL mechanism that the client has selected.
func (x *Exchange) choose(mechanism string) error {
	bindable := x.endPoint != nil
	switch {
	case mechanism == wire.MechanismSCRAMPlus && bindable:
		x.binding = wire.SCRAMBound(x.endPoint)
	case mechanism == wire.MechanismSCRAM && bindable:
		x.binding = wire.SCRAMPassed()
	case mechanism == wire.MechanismSCRAM:
		x.binding = wire.SCRAMBinding{}
	default:
		return wire.Fatalf(wire.CodeProtocolViolation, "client selected an invalid SASL authentication mechanism")
	}
	return nil
}

func (x *Exchange) first(dst, message []byte) ([]byte, error) {
	secrets := x.user.scram()
	x.server = wire.NewSCRAMServer(secrets[0].SCRAMSecret, wire.SCRAMNonce())
	for _, other := range secrets[1:] {
		x.server.Accept(other.SCRAMSecret)
	}
	x.server.Bind(x.binding)
	answer, err := x.server.First(message)
	if err != nil {
		return nil, err
	}
	x.step = stepProof
	return wire.AppendAuthSASLContinue(dst, answer), nil
}

func (x *Exchange) proof(dst, message []byte) ([]byte, error) {
	answer, key, err := x.server.Final(message)
	if errors.Is(err, wire.ErrSCRAMProof) || err == nil && x.doomed {
		return nil, x.refused()
	}
	if err != nil {
		return nil, err
	}
	if x.matched = x.user.scram()[x.server.Matched()].of; x.matched.kind == SCRAMSecret {
		x.key = key
	}
	x.step = stepDone
	return wire.AppendAuthSASLFinal(dst, answer), nil
}

func (x *Exchange) refused() error {
	return wire.Fatalf(wire.CodeInvalidPassword, "password authentication failed for user \"%s\"", x.user.name)
}

// Secret is the one that the client has proven to have, of those that are stored.
func (x *Exchange) Secret() Secret { return x.matched }

// ClientKey is the client's SCRAM key after a login against a stored SCRAM
// secret: it logs in to a server that stores the same secret. It is nil before,
// and after any other login: the key that fits a secret which we derived from a
// plain password fits no server's, and there the password itself is known.
func (x *Exchange) ClientKey() []byte { return x.key }

// Password is the password that the client has sent in clear text, after a
// login by the method Plain; otherwise it is empty.
func (x *Exchange) Password() string {
	if x.step != stepDone {
		return ""
	}
	return x.clear
}
