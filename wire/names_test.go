package wire

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

var kindNames = map[NameKind]string{
	NamePrepare: "prepare", NameExecute: "execute", NameDeallocate: "deallocate",
	NameDeallocateAll: "deallocate-all", NameSet: "set", NameReset: "reset",
	NameSetConfig: "config", NameSetConfigUnknown: "config?", NameLocal: "local", NameListen: "listen",
	NameUnlisten: "unlisten", NameUnlistenAll: "unlisten-all",
	NameLoad: "load",
}

var kindHints = map[NameKind]Hints{
	NamePrepare: HintPrepare, NameExecute: HintExecute, NameDeallocate: HintDeallocate,
	NameDeallocateAll: HintDeallocate, NameSet: HintSet, NameReset: HintReset,
	NameSetConfig: HintSetConfig, NameSetConfigUnknown: HintSetConfig, NameLocal: HintLocal | HintSetConfig, NameListen: HintListen,
	NameUnlisten: HintUnlisten, NameUnlistenAll: HintUnlisten,
	NameLoad: HintLoad,
}

func namesOf(sql string, nonconforming bool) (names []Name) {
	Names([]byte(sql), nonconforming, func(n Name) { names = append(names, n) })
	return names
}

func bodyNamesOf(body string) (names []Name) {
	BodyNames([]byte(body), func(n Name) { names = append(names, n) })
	return names
}

// spelled writes names as "kind text@where", a blank between.
func spelled(sql string, names []Name) string {
	var s []string
	for _, n := range names {
		s = append(s, fmt.Sprintf("%s %s@%s", kindNames[n.Kind], n.Text, sql[n.Start:n.End]))
	}
	return strings.Join(s, ", ")
}

func TestNamesFindsWhatAStatementNames(t *testing.T) {
	long := strings.Repeat("x", 70)
	accents := strings.Repeat("é", 40) // 80 bytes; 31 characters fit into 63
	for _, c := range []struct{ sql, want string }{
		{"", ""},
		{"select 1", ""},

		// PREPARE
		{"prepare p as select 1", "prepare p@p"},
		{"PREPARE /* x */ Foo (int, text) AS select $1", "prepare foo@Foo"},
		{`prepare "Foo ""x""" as select 1`, `prepare Foo "x"@"Foo ""x"""`},
		{`prepare U&"foo" as select 1`, `prepare foo@U&"foo"`},
		{`prepare U&"fo\006f" as select 1`, ""},
		{`prepare U&"fo!006f" UESCAPE '!' as select 1`, ""},
		{"prepare É as select 1", "prepare É@É"},
		{"prepare a$1 as select 1", "prepare a$1@a$1"},
		{"prepare transaction 'x'", ""},
		{"prepare transaction as select 1", "prepare transaction@transaction"},
		{"prepare " + long + " as select 1", "prepare " + long[:63] + "@" + long},
		{`prepare "` + long + `" as select 1`, "prepare " + long[:63] + `@"` + long + `"`},
		{"prepare " + accents + " as select 1", "prepare " + accents[:62] + "@" + accents},
		{`prepare "" as select 1`, ""},
		{`prepare "open`, ""},
		{`prepare "a""`, ""},
		{"prepare", ""},
		{"prepare 'x'", ""},
		{"prepare 1", ""},
		{"prepare p", "prepare p@p"},
		{"select 1 prepare p", ""},

		// EXECUTE
		{"execute p", "execute p@p"},
		{"execute p(1, 'execute q')", "execute p@p"},
		{"execute function; execute function(1)", "execute function@function, execute function@function"},
		{"explain execute p", "execute p@p"},
		{"explain analyze verbose execute p", "execute p@p"},
		{"EXPLAIN (ANALYZE, FORMAT json, COSTS (off)) EXECUTE P", "execute p@P"},
		{"explain (analyze; execute p", "execute p@p"},
		{"explain (select execute) execute p", "execute p@p"},
		{"explain select execute from t", ""},
		{"create table t as execute p", "execute p@p"},
		{"create temp table if not exists t (a, b) with (x = 1) on commit drop as execute p(1) with data", "execute p@p"},
		{"explain analyze create unlogged table t as execute p", "execute p@p"},
		{"create table t as select x as execute from y", ""},
		{"create view v as execute p", ""},
		{"create table t as; execute p", "execute p@p"},
		{"grant execute on function f() to joe", ""},
		{"create trigger g after update on t referencing new table as execute for each row execute function f()", ""},
		{"create trigger g after insert on t execute procedure f()", ""},
		{"select 1 as execute", ""},

		// DEALLOCATE
		{"deallocate p", "deallocate p@p"},
		{"deallocate prepare P", "deallocate p@P"},
		{`deallocate prepare "all"`, `deallocate all@"all"`},
		{"deallocate all", "deallocate-all @all"},
		{"DEALLOCATE PREPARE ALL", "deallocate-all @ALL"},
		{"deallocate prepare", "deallocate prepare@prepare"},
		{"deallocate prepare; select 1", "deallocate prepare@prepare"},
		{"deallocate -- x\n p", "deallocate p@p"},
		{"deallocate", ""},

		// SET
		{"set search_path = a, b", "set search_path@search_path"},
		{"SET Search_Path TO a", "set search_path@Search_Path"},
		{"set session work_mem = 1", "set work_mem@work_mem"},
		{"set session session authorization joe", "set session_authorization@session authorization"},
		{"set my.Var = 1", "set my.var@my.Var"},
		{"set session my . /* x */ var to 1", "set my.var@my . /* x */ var"},
		{`set "My"."Var" = 1`, `set my.var@"My"."Var"`},
		{"set session.x = 1", "set session.x@session.x"},
		{"set session characteristics.x = 1", "set characteristics.x@characteristics.x"},
		{
			"set session session characteristics as transaction deferrable",
			"set default_transaction_isolation@session characteristics, " +
				"set default_transaction_read_only@session characteristics, " +
				"set default_transaction_deferrable@session characteristics",
		},
		{"set local.x = 1", "set local.x@local.x"},
		{"set a.b.c = 1", "set a.b.c@a.b.c"},
		{"set local x = 1", "local x@x"},
		{"set local time zone 1", "local timezone@time zone"},
		{"set transaction read only", ""},
		{"set transaction read only", ""},
		{"set session transaction read only", ""},
		{"set constraints all deferred", ""},
		{"set time zone 'UTC'", "set timezone@time zone"},
		{"set TimeZone = 'UTC'", "set timezone@TimeZone"},
		{"set names 'UTF8'", "set client_encoding@names"},
		{"set session names default", "set client_encoding@names"},
		{"set schema 'x'", "set search_path@schema"},
		{"set xml option document", "set xmloption@xml option"},
		{"set role joe", "set role@role"},
		{"set role to joe", "set role@role"},
		{"set role = joe", "set role@role"},
		{"set session authorization default", "set session_authorization@session authorization"},
		{
			"set session characteristics as transaction read only",
			"set default_transaction_isolation@session characteristics, " +
				"set default_transaction_read_only@session characteristics, " +
				"set default_transaction_deferrable@session characteristics",
		},
		{`set U&"my\002evar" = 1`, `config? @U&"my\002evar"`},
		{`set U&"x" = 1`, `set x@U&"x"`},
		{"set x", "set x@x"},
		{"set", ""},
		{"set my.", ""},
		{"set 'x' = 1", ""},
		{"update t set x = 1", ""},
		{"alter role joe set x = 1", ""},
		{"begin; set x = 1; set y = 2; commit", "set x@x, set y@y"},
		{"set É.x = 1", "set É.x@É.x"},

		// RESET
		{"reset x", "reset x@x"},
		{"reset My.Var", "reset my.var@My.Var"},
		{"RESET ALL", "reset all@ALL"},
		{"reset time zone", "reset timezone@time zone"},
		{"reset session authorization", "reset session_authorization@session authorization"},
		{"reset transaction isolation level", "reset transaction_isolation@transaction isolation"},
		{"reset role", "reset role@role"},
		{"reset", ""},

		// set_config
		{"select set_config('My.var', 'b', false)", "config my.var@'My.var'"},
		{"select set_config('a', 'b', true)", "local a@'a'"},
		{"select set_config(n, 'b', true)", "local @set_config"},
		{"select pg_catalog . SET_CONFIG /* x */ ( -- y\n 'a' , 'b', $1)", "config a@'a'"},
		{`select "set_config"('a', 'b', false)`, "config a@'a'"},
		{`select U&"set_config"('a', 'b', false)`, "config a@'a'"},
		{`select U&"set\005fconfig"('a', 'b', false)`, `config? @U&"set\005fconfig"`},
		{`select U&"set!005fconfig" uescape '!' ('a', 'b', false)`, `config? @U&"set!005fconfig"`},
		{`select U&"\0061"`, ""},
		{`select "SET_CONFIG"('a', 'b', false)`, ""},
		{"select set_config('a'::text, 'b', false)", "config a@'a'"},
		{"select set_config('a'::name, 'b', false)", "config? @set_config"},
		{"select set_config('a' || 'b', 'b', false)", "config? @set_config"},
		{"select set_config($1, $2, false)", "config? @set_config"},
		{"select set_config(setting_name => 'a', 'b', false)", "config? @set_config"},
		{"select set_config($q$a$q$, 'b', false)", "config a@$q$a$q$"},
		{"select set_config($$a$$, 'b', false)", "config a@$$a$$"},
		{`select set_config(E'a\'\\\n', 'b', false)`, "config a'\\\n@" + `E'a\'\\\n'`},
		{`select set_config(E'\x61', 'b', false)`, "config? @set_config"},
		{`select set_config('a\', 'b', false)`, `config a\@'a\'`},
		{"select set_config('it''s', 'b', false)", "config it's@'it''s'"},
		{"select set_config('a'\n'b', 'c', false)", "config? @set_config"},
		{"select set_config(E'a'\n'b', 'c', false)", "config? @set_config"},
		{"select set_config(U&'a', 'c', false)", "config? @set_config"},
		{"select set_config(N'a', 'c', false)", "config? @set_config"},
		{"select set_config('a', set_config('b', 'c', false), true)", "local a@'a', config b@'b'"},
		{"select set_config(set_config('b', 'c', false), 'a', false)", "config? @set_config, config b@'b'"},
		{"select set_config('a", "config? @set_config"},
		{"select set_config($$a", "config? @set_config"},
		{"select set_config(", "config? @set_config"},
		{"select set_config", ""},
		{"select 'set_config(''a'', 1, false)'", ""},
		{"explain (select set_config('a', 'b', false))", "config a@'a'"},
		{"set x = 1; select set_config('y', 'b', false)", "set x@x, config y@'y'"},

		// channels
		{"listen C", "listen c@C"},
		{"load 'a''b'; LOAD $x$c$x$", "load a'b@'a''b', load c@$x$c$x$"},
		{"load 'a'\n'b'; load a; load", "load @'a', load @load, load @load"},
		{"select load 'a'", ""},
		{`listen "C"; unlisten "C"`, `listen C@"C", unlisten C@"C"`},
		{"unlisten *", "unlisten-all @*"},
		{"unlisten /* x */ *;", "unlisten-all @*"},
		{"listen", ""},

		// strings, comments, bodies
		{"select ';set x = 1'; -- ;set x = 1\n/* ;set x = 1 */ set y = 1", "set y@y"},
		{"do $$ begin set x = 1; end $$", ""},
		{`select E'\'; set x = 1'`, ""},
		{"/* a /* b */ c */ set x = 1", "set x@x"},
	} {
		if got := spelled(c.sql, namesOf(c.sql, false)); got != c.want {
			t.Errorf("Names(%q)\n got %s\nwant %s", c.sql, got, c.want)
		}
	}
}

func TestNamesWithBackslashesReadsThemInEveryString(t *testing.T) {
	for _, c := range []struct{ sql, want string }{
		{`select '\'; set x = 1; --'`, ""},
		{`select '\''; set x = 1; --'`, "set x@x"},
		{`select set_config('a\'', 'b', false)`, `config a'@'a\''`},
	} {
		if got := spelled(c.sql, namesOf(c.sql, true)); got != c.want {
			t.Errorf("Names(%q)\n got %s\nwant %s", c.sql, got, c.want)
		}
	}
}

func TestNamesTakesLinearTime(t *testing.T) {
	const n = 100000
	for _, sql := range []string{
		"set " + strings.Repeat("session ", n),
		"set " + strings.Repeat("a.", n),
		strings.Repeat("explain (", n),
		strings.Repeat("set_config('a',", n) + strings.Repeat(",true)", n),
		strings.Repeat("set_config /* x */ (", n),
		strings.Repeat(`U&"\0061" `, n),
		strings.Repeat("deallocate prepare ", n),
		strings.Repeat("begin set ", n),
	} {
		start := time.Now()
		namesOf(sql, false)
		bodyNamesOf(sql)
		// Quadratic time would be a minute; linear is tens of milliseconds.
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%.30q... took %v", sql, took)
		}
	}
}

// checkNames checks what holds for the names of any text.
func checkNames(t *testing.T, sql string, names []Name, hints Hints) {
	t.Helper()
	last := 0
	for _, n := range names {
		if n.Start < last || n.Start >= n.End || n.End > len(sql) {
			t.Fatalf("%q: %s at %d to %d after %d", sql, kindNames[n.Kind], n.Start, n.End, last)
		}
		last = n.Start
		if hints&kindHints[n.Kind] == 0 {
			t.Fatalf("%q: %s %q has no hint", sql, kindNames[n.Kind], n.Text)
		}
		switch n.Kind {
		case NamePrepare, NameExecute, NameDeallocate, NameListen, NameUnlisten:
		default:
			continue
		}
		if len(n.Text) == 0 || len(n.Text) > maxIdent {
			t.Fatalf("%q: name of %d bytes", sql, len(n.Text))
		}
		for _, ident := range []string{sql[n.Start:n.End], string(QuoteIdent(nil, n.Text))} {
			again := namesOf("deallocate prepare "+ident, false)
			if n.Text == "all" && ident == "all" {
				continue
			}
			if len(again) != 1 || again[0].Text != n.Text {
				t.Fatalf("%q: %q as %s reads as %v", sql, n.Text, ident, again)
			}
		}
	}
}

var nameSeeds = []string{
	"prepare p as select 1; execute p; deallocate p", "explain (analyze) execute \"P\"",
	"create temp table t as execute p", "set session my.var = 1", "reset all", "set time zone 1",
	"select set_config(E'a\\'', $$b$$, false)", `U&"\0061"('a')`, "unlisten *;listen c",
	"set session characteristics as transaction read only", "grant execute", "'\\' ; set x = 1",
	"begin <<a>> set x = 1; end", "set session session authorization", "explain (explain", "prepare \"a\"\"",
}

func FuzzNames(f *testing.F) {
	for _, s := range nameSeeds {
		f.Add([]byte(s), false)
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, text []byte, nonconforming bool) {
		hints := Scan(text)
		if nonconforming {
			hints, _ = Read(text, nil, true)
		}
		sql := string(text)
		names := namesOf(sql, nonconforming)
		checkNames(t, sql, names, hints)
		// Behind a whole statement it reads as before.
		const before = "select 1 /* x */;"
		behind := namesOf(before+sql, nonconforming)
		for i := range behind {
			behind[i].Start -= len(before)
			behind[i].End -= len(before)
		}
		if !slices.Equal(names, behind) {
			t.Fatalf("%q: %v alone, %v as the second statement", sql, names, behind)
		}
		Single(text, nonconforming)
	})
}

// randomSQL makes a text of pieces that matter to Scan and Names. Bytes alone
// would hardly ever make a statement.
func randomSQL(r *rand.Rand) string {
	pieces := []string{
		" ", " ", " ", " ", "\n", ";", ";", "(", ")", ",", ".", "=", "*", "'", "''", `"`, `\`, "$", "$$", "$q$", "&", "::", ">>",
		"--", "/*", "*/", "e'", "E'", "u&\"", "U&", "x", "P", "é", "1", "'a'", "'a',", `"a"`, "true", "false", "true)",
		"set", "session", "local", "transaction", "characteristics", "authorization", "time", "zone", "names", "role",
		"reset", "all", "to", "set_config", "set_config(", "set_config('a',", `"set_config"(`, "prepare", "prepare ", "execute ", "execute", "deallocate ",
		"explain ", "analyze ", "create ", "table ", "temp ", "as ", "as execute ", "grant ", "revoke ", "listen ", "unlisten ", "load ",
		"begin ", "then ", "else ", "loop ", "uescape ", "set x = 1", "; set ", "; execute ", "; prepare ",
	}
	var b strings.Builder
	for range 1 + r.IntN(12) {
		b.WriteString(pieces[r.IntN(len(pieces))])
		if r.IntN(2) == 0 {
			b.WriteByte(' ')
		}
	}
	return b.String()
}

func TestEveryNameHasItsHintInRandomStatements(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	found := map[NameKind]int{}
	for range 200_000 {
		sql := randomSQL(r)
		names := namesOf(sql, false)
		checkNames(t, sql, names, Scan([]byte(sql)))
		checkNames(t, sql, namesOf(sql, true), scanNonconforming([]byte(sql)))
		checkNames(t, sql, bodyNamesOf(sql), BodyHints([]byte(sql)))
		for _, n := range names {
			found[n.Kind]++
		}
	}
	for kind, name := range kindNames {
		if found[kind] == 0 {
			t.Errorf("no %s in all these statements", name)
		}
	}
}
