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

// Secret is what is stored for the user.
func (x *User) Secret() Secret { return x.secret }

// newUser makes a user of a server, or with "" one that is known here.
func newUser(server, name string, secret Secret) *User {
	x := &User{name: name, secret: secret}
	x.derived.Store(secret.kind != PlainSecret)
	x.scram = sync.OnceValue(func() wire.SCRAMSecret {
		defer x.derived.Store(true)
		shown := mock(server, name)
		switch secret.kind {
		case SCRAMSecret:
			return secret.scram
		case PlainSecret:
			return wire.DeriveSCRAMSecret(secret.text, shown.Salt, shown.Iterations)
		}
		return shown
	})
	return x
}
