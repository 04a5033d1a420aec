package session

import (
	"crypto/rand"
	"encoding/hex"
	"strconv"
	"sync"
	"unicode/utf8"

	"pgweir/wire"
)

// Statement is a prepared statement as a pool knows it: all clients that
// prepare the same text with the same parameter types, under whatever names
// and with the same settings, share it. It is never changed.
type Statement struct {
	name  string // on every backend that has it
	key   string
	parse []byte // the Parse message that makes it
	chars int    // how long its text is, in characters
	hints wire.Hints
	shape wire.Shape
	vars  *wire.Vars // of the client that made it first; nil for a stand-in

	// Guarded by the registry's lock.
	uses       int // clients' names for it
	prev, next *Statement
}

// text is the statement's SQL.
func (st *Statement) text() []byte {
	_, rest, _ := wire.CString(st.parse[wire.HeaderLen:])
	text, _, _ := wire.CString(rest)
	return text
}

// standIns are empty statements that stand in for others where nothing is asked
// but whether there is one. All pools have the same.
var standIns struct {
	mu  sync.Mutex
	all []*Statement
}

// standIn is one of the stand-ins, by number from 0.
func standIn(n int) *Statement {
	standIns.mu.Lock()
	defer standIns.mu.Unlock()
	for len(standIns.all) <= n {
		st := &Statement{name: namePrefix + "stand_in_" + strconv.Itoa(len(standIns.all))}
		st.parse = appendNamed(nil, st.name, []byte("\x00\x00\x00"))
		standIns.all = append(standIns.all, st)
	}
	return standIns.all[n]
}

// standsIn tells whether a statement is one of the stand-ins.
func (st *Statement) standsIn() bool { return st.vars == nil }

// maxUnused and maxUnusedBytes bound the statements that are kept though no
// client has a name for them any more, for the next who prepares the same.
const (
	maxUnused      = 2000
	maxUnusedBytes = 4 << 20
)

// namePrefix begins the names of shared statements. It differs from process to
// process, so that no client can know it beforehand.
var namePrefix = func() string {
	var b [4]byte
	rand.Read(b[:])
	return "pgweir_" + hex.EncodeToString(b[:]) + "_"
}()

// Statements are the prepared statements of a pool. Its lock is taken when a
// client prepares a statement or gives one up, not when it runs one.
type Statements struct {
	mu          sync.Mutex
	byKey       map[string]*Statement
	unused      Statement // the ring of those without uses, the oldest next
	unusedCount int
	unusedBytes int
	number      uint64
}

// get finds the statement of a key, or makes it of a Parse's body behind the
// name. The caller has one use of it.
func (r *Statements) get(key, body []byte, hints wire.Hints, shape wire.Shape, vars *wire.Vars) *Statement {
	r.mu.Lock()
	defer r.mu.Unlock()
	if st := r.byKey[string(key)]; st != nil {
		if st.uses == 0 {
			r.unlink(st)
		}
		st.uses++
		return st
	}
	if r.byKey == nil {
		r.byKey = map[string]*Statement{}
		r.unused.prev, r.unused.next = &r.unused, &r.unused
	}
	r.number++
	st := &Statement{name: namePrefix + strconv.FormatUint(r.number, 36), key: string(key), hints: hints, shape: shape, vars: vars, uses: 1}
	st.parse = appendNamed(nil, st.name, body)
	st.chars = utf8.RuneCount(st.text())
	r.byKey[st.key] = st
	return st
}

// put gives one use up.
func (r *Statements) put(st *Statement) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if st.uses--; st.uses > 0 {
		return
	}
	last := r.unused.prev
	st.prev, st.next = last, &r.unused
	last.next, r.unused.prev = st, st
	r.unusedCount++
	r.unusedBytes += len(st.parse)
	for r.unusedCount > maxUnused || r.unusedBytes > maxUnusedBytes {
		oldest := r.unused.next
		r.unlink(oldest)
		delete(r.byKey, oldest.key)
	}
}

// unlink takes a statement out of the ring of the unused.
func (r *Statements) unlink(st *Statement) {
	st.prev.next, st.next.prev = st.next, st.prev
	st.prev, st.next = nil, nil
	r.unusedCount--
	r.unusedBytes -= len(st.parse)
}

// Len is how many statements are known.
func (r *Statements) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.byKey)
}

// onBackend are the shared statements that a backend has, the one used last
// first. The zero value is empty.
type onBackend struct {
	all  map[*Statement]*held
	ring held // next is the one used last, prev the one used longest ago
}

type held struct {
	st         *Statement
	at         uint64 // Shared.changes when it was prepared there
	stale      bool   // it must be prepared anew
	columns    uint64 // those that it has there (columnsHash); 0: not known
	prev, next *held
}

// use tells whether the backend has st, which is now the one used last.
func (b *onBackend) use(st *Statement) bool {
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

func (b *onBackend) front(h *held) {
	h.prev, h.next = &b.ring, b.ring.next
	h.next.prev, b.ring.next = h, h
}

// fresh is use for a statement that was prepared after the last change of the
// database's objects.
func (b *onBackend) fresh(st *Statement, changes uint64) bool {
	return b.use(st) && b.all[st].at == changes && !b.all[st].stale
}

// doubt says that the backend may have lost any of them, or that none can be
// run as it is: each is prepared anew when it is next used.
func (b *onBackend) doubt() {
	for _, h := range b.all {
		h.stale = true
	}
}

// has tells whether the backend has st as it should be.
func (b *onBackend) has(st *Statement) bool { return b.use(st) && !b.ring.next.stale }

func (b *onBackend) add(st *Statement, changes uint64) {
	if b.all == nil {
		b.clear()
	}
	if b.use(st) {
		h := b.all[st]
		h.at, h.stale, h.columns = changes, false, 0
		return
	}
	h := &held{st: st, at: changes}
	b.all[st] = h
	b.front(h)
}

func (b *onBackend) remove(st *Statement) {
	if h := b.all[st]; h != nil {
		h.prev.next, h.next.prev = h.next, h.prev
		delete(b.all, st)
	}
}

// oldest is the one used longest ago, nil if there is none.
func (b *onBackend) oldest() *Statement {
	if len(b.all) == 0 {
		return nil
	}
	return b.ring.prev.st
}

func (b *onBackend) clear() {
	b.all = map[*Statement]*held{}
	b.ring.prev, b.ring.next = &b.ring, &b.ring
}
