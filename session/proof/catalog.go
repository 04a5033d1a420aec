package proof

import (
	"sync"
	"sync/atomic"
)

// Catalog is what is known of one database of one server. All pools of that
// database have the same one, whoever their user is and whatever clients call
// the database. Its zero value is ready. Its methods may be called on any
// goroutine.
//
// Which objects the database has is told by a digest, which a session asks for
// at the end of a lease when it is due: once a second, and after DDL. Where it
// differs, the generation goes up, and the objects are read anew. Until that is
// done, nothing is proven.
type Catalog struct {
	generation atomic.Uint64
	attention  atomic.Uint32
	knowledge  atomic.Pointer[Knowledge]

	mu       sync.Mutex
	digest   string // of the present generation; "" before the first
	changes  uint64 // calls of Changed
	failures int    // of reading, in a row
	ticks    int    // calls of Due to be passed over
}

// maxTicks is how many calls of Due are waited for somebody who reads the
// objects, or between two tries that fail.
const maxTicks = 30

// What a session has to attend to at the end of a lease.
const (
	digestDue uint32 = 1 << iota // nobody has asked for a digest for a while
	uncertain                    // objects may have changed, or have not been read
	reading                      // somebody reads them
	begun                        // a digest has been asked for, once
)

// Generation counts how often the database's objects were found to have
// changed.
func (c *Catalog) Generation() uint64 { return c.generation.Load() }

// Knowledge is what the names of the database's objects may leave behind; nil
// before they have been read.
func (c *Catalog) Knowledge() *Knowledge { return c.knowledge.Load() }

// Due says that it is time for a digest. It is called once a second.
func (c *Catalog) Due() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ticks > 0 {
		c.ticks--
		return
	}
	if c.attention.Load()&reading != 0 { // whoever did has gone
		c.clear(reading)
		c.digest = ""
	}
	c.set(digestDue)
}

// Changed says that the database's objects may have changed. Nothing is proven
// until a digest has come that was asked for afterwards.
func (c *Catalog) Changed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes++
	c.set(digestDue | uncertain)
}

// Certain tells whether shapes can be proven. It is false until the database's
// objects have been read.
func (c *Catalog) Certain() bool {
	return c.attention.Load()&uncertain == 0 && c.knowledge.Load() != nil
}

// A Reading is a digest that is asked for.
type Reading struct{ changes uint64 }

// TakeDigest tells whether the caller is to ask for the digest, and reports the
// answer to Digested.
func (c *Catalog) TakeDigest() (r Reading, ok bool) {
	if !c.wantsDigest() {
		return r, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.wantsDigest() {
		return r, false
	}
	c.set(begun)
	c.clear(digestDue)
	return Reading{c.changes}, true
}

// wantsDigest tells whether a digest is due. The first one always is.
func (c *Catalog) wantsDigest() bool {
	a := c.attention.Load()
	return a&digestDue != 0 || a&begun == 0
}

// Digested takes the digest; "" for a failure. It tells whether the caller is to
// read the objects, and report them to Learn.
func (c *Catalog) Digested(r Reading, digest string) (learn bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if digest == "" {
		c.set(uncertain)
		return false
	}
	if digest != c.digest {
		c.digest = digest
		c.generation.Add(1)
		c.knowledge.Store(nil)
		c.clear(reading)
	}
	if r.changes >= c.changes {
		c.clear(uncertain)
	}
	if c.knowledge.Load() != nil || c.attention.Load()&reading != 0 {
		return false
	}
	c.set(reading)
	c.ticks = maxTicks
	return true
}

// Learn takes what was read under a generation, nil after a failure. It takes
// time in proportion to the bodies of all functions.
func (c *Catalog) Learn(rows []Row, generation uint64) {
	var k *Knowledge
	if len(rows) > 0 {
		k = newKnowledge(rows)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if generation != c.generation.Load() {
		return // somebody else reads it
	}
	c.clear(reading)
	c.knowledge.Store(k)
	c.ticks = 0
	if k != nil {
		c.failures = 0
		return
	}
	c.digest = "" // to be read again, but not at once
	c.failures++
	c.ticks = min(1<<min(c.failures, 6), maxTicks)
}

func (c *Catalog) set(bits uint32)   { c.attention.Or(bits) }
func (c *Catalog) clear(bits uint32) { c.attention.And(^bits) }
