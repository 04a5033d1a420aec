package session

import (
	"fmt"
	"strings"
	"testing"

	"pgweir/wire"
)

// get is Statements.get of a text, read and used under settings of no client.
func get(r *Statements, text string) *Statement {
	none := reading{vars: new(wire.Vars)}
	return r.get(none, none, []byte(text+"\x00\x00\x00"))
}

// allOf are the statements that a registry has, by their texts.
func allOf(r *Statements) map[string]*Statement {
	all := map[string]*Statement{}
	for _, st := range r.byHash {
		for ; st != nil; st = st.chain {
			all[string(st.text())] = st
		}
	}
	return all
}

func TestEqualStatementsAreOne(t *testing.T) {
	var r Statements
	a, b := get(&r, "select 1"), get(&r, "select 2")
	if a == b || a.name == b.name {
		t.Fatal("two texts are one statement")
	}
	if get(&r, "select 1") != a || r.Len() != 2 {
		t.Fatal("one text is two statements")
	}
	if !strings.HasPrefix(a.name, namePrefix) || len(a.name) > nameLen {
		t.Errorf("it is called %q", a.name)
	}
	if got := string(a.text()); got != "select 1" {
		t.Errorf("its text is %q", got)
	}
	mustEqual(t, "the Parse", string(a.parse), parse(a.name, "select 1"))
	r.put(a)
	r.put(a)
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
		{10, maxUnused + 500, maxUnused},
		{maxUnusedBytes / 10, 100, 9},
		{2 * maxUnusedBytes, 3, 0},
	} {
		var r Statements
		keeps := get(&r, "kept by a client")
		text := func(i int) string { return fmt.Sprintf("%d %s", i, strings.Repeat("x", c.size)) }
		for i := range c.many {
			r.put(get(&r, text(i)))
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
				size += len(st.parse)
			}
		}
		if r.unusedBytes != size || size > maxUnusedBytes {
			t.Errorf("%d bytes are unused, %d counted, %d allowed", size, r.unusedBytes, maxUnusedBytes)
		}
	}
}

func TestABackendsStatementsAreInOrderOfUse(t *testing.T) {
	var b onBackend
	if b.oldest() != nil || b.use(new(Statement)) {
		t.Fatal("a new backend has a statement")
	}
	one, two, three := &Statement{name: "1"}, &Statement{name: "2"}, &Statement{name: "3"}
	order := func(want string) {
		t.Helper()
		got := ""
		for h := b.ring.next; h != &b.ring; h = h.next {
			got += h.st.name
		}
		if got != want || len(b.all) != len(want) {
			t.Fatalf("in order of use it has %q (%d), want %q", got, len(b.all), want)
		}
		if back := b.oldest(); want != "" && back.name != want[len(want)-1:] {
			t.Fatalf("the one used longest ago is %s, want the last of %s", back.name, want)
		}
	}
	b.add(one, 1)
	b.add(two, 1)
	b.add(three, 1)
	order("321")
	if !b.use(one) {
		t.Fatal("it is not there")
	}
	order("132")
	b.use(one)
	order("132")
	b.add(two, 2)
	order("213")
	if !b.fresh(two, 2) || b.fresh(one, 2) || b.fresh(two, 3) {
		t.Error("what is fresh was not prepared after the last change")
	}
	b.all[two].stale = true
	if b.fresh(two, 2) {
		t.Error("what is stale is fresh")
	}
	b.add(two, 2)
	b.putBack(b.remove(two))
	if order("213"); !b.fresh(two, 2) {
		t.Error("what was removed in vain is not as it was")
	}
	gone := b.remove(two)
	b.doubt()
	if b.putBack(gone); b.fresh(two, 2) {
		t.Error("a doubt since it was removed in vain is forgotten")
	}
	b.remove(two)
	b.remove(two)
	order("13")
	b.clear()
	order("")
	b.add(one, 1)
	order("1")
}

func TestNamesGiveTheirUsesBack(t *testing.T) {
	r := newRig(t, &transactionMode)
	r.client(parse("a", "select 1") + parse("b", "select 1") + parse("c", "select 2") + parse("a", "select 3") + syncing + closing("S", "c") + syncing)
	r.flags()
	r.lease()
	reg := &r.s.config.Shared.Statements
	uses := func(want string) {
		t.Helper()
		got := ""
		for _, text := range []string{"select 1", "select 2"} {
			for _, st := range allOf(reg) {
				if string(st.text()) == text {
					got += fmt.Sprint(st.uses)
				}
			}
		}
		if got != want {
			t.Fatalf("the statements have %s uses, want %s", got, want)
		}
	}
	uses("21")
	r.server(parsed + parsed + parsed + failure("42P05", "taken") + ready('I'))
	r.flags()
	r.lease()
	r.server(ready('I'))
	uses("20")
	if r.s.Prepared() != 2 {
		t.Fatalf("the client has %d names", r.s.Prepared())
	}
	r.s.Forget()
	uses("00")
	if r.s.Prepared() != 0 {
		t.Fatal("a client that is gone has names")
	}
}
