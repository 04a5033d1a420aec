package session

import (
	"strconv"
	"strings"
	"testing"

	"pgweir/session/follow"
	"pgweir/wire"
)

// shared is the name of the n-th statement of a pool.
func shared(n int) string { return follow.NamePrefix + strconv.FormatInt(int64(n), 36) }

// few is transactionMode with room for so many statements on a backend.
func few(n int) Config {
	c := transactionMode
	c.MaxPrepared = n
	return c
}

// exists and missing are PostgreSQL's errors about a statement's name.
// taken is what a backend is told in place of the Parse of a name that is taken.
func taken(sql string) string {
	return parse(scratchName, sql) + closing("S", scratchName) + bind("", refusedName)
}

func exists(name string) string {
	return failure("42P05", `prepared statement "`+name+`" already exists`)
}
func missing(name string) string {
	return failure("26000", `prepared statement "`+name+`" does not exist`)
}

func TestNamedStatements(t *testing.T) {
	run := func(name string) []string { return []string{bind("", name), execute("", 0), syncing} }
	ran := []string{bound, row("1"), complete("SELECT 1"), ready('I')}
	// prepared is a client with a statement called s.
	prepared := steps(
		client(parse("s", "select 1"), syncing).then("need"),
		leased().asks(parse(shared(1), "select 1"), syncing),
		answers(parsed, ready('I')).then("release"),
	)
	long := strings.Repeat("n", 100)
	play(t, []transcript{
		{"are prepared under a name of the pool's, and found again", transactionMode, steps(
			prepared,
			client(run("s")...).then("need"),
			leased().asks(run(shared(1))...),
			answers(ran...).then("release"),
			client(describe("S", "s"), syncing).then("need"),
			leased().asks(describe("S", shared(1)), syncing),
			answers(noParams, columns, ready('I')).then("release"),
		)},
		{"are prepared on another backend ahead of the message that needs them", transactionMode, steps(
			prepared,
			elsewhere(),
			client(run("s")...).then("need"),
			leased().asks(append([]string{parse(shared(1), "select 1")}, run(shared(1))...)...),
			server(append([]string{parsed}, ran...)...).tells(ran...).then("release"),
			elsewhere(),
			client(describe("S", "s"), syncing).then("need"),
			leased().asks(parse(shared(1), "select 1"), describe("S", shared(1)), syncing),
			server(parsed, noParams, columns, ready('I')).tells(noParams, columns, ready('I')).then("release"),
		)},
		{"are one if text and types are", transactionMode, steps(
			prepared,
			client(parse("t", "select 1"), bind("", "t"), execute("", 0), syncing).then("need"),
			leased().tells(parsed).asks(run(shared(1))...), // what is there is not prepared again
			answers(ran...).then("release"),
			client(message('P', "u\x00select 1\x00\x00\x01\x00\x00\x00\x17"), syncing).then("need"),
			leased().asks(message('P', shared(2), "\x00select 1\x00\x00\x01\x00\x00\x00\x17"), syncing),
		)},
		{"are several if the settings are", transactionMode, steps(
			prepared,
			with("client", wire.VarDateStyle, "German"),
			with("backend", wire.VarDateStyle, "German"),
			client(parse("t", "select 1"), syncing).then("need"),
			leased().asks(parse(shared(2), "select 1"), syncing),
		)},
		{"may have one name only once", transactionMode, steps(
			prepared,
			client(parse("s", "select 2"), syncing).then("need"),
			leased().asks(taken("select 2"), syncing),
			server(parsed, closed, missing(refusedName), ready('I')).tells(exists("s"), ready('I')).then("release"),
			client(run("s")...).then("need"),
			leased().asks(run(shared(1))...),
		)},
		{"which holds on a backend that has none of it", transactionMode, steps(
			prepared,
			elsewhere(),
			client(parse("s", "select 2"), syncing).then("need"),
			leased().asks(taken("select 2"), syncing),
			server(parsed, closed, missing(refusedName), ready('I')).tells(exists("s"), ready('I')).then("release"),
		)},
		{"are looked for by 63 bytes of the name", transactionMode, steps(
			client(parse(long, "select 1"), bind("", long[:63]), execute("", 0), syncing).then("need"),
			leased().asks(parse(shared(1), "select 1"), bind("", shared(1)), execute("", 0), syncing),
			answers(parsed, bound, row("1"), complete("SELECT 1"), ready('I')).then("release"),
			client(parse(long, "select 2"), syncing).then("need"),
			leased().asks(taken("select 2"), syncing),
			server(parsed, closed, missing(refusedName), ready('I')).tells(exists(long), ready('I')).then("release"),
		)},
		{"that were never prepared are PostgreSQL's to complain of", transactionMode, steps(
			begin(run("s")...),
			answers(missing("s"), ready('I')).then("release"),
			begin(describe("S", "s"), syncing),
			answers(missing("s"), ready('I')).then("release"),
			begin(closing("S", "s"), syncing),
			answers(closed, ready('I')).then("release"),
		)},
		{"that fail are none", transactionMode, steps(
			client(parse("s", "selekt"), bind("", "s"), execute("", 0), syncing).then("need"),
			leased().asks(parse(shared(1), "selekt"), bind("", shared(1)), execute("", 0), syncing),
			answers(failure("42601", "syntax error"), ready('I')).then("release"),
			check("the client has none", func(s *Session) bool { return s.Prepared() == 0 }),
			begin(run("s")...),
			answers(missing("s"), ready('I')).then("release"),
		)},
		{"that were skipped are none", transactionMode, steps(
			client(bind("", "none"), parse("s", "select 1"), syncing).then("need"),
			leased().asks(bind("", "none"), parse(shared(1), "select 1"), syncing),
			answers(missing("none"), ready('I')).then("release"),
			check("the client has none", func(s *Session) bool { return s.Prepared() == 0 }),
			begin(run("s")...),
		)},
		{"that are closed are gone for the client, and stay on the backend", transactionMode, steps(
			prepared,
			client(closing("S", "s"), syncing).then("need"),
			leased().tells(closed).asks(syncing),
			answers(ready('I')).then("release"),
			begin(run("s")...),
			answers(missing("s"), ready('I')).then("release"),
			check("the client has none", func(s *Session) bool { return s.Prepared() == 0 }),
			client(parse("other", "select 1"), syncing).then("need"),
			leased().tells(parsed).asks(syncing),
		)},
		{"can be closed and prepared in one go", transactionMode, steps(
			prepared,
			client(closing("S", "s"), parse("s", "select 2"), bind("", "s"), execute("", 0), syncing).then("need"),
			leased().tells(closed).asks(parse(shared(2), "select 2"), bind("", shared(2)), execute("", 0), syncing),
			answers(parsed, bound, row("2"), complete("SELECT 1"), ready('I')).then("release"),
		)},
		{"and if that fails behind the Close, the name is free", transactionMode, steps(
			prepared,
			client(closing("S", "s"), parse("s", "selekt"), syncing).then("need"),
			leased().tells(closed).asks(parse(shared(2), "selekt"), syncing),
			answers(failure("42601", "syntax error"), ready('I')).then("release"),
			check("the client has none", func(s *Session) bool { return s.Prepared() == 0 && len(s.byName) == 0 }),
		)},
		{"a Close that was skipped closes nothing", transactionMode, steps(
			prepared,
			client(bind("", "none"), closing("S", "s"), syncing).then("need"),
			leased().asks(bind("", "none"), syncing),
			answers(missing("none"), ready('I')).then("release"),
			client(run("s")...).then("need"),
			leased().asks(run(shared(1))...),
		)},
		{"an answer of pgweir's own stands in its place", transactionMode, steps(
			prepared,
			client(bind("", "s"), closing("S", "s"), execute("", 0), syncing).then("need"),
			leased().asks(bind("", shared(1)), execute("", 0), syncing),
			server(bound).tells(bound, closed),
			answers(row("1"), complete("SELECT 1"), ready('I')).then("release"),
		)},
		{"no more are on a backend than may be, and the one used longest ago goes", few(2), steps(
			client(parse("a", "select 1"), parse("b", "select 2"), bind("", "a"), syncing).then("need"),
			leased().asks(parse(shared(1), "select 1"), parse(shared(2), "select 2"), bind("", shared(1)), syncing),
			answers(parsed, parsed, bound, ready('I')).then("release"),
			client(parse("c", "select 3"), syncing).then("need"),
			leased().asks(closing("S", shared(2)), parse(shared(3), "select 3"), syncing),
			server(closed, parsed, ready('I')).tells(parsed, ready('I')).then("release"),
			client(run("b")...).then("need"),
			leased().asks(append([]string{closing("S", shared(1)), parse(shared(2), "select 2")}, run(shared(2))...)...),
			server(append([]string{closed, parsed}, ran...)...).tells(ran...).then("release"),
		)},
		{"what was evicted in vain is still there", few(1), steps(
			prepared,
			client(bind("", "none"), parse("b", "select 2"), syncing).then("need"),
			leased().asks(bind("", "none"), closing("S", shared(1)), parse(shared(2), "select 2"), syncing),
			answers(missing("none"), ready('I')).then("release"),
			client(run("s")...).then("need"),
			leased().asks(run(shared(1))...),
		)},
		{"an error in what is prepared ahead is the client's own", transactionMode, steps(
			prepared,
			elsewhere(),
			client(run("s")...).then("need"),
			leased().asks(append([]string{parse(shared(1), "select 1")}, run(shared(1))...)...),
			answers(failure("42P01", "no table"), ready('I')).then("release"),
			client(run("s")...).then("need"),
			leased().asks(append([]string{parse(shared(1), "select 1")}, run(shared(1))...)...),
		)},
		{"a name that was prepared ahead of a Sync waits for that to be answered", transactionMode, steps(
			client(parse("s", "select 1"), syncing, bind("", "s"), syncing).then("need"),
			leased().asks(parse(shared(1), "select 1"), syncing),
			server(parsed, ready('I')).tells(parsed, ready('I')).then("need release"),
			leased().asks(bind("", shared(1)), syncing),
			answers(bound, ready('I')).then("release"),
		)},
		{"and is not there if it has failed", transactionMode, steps(
			client(parse("s", "selekt"), syncing, bind("", "s"), syncing).then("need"),
			leased().asks(parse(shared(1), "selekt"), syncing),
			server(failure("42601", "no"), ready('I')).tells(failure("42601", "no"), ready('I')).then("need release"),
			leased().asks(bind("", "s"), syncing),
		)},
		{"what waits is flushed out of the backend", transactionMode, steps(
			client(parse("s", "select 1"), syncing, parse("", "select 2"), bind("", "s"), syncing).then("need"),
			anyLease(),
			answers(parsed),
			step{do: func(r *rig) {
				r.server(ready('I') + parsed)
				if !strings.Contains(r.toServer, bind("", shared(1))) {
					r.t.Fatalf("the Bind is not sent: %s", show(r.toServer))
				}
				r.toServer, r.toClient = "", ""
			}},
		)},
		{"names in errors are the client's", transactionMode, steps(
			prepared,
			client(run("s")...).then("need"),
			anyLease(),
			server(failure("08P01", `bind message supplies 0 parameters, but prepared statement "`+shared(1)+`" requires 1`), ready('I')).
				tells(failure("08P01", `bind message supplies 0 parameters, but prepared statement "s" requires 1`), ready('I')).then("release"),
		)},
		{"a name that only begins like a shared one is not the client's", transactionMode, steps(
			prepared,
			client(run("s")...).then("need"),
			anyLease(),
			answers(failure("XX000", shared(1)+"0"), ready('I')).then("release"),
		)},
		{"parts of a Bind behind its name stream through", transactionMode, steps(
			prepared,
			step{do: func(r *rig) {
				value := strings.Repeat("x", 3*MaxMessage)
				r.client(message('B', "p\x00s\x00", value) + syncing)
				if r.flags() != "need" {
					r.t.Fatal("no backend is asked for")
				}
				r.lease()
				mustEqual(r.t, "the Bind", r.toServer, message('B', "p\x00", shared(1), "\x00", value)+syncing)
				r.toServer = ""
			}},
		)},
		{"a Describe or Close that PostgreSQL would complain of is passed on", transactionMode, steps(
			begin(message('D', "Ss\x00x"), message('C', "Xs\x00"), message('C'), message('D', "S")),
		)},
		{"a Parse that ends within its name is passed on", transactionMode, steps(
			begin(message('P', "name"), syncing),
			answers(failure("08P01", "invalid string in message"), ready('I')).then("release"),
		)},
		{"statement mode has them too", statementMode, steps(
			client(parse("s", "select 1"), syncing).then("need"),
			leased().asks(parse(shared(1), "select 1"), syncing),
			answers(parsed, ready('I')).then("release"),
		)},
		{"with session_state off, too", unwatched, steps(
			client(parse("s", "select 1"), syncing).then("need"),
			leased().asks(parse(shared(1), "select 1"), syncing),
			answers(parsed, ready('I')).then("release"),
		)},
	})
}

// TestStatementsAreSharedByClients: what one client has prepared on a backend
// the next need not prepare; but nobody has the other's names.
func TestStatementsAreSharedByClients(t *testing.T) {
	a := newRig(t, &transactionMode)
	b := newMember(t, a.s.config)
	b.link = a.link
	a.client(parse("mine", "select 1") + syncing)
	a.lease()
	a.server(parsed + ready('I'))
	b.client(parse("yours", "select 1") + syncing)
	b.lease()
	mustEqual(t, "to the server", b.toServer, syncing)
	mustEqual(t, "to the client", b.toClient, parsed)
	b.server(ready('I'))
	b.flags()
	b.toServer = ""
	b.client(bind("", "mine") + syncing)
	b.lease()
	mustEqual(t, "another's name", b.toServer, bind("", "mine")+syncing)
	if n := b.link.Prepared(); n != 1 {
		t.Errorf("the backend has %d statements", n)
	}
	if a.total.Parses != 1 || a.total.ServerParses != 1 || b.total.Parses != 1 || b.total.ServerParses != 0 {
		t.Errorf("%d and %d statements were prepared by clients, %d and %d on the server",
			a.total.Parses, b.total.Parses, a.total.ServerParses, b.total.ServerParses)
	}
}

// TestManyNamesInTurnTakeNoMemory: a client may prepare and close as many as
// it likes.
func TestManyNamesInTurnTakeNoMemory(t *testing.T) {
	c := few(10)
	r := newRig(t, &c)
	for i := range 3 * follow.MaxUnused {
		name := "s" + strconv.Itoa(i)
		r.client(parse(name, "select "+name) + closing("S", name) + syncing)
		r.lease()
		all, _ := frames(r.toServer)
		r.toServer, r.need = "", false
		answer := ""
		for _, m := range all {
			answer += map[byte]string{'P': parsed, 'C': closed, 'S': ready('I')}[m[0]]
		}
		r.server(answer)
		r.flags()
		mustEqual(t, name, r.toClient, parsed+closed+ready('I'))
		r.toClient = ""
	}
	if n := r.link.Prepared(); n != 10 {
		t.Errorf("the backend has %d statements, and may have 10", n)
	}
	if n := r.s.config.Shared.Statements.Len(); n > follow.MaxUnused {
		t.Errorf("the pool keeps %d statements", n)
	}
	if len(r.s.byName) != 0 || len(r.link.ops) != 0 || cap(r.link.ops) > 1000 {
		t.Errorf("the client has %d names, and %d changes are under way, in a list of %d", len(r.s.byName), len(r.link.ops), cap(r.link.ops))
	}
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
			got += strconv.Itoa(reg.Uses(text))
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

// TestALongParseOfATakenNameIsRefusedInItsPlace: it is not kept, and the statement of
// that name may not be on this backend.
func TestALongParseOfATakenNameIsRefusedInItsPlace(t *testing.T) {
	r := newRig(t, &transactionMode)
	r.client(parse("a", "select 1") + syncing)
	r.lease()
	r.server(parsed + ready('I'))
	r.flags()
	r.link = newLink()
	r.toServer, r.toClient = "", ""
	long := parse("a", "select '"+strings.Repeat("x", maxGathered)+"'")
	r.client(parse("", "select 2") + bind("", "") + execute("", 0) + long[:maxGathered/2])
	r.lease()
	r.client(long[maxGathered/2:] + syncing)
	r.toClient = ""
	r.server(parsed + bound + row("2") + complete("SELECT 1") + failure("26000", `prepared statement "`+refusedName+`" does not exist`) + ready('I'))
	all, _ := frames(r.toClient)
	types := ""
	for _, m := range all {
		types += m[:1]
	}
	if types != "12DCEZ" || !strings.Contains(r.toClient, "42P05") {
		t.Errorf("the client is told %s", show(r.toClient))
	}
}
