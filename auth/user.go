package auth

import (
	"sync"
	"sync/atomic"

	"pgweir/wire"
)

// User is one user with a secret, or with two of which either will do. It does not
// change, and any number of goroutines may use it.
type User struct {
	name   string
	secret Secret
	next   Secret // NoSecret for none
	// scram gives the secrets for a SCRAM exchange, which have one salt: derived,
	// once, from plain ones; a mock where none fits.
	scram func() []scramOf
	// derived tells that scram takes no time any more.
	derived atomic.Bool
}

// scramOf is what a SCRAM exchange needs of a secret.
type scramOf struct {
	wire.SCRAMSecret
	of Secret
}

// Secret is what is stored for the user; of two secrets the first.
func (x *User) Secret() Secret { return x.secret }

// secrets are those that the user has: none, one or two.
func (x *User) secrets() (out []Secret) {
	for _, s := range []Secret{x.secret, x.next} {
		if s.kind != NoSecret {
			out = append(out, s)
		}
	}
	return out
}

// has tells whether the user has a secret of a kind.
func (x *User) has(k Kind) bool { return x.secret.kind == k || x.next.kind == k }

// course is the secret that decides which exchange the user takes: the SCRAM secret
// if there is one, for its salt.
func (x *User) course() Secret {
	if x.next.kind == SCRAMSecret || x.secret.kind == NoSecret {
		return x.next
	}
	return x.secret
}

// newUser makes a user of a server, or with "" one that is known here. next is
// another secret that is good too.
func newUser(server, name string, secret, next Secret) *User {
	x := &User{name: name, secret: secret, next: next}
	x.derived.Store(!x.has(PlainSecret))
	x.scram = sync.OnceValue(func() (out []scramOf) {
		defer x.derived.Store(true)
		shown := mock(server, name)
		salt, iterations := shown.Salt, shown.Iterations
		if s := x.course(); s.kind == SCRAMSecret {
			salt, iterations = s.scram.Salt, s.scram.Iterations
		}
		for _, s := range x.secrets() {
			switch s.kind {
			case SCRAMSecret:
				out = append(out, scramOf{s.scram, s})
			case PlainSecret:
				out = append(out, scramOf{wire.DeriveSCRAMSecret(s.text, salt, iterations), s})
			}
		}
		if out == nil {
			return []scramOf{{shown, x.secret}}
		}
		return out
	})
	return x
}
