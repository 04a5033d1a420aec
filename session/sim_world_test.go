package session

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"

	"pgweir/session/follow"
	"pgweir/wire"
)

// world is the database behind all backends of a simulation: functions, whose
// calls say nothing of what they leave behind, and tables with triggers that
// call them.
//
// What a function leaves it leaves at each of its runs, since one that leaves
// nothing at a run that is asked about, and something at the next, which is not,
// cannot be noticed. Only one whose body can be read, and those of all that
// calls it and of all that it calls, may leave something now and then.
type world struct {
	rng       *rand.Rand
	functions []*function
	tables    []table
	version   int // of the objects: what the digest shows
	// sound: the objects can always be read. Only then may a function set
	// settings of extensions, whose names nobody can know before.
	sound bool
	ran   map[string][]effects // of each statement by its token, by whose it is, run by run
	due   []replacement
	// past are bodies that functions had. Some function has all of them in its own,
	// since the name of a setting cannot be known that was nowhere to be read.
	past []string
	// unread tells whether some lease has run what was not read yet, or was read as it
	// is no more.
	unread func() bool
	// width is how often the table v0 has been altered, and known the width that pgweir
	// must know of; alterations are those since.
	width, known int
	alterations  []alteration
}

// function is one that statements call as f0('TOKEN').
type function struct {
	shown bool     // its body is told under its name
	every int      // at which runs it leaves something
	body  []string // statements, as in PL/pgSQL
	runs  int
}

// table has a trigger that calls a function.
type table struct {
	calls int
	shown bool // what its trigger calls can be read
}

// effects are the statements that a run has come to.
type effects []string

// replacement is a function that has another body when pgweir can know of it.
type replacement struct {
	number, version int
	owner           string
	with            *function
}

const worldFunctions, worldTables = 6, 3

func newWorld(rng *rand.Rand) *world {
	w := &world{rng: rng, sound: rng.IntN(2) == 0, ran: map[string][]effects{}, version: 1}
	for i := range worldFunctions {
		w.functions = append(w.functions, w.newFunction(i))
	}
	for range worldTables {
		w.tables = append(w.tables, table{rng.IntN(worldFunctions), rng.IntN(2) == 0})
	}
	return w
}

// newFunction makes a body up. Most functions leave nothing.
func (w *world) newFunction(number int) *function {
	f := &function{shown: w.rng.IntN(2) == 0, every: 1 + w.rng.IntN(2)*w.rng.IntN(4)}
	if w.rng.IntN(3) > 0 {
		for range 1 + w.rng.IntN(2) {
			f.body = append(f.body, w.statement(number))
		}
	}
	return f
}

func (w *world) statement(number int) string {
	which := w.rng.IntN(2)
	names := []string{"work_mem", "search_path", "role", "session_authorization", "log_min_messages", "application_name"}
	if w.sound {
		names = append(names, "my.v0", "my.v2", "my.v3")
	}
	name := names[w.rng.IntN(len(names))]
	switch w.rng.IntN(14) {
	case 0, 1, 2:
		return fmt.Sprintf("set %s = 'w%d'", name, w.rng.IntN(3))
	case 3:
		return fmt.Sprintf("perform set_config('%s', arg, false)", name)
	case 4:
		return "reset " + []string{"work_mem", "search_path", "role", "all"}[w.rng.IntN(4)]
	case 5, 6:
		return fmt.Sprintf("perform pg_advisory_lock(9%d)", which)
	case 7:
		return fmt.Sprintf("perform pg_advisory_unlock(9%d)", which)
	case 8:
		return fmt.Sprintf("create temp table t%d ()", which)
	case 9:
		return fmt.Sprintf("drop table t%d", which)
	case 10:
		return fmt.Sprintf("listen c%d", which)
	case 11:
		return "prepare hidden as select 'x'"
	case 12:
		if w.sound {
			return "perform set_config(name, arg, false)"
		}
	}
	if number+1 == worldFunctions {
		return "perform 1"
	}
	return fmt.Sprintf("perform f%d(arg)", number+1+w.rng.IntN(worldFunctions-number-1))
}

// text is a body as it is stored.
func (f *function) text() string { return "begin " + strings.Join(f.body, "; ") + "; end" }

// run appends what a call comes to. read tells whether all that calls the
// function can be read.
func (w *world) run(number int, read bool, all effects) effects {
	f := w.functions[number]
	f.runs++
	read = read && f.shown
	if read && f.runs%f.every != 0 && w.legible(number) {
		return all
	}
	for _, s := range f.body {
		var called int
		switch {
		case !read && strings.HasPrefix(s, "perform set_config(name"):
		case called >= 0 && scans(s, "perform f%d(arg)", &called):
			all = w.run(called, read, all)
		default:
			all = append(all, s)
		}
	}
	return all
}

// legible tells whether a function's body can be read, and those of all that it
// calls.
func (w *world) legible(number int) bool {
	f := w.functions[number]
	for _, s := range f.body {
		var called int
		if scans(s, "perform f%d(arg)", &called) && !w.legible(called) {
			return false
		}
	}
	return f.shown
}

// nameless tells whether a function, or one that it calls, sets a setting of which
// no text has the name.
func (w *world) nameless(number int) bool {
	return slices.ContainsFunc(w.functions[number].body, func(s string) bool {
		var called int
		return strings.HasPrefix(s, "perform set_config(name") || scans(s, "perform f%d(arg)", &called) && w.nameless(called)
	})
}

func scans(s, format string, n *int) bool {
	got, err := fmt.Sscanf(s, format, n)
	return got == 1 && err == nil
}

// effectsOf are what the run number n of a statement comes to; known is false if
// it has not been run on a backend of the pool's.
func (w *world) effectsOf(owner string, s *stmt, n int) (all effects, known bool) {
	ran := w.ran[owner+s.token]
	if n >= len(ran) {
		return nil, false
	}
	return ran[n], true
}

// decide has a statement run.
func (w *world) decide(owner string, s *stmt) (all effects) {
	switch s.kind {
	case calls:
		all = w.run(int(s.name[0]-'0'), true, nil)
	case inserts:
		t := w.tables[s.name[0]-'0']
		all = w.run(t.calls, t.shown, nil)
	}
	w.ran[owner+s.token] = append(w.ran[owner+s.token], all)
	return all
}

// replace has a function get another body. The digest shows it at once, but the
// body is in force only when pgweir can know of it (sim.replaced); until then the
// function leaves nothing. owner is who does it, "" for somebody past pgweir.
//
// Its body stays the same if nobody can know any more what has run: before its
// last replacement is in force, and where it sets what has no name and has been
// run unread.
func (w *world) replace(number int, owner string) {
	w.version++
	if slices.ContainsFunc(w.due, func(r replacement) bool { return r.number == number }) || w.nameless(number) && w.unread() {
		return
	}
	w.due = append(w.due, replacement{number, w.version, owner, w.newFunction(number)})
	w.past = append(w.past, w.functions[number].text())
	w.functions[number] = &function{every: 1}
}

// digest and learn answer questions about the objects.
func (w *world) digest() string { return row("d", "", fmt.Sprint(w.version)) }

func (w *world) learn() (rows []string) {
	// Replacements are read before they are in force.
	functions := slices.Clone(w.functions)
	for _, r := range w.due {
		functions[r.number] = r.with
	}
	for _, name := range []string{"work_mem", "search_path", "log_min_messages", "lock_timeout", follow.NameRole, follow.NameAuthorization} {
		rows = append(rows, row("g", name, ""))
	}
	rows = append(rows, row("P", "", ""))
	for i, f := range functions {
		name := fmt.Sprintf("f%d", i)
		if !f.shown {
			name = "hides_" + name // and nobody knows who calls it
		}
		rows = append(rows, row("f", name, f.text()))
	}
	for _, body := range w.past {
		rows = append(rows, row("f", "hides_past", body))
	}
	for i, t := range w.tables {
		if t.shown {
			rows = append(rows, row("u", fmt.Sprintf("d%d", i), fmt.Sprintf("f%d", t.calls)))
		}
	}
	return rows
}

// fails tells whether a statement of pgweir's own fails.
func (s *sim) fails(st *stmt) bool {
	objects := strings.Contains(st.token, "pg_get_ruledef") || strings.Contains(st.token, "SELECT 'd'")
	return !s.calm && !(objects && s.world.sound) && s.rng.IntN(25) == 0
}

// learns takes what a step of a client's session has to do with the catalog.
func (s *sim) learns(c *simClient) {
	if s.config.Catalog == nil {
		return
	}
	version := 0
	if g := s.config.Catalog.Generation(); g != s.generation {
		s.generation, version = g, c.lease.showed
		s.happens("generation %d, of version %d of the objects", g, version)
	}
	s.replaced(c, version)
	s.altered(c, version)
	if c.rig.await {
		c.rig.await = false
		c.awaits, c.woke = true, make(chan struct{})
		woke := c.woke
		s.config.Catalog.Await(func() { close(woke) })
		s.wake()
	}
}

// replaced has functions get other bodies of which pgweir knows: by a digest that
// has shown them, or since the lease has come to its end in which a client has
// made them.
func (s *sim) replaced(c *simClient, version int) {
	s.world.due = slices.DeleteFunc(s.world.due, func(r replacement) bool {
		ended := r.owner == c.direct.owner && (c.lease == nil || c.rig.s.hints&wire.HintCatalog == 0)
		if r.version > version && !ended {
			return false
		}
		s.happens("f%d is replaced: %s, shown %v, every %d", r.number, r.with.text(), r.with.shown, r.with.every)
		s.world.functions[r.number] = r.with
		return true
	})
}

// unread is that of the world.
func (s *sim) unread() bool {
	return slices.ContainsFunc(s.clients, func(c *simClient) bool {
		session := c.rig.s
		if session.link == nil {
			return false
		}
		e := &session.link.evidence
		return e.lost || len(e.unread) > 0 || session.outdated()
	})
}

// reads tells whether somebody reads the objects.
func (s *sim) reads() bool {
	var called atomic.Bool
	s.config.Catalog.Await(func() { called.Store(true) })
	return !called.Load()
}

// wake finds out whom the catalog has called that awaits it.
func (s *sim) wake() {
	if s.reads() {
		return
	}
	for _, c := range s.clients {
		if c.awaits {
			<-c.woke
			c.awaits, c.woken = false, true
		}
	}
}

func (s *sim) awaited() bool {
	return slices.ContainsFunc(s.clients, func(c *simClient) bool { return c.awaits })
}

// secondGoesBy has a digest be due.
func (s *sim) secondGoesBy() {
	s.config.Catalog.Due()
	for i := range s.world.alterations {
		s.world.alterations[i].seconds++
	}
	s.wake()
}

// learned has the objects taken in that a client's session has read.
func (c *simClient) learned() {
	c.sim.happens("what client %d has read is taken in: %d rows", c.id, len(c.rig.learn[0].Rows))
	c.rig.learn[0].Learn()
	c.rig.learn = c.rig.learn[1:]
	c.sim.wake()
}

// catalogKnown tells its session.
func (c *simClient) catalogKnown() {
	c.woken = false
	c.sim.happens("client %d hears that the catalog is known: %v", c.id, c.sim.config.Catalog.Knowledge() != nil)
	c.rig.s.CatalogKnown(&c.rig.o)
	c.sim.stepped(c)
	c.again = true
}
