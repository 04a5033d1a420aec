package auth

import (
	"sync"
	"sync/atomic"

	"pgweir/wire"
)

// User is one user with a secret. It does not change, and any number of goroutines
// may use it.
type User struct {
	name   string
	secret Secret
	// scram gives the secret for a SCRAM exchange: derived, once, from a plain
	// one; a mock where none fits.
	scram func() wire.SCRAMSecret
	// derived tells that scram takes no time any more.
	derived atomic.Bool
}

// NewUser makes a user who is not among Users: the secret comes from elsewhere, as
// from PgBouncer's auth_query. The error is ParseSecret's.
func NewUser(name, secret string) (*User, error) {
	s, err := ParseSecret(secret)
	if err != nil {
		return nil, err
	}
	return newUser(name, s), nil
}

// Secret is what is stored for the user.
func (x *User) Secret() Secret { return x.secret }

func newUser(name string, secret Secret) *User {
	x := &User{name: name, secret: secret}
	x.derived.Store(secret.kind != PlainSecret)
	x.scram = sync.OnceValue(func() wire.SCRAMSecret {
		defer x.derived.Store(true)
		mock := wire.MockSCRAMSecret(mockKey(), name)
		switch secret.kind {
		case SCRAMSecret:
			return secret.scram
		case PlainSecret:
			// The salt of the mock: were the user unknown, it would be the same.
			return wire.DeriveSCRAMSecret(secret.text, mock.Salt, mock.Iterations)
		}
		return mock
	})
	return x
}
