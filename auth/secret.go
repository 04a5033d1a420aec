package auth

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"

	"pgweir/wire"
)

// Kind is what a secret is stored as.
type Kind uint8

const (
	// NoSecret is the empty secret, which nothing matches.
	NoSecret Kind = iota
	// PlainSecret is the password itself.
	PlainSecret
	// MD5Secret is "md5" and 32 hexadecimal digits.
	MD5Secret
	// SCRAMSecret is "SCRAM-SHA-256$...".
	SCRAMSecret
)

// Secret is what is stored of a user's password. The zero Secret matches
// nothing.
type Secret struct {
	kind  Kind
	text  string // PlainSecret and MD5Secret
	scram wire.SCRAMSecret
}

// ParseSecret tells the kinds apart as PostgreSQL does, with one exception:
// what begins as a SCRAM secret and is none is an error, not a password. The
// error does not repeat the secret.
func ParseSecret(s string) (Secret, error) {
	switch {
	case s == "":
		return Secret{}, nil
	case wire.IsMD5Secret(s):
		return Secret{kind: MD5Secret, text: s}, nil
	case wire.IsSCRAMSecret(s):
		scram, err := wire.ParseSCRAMSecret(s)
		if err != nil {
			return Secret{}, err
		}
		return Secret{kind: SCRAMSecret, scram: scram}, nil
	}
	return Secret{kind: PlainSecret, text: s}, nil
}

// Kind says what the secret is stored as.
func (s Secret) Kind() Kind { return s.kind }

// String names the kind only, so that no secret gets into a log.
func (s Secret) String() string {
	return [...]string{"no secret", "plain secret", "MD5 secret", "SCRAM secret"}[s.kind]
}

// Format is String for every verb.
func (s Secret) Format(f fmt.State, _ rune) { f.Write([]byte(s.String())) }

// pair tells what keeps two secrets from being one user's: that no exchange could be
// about both. A plain secret goes with any other, as keys are derived from it with
// the other's salt.
func pair(a, b Secret) error {
	switch {
	case a.kind == SCRAMSecret && b.kind == SCRAMSecret && !a.scram.SameSalt(b.scram):
		return errors.New("two SCRAM secrets are checked in one exchange only if they have the same salt and iterations; give the next one in clear text")
	case a.kind == MD5Secret && b.kind == SCRAMSecret || a.kind == SCRAMSecret && b.kind == MD5Secret:
		return errors.New("an MD5 secret and a SCRAM secret are not checked in one exchange; give the next one in clear text")
	}
	return nil
}

// Credentials is what the secret is good for when logging in to a server as
// this user. Of a SCRAM secret that is the ServerKey alone: the ClientKey comes
// from a client's login, see Exchange.ClientKey.
func (s Secret) Credentials(user string) wire.Credentials {
	c := wire.Credentials{User: user}
	switch s.kind {
	case PlainSecret:
		c.Password = s.text
	case MD5Secret:
		c.MD5 = s.text
	case SCRAMSecret:
		c.ServerKey = s.scram.ServerKey
	}
	return c
}

// Equal tells whether both are stored as the same. It is not for what a client says:
// the time that it takes tells of the secrets.
func (s Secret) Equal(o Secret) bool {
	return s.kind == o.kind && s.text == o.text && s.scram.Iterations == o.scram.Iterations &&
		bytes.Equal(s.scram.Salt, o.scram.Salt) && bytes.Equal(s.scram.StoredKey, o.scram.StoredKey) &&
		bytes.Equal(s.scram.ServerKey, o.scram.ServerKey)
}

// fits tells whether the password is the secret's. For a SCRAM secret that
// takes as long as its iterations.
func (s Secret) fits(user, password string) bool {
	switch s.kind {
	case PlainSecret:
		return equal(s.text, password)
	case MD5Secret:
		return equal(s.text, wire.MD5Secret(user, password))
	case SCRAMSecret:
		return s.scram.FitsPassword(password)
	}
	return false
}

// md5 is the MD5 secret to expect an MD5 response of; "" if there is none.
func (s Secret) md5(user string) string {
	switch s.kind {
	case PlainSecret:
		return wire.MD5Secret(user, s.text)
	case MD5Secret:
		return s.text
	}
	return ""
}

// equal compares in a time that tells nothing of either text, not even whether
// the lengths are equal.
func equal(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}
