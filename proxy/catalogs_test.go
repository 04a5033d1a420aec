package proxy

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"pgweir/session"
	"pgweir/session/proof"
	"pgweir/status"
)

// digested has a digest come of a database's objects; "" is one that failed.
func digested(t *testing.T, c *catalog, digest string) {
	t.Helper()
	for range 100 {
		c.Due()
		if r, ok := c.TakeDigest(); ok {
			c.Digested(r, digest)
			return
		}
	}
	t.Fatal("no digest is due")
}

func TestPoolsOfOneDatabaseHaveOneCatalogAndTheLastForgetsIt(t *testing.T) {
	m := catalogs{}
	key := catalogKey{"tcp", "h1:5432", "app"}
	a := m.take(key, nil)
	digested(t, a, "one")
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

// objects are what a database without any is read as.
var objects = []proof.Row{{Kind: 'g', Name: "work_mem"}}

func TestADatabaseThatCannotBeReadIsSpokenOfOnce(t *testing.T) {
	var log bytes.Buffer
	p := idleProxy(t, "[databases.app]\nhost = 'h1'\n")
	p.log = slog.New(slog.NewTextHandler(&log, nil))
	one := p.mu.catalogs.take(catalogKey{"tcp", "h1:5432", "app"}, nil)
	other := p.mu.catalogs.take(catalogKey{"tcp", "h1:5432", "other"}, nil)
	lines := func(want int, last string) {
		t.Helper()
		for range 3 {
			p.tellOfCatalogs()
		}
		got := strings.Split(strings.TrimSpace(log.String()), "\n")
		if n := strings.Count(log.String(), "\n"); n != want || want > 0 && !strings.Contains(got[n-1], last) {
			t.Fatalf("%d lines, want %d, the last with %q:\n%s", n, want, last, &log)
		}
	}
	lines(0, "")
	digested(t, one, "")
	lines(1, "level=WARN")
	lines(1, "database=app")
	digested(t, other, "a")
	(&session.Objects{Catalog: &other.Catalog, Rows: objects, Generation: 1}).Learn()
	digested(t, one, "a")
	lines(1, "server=h1:5432") // it is not known what is wrong, until it is read
	(&session.Objects{Catalog: &one.Catalog, Generation: 1}).Learn()
	lines(1, "cannot be read")
	digested(t, one, "a")
	(&session.Objects{Catalog: &one.Catalog, Rows: objects, Generation: 2}).Learn()
	lines(2, "can be read again")
	digested(t, one, "")
	lines(3, "cannot be read")
}

func TestAPoolShowsWhatItKnows(t *testing.T) {
	p := idleProxy(t, "pool_mode = 'transaction'\n[databases.app]\nhost = 'h1'\n[databases.quiet]\nhost = 'h1'\nsession_state = 'off'\n")
	cp, leave := p.visit(t, "app", "ann")
	defer leave()
	_, leaveQuiet := p.visit(t, "quiet", "ann")
	defer leaveQuiet()
	digested(t, cp.catalog, "a")
	(&session.Objects{Catalog: &cp.catalog.Catalog, Rows: objects, Generation: 1}).Learn()
	table := &cp.shared.Shapes
	for key := range uint64(status.MaxShapes + 100) {
		s := table.Add(key+1, []byte("select "+strings.Repeat("x", int(key%7))))
		s.Renew(1, nil)
		for range key {
			if !s.Run() {
				proof.Acquit([]*proof.Shape{s}, nil, 1)
			}
		}
	}
	table.Add(5000, []byte("old"))
	proof.Convict([]*proof.Shape{table.Get(3)}, nil)
	proof.Convict([]*proof.Shape{table.Get(4), table.Get(5)}, nil)
	cp.shared.Counts.Unproven.Store(12)

	s := p.Snapshot(status.WithShapes)
	e := s.Pools[slices.IndexFunc(s.Pools, func(q status.Pool) bool { return q.Database == "app" })].Evidence
	if e == nil || e.Unproven != 12 || e.Generation != 1 || !e.Certain || e.Failing {
		t.Fatalf("%+v", e)
	}
	sum := 0
	for state, n := range e.Shapes {
		if sum += n; !slices.Contains(status.ShapeStates, state) {
			t.Errorf("%q is none of the states", state)
		}
	}
	if sum != status.MaxShapes+101 || e.Shapes["leaves state"] != 1 || e.Shapes["suspect"] != 2 {
		t.Errorf("%v", e.Shapes)
	}
	if len(s.Shapes) != status.MaxShapes {
		t.Fatalf("%d shapes are listed", len(s.Shapes))
	}
	if first := s.Shapes[0]; first.State != "leaves state" || first.Runs != 2 || first.NextQuestion != 3 || s.Shapes[2].State != "suspect" {
		t.Errorf("the list begins with %+v", s.Shapes[:3])
	}
	if next := s.Shapes[3]; next.State != "proven" || next.Runs != status.MaxShapes+99 || next.NextQuestion != 2048 || next.User != "ann" {
		t.Errorf("the one with the most runs is not the fourth: %+v", next)
	}
	for _, d := range []status.Detail{status.Counts, status.WithEvidence, status.Full} {
		s := p.Snapshot(d)
		for _, q := range s.Pools {
			if has := q.Evidence != nil; has != (d == status.WithEvidence && q.Database == "app") {
				t.Errorf("with detail %d the pool of %s has evidence: %v", d, q.Database, has)
			}
		}
		if s.Shapes != nil {
			t.Errorf("with detail %d there are shapes", d)
		}
	}
}
