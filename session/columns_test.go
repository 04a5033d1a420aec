package session

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"pgweir/wire"
)

// otherColumns are what a statement gives after a migration.
var otherColumns = string(wire.AppendRowDescription(nil, []wire.Column{{Name: "c", OID: 700, Size: 4}}))

// changedHere is PostgreSQL's error about other columns, as pgweir gives it.
var changedHere = string(errChangedResult.Append(nil))

func TestABindWithoutDescribeIsAnsweredWithTheColumnsThatTheClientKnows(t *testing.T) {
	run := func(name string) []string { return []string{bind("", name), execute("", 0), syncing} }
	ran := []string{bound, row("1"), complete("SELECT 1"), ready('I')}
	described := steps(
		client(parse("s", "select * from t"), describe("S", "s"), syncing).then("need"),
		leased().asks(parse(shared(1), "select * from t"), describe("S", shared(1)), syncing),
		answers(parsed, noParams, columns, ready('I')).then("release"),
	)
	ask := []string{parse(shared(1), "select * from t"), describe("S", shared(1)), flush}
	anew := append([]string{closing("S", shared(1))}, ask...)
	// elsewhere, with the columns of before.
	met := steps(
		elsewhere(),
		client(run("s")...).then("need"),
		flushed(ask...),
		server(parsed, noParams, columns).asks(run(shared(1))...),
		answers(ran...).then("release"),
	)
	// tried is a run that comes to nothing, in which this is asked first.
	tried := func(asks ...string) []step {
		said := parsed + noParams + otherColumns
		if asks[0] == anew[0] {
			said = closed + said
		}
		return steps(
			client(run("s")...).then("need"),
			flushed(asks...),
			server(said).asks(bind("", refusedName), execute("", 0), syncing),
			server(missing(refusedName), ready('I')).tells(changedHere, ready('I')).then("release"),
		)
	}
	block := steps(begin(query("begin")), answers(complete("BEGIN"), ready('T')))
	whole := func(do func(r *rig)) step {
		return step{do: func(r *rig) {
			cut := r.cut
			r.cut = func(n int) int { return n }
			do(r)
			r.cut = cut
		}}
	}
	play(t, []transcript{
		{"where it was described nothing is asked", transactionMode, steps(
			described,
			client(run("s")...).then("need"),
			leased().asks(run(shared(1))...),
			answers(ran...).then("release"),
		)},
		{"a backend that is given it is asked for them once", transactionMode, steps(
			described, met,
			client(run("s")...).then("need"),
			leased().asks(run(shared(1))...),
		)},
		{"others are an error, each time and on whatever backend", transactionMode, steps(
			described, elsewhere(),
			tried(ask...),
			tried(anew...),
			elsewhere(),
			tried(ask...),
		)},
		{"until it is prepared anew", transactionMode, steps(
			described, elsewhere(),
			tried(ask...),
			client(closing("S", "s"), parse("s", "select * from t"), describe("S", "s"), syncing).then("need"),
			leased().tells(closed, parsed).asks(describe("S", shared(1)), syncing),
			answers(noParams, otherColumns, ready('I')).then("release"),
			client(run("s")...).then("need"),
			leased().asks(run(shared(1))...),
		)},
		{"or described", transactionMode, steps(
			described, elsewhere(),
			tried(ask...),
			client(describe("S", "s"), syncing).then("need"),
			leased().asks(describe("S", shared(1)), syncing),
			answers(noParams, otherColumns, ready('I')).then("release"),
			client(run("s")...).then("need"),
			leased().asks(run(shared(1))...),
		)},
		{"or the columns are those of before again", transactionMode, steps(
			described, elsewhere(),
			tried(ask...),
			client(run("s")...).then("need"),
			flushed(anew...),
			server(closed, parsed, noParams, columns).asks(run(shared(1))...),
			answers(ran...).then("release"),
		)},
		{"none are others", transactionMode, steps(
			described, elsewhere(),
			client(run("s")...).then("need"),
			flushed(ask...),
			server(parsed, noParams, noData).asks(bind("", refusedName), execute("", 0), syncing),
		)},
		{"a client that was told of none has nothing to be compared", transactionMode, steps(
			client(parse("s", "delete from t"), describe("S", "s"), syncing).then("need"),
			leased().asks(parse(shared(1), "delete from t"), describe("S", shared(1)), syncing),
			answers(parsed, noParams, noData, ready('I')).then("release"),
			elsewhere(),
			client(run("s")...).then("need"),
			leased().asks(append([]string{parse(shared(1), "delete from t")}, run(shared(1))...)...),
		)},
		{"nor has one that has asked for nothing", transactionMode, steps(
			client(parse("s", "select * from t"), syncing).then("need"),
			leased().asks(parse(shared(1), "select * from t"), syncing),
			answers(parsed, ready('I')).then("release"),
			elsewhere(),
			client(run("s")...).then("need"),
			leased().asks(append([]string{parse(shared(1), "select * from t")}, run(shared(1))...)...),
		)},
		{"what was told of a portal counts too", transactionMode, steps(
			client(parse("s", "select * from t"), bind("p", "s"), describe("P", "p"), execute("p", 0), syncing).then("need"),
			leased().asks(parse(shared(1), "select * from t"), bind("p", shared(1)), describe("P", "p"), execute("p", 0), syncing),
			answers(parsed, bound, columns, row("1"), complete("SELECT 1"), ready('I')).then("release"),
			elsewhere(),
			tried(ask...),
		)},
		{"but not of another's", transactionMode, steps(
			client(parse("s", "select * from t"), parse("", "select 2"), bind("p", "s"), bind("q", ""), describe("P", "q"), execute("p", 0), syncing).then("need"),
			leased().asks(parse(shared(1), "select * from t"), parse("", "select 2"), bind("p", shared(1)), bind("q", ""), describe("P", "q"), execute("p", 0), syncing),
			answers(parsed, parsed, bound, bound, columns, row("1"), complete("SELECT 1"), ready('I')).then("release"),
			check("nothing is known of it", func(s *Session) bool { return s.byName["s"].columns == 0 }),
		)},
		{"a client that describes the portal is told, and waits for nothing", transactionMode, steps(
			described, elsewhere(),
			whole(func(r *rig) {
				r.client(bind("", "s") + describe("P", "") + execute("", 0) + syncing)
				r.flags()
				r.lease()
				mustEqual(r.t, "to the server", r.toServer, ask[0]+bind("", shared(1))+describe("P", "")+execute("", 0)+syncing)
				r.server(parsed + bound + otherColumns + row("1") + complete("SELECT 1") + ready('I'))
				mustEqual(r.t, "to the client", r.toClient, bound+otherColumns+row("1")+complete("SELECT 1")+ready('I'))
				r.toServer, r.toClient = "", ""
			}).then("release"),
			client(run("s")...).then("need"), // what it was told last
			leased().asks(run(shared(1))...),
		)},
		{"also if the Describe comes when it waits already", transactionMode, steps(
			described, elsewhere(),
			client(bind("", "s")).then("need"),
			flushed(ask...),
			whole(func(r *rig) {
				r.client(describe("P", "") + execute("", 0) + syncing)
				mustEqual(r.t, "to the server", r.toServer, flush)
				r.toServer = ""
			}),
			server(parsed, noParams, otherColumns).asks(bind("", shared(1)), describe("P", ""), execute("", 0), syncing),
			answers(bound, otherColumns, row("1"), complete("SELECT 1"), ready('I')).then("release"),
		)},
		{"each Bind of a pipeline has its turn", transactionMode, steps(
			client(parse("a", "select 1"), describe("S", "a"), parse("b", "select 2"), describe("S", "b"), syncing).then("need"),
			leased().asks(parse(shared(1), "select 1"), describe("S", shared(1)), parse(shared(2), "select 2"), describe("S", shared(2)), syncing),
			answers(parsed, noParams, columns, parsed, noParams, columns, ready('I')).then("release"),
			elsewhere(),
			client(bind("", "a"), execute("", 0), bind("", "b"), execute("", 0), bind("", "a"), execute("", 0), syncing).then("need"),
			flushed(parse(shared(1), "select 1"), describe("S", shared(1)), flush),
			server(parsed, noParams, columns).asks(bind("", shared(1)), execute("", 0), parse(shared(2), "select 2"), describe("S", shared(2)), flush),
			server(bound, row("1"), complete("SELECT 1")).tells(bound, row("1"), complete("SELECT 1")),
			server(parsed, noParams, otherColumns).asks(bind("", refusedName), execute("", 0), bind("", shared(1)), execute("", 0), syncing),
			server(missing(refusedName), ready('I')).tells(changedHere, ready('I')).then("release"),
		)},
		{"what is prepared in the same pipeline is not compared", transactionMode, steps(
			described, elsewhere(),
			client(closing("S", "s"), parse("s", "select * from t"), bind("", "s"), execute("", 0), syncing).then("need"),
			leased().tells(closed).asks(parse(shared(1), "select * from t"), bind("", shared(1)), execute("", 0), syncing),
		)},
		{"and a Close that is skipped leaves what was known", transactionMode, steps(
			described,
			client(bind("", "none"), closing("S", "s"), syncing).then("need"),
			leased().asks(bind("", "none"), syncing),
			answers(missing("none"), ready('I')).then("release"),
			elsewhere(),
			tried(ask...),
		)},
		{"an error in what is asked ahead is the client's own", transactionMode, steps(
			described, elsewhere(),
			client(run("s")...).then("need"),
			flushed(ask...),
			// The Bind, which the backend skips, may go on its way with the client's name.
			server(failure("42P01", "no table")).tells(failure("42P01", "no table")).asks(run("s")...),
			answers(ready('I')).then("release"),
			client(run("s")...).then("need"),
			flushed(ask...),
		)},
		{"in a block it aborts that", transactionMode, steps(
			described, elsewhere(), block,
			withoutFlushes(client(run("s")...)).asks(ask...),
			server(parsed, noParams, otherColumns).asks(bind("", refusedName), execute("", 0), syncing),
			server(missing(refusedName), ready('E')).tells(changedHere, ready('E')),
			// There nothing can be asked.
			client(run("s")...).asks(run(shared(1))...),
			answers(failure("25P02", "aborted"), ready('E')),
		)},
		{"with little room", few(1), steps(
			described, met,
			client(parse("t", "select 2"), syncing).then("need"),
			leased().asks(closing("S", shared(1)), parse(shared(2), "select 2"), syncing),
			server(closed, parsed, ready('I')).tells(parsed, ready('I')).then("release"),
			client(run("s")...).then("need"),
			flushed(closing("S", shared(2)), ask[0], ask[1], flush),
			server(closed, parsed, noParams, columns).asks(run(shared(1))...),
		)},
		{"a long Bind waits too", transactionMode, steps(
			described, elsewhere(),
			step{do: func(r *rig) {
				value := strings.Repeat("x", 3*MaxMessage)
				long := message('B', "\x00s\x00", value)
				r.fromClient = long[:MaxMessage]
				r.stepClient()
				r.flags()
				r.lease()
				r.client(long[MaxMessage:] + execute("", 0) + syncing)
				mustEqual(r.t, "to the server", strings.ReplaceAll(r.toServer, flush, ""), ask[0]+ask[1])
				r.toServer = ""
				r.server(parsed + noParams + columns)
				mustEqual(r.t, "to the server", r.toServer, message('B', "\x00", shared(1), "\x00", value)+execute("", 0)+syncing)
				r.toServer = ""
			}},
		)},
		{"and is got rid of", transactionMode, steps(
			described, elsewhere(),
			step{do: func(r *rig) {
				long := message('B', "\x00s\x00", strings.Repeat("x", 3*MaxMessage))
				r.client(long + execute("", 0) + syncing)
				r.flags()
				r.lease()
				r.server(parsed + noParams + otherColumns)
				mustEqual(r.t, "to the server", strings.ReplaceAll(r.toServer, flush, ""), ask[0]+ask[1]+bind("", refusedName)+execute("", 0)+syncing)
				r.toServer = ""
			}},
		)},
		{"a client that goes meanwhile", transactionMode, steps(
			described, elsewhere(),
			client(run("s")...).then("need"),
			flushed(ask...),
			gone().then("drop busy end"),
		)},
		{"columns that are too many are not compared", transactionMode, steps(
			client(parse("s", "select * from t"), describe("S", "s"), syncing).then("need"),
			leased().asks(parse(shared(1), "select * from t"), describe("S", shared(1)), syncing),
			answers(parsed, noParams, message('T', strings.Repeat("x", maxDecoded)), ready('I')).then("release"),
			elsewhere(),
			client(run("s")...).then("need"),
			leased().asks(append([]string{ask[0]}, run(shared(1))...)...),
		)},
		{"or are others", transactionMode, steps(
			described, elsewhere(),
			client(run("s")...).then("need"),
			flushed(ask...),
			server(parsed, noParams, message('T', strings.Repeat("x", maxDecoded))).asks(bind("", refusedName), execute("", 0), syncing),
		)},
		{"in session mode all is PostgreSQL's", sessionMode, steps(
			leased(),
			passes(parse("s", "select * from t"), describe("S", "s"), syncing),
			answers(parsed, noParams, columns, ready('I')),
			passes(run("s")...),
		)},
	})
}

// flushed is a lease in which this is asked, and a Flush.
func flushed(messages ...string) step { return withoutFlushes(leased()).asks(messages...) }

// withoutFlushes leaves but the first of those at the end: how many there are
// depends on how the client's bytes come.
func withoutFlushes(s step) step {
	do := s.do
	s.do = func(r *rig) {
		do(r)
		for strings.HasSuffix(r.toServer, flush+flush) {
			r.toServer = r.toServer[:len(r.toServer)-len(flush)]
		}
	}
	return s
}

// TestTheColumnsOfAnotherClientAreNotTheClients: what one was told the other
// was not.
func TestTheColumnsOfAnotherClientAreNotTheClients(t *testing.T) {
	a := newRig(t, &transactionMode)
	b := newMember(t, a.s.config)
	learn := func(r *rig, columns string) {
		r.client(parse("s", "select * from t") + describe("S", "s") + syncing)
		r.lease()
		r.server(parsed + noParams + columns + ready('I'))
		r.flags()
		r.toServer, r.toClient = "", ""
	}
	learn(a, columns)
	learn(b, otherColumns)
	// The other's backend has it already, with other columns.
	a.link = b.link
	a.client(bind("", "s") + execute("", 0) + syncing)
	a.lease()
	mustEqual(t, "to the server", a.toServer, closing("S", shared(1))+parse(shared(1), "select * from t")+describe("S", shared(1))+flush)
	a.server(closed + parsed + noParams + otherColumns)
	a.server(missing(refusedName) + ready('I'))
	mustEqual(t, "to the client", a.toClient, changedHere+ready('I'))
	// And b may go on there.
	b.toServer = ""
	b.client(bind("", "s") + execute("", 0) + syncing)
	b.lease()
	mustEqual(t, "to the server", b.toServer, bind("", shared(1))+execute("", 0)+syncing)
}

// migrating is a backend on which a statement gives columns that a migration
// has changed; so many there have been.
type migrating struct {
	migrations *int
	stmts      map[string]int // the migrations when it was prepared
	skips      bool
	tx         byte
}

func versioned(n int) string {
	return string(wire.AppendRowDescription(nil, []wire.Column{{Name: "c", OID: uint32(1000 + n)}}))
}

func (b *migrating) carryOut(stream string) (answers string) {
	all, _ := frames(stream)
	for _, m := range all {
		body := m[wire.HeaderLen:]
		if m[0] == 'S' {
			if b.skips && b.tx == 'T' {
				b.tx = 'E'
			}
			b.skips = false
			answers += ready(b.tx)
		}
		if b.skips {
			continue
		}
		fails := func(e string) { answers += e; b.skips = true }
		switch m[0] {
		case 'Q':
			b.tx = map[string]byte{"begin": 'T', "commit": 'I'}[cstring(body)]
			answers += complete("X") + ready(b.tx)
		case 'P':
			if b.tx == 'E' {
				fails(errAborted)
				continue
			}
			b.stmts[cstring(body)] = *b.migrations
			answers += parsed
		case 'C':
			delete(b.stmts, cstring(body[1:]))
			answers += closed
		case 'B', 'D':
			name := cstring(body[1:])
			if m[0] == 'D' && body[0] == 'P' {
				answers += versioned(*b.migrations)
				continue
			}
			version, ok := b.stmts[name]
			switch {
			case !ok:
				fails(missing(name))
			case b.tx == 'E':
				fails(errAborted)
			case version != *b.migrations:
				fails(changed)
			case m[0] == 'D':
				answers += noParams + versioned(version)
			default:
				answers += bound
			}
		case 'E':
			answers += row(fmt.Sprint(*b.migrations)) + complete("SELECT 1")
		}
	}
	return answers
}

// TestRowsAreOfTheColumnsToldLast plays clients that now and then ask for
// columns, and migrations, over few backends. A client is never given a row of
// other columns than it was told of last.
func TestRowsAreOfTheColumnsToldLast(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 11))
		config := few(1 + rng.IntN(3))
		config.Shared = new(Shared)
		migrations, failures := 0, 0
		type place struct {
			*migrating
			link *Link
		}
		var places []place
		for range 2 {
			places = append(places, place{&migrating{&migrations, map[string]int{}, false, 'I'}, newLink()})
		}
		type known struct {
			*rig
			told map[string]int // by name; none if it was told nothing
		}
		var clients []known
		for range 3 {
			clients = append(clients, known{newMember(t, &config), map[string]int{}})
		}
		for step := range 200 {
			c := clients[rng.IntN(len(clients))]
			p := places[rng.IntN(len(places))]
			if rng.IntN(10) == 0 {
				migrations++
			}
			name := string(rune('s' + rng.IntN(2)))
			say, asked := "", false
			if c.s.byName[name] == nil || rng.IntN(5) == 0 {
				say = closing("S", name) + parse(name, "select * from "+name)
			}
			if rng.IntN(4) == 0 {
				say, asked = say+describe("S", name), true
			}
			for range rng.IntN(3) {
				say += bind("", name)
				if rng.IntN(4) == 0 {
					say, asked = say+describe("P", ""), true
				}
				say += execute("", 0)
			}
			say += syncing
			if rng.IntN(4) == 0 {
				say = query("begin") + say + query("commit")
			}
			c.cut = func(n int) int { return n }
			if rng.IntN(2) == 0 {
				c.cut = func(n int) int { return 1 + rng.IntN(n) }
			}
			c.link = p.link
			c.client(say)
			if c.flags() == "need" {
				c.lease()
			}
			for c.toServer != "" {
				all := c.toServer
				c.toServer = ""
				c.server(p.carryOut(all))
			}
			if c.s.Phase() != Idle || c.fromClient != "" {
				t.Fatalf("seed %d, step %d: it does not end: %s", seed, step, show(c.fromClient))
			}
			c.flags()
			all, _ := frames(c.toClient)
			c.toClient = ""
			failed := false
			for _, m := range all {
				switch m[0] {
				case '1':
					delete(c.told, name)
				case 'T':
					oid := binary.BigEndian.Uint32([]byte(m[wire.HeaderLen+2+2+6:]))
					c.told[name] = int(oid) - 1000
				case 'D':
					told, ok := c.told[name]
					if got := m[wire.HeaderLen+6:]; ok && got != fmt.Sprint(told) {
						t.Fatalf("seed %d, step %d: a client that was told the columns of %d reads %s", seed, step, told, got)
					}
				case 'E':
					failed = true
					failures++
				}
			}
			if asked && !failed && c.told[name] != migrations {
				t.Fatalf("seed %d, step %d: a client was told the columns of %d, and they are those of %d", seed, step, c.told[name], migrations)
			}
		}
		if failures == 0 {
			t.Fatalf("seed %d: nothing fails", seed)
		}
	}
}
