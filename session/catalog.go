package session

import "sync/atomic"

// Catalog is what is known of one database of one server. All pools of that
// database have the same one, whoever their user is and whatever clients call
// the database. Its zero value is ready. Its methods may be called on any
// goroutine.
type Catalog struct {
	generation atomic.Uint64
}

// Generation counts what may have changed the database's objects. What was
// learned under another generation is to be learned again.
func (c *Catalog) Generation() uint64 { return c.generation.Load() }

// Changed says that the database's objects may have changed.
func (c *Catalog) Changed() { c.generation.Add(1) }
