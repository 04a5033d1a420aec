package session

import (
	"sync/atomic"

	"pgweir/session/follow"
	"pgweir/session/proof"
)

// Shared is what the sessions of one pool have in common and change: what one
// client has prepared another need not prepare again, and what is learned from
// one's statements holds for all. Its zero value is ready.
type Shared struct {
	Statements follow.Statements
	// Pinned is how many clients keep a backend for themselves.
	Pinned atomic.Int32
	// places are taken by clients that keep one, or may be about to.
	places atomic.Int32

	// changes counts what may have changed the database's objects: a statement
	// that was prepared before is prepared anew when a client asks for it.
	changes  atomic.Uint64
	sessions atomic.Uint64
	// Shapes are the statements that have run, under the names of this pool's
	// user; Expected are hashes of settings, Counts what was asked.
	Shapes   proof.Table
	Expected proof.Expected
	Counts   proof.Counts
}
