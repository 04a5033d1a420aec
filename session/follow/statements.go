package follow

import (
	"bytes"
	"container/list"
	"crypto/rand"
	"encoding/hex"
	"hash/maphash"
	"strconv"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"pgweir/wire"
)

// Statement is a prepared statement as a pool knows it: all clients that
// prepare the same text with the same parameter types, under whatever names
// and with the same settings, share it. It is never changed.
type Statement struct {
	Name      string  // on every backend that has it
	Parse     []byte  // the Parse message that makes it
	Chars     int     // how long its text is, in characters
	Made      Reading // what its text is read under
	Used      Reading // what it is planned and run under; mostly the same
	Constants bool    // its text may have some that are read under settings
	hash      uint64  // of all that tells it from others

	known atomic.Pointer[Known] // what is known of it; changed under the registry's lock

	// Guarded by the registry's lock.
	uses       int           // clients' names for it
	described  *list.Element // in the registry's list; nil if known has no answer to a Describe
	prev, next *Statement    // in the ring of the unused
	chain      *Statement    // the next one of equal hash
}

// Body is what follows the name in its Parse.
func (st *Statement) Body() []byte { return st.Parse[wire.HeaderLen+len(st.Name)+1:] }

// Text is the statement's SQL.
func (st *Statement) Text() []byte {
	_, rest, _ := wire.CString(st.Parse[wire.HeaderLen:])
	text, _, _ := wire.CString(rest)
	return text
}

// standIns are empty statements that stand in for others where nothing is asked
// but whether there is one. All pools have the same.
var standIns struct {
	mu  sync.Mutex
	all []*Statement
}

// StandIn is one of the stand-ins, by number from 0.
func StandIn(n int) *Statement {
	standIns.mu.Lock()
	defer standIns.mu.Unlock()
	for len(standIns.all) <= n {
		st := &Statement{Name: NamePrefix + "stand_in_" + strconv.Itoa(len(standIns.all))}
		st.Parse = wire.AppendParseBody(nil, st.Name, []byte("\x00\x00\x00"))
		standIns.all = append(standIns.all, st)
	}
	return standIns.all[n]
}

// StandsIn tells whether a statement is one of the stand-ins.
func (st *Statement) StandsIn() bool { return st.Made.Vars == nil }

// MaxUnused and maxUnusedBytes bound the statements that are kept though no
// client has a name for them any more, for the next who prepares the same.
const (
	MaxUnused      = 2000
	maxUnusedBytes = 4 << 20
)

// NamePrefix begins the names of shared statements. It differs from process to
// process, so that no client can know it beforehand.
var NamePrefix = func() string {
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

	described      list.List // the statements whose answer to a Describe is kept, the oldest first
	describedBytes int
}

// Get finds the statement whose Parse has this body behind the name, read under
// one set of settings and used under another, or makes it. The caller has one
// use of it.
func (r *Statements) Get(made, used Reading, body []byte) *Statement {
	hash := hashOf(made, used, body)
	r.mu.Lock()
	defer r.mu.Unlock()
	if st := r.find(hash, made, used, body); st != nil {
		return st
	}
	if r.byHash == nil {
		r.byHash = map[uint64]*Statement{}
		r.unused.prev, r.unused.next = &r.unused, &r.unused
	}
	r.number++
	st := &Statement{Name: NamePrefix + strconv.FormatUint(r.number, 36), Made: made, Used: used, hash: hash, uses: 1}
	st.Parse = wire.AppendParseBody(nil, st.Name, body)
	text := st.Text()
	st.Chars, st.Constants = utf8.RuneCount(text), hasConstants(text)
	st.chain = r.byHash[hash]
	r.byHash[hash] = st
	r.count++
	return st
}

// Find is Get for a statement that is there already, and read and used under the
// same settings; nil if there is none.
func (r *Statements) Find(now Reading, body []byte) *Statement {
	hash := hashOf(now, now, body)
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.find(hash, now, now, body)
}

func hashOf(made, used Reading, body []byte) uint64 {
	var h maphash.Hash
	h.SetSeed(readingSeed)
	made.hash(&h)
	used.hash(&h)
	h.Write(body)
	return h.Sum64()
}

// find looks a statement up, and has it used once more.
func (r *Statements) find(hash uint64, made, used Reading, body []byte) *Statement {
	for st := r.byHash[hash]; st != nil; st = st.chain {
		if st.Made.Same(made) && st.Used.Same(used) && bytes.Equal(st.Body(), body) {
			if st.uses == 0 {
				r.unlink(st)
			}
			st.uses++
			return st
		}
	}
	return nil
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
	r.dropAnswer(st)
}

// Put gives one use up.
func (r *Statements) Put(st *Statement) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if st.uses--; st.uses > 0 {
		return
	}
	last := r.unused.prev
	st.prev, st.next = last, &r.unused
	last.next, r.unused.prev = st, st
	r.unusedCount++
	r.unusedBytes += len(st.Parse)
	for r.unusedCount > MaxUnused || r.unusedBytes > maxUnusedBytes {
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
	r.unusedBytes -= len(st.Parse)
}

// Uses is how many names clients have for statements of this text.
func (r *Statements) Uses(text string) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, st := range r.byHash {
		for ; st != nil; st = st.chain {
			if string(st.Text()) == text {
				n += st.uses
			}
		}
	}
	return n
}

// Unused is how many statements are known that no client has a name for.
func (r *Statements) Unused() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.unusedCount
}

// Len is how many statements are known.
func (r *Statements) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.count
}
