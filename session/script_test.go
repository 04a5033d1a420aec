package session

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"pgweir/wire"
)

// script writes what a client says, at random: mostly what drivers say, and
// some of what they never would. Every statement bears a token of its own, but
// for some that all clients have in common.
type script struct {
	rng    *rand.Rand
	name   string
	tokens int
	// state: statements that leave state behind; blocks: transaction blocks;
	// named: named statements.
	state, blocks, named bool
	slow                 bool
	// world: statements that call functions; savepoints: as it says, and then
	// nothing that unlistens.
	world, savepoints bool
	// prepares: mostly statements that are prepared in a round trip of their own.
	prepares bool
}

func (g *script) token() string {
	g.tokens++
	return fmt.Sprintf("%s_%d", g.name, g.tokens)
}

// one is true once in n times.
func (g *script) one(n int) bool { return g.rng.IntN(n) == 0 }

func pick[T any](g *script, from ...T) T { return from[g.rng.IntN(len(from))] }

// sql is one statement.
func (g *script) sql() string {
	if g.world && g.one(3) {
		return g.worldly()
	}
	switch n := g.rng.IntN(100); {
	case n < 25:
		return fmt.Sprintf("select '%s'", g.token())
	case n < 40:
		return fmt.Sprintf("select 'shared_%d'", g.rng.IntN(4))
	case n < 50:
		return fmt.Sprintf("select '%s' from generate_series(1, %d)", g.token(), g.rng.IntN(5))
	case n < 54:
		return "selekt_" + g.token()
	case n < 58:
		return fmt.Sprintf("select cast('%s' || left(random()::text, 0) as int)", g.token())
	case n < 62:
		return fmt.Sprintf("copy (select '%s') to stdout", g.token())
	case n < 66:
		return fmt.Sprintf("set application_name = '%s'", g.token())
	case n < 68:
		return "set timezone = '" + pick(g, "UTC", "Europe/Rome", "Asia/Tokyo") + "'"
	case n < 71 && g.slow:
		return fmt.Sprintf("select '%s' from pg_sleep(0)", g.token())
	case n < 86:
		if g.blocks && g.savepoints && g.one(2) {
			return pick(g, "savepoint ", "rollback to ", "rollback to ", "release ") + pick(g, "a", "b")
		}
		if g.blocks {
			return pick(g, "begin", "commit", "rollback")
		}
	case n < 98:
		if g.state {
			return g.leaves()
		}
	default:
		return ""
	}
	return fmt.Sprintf("select '%s'", g.token())
}

// worldly is a statement that calls functions, or makes one anew.
func (g *script) worldly() string {
	switch n := g.rng.IntN(16); {
	case n == 0:
		return fmt.Sprintf("create or replace function f%d() as '%s'", g.rng.IntN(worldFunctions), g.token())
	case n < 6:
		return fmt.Sprintf("insert into d%d values ('%s')", g.rng.IntN(worldTables), g.token())
	}
	return fmt.Sprintf("select f%d('%s')", g.rng.IntN(worldFunctions), g.token())
}

// leaves is a statement that leaves state in the session, or takes it back.
func (g *script) leaves() string {
	which := g.rng.IntN(2)
	name := pick(g, "my.v0", "my.v1", "work_mem", "search_path", "role", "session_authorization")
	switch g.rng.IntN(14) {
	case 0, 1:
		return fmt.Sprintf("set %s = '%s'", name, g.token())
	case 2:
		return fmt.Sprintf("select set_config('%s', '%s', false)", name, g.token())
	case 3, 4:
		return "reset " + pick(g, "my.v0", "my.v1", "work_mem", "search_path", "role", "session authorization", "all")
	case 5:
		return fmt.Sprintf("listen c%d", which)
	case 6:
		if g.savepoints {
			return "notify c0"
		}
		return pick(g, "notify c0", "unlisten c0", "unlisten c1", "unlisten *")
	case 7:
		return fmt.Sprintf("select pg_advisory_unlock(%s%d)", g.number(), which)
	case 8:
		return fmt.Sprintf("do $$begin raise notice '%s'; end$$", g.token())
	case 9:
		return fmt.Sprintf("do $$begin set %s = '%s'; end$$", name, g.token())
	case 10:
		return fmt.Sprintf("create temp table t%d ()", which)
	case 11:
		return fmt.Sprintf("drop table t%d", which)
	case 12:
		return "deallocate all"
	default:
		return fmt.Sprintf("select pg_advisory_lock(%s%d)", g.number(), which)
	}
}

// onNames is a statement about prepared ones.
func (g *script) onNames() string {
	name := pick(g, "s", "t", "p")
	switch g.rng.IntN(8) {
	case 0, 1:
		return "deallocate " + name
	case 2:
		return "deallocate all"
	case 3, 4:
		return fmt.Sprintf("prepare %s as select '%s'", name, g.token())
	default:
		return "execute " + name
	}
}

// longName begins names that are one name to PostgreSQL.
var longName = strings.Repeat("n", 63)

// number keeps the locks of different clients apart.
func (g *script) number() string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, g.name)
}

// burst is what the client says at once.
func (g *script) burst() []string {
	if g.prepares && !g.one(4) {
		return g.preparing()
	}
	switch n := g.rng.IntN(100); {
	case n < 30:
		return []string{query(g.sql())}
	case n < 34:
		return []string{query(strings.Join([]string{fmt.Sprintf("select '%s'", g.token()), g.sql2(), fmt.Sprintf("select '%s'", g.token())}, "; "))}
	case n < 38:
		return []string{call(g.token())}
	case n < 42:
		return g.copySimple()
	case n < 46:
		return g.copyExtended()
	case n < 49 && g.state && !g.savepoints:
		if g.one(2) {
			// In a block it would be told what this backend listens to.
			return []string{syncing, query("rollback"), query("select * from pg_listening_channels()")}
		}
		if g.one(2) {
			return []string{syncing, query("discard all")}
		}
		return []string{syncing, parse("", "discard all"), bind("", ""), execute("", 0), syncing}
	case n < 54 && g.named && g.state:
		if g.one(2) {
			return []string{query(g.onNames())}
		}
		return []string{parse("", g.onNames()), bind("", ""), execute("", 0), syncing, closing("S", ""), syncing}
	case n < 57 && g.named:
		return g.cached()
	case n < 62 && g.named && g.world:
		return g.preparing()
	case n < 63 && g.named && g.world:
		return []string{query(g.onTable())}
	case n < 65:
		sql := g.sql()
		return []string{parse("", sql), bind("", ""), describe("P", ""), execute("", 0), syncing}
	case n < 72:
		return []string{parse("", g.sql()), describe("S", ""), pick(g, syncing, flush), bind("", ""), execute("", 0), syncing}
	case n < 78:
		sql := fmt.Sprintf("select '%s' from generate_series(1, %d)", g.token(), 1+g.rng.IntN(5))
		return []string{parse("", sql), bind("p", ""), execute("p", 2), flush, execute("p", 2), closing("P", "p"), pick(g, syncing, flush)}
	default:
		return g.pipeline()
	}
}

// cached is what drivers do that keep statements.
func (g *script) cached() (all []string) {
	name := pick(g, "s", "t")
	if g.one(3) {
		all = append(all, closing("S", name))
	}
	if !g.one(3) {
		all = append(all, parse(name, g.sql()), describe("S", name), pick(g, syncing, flush, ""))
	}
	for range g.rng.IntN(3) {
		all = append(all, bind("", name), execute("", 0))
		if g.one(2) {
			all = append(all, syncing)
		}
	}
	return append(slices.DeleteFunc(all, func(m string) bool { return m == "" }), syncing)
}

// part is what a client says at once.
type part struct {
	messages []string
	// waits: not before everything else has been answered. pgweir keeps one
	// unnamed statement for a client, the one that was sent last. Who uses one
	// that was sent in front of the last Sync without having seen it succeed
	// may be told something else than directly (though nobody else's secrets),
	// and the simulation does not go into that.
	waits bool
}

// parts cuts a burst behind each Sync and Query. own tells that the last
// message's segment has set the unnamed statement.
func parts(burst []string, own bool) (all []part, _ bool) {
	var p part
	for _, m := range burst {
		typ, body := m[0], m[wire.HeaderLen:]
		p.waits = p.waits || !own && usesUnnamed(typ, body)
		own = own || setsUnnamed(typ, body)
		p.messages = append(p.messages, m)
		if typ == 'S' || typ == 'Q' {
			all = append(all, p)
			p, own = part{}, false
		}
	}
	if len(p.messages) > 0 {
		all = append(all, p)
	}
	return all, own
}

// sql2 is a statement that may stand among others.
func (g *script) sql2() string {
	for {
		if s := g.sql(); s != "" && !strings.HasPrefix(s, "do ") && !strings.Contains(s, "pg_sleep") &&
			!strings.HasPrefix(s, "select f") && !strings.HasPrefix(s, "insert ") {
			return s
		}
	}
}

// pipeline is any messages of the extended protocol whatever.
func (g *script) pipeline() (all []string) {
	name := func() string {
		if g.named && g.one(2) {
			return pick(g, "s", "s", "t", "p", longName+"x", longName+"y")
		}
		if g.one(30) {
			return "s" // an error where there are no named statements
		}
		return ""
	}
	portal := func() string { return pick(g, "", "", "", "p") }
	for range 1 + g.rng.IntN(6) {
		switch g.rng.IntN(12) {
		case 0, 1, 2:
			all = append(all, parse("", g.sql()), bind("", ""), execute("", 0))
		case 3:
			all = append(all, parse(name(), g.sql()))
		case 4, 5:
			all = append(all, bind(portal(), name()))
		case 6:
			all = append(all, describe("S", name()))
		case 7:
			all = append(all, describe("P", portal()))
		case 8:
			all = append(all, execute(portal(), g.rng.IntN(3)))
		case 9:
			all = append(all, pick(g, closing("S", name()), closing("P", portal())))
		case 10:
			all = append(all, syncing)
		case 11:
			all = append(all, pick(g, flush, query(g.sql())))
		}
	}
	if !g.one(6) {
		all = append(all, syncing)
	}
	return all
}

// data is a copy's, with its end.
func (g *script) data() (all []string) {
	for range g.rng.IntN(4) {
		all = append(all, copyData(pick(g, "1\n", "2\n3\n", "4\n5\n6\n")))
	}
	if g.one(4) {
		all = append(all, copyData("bad\n"), copyData("7\n"))
	}
	return append(all, pick(g, copyDone, copyDone, copyDone, copyFail("no")))
}

func (g *script) copySimple() []string {
	if g.one(3) {
		all := []string{query("copy t from stdin; copy t from stdin")}
		return append(append(all, g.data()...), copyDone)
	}
	return append([]string{query("copy t from stdin")}, g.data()...)
}

func (g *script) copyExtended() []string {
	all := []string{parse("", "copy t from stdin"), bind("", ""), execute("", 0)}
	if g.one(2) {
		all = append(all, syncing)
	}
	all = append(all, g.data()...)
	// Without the Close a stray Bind would begin a copy that nobody ends.
	return append(all, syncing, closing("S", ""), syncing)
}
