package session

import (
	"sync"
	"sync/atomic"

	"pgweir/wire"
)

// Shared is what the sessions of one pool have in common and change: what one
// client has prepared another need not prepare again, and what is learned from
// one's statements holds for all. Its zero value is ready.
type Shared struct {
	Statements Statements
	// Pinned is how many clients keep a backend for themselves.
	Pinned atomic.Int32
	// places are taken by clients that keep one, or may be about to.
	places atomic.Int32

	// changes counts what may have changed the database's objects: a statement
	// that was prepared before is prepared anew when a client asks for it.
	changes   atomic.Uint64
	sessions  atomic.Uint64
	functions atomic.Pointer[wire.Functions]
	wanted    atomic.Bool // functions are to be read at all
	known     atomic.Bool // they have been, once
	stale     atomic.Bool // they are to be read (again)

	mu    sync.Mutex
	read  []wire.Function // as read from the database
	found []wire.Function // as found by checks
	// created are those that have come to be since they were read.
	created []wire.Function
}
