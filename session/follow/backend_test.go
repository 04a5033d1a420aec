package follow

import "testing"

func TestABackendsStatementsAreInOrderOfUse(t *testing.T) {
	var b OnBackend
	if b.Oldest() != nil || b.Use(new(Statement)) {
		t.Fatal("a new backend has a statement")
	}
	one, two, three := &Statement{Name: "1"}, &Statement{Name: "2"}, &Statement{Name: "3"}
	order := func(want string) {
		t.Helper()
		got := ""
		for h := b.ring.next; h != &b.ring; h = h.next {
			got += h.Statement.Name
		}
		if got != want || len(b.all) != len(want) {
			t.Fatalf("in order of use it has %q (%d), want %q", got, len(b.all), want)
		}
		if back := b.Oldest(); want != "" && back.Name != want[len(want)-1:] {
			t.Fatalf("the one used longest ago is %s, want the last of %s", back.Name, want)
		}
	}
	b.Add(one, 1)
	b.Add(two, 1)
	b.Add(three, 1)
	order("321")
	if !b.Use(one) {
		t.Fatal("it is not there")
	}
	order("132")
	b.Use(one)
	order("132")
	b.Add(two, 2)
	order("213")
	if !b.Fresh(two, 2) || b.Fresh(one, 2) || b.Fresh(two, 3) {
		t.Error("what is fresh was not prepared after the last change")
	}
	b.all[two].Stale = true
	if b.Fresh(two, 2) {
		t.Error("what is stale is fresh")
	}
	b.Add(two, 2)
	b.PutBack(b.Remove(two))
	if order("213"); !b.Fresh(two, 2) {
		t.Error("what was removed in vain is not as it was")
	}
	gone := b.Remove(two)
	b.Doubt()
	if b.PutBack(gone); b.Fresh(two, 2) {
		t.Error("a doubt since it was removed in vain is forgotten")
	}
	b.Remove(two)
	b.Remove(two)
	order("13")
	b.Clear()
	order("")
	b.Add(one, 1)
	order("1")
}
