package authquery

import (
	"time"

	"pgweir/auth"
)

// restTime is the least time from one question about a user to the next, if the
// first has failed, or if the next is asked because of a wrong password.
const restTime = time.Second

// Source is where users' secrets are asked for, and how. Sources that are equal have
// one connection and the same users. The password that a connection is opened with is
// no part of it: answers outlive a change of that (Options.Passwords).
type Source struct {
	Server         string // where it listens, for people: host:port, or a socket's path
	Database, User string // that the connection is to, and that it logs in as
	ConnString     string // libpq's keywords, without a password
	// Reach is how the server is reached; nil for as ConnString says. Values must be
	// comparable.
	Reach Reach
	Query string // with $1 for the name; its row is the name and the secret
}

// Limits say for how long an answer serves.
type Limits struct {
	TTL   time.Duration // auth_query_ttl; the same for a user who is not there
	Stale time.Duration // auth_query_stale: the age up to which it serves while no other can be had
}

// Answer is what a source has said of a user: the secret, or the roles.
type Answer struct {
	// User is nil if there is none of this name who may log in with a password.
	User   *auth.User
	Models *auth.Models // of users that the server knows; never nil
	Serial uint64       // greater than that of every earlier answer
	Kept   bool         // it was asked for before, for the sake of another
	Source Source       // that has given it
	// NoDatabase: there is no database of the name that the client has made up. The
	// answer is what the client is to be shown who will not get in.
	NoDatabase bool
	// Roles are the user and all roles that it is a member of, directly or through
	// others; empty if there is no such user, nil if that was not asked or nobody
	// could be. It must not be changed.
	Roles map[string]bool
}

// knows tells whether there is such a user.
func (a *Answer) knows() bool { return a.User != nil || len(a.Roles) > 0 }

// kind is what is asked.
type kind uint8

const (
	ofUser     kind = iota // a user's secret
	ofRoles                // the roles that a user is a member of
	ofDatabase             // whether there is a database
)

// key names a question. An entry's is of a user.
type key struct {
	source Source
	name   string
	kind   kind
}

// entry is what is known of one user. It is guarded by Asker.mu.
type entry struct {
	key
	answered bool
	answer   Answer
	at       time.Time // when it was asked for
	doubted  bool      // somebody has failed to log in with it
	outdated bool      // by a reload
	forced   time.Time // the last question for the sake of a doubt
	failed   time.Time // the last question without an answer
	err      error     // of it; nil if an answer has come since
}

// state is what an entry is good for.
type state uint8

const (
	toBeAsked state = iota // there is no answer, or too old a one
	fresh                  // the answer serves
	resting                // a question has failed just now, and another would too
)

func (e *entry) state(now time.Time, limits Limits) state {
	switch {
	case e.err != nil && now.Sub(e.failed) < restTime:
		return resting
	case !e.answered || e.outdated || now.Sub(e.at) >= limits.TTL:
		return toBeAsked
	case e.doubted && now.Sub(e.forced) >= restTime:
		return toBeAsked
	}
	return fresh
}

// servesStale tells whether the answer serves while no other can be had.
func (e *entry) servesStale(now time.Time, limits Limits) bool {
	return e.answered && now.Sub(e.at) < max(limits.Stale, limits.TTL)
}
