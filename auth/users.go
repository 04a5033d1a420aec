package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"sync"
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
	known map[string]*User
	// models are the known users who have a secret, in the order of the
	// entries. Each unknown name takes the course of one of them.
	models []*User
}

// New makes the Users. Of entries with the same name the last
// counts. The error names the user whose secret is malformed, or whose two secrets
// are not checked in one exchange.
func New(entries []Entry) (*Users, error) { return NewAfter(nil, entries) }

// NewAfter is New in place of others, which may be nil: keys that were derived for a
// user who has the same secrets still are not derived again.
func NewAfter(before *Users, entries []Entry) (*Users, error) {
	u := &Users{known: make(map[string]*User, len(entries))}
	for _, e := range entries {
		secret, err := ParseSecret(e.Secret)
		if err != nil {
			return nil, fmt.Errorf("user %q: %w", e.Name, err)
		}
		next, err := ParseSecret(e.Next)
		if err == nil {
			err = pair(secret, next)
		}
		if err != nil {
			return nil, fmt.Errorf("user %q: %w", e.Name, err)
		}
		if before != nil {
			if x := before.known[e.Name]; x != nil && x.secret.Equal(secret) && x.next.Equal(next) {
				u.known[e.Name] = x
				continue
			}
		}
		u.known[e.Name] = newUser("", e.Name, secret, next)
	}
	for _, e := range entries {
		if x := u.known[e.Name]; x.canLogIn() {
			u.models = append(u.models, x)
		}
	}
	return u, nil
}

// Secret returns what is stored for a user, for logging in to a server with
// it; of two secrets the first. ok is false for an unknown user.
func (u *Users) Secret(name string) (secret Secret, ok bool) {
	if x := u.known[name]; x != nil {
		return x.secret, true
	}
	return Secret{}, false
}

// Secrets are those of a user: none, one, or two of which either will do.
func (u *Users) Secrets(name string) []Secret {
	if x := u.known[name]; x != nil {
		return x.secrets()
	}
	return nil
}

// CanLogIn tells whether a user has any.
func (u *Users) CanLogIn(name string) bool { return u.known[name].canLogIn() }

// Names are those of all users, in no order.
func (u *Users) Names() []string { return slices.Collect(maps.Keys(u.known)) }

// Count is how many there are.
func (u *Users) Count() int { return len(u.known) }

// Knows tells whether there is a user of this name.
func (u *Users) Knows(name string) bool { return u.known[name] != nil }

// Warm derives the SCRAM keys of all plain secrets ahead of the first logins,
// a millisecond of CPU each. Until then a user's first login by SCRAM takes that
// much longer. It may run in a goroutine of its own beside logins.
func (u *Users) Warm() {
	for _, x := range u.known {
		x.scram()
	}
}

// model is the known user whose course an unknown name takes; nil if nobody is
// known. The names fall evenly on the known users, so the kinds of exchange come in
// the proportion of theirs.
func (u *Users) model(name string) *User {
	if len(u.models) == 0 {
		return nil
	}
	return u.models[hash("model", name)%uint64(len(u.models))]
}
