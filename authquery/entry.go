package authquery

import (
	"time"

	"pgweir/auth"
)

const (
	// unknownTTL is how long it is believed that there is no such user, if a known
	// one is not believed for less.
	unknownTTL = 5 * time.Second
	// pause is the least time from one question about a user to the next, if the
	// first has failed, or if the next is asked because of a wrong password.
	pause = time.Second
)

// Source is where users' secrets are asked for, and how. Sources that are equal have
// one connection and the same users.
type Source struct {
	Server         string // where it listens, for people: host:port, or a socket's path
	Database, User string // that the connection is to, and that it logs in as
	ConnString     string // libpq's keywords; it may hold a password
	// Reach is how the server is reached; nil for as ConnString says. Values must be
	// comparable.
	Reach Reach
	Query string // with $1 for the name; its row is the name and the secret
}

// Limits say for how long an answer serves.
type Limits struct {
	TTL   time.Duration // auth_query_ttl
	Stale time.Duration // auth_query_stale: the age up to which it serves while no other can be had
}

// Answer is what a source has said of a user.
type Answer struct {
	// User is nil if there is none of this name who may log in with a password.
	User   *auth.User
	Models *auth.Models // of users that this source knows; never nil
	Serial uint64       // greater than that of every earlier answer
}

// key names an entry.
type key struct {
	source Source
	name   string
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
	case e.err != nil && now.Sub(e.failed) < pause:
		return resting
	case !e.answered || e.outdated || now.Sub(e.at) >= e.ttl(limits):
		return toBeAsked
	case e.doubted && now.Sub(e.forced) >= pause:
		return toBeAsked
	}
	return fresh
}

func (e *entry) ttl(limits Limits) time.Duration {
	if e.answer.User == nil {
		return min(limits.TTL, unknownTTL)
	}
	return limits.TTL
}

// servesStale tells whether the answer serves while no other can be had.
func (e *entry) servesStale(now time.Time, limits Limits) bool {
	return e.answered && now.Sub(e.at) < max(limits.Stale, e.ttl(limits))
}
