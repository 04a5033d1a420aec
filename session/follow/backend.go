package follow

// OnBackend are the shared statements that a backend has, the one used last
// first. The zero value is empty.
type OnBackend struct {
	all    map[*Statement]*Held
	ring   Held   // next is the one used last, prev the one used longest ago
	doubts uint32 // calls of Doubt
}

// Held is a statement on a backend.
type Held struct {
	Statement *Statement
	At        uint64 // how often the database's objects had changed when it was prepared there
	Stale     bool   // it must be prepared anew
	Taint     uint64 // the Link.epoch of package session in which settings may have been others than its own; 0: never
	// Apart: its names may mean something else there than to others who prepare it: it
	// was prepared for who uses it under another search_path or role, or behind a
	// transaction's own changes.
	Apart   bool
	Columns uint64 // a hash of those that it has there; 0: not known
	// Common: any other client would have been told the same at its Parse.
	Common bool

	doubts     uint32 // OnBackend.doubts when it was removed
	prev, next *Held
}

// Len is how many there are.
func (b *OnBackend) Len() int { return len(b.all) }

// All goes through them, in no order.
func (b *OnBackend) All(yield func(*Held) bool) {
	for _, h := range b.all {
		if !yield(h) {
			return
		}
	}
}

// Of is what the backend has of st, nil if nothing.
func (b *OnBackend) Of(st *Statement) *Held { return b.all[st] }

// Last is the one used last; there must be one.
func (b *OnBackend) Last() *Held { return b.ring.next }

// Use tells whether the backend has st, which is now the one used last.
func (b *OnBackend) Use(st *Statement) bool {
	h := b.all[st]
	if h == nil {
		return false
	}
	if b.ring.next != h {
		h.prev.next, h.next.prev = h.next, h.prev
		b.front(h)
	}
	return true
}

func (b *OnBackend) front(h *Held) {
	h.prev, h.next = &b.ring, b.ring.next
	h.next.prev, b.ring.next = h, h
}

// Fresh is Use for a statement that was prepared as any client would have it, after
// the last change of the database's objects, which is how often they have changed.
func (b *OnBackend) Fresh(st *Statement, changes uint64) bool {
	h := b.all[st]
	return b.Use(st) && h.At == changes && !h.Stale && !h.Apart && h.Taint == 0
}

// Doubt says that the backend may have lost any of them, or that none can be
// run as it is: each is prepared anew when it is next used.
func (b *OnBackend) Doubt() {
	b.doubts++
	for _, h := range b.all {
		h.Stale = true
	}
}

// Replan says that the backend reads and plans each of them anew when it is next
// used, under the settings of that moment: others than those of its Parse will not do.
func (b *OnBackend) Replan() {
	for st, h := range b.all {
		h.Stale = h.Stale || !st.Made.As(st.Used)
	}
}

// Sound is how many of them are as they should be.
func (b *OnBackend) Sound() (n int) {
	for _, h := range b.all {
		if !h.Stale {
			n++
		}
	}
	return n
}

// Add: the backend has st from now on, prepared when the database's objects had
// changed so often.
func (b *OnBackend) Add(st *Statement, changes uint64) {
	if b.all == nil {
		b.Clear()
	}
	if b.Use(st) {
		h := b.all[st]
		h.At, h.Stale, h.Apart, h.Taint, h.Columns, h.Common = changes, false, false, 0, 0, false
		return
	}
	h := &Held{Statement: st, At: changes}
	b.all[st] = h
	b.front(h)
}

// Remove takes one away, and returns it; nil if it is not there.
func (b *OnBackend) Remove(st *Statement) *Held {
	h := b.all[st]
	if h != nil {
		h.prev.next, h.next.prev = h.next, h.prev
		delete(b.all, st)
		h.doubts = b.doubts
	}
	return h
}

// PutBack: one that was removed is there still, as it was. A doubt since then is
// about it too.
func (b *OnBackend) PutBack(h *Held) {
	b.Remove(h.Statement)
	h.Stale = h.Stale || h.doubts != b.doubts
	b.all[h.Statement] = h
	b.front(h)
}

// Oldest is the one used longest ago, nil if there is none.
func (b *OnBackend) Oldest() *Statement {
	if len(b.all) == 0 {
		return nil
	}
	return b.ring.prev.Statement
}

// Clear: the backend has none any more.
func (b *OnBackend) Clear() {
	b.all = map[*Statement]*Held{}
	b.doubts++
	b.ring.prev, b.ring.next = &b.ring, &b.ring
}
