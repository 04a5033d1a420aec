package integration

import (
	"context"
	"flag"
	"fmt"
	"go/format"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
)

var updateShapes = flag.Bool("update", false, "write the list of shapes that leak (shapes_known_test.go) anew")

// A shape is one kind of state, left in a backend by one way of reaching it.
// Client A acts; what client B reads afterwards, and what A reads in later
// transactions, must be what two direct connections read.
//
// In all texts "@" begins the name of an object of the shape's own, and {n} is
// a number of its own.
type statefulShape struct {
	name  string
	since int      // the first major version of PostgreSQL that has it; 0: all
	admin []string // what the superuser makes ready
	setup []string // what the client's role makes ready, behind admin
	late  bool     // both are made ready when pgweir has served the clients already
	act   []deed
	look  deed     // what is to be seen of the state
	after []string // what the superuser clears away

	startA, startB []string // startup parameters, names and values in turn

	fill   *strings.Replacer // of the texts' further places; nil: none
	effect effect
	others bool // only what others read is compared (docs/limits.md)
	pool   int  // pool_size, with a place for the backend that is kept away; 0: 2
}

// effect is what A's act does for A itself, on a direct connection.
type effect int

const (
	stays    effect = iota // A reads something else afterwards
	vanishes               // A reads what it has read before
	varies                 // one or the other
)

// deed is what one client says in one go.
type deed struct {
	who byte // 'A', 'B', or 'D' for the role on a connection past pgweir
	say func(*shapeRun) []message
}

// shapeSetting is as whom, and how, shapes are played.
type shapeSetting struct {
	role  string
	every int // only each so manyth shape is played
	plays []shapePlay
}

type shapePlay struct {
	leakCheck string
	every     int // of those only each so manyth
}

var shapeSettings = []shapeSetting{
	{shapesRole, 1, []shapePlay{{"0", 1}, {"1", 3}}},
	{"postgres", 3, []shapePlay{{"0", 1}}},
}

const shapesRole = "shapes_app"

// shapeRoles: app has no rights but on its own schema; it may become deploy,
// and calls what owner has made SECURITY DEFINER.
const shapeRoles = "create role shapes_app login; create role shapes_deploy; create role shapes_owner; create role shapes_admin superuser; " +
	"create role shapes_tuner noinherit; grant shapes_deploy, shapes_tuner to shapes_app"

// shapeSchema is run in every database of shapes. %s is the client's role.
const shapeSchema = "revoke create on schema public from public; create schema app authorization %s; grant usage, create on schema app to shapes_owner, shapes_deploy; " +
	"do $$ begin execute format('alter database %%I set search_path = app, public', current_database()); end $$; set search_path = app, public"

// TestShapes plays every shape with the settings as shipped and an ordinary
// role, and a third of them with leak_check = 1, and as the superuser. Those that are known to leak
// are listed (knownShapes); the list may hold no other. -update writes it.
func TestShapes(t *testing.T) {
	t.Parallel()
	all := allShapes()
	execSQL(t, shared.DSN("postgres"), shapeRoles)
	t.Cleanup(func() { dropShapeRoles(t) })
	results := &shapeResults{leaks: map[string]bool{}}
	if *updateShapes {
		t.Cleanup(func() { results.write(t) })
	}
	const group = 48
	every, first := 1, 0
	if os.Getenv("PGWEIR_TEST_PG_BIN") != "" {
		// `make test-versions` takes long, so each version has a third of its own.
		every, first = 3, programs.Major%3
	}
	for _, setting := range shapeSettings {
		var chosen []statefulShape
		for i := first; i < len(all); i += setting.every * every {
			chosen = append(chosen, all[i])
		}
		for i := 0; i < len(chosen); i += group {
			t.Run(fmt.Sprintf("%s/%d", setting.role, i/group), func(t *testing.T) {
				t.Parallel()
				playShapes(t, setting, chosen[i:min(len(chosen), i+group)], results)
			})
		}
	}
}

// dropShapeRoles is for when all databases in which they have rights are gone.
func dropShapeRoles(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, shared.DSN("postgres"))
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close(ctx)
	if err := runSQL(ctx, conn, "drop role shapes_app, shapes_deploy, shapes_owner, shapes_admin, shapes_tuner"); err != nil {
		t.Error(err)
	}
}

// playShapes plays a group of shapes in one database, one after the other.
func playShapes(t *testing.T, setting shapeSetting, shapes []statefulShape, results *shapeResults) {
	g := newShapeGroup(t, setting.role)
	defer g.leave()
	want := make([][]string, len(shapes))
	for i := range shapes {
		s := &shapes[i]
		if s.since > g.version {
			continue
		}
		r := g.run(t, s, fmt.Sprintf("d%d_", i), nil)
		want[i] = r.lines
		if err := s.shows(r); err != nil && setting.role == shapesRole {
			t.Errorf("%s: directly, %v:\n%s", s.name, err, strings.Join(r.lines, "\n"))
		}
	}
	for _, play := range setting.plays {
		// One pgweir has gone when the next one comes.
		t.Run("leak_check "+play.leakCheck, func(t *testing.T) {
			w := g.startWeir(t, play.leakCheck, shapes)
			console := connect(t, w.Console(simpleProtocol))
			for i := 0; i < len(shapes); i += play.every {
				s := &shapes[i]
				if s.since > g.version {
					continue
				}
				name := fmt.Sprintf("%s, leak_check %s: %s", setting.role, play.leakCheck, s.name)
				t.Run(name, func(t *testing.T) {
					r := g.run(t, s, fmt.Sprintf("w%s%d_", play.leakCheck, i), &through{w: w, console: console, pool: poolOf(i)})
					results.judge(t, name, s.differs(want[i], r.lines))
				})
			}
		})
	}
}

// shows is an error if a shape does not do, directly, what it is meant to.
func (s *statefulShape) shows(r *shapeRun) error {
	before, after := r.line("B before"), r.line("A after")
	switch {
	case before == "" || after == "":
		return fmt.Errorf("nothing was read")
	case slices.ContainsFunc(r.lines, func(line string) bool { return strings.HasSuffix(line, ": 42601") }):
		return fmt.Errorf("a text is no SQL")
	case s.effect == stays && before == after:
		return fmt.Errorf("it leaves nothing")
	case s.effect == vanishes && before != after:
		return fmt.Errorf("it leaves something")
	}
	return nil
}

// differs tells where what was read through pgweir is not what was read directly.
func (s *statefulShape) differs(want, got []string) string {
	var b strings.Builder
	for i := range max(len(want), len(got)) {
		w, g := "(nothing)", "(nothing)"
		if i < len(want) {
			w = want[i]
		}
		if i < len(got) {
			g = got[i]
		}
		if w != g && !(s.others && strings.HasPrefix(w, "A ") && strings.HasPrefix(g, "A ")) {
			fmt.Fprintf(&b, "directly %s, through pgweir %s\n", w, g)
		}
	}
	return b.String()
}

// shapeResults are the shapes that leaked, by setting and name.
type shapeResults struct {
	mu    sync.Mutex
	leaks map[string]bool // under mu; false: played, and does not leak
}

// judge holds what a shape does against the list.
func (r *shapeResults) judge(t *testing.T, name, differs string) {
	t.Helper()
	r.mu.Lock()
	r.leaks[name] = differs != ""
	r.mu.Unlock()
	switch known := knownShapes[name]; {
	case *updateShapes:
	case differs != "" && !known:
		t.Errorf("%s", differs)
	case differs == "" && known:
		t.Errorf("it does not leak any more: take it from the list (go test ./integration -run TestShapes -update)")
	}
}

// write writes the list. Shapes that were not played keep their places in it.
func (r *shapeResults) write(t *testing.T) {
	list := maps.Clone(knownShapes)
	maps.Copy(list, r.leaks)
	var b strings.Builder
	b.WriteString("package integration\n\n// knownShapes are the shapes that leak, or are refused. No other may, and each of\n" +
		"// these must; go test ./integration -run TestShapes -update writes the list.\n" +
		"var knownShapes = map[string]bool{\n")
	for _, name := range slices.Sorted(maps.Keys(list)) {
		if list[name] {
			fmt.Fprintf(&b, "%q: true,\n", name)
		}
	}
	b.WriteString("}\n")
	text, err := format.Source([]byte(b.String()))
	if err == nil {
		err = os.WriteFile("shapes_known_test.go", text, 0o644)
	}
	if err != nil {
		t.Error(err)
	}
}

// TestTheListOfKnownShapesHasNoOthers: a shape that is renamed or taken away
// leaves the list, too; and no two shapes have one name.
func TestTheListOfKnownShapesHasNoOthers(t *testing.T) {
	names := map[string]bool{}
	all := allShapes()
	for i := range all {
		if names[all[i].name] {
			t.Errorf("two shapes are named %q", all[i].name)
		}
		names[all[i].name] = true
	}
	if len(all) < 300 {
		t.Errorf("there are %d shapes", len(all))
	}
	for known := range knownShapes {
		if _, name, _ := strings.Cut(known, ": "); !names[name] {
			t.Errorf("the list has %q, which is no shape", known)
		}
	}
}
