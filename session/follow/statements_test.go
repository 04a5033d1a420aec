package follow

import (
	"fmt"
	"strings"
	"testing"

	"pgweir/wire"
)

// get is Statements.get of a text, read and used under settings of no client.
func get(r *Statements, text string) *Statement {
	none := Reading{Vars: new(wire.Vars)}
	return r.Get(none, none, []byte(text+"\x00\x00\x00"))
}

// allOf are the statements that a registry has, by their texts.
func allOf(r *Statements) map[string]*Statement {
	all := map[string]*Statement{}
	for _, st := range r.byHash {
		for ; st != nil; st = st.chain {
			all[string(st.Text())] = st
		}
	}
	return all
}

func TestEqualStatementsAreOne(t *testing.T) {
	var r Statements
	a, b := get(&r, "select 1"), get(&r, "select 2")
	if a == b || a.Name == b.Name {
		t.Fatal("two texts are one statement")
	}
	if get(&r, "select 1") != a || r.Len() != 2 {
		t.Fatal("one text is two statements")
	}
	if !strings.HasPrefix(a.Name, NamePrefix) || len(a.Name) > 63 {
		t.Errorf("it is called %q", a.Name)
	}
	if got := string(a.Text()); got != "select 1" {
		t.Errorf("its text is %q", got)
	}
	if got, want := string(a.Parse), string(wire.AppendParse(nil, a.Name, "select 1")); got != want {
		t.Errorf("its Parse is %q, want %q", got, want)
	}
	r.Put(a)
	r.Put(a)
	if r.Len() != 2 || r.unusedCount != 1 {
		t.Errorf("%d statements are known, %d of them unused; want 2 and 1", r.Len(), r.unusedCount)
	}
	if get(&r, "select 1") != a || r.unusedCount != 0 || r.unusedBytes != 0 {
		t.Error("an unused statement is not used again")
	}
}

func TestUnusedStatementsAreBounded(t *testing.T) {
	for _, c := range []struct {
		size, many, kept int
	}{
		{10, MaxUnused + 500, MaxUnused},
		{maxUnusedBytes / 10, 100, 9},
		{2 * maxUnusedBytes, 3, 0},
	} {
		var r Statements
		keeps := get(&r, "kept by a client")
		text := func(i int) string { return fmt.Sprintf("%d %s", i, strings.Repeat("x", c.size)) }
		for i := range c.many {
			r.Put(get(&r, text(i)))
		}
		if got := r.Len() - 1; got != c.kept || r.unusedCount != c.kept {
			t.Errorf("of %d statements of %d bytes that nobody uses %d are kept, %d counted; want %d", c.many, c.size, got, r.unusedCount, c.kept)
		}
		if get(&r, "kept by a client") != keeps {
			t.Error("a statement that is used is forgotten")
		}
		for i := c.many - c.kept; i < c.many; i++ {
			if allOf(&r)[text(i)] == nil {
				t.Errorf("statement %d of %d is forgotten, and not the one used longest ago", i, c.many)
			}
		}
		size := 0
		for _, st := range allOf(&r) {
			if st.uses == 0 {
				size += len(st.Parse)
			}
		}
		if r.unusedBytes != size || size > maxUnusedBytes {
			t.Errorf("%d bytes are unused, %d counted, %d allowed", size, r.unusedBytes, maxUnusedBytes)
		}
	}
}
