package proxy

import "testing"

func TestPoolsOfOneDatabaseHaveOneCatalogAndTheLastForgetsIt(t *testing.T) {
	m := catalogs{}
	key := catalogKey{"tcp", "h1:5432", "app"}
	a := m.take(key, nil)
	a.Changed()
	b := m.take(key, nil)
	if a != b || b.Generation() != 1 {
		t.Fatalf("two pools of one database: %p with generation %d, %p", a, b.Generation(), b)
	}
	if other := m.take(catalogKey{"tcp", "h2:5432", "app"}, nil); other == a {
		t.Fatal("a database of the same name on another server has the same catalog")
	}
	if again := m.take(key, b); again != b || b.pools != 2 {
		t.Fatalf("a pool that stays at its database: %p used by %d pools, want %p by 2", again, b.pools, b)
	}
	moved := m.take(catalogKey{"tcp", "h3:5432", "app"}, b)
	if moved == a || a.pools != 1 {
		t.Fatalf("a pool that has moved to another server: the old catalog has %d pools, want 1", a.pools)
	}
	m.give(a)
	if m[key] != nil {
		t.Fatal("the catalog is kept though no pool has it")
	}
	if next := m.take(key, nil); next == a || next.Generation() != 0 {
		t.Fatal("a database that comes again has what was known of it before")
	}
}
