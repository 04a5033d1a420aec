package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"pgweir/wire"
)

// mockKey makes up what an unknown user is shown. It is drawn once for the
// life of the process, so that a reload, which makes new Users, does not give
// away by changed salts who is unknown.
var mockKey = sync.OnceValue(func() []byte {
	key := make([]byte, sha256.Size)
	rand.Read(key) // never fails: crypto/rand ends the program if it must
	return key
})

// Users is who may log in with a password. It does not change once New
// has made it, and any number of goroutines may use it.
type Users struct {
	key   []byte
	known map[string]*user
	// models are the known users who have a secret, in the order of the
	// entries. Each unknown name takes the course of one of them.
	models []*user
}

type user struct {
	name   string
	secret Secret
	// scram gives the secret for a SCRAM exchange: derived, once, from a plain
	// one; a mock where none fits.
	scram func() wire.SCRAMSecret
	// derived tells that scram takes no time any more.
	derived atomic.Bool
}

// New makes the Users. Of entries with the same name the last
// counts. The error names the user whose secret is malformed.
func New(entries []Entry) (*Users, error) {
	u := &Users{key: mockKey(), known: make(map[string]*user, len(entries))}
	for _, e := range entries {
		secret, err := ParseSecret(e.Secret)
		if err != nil {
			return nil, fmt.Errorf("user %q: %w", e.Name, err)
		}
		u.known[e.Name] = u.newUser(e.Name, secret)
	}
	for _, e := range entries {
		if x := u.known[e.Name]; x.secret.kind != NoSecret {
			u.models = append(u.models, x)
		}
	}
	return u, nil
}

func (u *Users) newUser(name string, secret Secret) *user {
	x := &user{name: name, secret: secret}
	x.derived.Store(secret.kind != PlainSecret)
	x.scram = sync.OnceValue(func() wire.SCRAMSecret {
		defer x.derived.Store(true)
		mock := wire.MockSCRAMSecret(u.key, name)
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

// Secret returns what is stored for a user, for logging in to a server with
// it. ok is false for an unknown user.
func (u *Users) Secret(name string) (secret Secret, ok bool) {
	if x := u.known[name]; x != nil {
		return x.secret, true
	}
	return Secret{}, false
}

// Names are those of all users, in no order.
func (u *Users) Names() []string { return slices.Collect(maps.Keys(u.known)) }

// Warm derives the SCRAM keys of all plain secrets ahead of the first logins,
// a millisecond of CPU each. Until then a user's first login by SCRAM takes that
// much longer. It may run in a goroutine of its own beside logins.
func (u *Users) Warm() {
	for _, x := range u.known {
		x.scram()
	}
}

// stranger makes up the user for a name that has no secret: the same at every
// attempt, on the course of one of the known users, and with a secret that
// nothing fits. The names fall evenly on the known users, so the kinds of
// exchange come in the proportion of theirs.
func (u *Users) stranger(name string) *user {
	mock := wire.MockSCRAMSecret(u.key, name)
	model := Secret{kind: PlainSecret}
	if len(u.models) > 0 {
		model = u.models[u.hash("model:"+name)%uint64(len(u.models))].secret
	}
	s := Secret{kind: model.kind}
	switch model.kind {
	case SCRAMSecret:
		mock.Iterations = model.scram.Iterations
		s.scram = mock
	case MD5Secret:
		// An MD5 secret of nobody's; "unknown" is no hexadecimal digit.
		s.text = "md5unknown"
	}
	x := &user{name: name, secret: s, scram: func() wire.SCRAMSecret { return mock }}
	x.derived.Store(true)
	return x
}

func (u *Users) hash(text string) uint64 {
	mac := hmac.New(sha256.New, u.key)
	mac.Write([]byte(text))
	return binary.BigEndian.Uint64(mac.Sum(nil))
}
