package proof

import (
	"bytes"
	"sync"
	"sync/atomic"

	"pgweir/wire"
)

// Standing is what the answers have said of a shape.
type Standing uint32

const (
	// Unproven: nothing has been found; the question comes back as the runs double.
	Unproven Standing = iota
	// Suspect: it ran in a lease that left something, together with others.
	Suspect
	// Leaves: it left something, and nothing else ran.
	Leaves
)

func (s Standing) String() string {
	return [...]string{"unproven", "suspect", "leaves state"}[s]
}

// acquitted is how many clean answers in a row clear a suspect, in leases
// without another one.
const acquitted = 8

// A Shape is what is known of one shape of statements, under the settings that
// say what its names mean. Its methods may be called on any goroutine.
type Shape struct {
	key  uint64
	text string // of the first statement of this shape, cut
	// rollsBack: what ran before it in its transaction may be undone.
	rollsBack bool
	// control: nothing but transaction control. What a COMMIT leaves by deferred
	// triggers is another statement's doing.
	control bool

	generation atomic.Uint64 // under which the rest holds, plus 1; 0 for none
	runs       atomic.Uint64
	due        atomic.Uint64 // the run at which the question comes next
	standing   atomic.Uint32
	clean      atomic.Uint32 // answers since it is a suspect
	learned    atomic.Pointer[Learned]
}

// maxText is how much of a statement is kept to be shown, in bytes.
const maxText = 200

// oneAsks is from which run on one of those that run at the same time asks for
// all of them. The first runs are all asked about.
const oneAsks = 16

// Run counts one run. It is true if nothing has to be asked about it. The caller
// has seen that the shape is Current, or has renewed it.
func (s *Shape) Run() (proven bool) {
	return s.runs.Add(1) < s.due.Load() && s.Standing() == Unproven
}

// Claim tells whether a lease in which it ran, and was not proven, is to be asked
// about. Of many that run at the same time one asks for all.
func (s *Shape) Claim() bool {
	n, due := s.runs.Load(), s.due.Load()
	switch {
	case s.Standing() != Unproven, n < oneAsks:
		return true
	case n < due:
		return false // the answer of another one has come meanwhile
	}
	// If the answer does not come, the next question does soon.
	return s.due.CompareAndSwap(due, due+max(due/4, 1))
}

// Key is what it has in a Table.
func (s *Shape) Key() uint64 { return s.key }

// Current tells whether what is known holds under a generation.
func (s *Shape) Current(generation uint64) bool { return s.generation.Load() == generation+1 }

// Renew forgets what was known under another generation. learned is what the
// statement's names may leave behind, nil for nothing.
func (s *Shape) Renew(generation uint64, learned *Learned) {
	s.learned.Store(learned)
	s.standing.Store(uint32(Unproven))
	s.clean.Store(0)
	s.runs.Store(0)
	s.due.Store(1)
	s.generation.Store(generation + 1)
}

// Learned is what the statement's names may leave behind; nil for nothing.
func (s *Shape) Learned() *Learned { return s.learned.Load() }

// Standing is what the answers have said.
func (s *Shape) Standing() Standing { return Standing(s.standing.Load()) }

// Text is the beginning of the first statement of this shape.
func (s *Shape) Text() string { return s.text }

// Whole tells whether Text is not cut.
func (s *Shape) Whole() bool { return len(s.text) < maxText }

// RollsBack tells whether it may undo what ran before.
func (s *Shape) RollsBack() bool { return s.rollsBack }

// Transparent tells whether it changes nothing about what the statements around it
// leave behind.
func (s *Shape) Transparent() bool { return s.control && !s.rollsBack }

// controls tells whether a text is nothing but transaction control.
func controls(text []byte) bool {
	if wire.Scan(text)&wire.HintExplicit == 0 || bytes.ContainsAny(text, "('\"$") {
		return false
	}
	for _, statement := range bytes.Split(text, []byte(";")) {
		word := bytes.ToLower(bytes.TrimSpace(statement))
		if i := bytes.IndexAny(word, " \t\r\n"); i >= 0 {
			word = word[:i]
		}
		switch string(word) {
		case "", "begin", "start", "commit", "end", "rollback", "abort", "savepoint", "release":
		default:
			return false
		}
	}
	return true
}

// rollsBack looks for ROLLBACK and ABORT in a text.
func rollsBack(text []byte) (found bool) {
	wire.Tokens(text, false, func(kind wire.TokenKind, text []byte) {
		found = found || kind == wire.TokenName && (string(text) == "rollback" || string(text) == "abort")
	})
	return found
}

// Runs is how often it has run under the present generation.
func (s *Shape) Runs() uint64 { return s.runs.Load() }

// Proven tells whether the next run is not asked about.
func (s *Shape) Proven() bool {
	return s.runs.Load()+1 < s.due.Load() && s.standing.Load() == uint32(Unproven)
}

// NextQuestion is the run that is asked about next.
func (s *Shape) NextQuestion() uint64 {
	next := s.runs.Load() + 1
	if s.Standing() != Unproven {
		return next
	}
	return max(next, s.due.Load())
}

// proven is the State of a shape that is Proven.
const proven = "proven"

// State is what is known under a generation, in words: "proven", or those of a
// Standing.
func (s *Shape) State(generation uint64) string {
	switch {
	case !s.Current(generation):
		return Unproven.String()
	case s.Proven():
		return proven
	}
	return s.Standing().String()
}

// Acquit notes a clean answer after a lease in which all of these ran, in this
// order, under a generation. It proves the only one, which has left nothing by
// itself. Of several, one may have undone what another has left; so it proves their
// course, and none of them.
func Acquit(ran []*Shape, course *Shape, generation uint64) {
	var suspect *Shape
	suspects := 0
	for _, s := range ran {
		if s.Standing() != Unproven && s != suspect {
			suspect = s
			suspects++
		}
	}
	if suspects == 1 && suspect.Standing() == Suspect && suspect.Current(generation) && suspect.clean.Add(1) >= acquitted {
		suspect.standing.Store(uint32(Unproven))
	}
	subject := course
	if len(ran) == 1 {
		subject = ran[0]
	}
	if subject != nil && subject.Standing() == Unproven && subject.Current(generation) {
		subject.double()
	}
}

// double has the question come back when the runs so far have doubled.
func (s *Shape) double() {
	next := max(2*s.runs.Load(), 2)
	for {
		due := s.due.Load()
		if due >= next || s.due.CompareAndSwap(due, next) {
			return
		}
	}
}

// Convict notes that a lease in which all of these ran has left something that
// no hint had told of. course is theirs, if it is known.
func Convict(ran []*Shape, course *Shape) {
	suspects := 0
	for _, s := range ran {
		if !s.control {
			suspects++
		}
	}
	standing := Suspect
	if suspects == 1 {
		standing = Leaves
	}
	for _, s := range ran {
		if !s.control && s.Standing() != Leaves {
			s.standing.Store(uint32(standing))
			s.clean.Store(0)
			s.due.Store(1) // what was proven before is not any more
		}
	}
	if course != nil {
		course.due.Store(1)
	}
}

// maxShapes bounds a table; one that is full begins anew.
const maxShapes = 1 << 16

// Table has the shapes of a pool by their keys. Its zero value is ready. Get
// takes no lock.
type Table struct {
	slots atomic.Pointer[slots]

	mu    sync.Mutex // held by Add
	count int
}

// slots is a hash table with linear probing, at most half full.
type slots []atomic.Pointer[Shape]

// Get finds a shape by its key; nil if it is not known.
func (t *Table) Get(key uint64) *Shape {
	all := t.slots.Load()
	if all == nil {
		return nil
	}
	mask := uint64(len(*all) - 1)
	for i := key & mask; ; i = (i + 1) & mask {
		s := (*all)[i].Load()
		if s == nil || s.key == key {
			return s
		}
	}
}

// Add makes a shape known, of which text is a statement, or finds it.
func (t *Table) Add(key uint64, text []byte) *Shape {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.Get(key); s != nil {
		return s
	}
	if t.count == maxShapes {
		t.slots.Store(nil)
		t.count = 0
	}
	if all := t.slots.Load(); all == nil || 2*(t.count+1) > len(*all) {
		t.grow(all)
	}
	s := &Shape{key: key, text: string(text[:min(len(text), maxText)]), rollsBack: rollsBack(text), control: controls(text)}
	t.slots.Load().put(s)
	t.count++
	return s
}

func (t *Table) grow(from *slots) {
	if from == nil {
		all := make(slots, 64)
		t.slots.Store(&all)
		return
	}
	all := make(slots, 2*len(*from))
	for i := range *from {
		if s := (*from)[i].Load(); s != nil {
			all.put(s)
		}
	}
	t.slots.Store(&all)
}

func (all slots) put(s *Shape) {
	mask := uint64(len(all) - 1)
	i := s.key & mask
	for all[i].Load() != nil {
		i = (i + 1) & mask
	}
	all[i].Store(s)
}

// All are the shapes that are known.
func (t *Table) All() (list []*Shape) {
	all := t.slots.Load()
	if all == nil {
		return nil
	}
	for i := range *all {
		if s := (*all)[i].Load(); s != nil {
			list = append(list, s)
		}
	}
	return list
}

// States counts the shapes that are known, by their State under a generation.
func (t *Table) States(generation uint64) map[string]int {
	counts := map[string]int{}
	for _, s := range t.All() {
		counts[s.State(generation)]++
	}
	return counts
}

// Key is the key of a shape whose names mean what context says; it is never 0.
func Key(shape wire.Shape, context uint64) uint64 {
	return max(wire.MixShape(uint64(shape), context), 1)
}
