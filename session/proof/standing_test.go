package proof

import (
	"maps"
	"testing"

	"pgweir/wire"
)

// ran makes a shape known under a generation, and has it run.
func ran(t *Table, text string, generation uint64, runs int) *Shape {
	_, shape := wire.Read([]byte(text), nil, false)
	s := t.Add(Key(shape, 1), []byte(text))
	if !s.Current(generation) {
		s.Renew(generation, nil)
	}
	for range runs {
		if !s.Run() {
			Acquit([]*Shape{s}, nil, generation)
		}
	}
	return s
}

func TestTheStateOfAShapeSaysWhetherTheNextRunIsAskedAbout(t *testing.T) {
	var table Table
	for _, c := range []struct {
		text  string
		runs  int
		state string
		next  uint64
	}{
		{"select a", 0, "unproven", 1},
		{"select b", 1, "unproven", 2},
		{"select c", 2, "proven", 4},
		{"select d", 3, "unproven", 4}, // once more
		{"select e", 5, "proven", 8},
		{"select f", 1000, "proven", 1024},
	} {
		s := ran(&table, c.text, 7, c.runs)
		if s.State(7) != c.state || s.NextQuestion() != c.next || s.Runs() != uint64(c.runs) {
			t.Errorf("after %d runs: %s, the next question at run %d, %d runs counted; want %s, %d", c.runs, s.State(7), s.NextQuestion(), s.Runs(), c.state, c.next)
		}
		if s.State(8) != "unproven" {
			t.Errorf("after %d runs it is %s under another generation", c.runs, s.State(8))
		}
	}
	one, other := ran(&table, "select g", 7, 100), ran(&table, "select h", 7, 100)
	Convict([]*Shape{one, other}, nil)
	if one.State(7) != "suspect" || one.NextQuestion() != 101 {
		t.Errorf("one of two that left something is %s, the next question at run %d", one.State(7), one.NextQuestion())
	}
	Convict([]*Shape{other}, nil)
	if other.State(7) != "leaves state" || other.NextQuestion() != 101 {
		t.Errorf("the only one that left something is %s, the next question at run %d", other.State(7), other.NextQuestion())
	}
	want := map[string]int{"proven": 3, "unproven": 3, "suspect": 1, "leaves state": 1}
	if got := table.States(7); !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := table.States(8); !maps.Equal(got, map[string]int{"unproven": 8}) {
		t.Errorf("under another generation: %v", got)
	}
	if got := new(Table).States(0); len(got) != 0 {
		t.Errorf("of an empty table: %v", got)
	}
}
