package proof

import (
	"strings"
	"sync"
	"testing"

	"pgweir/wire"
)

// newShape is a shape that is current under generation 0.
func newShape() *Shape {
	s := new(Table).Add(1, []byte("select 1"))
	s.Renew(0, nil)
	return s
}

// TestTheQuestionComesBackAsTheRunsDouble: a hundred million runs cost 27
// questions. Runs that nothing is asked about are not played one by one.
func TestTheQuestionComesBackAsTheRunsDouble(t *testing.T) {
	s := newShape()
	var asked []uint64
	for s.Runs() < 100_000_000 {
		if s.Run() {
			t.Fatalf("run %d is not asked about", s.Runs())
		}
		asked = append(asked, s.Runs())
		Acquit([]*Shape{s}, nil, 0)
		if next := s.due.Load(); next > s.Runs()+1 {
			if !s.Proven() || !s.Run() {
				t.Fatalf("run %d is asked about, and the next question is due at %d", s.Runs(), next)
			}
			s.runs.Store(next - 2)
			if next > s.Runs()+2 && !s.Run() {
				t.Fatalf("run %d is asked about", s.Runs())
			}
			s.runs.Store(next - 1)
		}
	}
	if len(asked) != 27 {
		t.Errorf("%d questions, want 27", len(asked))
	}
	for i, n := range asked {
		if n != 1<<i {
			t.Errorf("question %d comes at run %d", i, n)
		}
	}
}

func TestNothingIsProvenWithoutAnAnswer(t *testing.T) {
	s := newShape()
	for range 100 {
		if s.Run() || s.Proven() {
			t.Fatalf("run %d is proven, and nothing was answered", s.Runs())
		}
	}
	Acquit([]*Shape{s}, nil, 0)
	if n := s.due.Load(); n != 200 {
		t.Errorf("the next question is due at %d, want 200", n)
	}
	Acquit([]*Shape{s}, nil, 0) // of another client, who ran it before
	if n := s.due.Load(); n != 200 {
		t.Errorf("two answers have doubled twice, to %d", n)
	}
}

func TestAnAnswerSpeaksForItsGenerationOnly(t *testing.T) {
	s := newShape()
	s.Run()
	s.Renew(1, &Learned{Hints: wire.HintSet})
	if s.Current(0) || !s.Current(1) || s.Runs() != 0 || s.Learned() == nil {
		t.Fatal("the shape is not that of the new generation")
	}
	s.Run()
	Acquit([]*Shape{s}, nil, 0)
	if s.due.Load() != 1 {
		t.Error("an answer of the old generation counts")
	}
	Convict([]*Shape{s}, nil)
	if s.Renew(2, nil); s.Standing() != Unproven || s.Learned() != nil {
		t.Error("a new generation begins with what was known")
	}
}

func TestWhatLeavesSomethingAloneIsAskedAboutAlways(t *testing.T) {
	s := newShape()
	s.Run()
	Convict([]*Shape{s}, nil)
	if s.Standing() != Leaves {
		t.Fatalf("it is %s", s.Standing())
	}
	for range 100 {
		if s.Run() {
			t.Fatal("a run is not asked about")
		}
		Acquit([]*Shape{s}, nil, 0)
	}
	if s.Standing() != Leaves || s.Proven() {
		t.Error("it has been acquitted")
	}
	Convict([]*Shape{s, newShape()}, nil)
	if s.Standing() != Leaves {
		t.Error("it is only a suspect")
	}
}

func TestSuspectsAreAcquittedOneByOne(t *testing.T) {
	a, b, c := newShape(), newShape(), newShape()
	Acquit([]*Shape{a, b, c}, nil, 0)
	Convict([]*Shape{a, b}, nil)
	for range 2 * acquitted {
		Acquit([]*Shape{a, b}, nil, 0)
	}
	if a.Standing() != Suspect || b.Standing() != Suspect {
		t.Fatal("two suspects speak for each other")
	}
	for i := range acquitted {
		if a.Run() || a.Standing() != Suspect {
			t.Fatalf("it is cleared by %d answers", i)
		}
		Acquit([]*Shape{a, c}, nil, 0)
	}
	if a.Standing() != Unproven {
		t.Fatalf("it is %s after %d answers", a.Standing(), acquitted)
	}
	if a.Run() || a.Proven() {
		t.Error("it is proven by answers that are about another as well")
	}
	if Acquit([]*Shape{a}, nil, 0); !a.Proven() {
		t.Error("it is not proven by an answer about itself")
	}
	if b.Standing() != Suspect {
		t.Error("the other one is cleared as well")
	}
	for range acquitted - 1 {
		Acquit([]*Shape{b}, nil, 0)
	}
	Convict([]*Shape{b, c}, nil) // and again: the answers have to come in a row
	Acquit([]*Shape{b}, nil, 0)
	if b.Standing() != Suspect {
		t.Error("answers from before it was convicted count")
	}
}

func TestWhatRollsBackIsFoundInTheText(t *testing.T) {
	for text, want := range map[string]bool{
		"rollback": true, "ABORT": true, "rollback to a": true, "begin; Rollback /* x */": true,
		"commit": false, "select 'rollback'": false, "select rollbacks": false,
	} {
		if got := new(Table).Add(1, []byte(text)).RollsBack(); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func TestTableFindsEachShapeUntilItIsFull(t *testing.T) {
	var table Table
	if table.Get(1) != nil || table.All() != nil {
		t.Fatal("an empty table has something")
	}
	long := []byte(strings.Repeat("x", 2*maxText))
	for key := uint64(1); key <= maxShapes; key++ {
		// Keys that collide in the lower bits are found behind each other.
		s := table.Add(key<<32|key%7, long)
		if len(s.Text()) != maxText || table.Get(key<<32|key%7) != s || table.Add(key<<32|key%7, nil) != s {
			t.Fatalf("shape %d is not found", key)
		}
		if key == 500 {
			break // linear probing of so many is quadratic
		}
	}
	for key := uint64(501); key <= maxShapes; key++ {
		table.Add(key<<7, nil)
	}
	if n := len(table.All()); n != maxShapes || len(*table.slots.Load()) > 2*maxShapes {
		t.Fatalf("%d shapes in %d slots", n, len(*table.slots.Load()))
	}
	if table.Get(1<<32|1) == nil || table.Get(maxShapes<<7) == nil || table.Get(1<<62) != nil {
		t.Error("a shape is lost, or one found that was not added")
	}
	table.Add(1<<62, nil)
	if n := len(table.All()); n != 1 || table.Get(1<<32|1) != nil {
		t.Errorf("a table that was full has %d shapes", n)
	}
}

// TestTableIsUsedByMany: each finds what it has added, and all have the same.
func TestTableIsUsedByMany(t *testing.T) {
	var table Table
	var all sync.WaitGroup
	const keys = 2000
	first := [4][keys]*Shape{}
	for g := range first {
		all.Go(func() {
			for i := range uint64(keys) {
				key := Key(wire.Shape(i), 7)
				s := table.Add(key, []byte("select 1"))
				if table.Get(key) != s {
					t.Error("a shape is lost while others are added")
					return
				}
				if first[g][i] = s; !s.Current(0) {
					s.Renew(0, nil)
				}
				s.Run()
				Acquit([]*Shape{s}, nil, 0)
				if i%100 == 0 {
					Convict([]*Shape{s}, nil)
					table.All()
				}
			}
		})
	}
	all.Wait()
	for i := range keys {
		for g := range first {
			if first[g][i] != first[0][i] {
				t.Fatal("two have different shapes of one key")
			}
		}
	}
}

func TestKeysAreNeverZeroAndHaveTheContextInThem(t *testing.T) {
	if Key(1, 2) == Key(1, 3) || Key(1, 2) == Key(2, 2) || Key(0, 0) == 0 {
		t.Error("a key says too little")
	}
}

func TestExpectedIsWhatWasSetLast(t *testing.T) {
	var e Expected
	if e.Is(1, 0) {
		t.Error("something is expected of which nothing is known")
	}
	for key := range uint64(maxExpected) {
		e.Set(key, key+1)
	}
	if !e.Is(0, 1) || !e.Is(maxExpected-1, maxExpected) || e.Is(5, 5) || len(e.all) != maxExpected {
		t.Error("what was set is not expected")
	}
	e.Set(maxExpected, 1)
	if e.Is(0, 1) || !e.Is(maxExpected, 1) || len(e.all) != 1 {
		t.Error("a full set does not begin anew")
	}
}

// TestWhatAnotherUndoesIsNotProven: of several that ran one after the other, an
// answer proves the course, and none by itself.
func TestWhatAnotherUndoesIsNotProven(t *testing.T) {
	leaves, undoes, course := newShape(), newShape(), newShape()
	for range 5 {
		leaves.Run()
		undoes.Run()
		course.Run()
		Acquit([]*Shape{leaves, undoes}, course, 0)
	}
	if leaves.Proven() || undoes.Proven() || !course.Proven() {
		t.Errorf("proven are: %v, %v, and both together: %v", leaves.Proven(), undoes.Proven(), course.Proven())
	}
	if Convict([]*Shape{leaves, undoes}, course); course.Proven() {
		t.Error("a course that has left something is proven")
	}
}
