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
	edition    atomic.Uint64
	attention  atomic.Uint32
	knowledge  atomic.Pointer[Knowledge]

	mu       sync.Mutex
	digest   string // of the present generation; "" before the first
	changes  uint64 // calls of Changed
	failures int    // of reading, in a row
	ticks    int    // calls of Due to be passed over
	clock    uint64 // calls of Due
	seen     uint64 // the clock when the last digest was asked for that has been answered
	failing  bool   // see Failing
	waiters  []func()
	customs  []string // that were known last
}

// maxTicks is how many calls of Due are waited for somebody who reads the
// objects, or between two tries that fail.
const maxTicks = 30

// What a session has to attend to at the end of a lease.
const (
	digestDue uint32 = 1 << iota // nobody has asked for a digest for a while
	uncertain                    // objects may have changed, or have not been read
	reading                      // somebody reads them
	begun                        // a digest has been answered, or could not be
	overdue                      // no digest has been answered that was asked for within maxAge
)

// maxAge is how old what a digest has told may become, in calls of Due, until
// nothing is Settled.
const maxAge = 2

// Generation counts how often the database's objects were found to have
// changed.
func (c *Catalog) Generation() uint64 { return c.generation.Load() }

// Edition counts what may have changed the database's objects: transactions that
// said so, and digests that differ.
func (c *Catalog) Edition() uint64 { return c.edition.Load() }

// Settled tells whether all that has changed the database's objects counts in
// Edition by now: what a digest may still find has happened since the last one,
// which is not old.
func (c *Catalog) Settled() bool { return c.attention.Load()&(begun|uncertain|overdue) == begun }

// Knowledge is what the names of the database's objects may leave behind; nil
// before they have been read.
func (c *Catalog) Knowledge() *Knowledge { return c.knowledge.Load() }

// Due says that it is time for a digest. It is called once a second.
func (c *Catalog) Due() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clock++
	c.ages()
	if c.ticks > 0 {
		c.ticks--
		return
	}
	if c.Reads() { // whoever did has gone
		c.digest = ""
		c.done()
	}
	c.set(digestDue)
}

// Changed says that the database's objects may have changed. Nothing is proven
// until a digest has come that was asked for afterwards.
func (c *Catalog) Changed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes++
	c.edition.Add(1)
	c.set(digestDue | uncertain)
}

// ages looks how old the last digest is. It is called with the lock held.
func (c *Catalog) ages() {
	if c.clock-c.seen >= maxAge {
		c.set(overdue)
	} else {
		c.clear(overdue)
	}
}

// Certain tells whether shapes can be proven. It is false until the database's
// objects have been read.
func (c *Catalog) Certain() bool {
	return c.attention.Load()&uncertain == 0 && c.knowledge.Load() != nil
}

// Failing tells whether the database's objects could not be read the last time
// that somebody tried. Nothing is proven then.
func (c *Catalog) Failing() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failing
}

// Wants tells whether a backend is to be asked at the end of a lease whatever ran
// in it.
func (c *Catalog) Wants() bool { return !c.Certain() || c.wantsDigest() }

// Await has f called, once and on any goroutine, when nobody reads the objects
// any more.
func (c *Catalog) Await(f func()) {
	c.mu.Lock()
	wait := c.Reads()
	if wait {
		c.waiters = append(c.waiters, f)
	}
	c.mu.Unlock()
	if !wait {
		f()
	}
}

// Reads tells whether somebody reads the objects.
func (c *Catalog) Reads() bool { return c.attention.Load()&reading != 0 }

// GiveUp says that who was to read the objects under a generation does not.
func (c *Catalog) GiveUp(generation uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if generation == c.generation.Load() && c.Reads() {
		c.failed()
	}
}

// failed has the objects read again: at once the first time, then less and less
// often. It is called with the lock held.
func (c *Catalog) failed() {
	c.digest, c.ticks = "", 0
	if c.failures++; c.failures == 1 {
		c.set(digestDue)
	} else {
		c.ticks = min(1<<min(c.failures-1, 6), maxTicks)
	}
	c.done()
}

// done: nobody reads the objects any more. It is called with the lock held.
func (c *Catalog) done() {
	c.clear(reading)
	waiters := c.waiters
	c.waiters = nil
	for _, f := range waiters {
		go f()
	}
}

// A Reading is a digest that is asked for.
type Reading struct{ changes, clock uint64 }

// TakeDigest tells whether a digest is due, and the caller is to ask for it. The
// answer is for Digested.
func (c *Catalog) TakeDigest() (r Reading, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r.changes, r.clock = c.changes, c.clock
	if !c.wantsDigest() {
		return r, false
	}
	c.clear(digestDue)
	return r, true
}

// wantsDigest tells whether a digest is due. Until one has been answered, it
// always is.
func (c *Catalog) wantsDigest() bool {
	a := c.attention.Load()
	return a&digestDue != 0 || a&begun == 0
}

// Verdict is what a digest leads to.
type Verdict uint8

const (
	Same Verdict = iota // nothing has changed
	Read                // the caller is to read the objects, and report them to Learn
	Wait                // somebody else reads them
)

// Digested takes the digest; "" for a failure.
func (c *Catalog) Digested(r Reading, digest string) Verdict {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.set(begun)
	if digest == "" {
		c.failing = true
		c.set(uncertain)
		return Same
	}
	c.seen = max(c.seen, r.clock)
	c.ages()
	if digest != c.digest {
		c.digest = digest
		c.generation.Add(1)
		c.edition.Add(1)
		c.knowledge.Store(nil)
		c.clear(reading)
	}
	if r.changes >= c.changes {
		c.clear(uncertain)
	}
	switch {
	case c.knowledge.Load() != nil:
		c.failing = false
		return Same
	case c.Reads():
		return Wait
	}
	c.set(reading)
	c.ticks = maxTicks
	return Read
}

// Learn takes what was read under a generation, nil after a failure. It takes
// time in proportion to the bodies of all functions.
func (c *Catalog) Learn(rows []Row, generation uint64) {
	c.mu.Lock()
	customs := c.customs
	c.mu.Unlock()
	var k *Knowledge
	if len(rows) > 0 {
		k = newKnowledge(rows, customs)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if generation != c.generation.Load() {
		return // somebody else reads it
	}
	c.knowledge.Store(k)
	c.failing = k == nil
	if k == nil {
		c.failed()
		return
	}
	c.failures, c.ticks, c.customs = 0, 0, k.Customs
	c.done()
}

func (c *Catalog) set(bits uint32)   { c.attention.Or(bits) }
func (c *Catalog) clear(bits uint32) { c.attention.And(^bits) }
