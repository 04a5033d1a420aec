package proof

import (
	"sync"
	"sync/atomic"
)

// maxExpected bounds the hashes that are kept; a full set begins anew.
const maxExpected = 1000

// Expected has the hashes of a backend's settings when it has nothing but what
// its client is known to have set. The zero value is ready.
type Expected struct {
	mu  sync.Mutex
	all map[uint64]uint64
}

// Is tells whether a hash is the one that is known for a key.
func (e *Expected) Is(key, hash uint64) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	known, ok := e.all[key]
	return ok && known == hash
}

// Set makes a hash the one for a key.
func (e *Expected) Set(key, hash uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.all == nil || len(e.all) == maxExpected {
		e.all = map[uint64]uint64{}
	}
	e.all[key] = hash
}

// Counts are how often backends were asked what is left in them, and why.
type Counts struct {
	Hinted   atomic.Int64 // words or names had hinted at something
	Unproven atomic.Int64 // something ran that was not proven
	Catalog  atomic.Int64 // a digest was due, or the catalog uncertain
	Sampled  atomic.Int64 // leak_check
	Found    atomic.Int64 // something was found that nothing had hinted at
}
