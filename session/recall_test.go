package session

import (
	"strings"
	"testing"

	"pgweir/session/follow"
	"pgweir/wire"
)

func recalling(c *Config) { c.Recalls = true }

// prepares has the client say something, and tells whether that takes a backend,
// which answers then.
func (r *rig) prepares(d *database, answer string, said ...string) (asked bool) {
	r.t.Helper()
	r.toServer, r.toClient = "", ""
	r.client(strings.Join(said, ""))
	if r.need {
		r.need, asked = false, true
		r.lease()
		if strings.Contains(r.toServer, guard) {
			r.server(complete("SET") + complete("SET") + complete("RESET") + ready('I'))
		}
		r.toServer = ""
		r.server(answer)
		r.answersAll(d)
		r.flags()
	}
	if r.toClient != answer {
		r.t.Fatalf("the client reads\n%s\nwant\n%s", show(r.toClient), show(answer))
	}
	return asked
}

const someSQL = "select a from t"

var (
	preparing = []string{parse("s", someSQL), describe("S", "s"), syncing}
	prepared  = parsed + noParams + columns + ready('I')
)

// recallRig is a client of a pool in which another has prepared a statement.
func recallRig(t *testing.T, d *database, change ...func(*Config)) *rig {
	t.Helper()
	r := catalogRig(t, d, append(change, recalling)...)
	if !r.prepares(d, prepared, preparing...) {
		t.Fatal("what nobody has prepared is known")
	}
	return r.member()
}

func TestWhatAnotherHasPreparedIsAnsweredWithoutABackend(t *testing.T) {
	d := aDatabase()
	for name, said := range map[string]struct {
		messages []string
		answer   string
	}{
		"Parse":                            {[]string{parse("x", someSQL), syncing}, parsed + ready('I')},
		"Parse and Describe":               {[]string{parse("x", someSQL), describe("S", "x"), syncing}, prepared},
		"with Flush":                       {[]string{parse("x", someSQL), flush, describe("S", "x"), flush, syncing}, prepared},
		"and Close":                        {[]string{parse("x", someSQL), closing("S", "x"), syncing}, parsed + closed + ready('I')},
		"under two names":                  {[]string{parse("x", someSQL), parse("y", someSQL), describe("S", "x"), syncing}, parsed + prepared},
		"and once more behind the Close":   {[]string{parse("x", someSQL), closing("S", "x"), parse("x", someSQL), describe("S", "x"), syncing}, parsed + closed + prepared},
		"under a name that is cut":         {[]string{parse(longName+"x", someSQL), describe("S", longName+"y"), syncing}, prepared},
		"in two transactions, one by one":  {[]string{parse("x", someSQL), syncing, describe("S", "x"), syncing}, parsed + ready('I') + noParams + columns + ready('I')},
		"a Close of it in one of its own":  {[]string{parse("x", someSQL), syncing, closing("S", "x"), syncing}, parsed + ready('I') + closed + ready('I')},
		"behind a Sync that ends nothing":  {[]string{syncing, parse("x", someSQL), syncing}, ready('I') + parsed + ready('I')},
		"behind the Close of a known name": {[]string{parse("x", someSQL), syncing, closing("S", "x"), parse("x", someSQL), syncing}, parsed + ready('I') + closed + parsed + ready('I')},
	} {
		r := recallRig(t, d)
		if r.prepares(d, said.answer, said.messages...) {
			t.Errorf("%s takes a backend", name)
		}
		if r.s.Phase() != Idle || r.total.Queries+r.total.Transactions+r.total.ServerParses > 0 || r.total.Parses == 0 || r.asked != r.answered {
			t.Errorf("%s: phase %d, counted %+v", name, r.s.Phase(), r.total)
		}
		all := strings.Join(said.messages, "")
		if want := strings.Count(all, someSQL) - strings.Count(said.answer, closed); r.s.Prepared() != want {
			t.Errorf("%s: the client has %d names, want %d", name, r.s.Prepared(), want)
		}
		r.s.Gone(&r.o)
		r.s.Forget()
		if r.s.namedBytes != 0 {
			t.Errorf("%s: %d bytes of names are left", name, r.s.namedBytes)
		}
	}
}

// TestABatchIsAnsweredAsAWhole: what is not known takes all of it to a backend, and
// leaves nothing behind here.
func TestABatchIsAnsweredAsAWhole(t *testing.T) {
	d := aDatabase()
	taken := failure("42P05", `prepared statement "x" already exists`) + ready('I')
	for name, said := range map[string]struct {
		messages []string
		answer   string
	}{
		"another text":             {[]string{parse("x", someSQL), parse("y", "select b from t"), syncing}, parsed + parsed + ready('I')},
		"other types":              {[]string{message('P', "x\x00"+someSQL+"\x00\x00\x01\x00\x00\x00\x17"), syncing}, parsed + ready('I')},
		"a name that is taken":     {[]string{parse("x", someSQL), parse("x", someSQL), syncing}, parsed + taken},
		"a Describe of no name":    {[]string{parse("x", someSQL), describe("S", "y"), syncing}, parsed + missing("y") + ready('I')},
		"a Close of no name":       {[]string{parse("x", someSQL), closing("S", "y"), syncing}, parsed + closed + ready('I')},
		"the unnamed statement":    {[]string{parse("x", someSQL), parse("", someSQL), syncing}, parsed + parsed + ready('I')},
		"a portal":                 {[]string{parse("x", someSQL), closing("P", "p"), syncing}, parsed + closed + ready('I')},
		"a Bind":                   {[]string{parse("x", someSQL), bind("", "x"), syncing}, parsed + bound + ready('I')},
		"a Sync with something in": {[]string{parse("x", someSQL), message('S', "x")}, failure("08P01", "invalid message format") + ready('I')},
		"more than may be":         {[]string{parse("x", someSQL), strings.Repeat(describe("S", "x"), maxRecalled), syncing}, parsed + strings.Repeat(noParams+columns, maxRecalled) + ready('I')},
	} {
		r := recallRig(t, d)
		uses := r.s.config.Shared.Statements.Uses(someSQL)
		r.client(strings.Join(said.messages, ""))
		if got := r.flags(); got != "need" || r.toClient != "" || r.s.Prepared() != 0 || r.s.config.Shared.Statements.Uses(someSQL) != uses {
			t.Errorf("%s: flags %q, answered %s, %d names", name, got, show(r.toClient), r.s.Prepared())
		}
	}
	r := recallRig(t, d)
	for i, part := range []string{parse("x", someSQL)[:9], parse("x", someSQL)[9:]} {
		r.client(part)
		if got, want := r.flags(), []string{"", "need"}[i]; got != want {
			t.Errorf("without its Sync: flags %q, want %q", got, want)
		}
	}
}

// TestABackendIsAskedWhereItMightSayOtherwise goes through what may make a
// statement another, or say that it is not known whether it is.
func TestABackendIsAskedWhereItMightSayOtherwise(t *testing.T) {
	for name, does := range map[string]func(d *database, other, r *rig){
		"the pool has several servers": func(d *database, other, r *rig) { r.s.config.Recalls = false },
		"nothing is watched":           func(d *database, other, r *rig) { r.s.config.State = StateOff },
		"named statements are refused": func(d *database, other, r *rig) { r.s.config.MaxPrepared = 0 },
		"a client changes objects":     func(d *database, other, r *rig) { other.runs(d, "alter table t add b int") },
		"by a DO":                      func(d *database, other, r *rig) { other.runs(d, "do $$begin alter table t add b int; end$$") },
		"by GRANT":                     func(d *database, other, r *rig) { other.runs(d, "grant usage on schema s to joe") },
		"by SELECT INTO":               func(d *database, other, r *rig) { other.runs(d, "select 1 as a into t") },
		"one does and goes on in a block": func(d *database, other, r *rig) {
			other.client(query("begin; alter table t add b int"))
			other.flags()
			other.lease()
			other.server(complete("BEGIN") + complete("ALTER TABLE") + ready('T'))
			other.client(query("commit and chain"))
			other.server(complete("COMMIT") + ready('T'))
		},
		"a function is called that may be anybody's": func(d *database, other, r *rig) {
			other.client(message('F', "\x00\x00\x40\x00\x00\x00\x00\x00\x00\x00"))
			other.flags()
			other.lease()
			other.server(message('V', "\xff\xff\xff\xff") + ready('I'))
		},
		"one is at it behind others, and its pipeline goes on": func(d *database, other, r *rig) {
			other.client(query("drop table t") + query("select 1"))
			other.flags()
			other.lease()
			other.server(complete("DROP TABLE") + ready('I'))
		},
		"objects have changed past pgweir": func(d *database, other, r *rig) {
			d.digest = "2"
			r.s.config.Catalog.Due()
			other.runs(d, "select 1")
		},
		"nobody has looked for two seconds": func(d *database, other, r *rig) {
			r.s.config.Catalog.Due()
			r.s.config.Catalog.Due()
		},
		"its DateStyle is another":   func(d *database, _, r *rig) { r.s.vars = r.s.vars.With(wire.VarDateStyle, "German") },
		"its encoding is another":    func(d *database, _, r *rig) { r.s.vars = r.s.vars.With(wire.VarClientEncoding, "LATIN1") },
		"its search_path":            func(d *database, _, r *rig) { r.s.settings = settingsOf("search_path", "x") },
		"its role":                   func(d *database, _, r *rig) { r.s.settings = settingsOf(follow.NameRole, "x") },
		"a setting of the planner":   func(d *database, _, r *rig) { r.s.settings = settingsOf("xmloption", "document") },
		"it has backends of its own": func(d *database, _, r *rig) { r.s.Apart() },
		"it listens":                 func(d *database, _, r *rig) { r.s.more().channels = []string{"c"} },
		"it has the name":            func(d *database, _, r *rig) { r.prepares(d, prepared, preparing...) },
		"the columns are others somewhere": func(d *database, other, r *rig) {
			other.link = newLink()
			other.client(bind("", "s") + execute("", 0) + syncing)
			other.lease()
			other.server(parsed + noParams + otherColumns)
		},
	} {
		d := aDatabase()
		other := catalogRig(t, d, recalling)
		other.prepares(d, prepared, preparing...)
		other.flags()
		r := other.member()
		does(d, other, r)
		r.flags()
		r.client(strings.Join(preparing, ""))
		if got := r.flags(); got != "need" {
			t.Errorf("%s, and it is answered: %s", name, show(r.toClient))
		}
	}
}

func settingsOf(name, value string) *follow.Settings {
	return follow.NewSettings([]wire.Param{{Name: name, Value: value}})
}

// TestWhatOneClientAloneIsToldIsNotKept: behind something that has run, the answer may be about
// objects that nobody else has.
func TestWhatOneClientAloneIsToldIsNotKept(t *testing.T) {
	for name, c := range map[string]struct {
		before string
		answer string
		sql    string
		link   func(l *Link)
	}{
		"in a block":                           {before: query("begin"), answer: complete("BEGIN") + ready('T')},
		"behind another statement":             {before: query("select f(1)"), answer: complete("SELECT 1") + ready('I')},
		"behind a Bind":                        {before: parse("", "select f(1)") + bind("", "") + execute("", 0), answer: parsed + bound + complete("SELECT 1")},
		"on a backend with startup parameters": {link: func(l *Link) { l.variant = 7 }},
		"on a standby":                         {link: func(l *Link) { l.Params = []wire.Param{{Name: "in_hot_standby", Value: "on"}} }},
		"a text with hints":                    {sql: "select set_config('my.x', 'y', false)"},
		"an error":                             {sql: "selekt"},
	} {
		d := aDatabase()
		r := catalogRig(t, d, recalling)
		if c.link != nil {
			c.link(r.link)
		}
		sql := c.sql
		if sql == "" {
			sql = someSQL
		}
		r.client(c.before + parse("s", sql) + describe("S", "s") + syncing)
		r.flags()
		r.lease()
		said := prepared
		if sql == "selekt" {
			said = failure("42601", "syntax error") + ready('I')
		}
		if strings.HasSuffix(c.answer, ready('T')) {
			said = said[:len(said)-1] + "T"
		}
		r.server(c.answer + said)
		if st := r.s.config.Shared.Statements.Find(r.s.reading(), []byte(sql+"\x00\x00\x00")); st != nil && st.Known(r.s.changes()) != nil {
			t.Errorf("%s: it is kept", name)
		}
	}
}

// TestAStatementThatIsKnownFromOthersRunsAnywhere: it is prepared ahead of the Bind,
// and an error there is the client's.
func TestAStatementThatIsKnownFromOthersRunsAnywhere(t *testing.T) {
	d := aDatabase()
	run := bind("", "x") + describe("P", "") + execute("", 0) + syncing
	for _, fails := range []bool{false, true} {
		r := recallRig(t, d)
		if r.prepares(d, prepared, parse("x", someSQL), describe("S", "x"), syncing) {
			t.Fatal("it is not known")
		}
		r.toClient = ""
		r.client(run)
		r.flags()
		r.lease()
		name := r.s.byName["x"].st.Name
		if want := parse(name, someSQL) + strings.Replace(run, bind("", "x"), bind("", name), 1); r.toServer != want {
			t.Fatalf("the backend is sent\n%s\nwant\n%s", show(r.toServer), show(want))
		}
		said, want := parsed+bound+columns+row("1")+complete("SELECT 1")+ready('I'), bound+columns+row("1")+complete("SELECT 1")+ready('I')
		if fails {
			said = failure("42P01", `relation "t" does not exist`) + ready('I')
			want = said
		}
		r.server(said)
		if r.toClient != want {
			t.Errorf("the client reads\n%s\nwant\n%s", show(r.toClient), show(want))
		}
	}
}

// TestColumnsThatAClientWasToldWithoutABackendMustBeThoseOfItsBackend: it reads what comes as those.
func TestColumnsThatAClientWasToldWithoutABackendMustBeThoseOfItsBackend(t *testing.T) {
	d := aDatabase()
	r := recallRig(t, d)
	r.prepares(d, prepared, parse("x", someSQL), describe("S", "x"), syncing)
	r.toClient, r.toServer = "", ""
	r.client(bind("", "x") + execute("", 0) + syncing)
	r.flags()
	r.lease()
	name := r.s.byName["x"].st.Name
	if want := parse(name, someSQL) + describe("S", name) + flush; r.toServer != want {
		t.Fatalf("the backend is sent\n%s\nwant\n%s", show(r.toServer), show(want))
	}
	r.server(parsed + noParams + otherColumns)
	r.server(missing(refusedName) + ready('I'))
	if want := changedHere + ready('I'); r.toClient != want {
		t.Errorf("the client reads\n%s\nwant\n%s", show(r.toClient), show(want))
	}
	if r.s.byName["x"].st.Known(r.s.changes()) != nil {
		t.Error("what was wrong is kept")
	}
}

// TestAnAnswerWithoutABackendTakesNoMemory but for the name.
func TestAnAnswerWithoutABackendTakesNoMemory(t *testing.T) {
	d := aDatabase()
	r := recallRig(t, d)
	all := []byte(parse("x", someSQL) + describe("S", "x") + syncing + closing("S", "x") + syncing)
	step := func() {
		r.o.Reset()
		if n := r.s.Client(all, &r.o); n != len(all) || len(r.o.Effects) > 0 {
			t.Fatalf("%d of %d bytes, effects %v", n, len(all), r.o.Effects)
		}
	}
	step()
	if n := testing.AllocsPerRun(100, step); n > 2 { // what the name stands for, and the name
		t.Errorf("%v allocations", n)
	}
	unnamed := []byte(parse("", someSQL))
	if n := testing.AllocsPerRun(100, func() { r.s.recall(unnamed, &r.o) }); n > 0 {
		t.Errorf("%v allocations for the unnamed statement", n)
	}
}

// TestWhatAClientIsToldAtOnceIsBounded: it may not read what it asks for.
func TestWhatAClientIsToldAtOnceIsBounded(t *testing.T) {
	d := aDatabase()
	r := recallRig(t, d)
	r.prepares(d, prepared, parse("x", someSQL), describe("S", "x"), syncing)
	const asked = 10000
	in := []byte(strings.Repeat(describe("S", "x")+syncing, asked))
	most := maxTold + len(prepared)
	answers, steps := 0, 0
	for len(in) > 0 {
		r.o.Reset()
		n := r.s.Client(in, &r.o)
		in = in[n:]
		told := string(r.o.ToClient.Bytes())
		answers += strings.Count(told, columns)
		if steps++; len(told) > most || r.o.More != (len(in) > 0) || n == 0 {
			t.Fatalf("step %d tells %d bytes, more is %v, and %d bytes are left", steps, len(told), r.o.More, len(in))
		}
	}
	if answers != asked || steps < 2 {
		t.Errorf("%d of %d answers in %d steps", answers, asked, steps)
	}
}

func TestAnswersToDescribesAreBounded(t *testing.T) {
	var all follow.Statements
	vars := startVars
	now := follow.Reading{Vars: &vars}
	var first *follow.Statement
	for i := range 2000 {
		st := all.Get(now, now, []byte(strings.Repeat("x", i)+"\x00\x00\x00"))
		all.Learn(st, &follow.Known{Described: make([]byte, follow.MaxDescribed)})
		if i == 0 {
			first = st
		}
		if st.Known(0) == nil || st.Known(0).Described == nil {
			t.Fatalf("the answer number %d is not kept", i)
		}
	}
	if n := all.DescribedBytes(); n > 4<<20 || n < 3<<20 {
		t.Errorf("%d bytes are kept", n)
	}
	if k := first.Known(0); k == nil || k.Described != nil {
		t.Errorf("of the first %+v is kept", k)
	}
}
