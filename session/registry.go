package session

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"hash/maphash"
	"strconv"
	"sync"
	"unicode/utf8"

	"pgweir/wire"
)

// Statement is a prepared statement as a pool knows it: all clients that
// prepare the same text with the same parameter types, under whatever names
// and with the same settings, share it. It is never changed.
type Statement struct {
	name      string  // on every backend that has it
	parse     []byte  // the Parse message that makes it
	chars     int     // how long its text is, in characters
	made      reading // what its text is read under
	used      reading // what it is planned and run under; mostly the same
	constants bool    // its text may have some that are read under settings
	hash      uint64  // of all that tells it from others

	// Guarded by the registry's lock.
	uses       int        // clients' names for it
	prev, next *Statement // in the ring of the unused
	chain      *Statement // the next one of equal hash
}

// body is what follows the name in its Parse.
func (st *Statement) body() []byte { return st.parse[wire.HeaderLen+len(st.name)+1:] }

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
func (st *Statement) standsIn() bool { return st.made.vars == nil }

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
	byHash      map[uint64]*Statement
	count       int
	unused      Statement // the ring of those without uses, the oldest next
	unusedCount int
	unusedBytes int
	number      uint64
}

// get finds the statement whose Parse has this body behind the name, read under
// one set of settings and used under another, or makes it. The caller has one
// use of it.
func (r *Statements) get(made, used reading, body []byte) *Statement {
	var h maphash.Hash
	h.SetSeed(readingSeed)
	made.hash(&h)
	used.hash(&h)
	h.Write(body)
	hash := h.Sum64()
	r.mu.Lock()
	defer r.mu.Unlock()
	for st := r.byHash[hash]; st != nil; st = st.chain {
		if st.made.same(made) && st.used.same(used) && bytes.Equal(st.body(), body) {
			if st.uses == 0 {
				r.unlink(st)
			}
			st.uses++
			return st
		}
	}
	if r.byHash == nil {
		r.byHash = map[uint64]*Statement{}
		r.unused.prev, r.unused.next = &r.unused, &r.unused
	}
	r.number++
	st := &Statement{name: namePrefix + strconv.FormatUint(r.number, 36), made: made, used: used, hash: hash, uses: 1}
	st.parse = appendNamed(nil, st.name, body)
	text := st.text()
	st.chars, st.constants = utf8.RuneCount(text), hasConstants(text)
	st.chain = r.byHash[hash]
	r.byHash[hash] = st
	r.count++
	return st
}

// forget takes a statement out of the registry.
func (r *Statements) forget(st *Statement) {
	at := r.byHash[st.hash]
	if at == st && st.chain == nil {
		delete(r.byHash, st.hash)
	} else if at == st {
		r.byHash[st.hash] = st.chain
	} else {
		for at.chain != st {
			at = at.chain
		}
		at.chain = st.chain
	}
	r.count--
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
		r.forget(oldest)
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
	return r.count
}

// onBackend are the shared statements that a backend has, the one used last
// first. The zero value is empty.
type onBackend struct {
	all    map[*Statement]*held
	ring   held   // next is the one used last, prev the one used longest ago
	doubts uint32 // calls of doubt
}

type held struct {
	st         *Statement
	at         uint64 // Shared.changes when it was prepared there
	stale      bool   // it must be prepared anew
	taint      uint64 // Link.epoch in which settings may have been others than its own; 0: never
	columns    uint64 // those that it has there (columnsHash); 0: not known
	doubts     uint32 // onBackend.doubts when it was removed
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
	return b.use(st) && b.ring.next.at == changes && !b.ring.next.stale && b.ring.next.taint == 0
}

// doubt says that the backend may have lost any of them, or that none can be
// run as it is: each is prepared anew when it is next used.
func (b *onBackend) doubt() {
	b.doubts++
	for _, h := range b.all {
		h.stale = true
	}
}

// add: the backend has st from now on.
// sound is how many of them are as they should be.
func (b *onBackend) sound() (n int) {
	for _, h := range b.all {
		if !h.stale {
			n++
		}
	}
	return n
}

func (b *onBackend) add(st *Statement, changes uint64) {
	if b.all == nil {
		b.clear()
	}
	if b.use(st) {
		h := b.all[st]
		h.at, h.stale, h.taint, h.columns = changes, false, 0, 0
		return
	}
	h := &held{st: st, at: changes}
	b.all[st] = h
	b.front(h)
}

// remove takes one away, and returns it; nil if it is not there.
func (b *onBackend) remove(st *Statement) *held {
	h := b.all[st]
	if h != nil {
		h.prev.next, h.next.prev = h.next, h.prev
		delete(b.all, st)
		h.doubts = b.doubts
	}
	return h
}

// putBack: one that was removed is there still, as it was. A doubt since then is
// about it too.
func (b *onBackend) putBack(h *held) {
	b.remove(h.st)
	h.stale = h.stale || h.doubts != b.doubts
	b.all[h.st] = h
	b.front(h)
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
	b.doubts++
	b.ring.prev, b.ring.next = &b.ring, &b.ring
}
