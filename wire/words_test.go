package wire

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestScanFindsTheWordsThatTouchSessionState(t *testing.T) {
	for _, c := range []struct {
		sql  string
		want Hints
	}{
		{"", 0},
		{"select 1", 0},
		{";;;", 0},

		// SET
		{"SET search_path = x", HintSet},
		{"sEt\tsearch_path TO x", HintSet},
		{"set session work_mem = '1MB'", HintSet},
		{"set role joe", HintSet},
		{"set session authorization joe", HintSet},
		{"set time zone 'UTC'", HintSet},
		{"set names 'UTF8'", HintSet},
		{"set session characteristics as transaction read only", HintSet},
		{"set local work_mem = '1MB'", HintLocal},
		{"SET LOCAL work_mem = '1MB'", HintLocal},
		{"set /* x */ -- y\n local work_mem = '1MB'", HintLocal},
		{"set transaction isolation level serializable", 0},
		{"set constraints all deferred", 0},
		{"set local.guc = 1", HintSet},
		{"set transaction /* */ . guc = 1", HintSet},
		{`set "local" = 1`, HintSet},
		{"set", HintSet},
		{"update t set x = 1", 0},
		{"alter role joe set work_mem = 1", HintDDL},
		{"select 1; set x = 1", HintSet},
		{"select 1;/* a */set x = 1", HintSet},
		{"-- set\nset x = 1", HintSet},
		{"/* a /* b */ set x = 1; */ select 1", 0},
		{"/* a /* b */ c */ set x = 1", HintSet},
		{"select ';set x=1'", 0},
		{`select ";set x=1"`, 0},
		{"select settings", 0},
		{"sett x", 0},
		{"set$ x", 0},
		{"séT x", 0},

		// strings
		{"select 'a''; set x=1; --'", 0},
		{`select 'a\'; set x=1; --'`, HintSet},
		{`select E'a\'; set x=1; --'`, 0},
		{`select e'a''\'; set x=1; --'`, 0},
		{`select E'a\\'; set x=1`, HintSet},
		{`select fee'a\'; set x=1; --'`, HintSet},
		{"select E'a'\n'b\\'; set x=1; --'", 0},
		{"select E'a' -- it's\n 'b\\'; set x=1; --'", 0},
		{"select E'a' 'b\\'; set x=1; --'", HintSet},
		{`select U&'a\'; set x=1; --'`, HintSet},
		{"select $$; set x=1; $$", 0},
		{"select $a$ $b$ $$; set x=1; $a$", 0},
		{"select $a$ $a$; set x=1", HintSet},
		{"select $1; set x=1; select $1", HintSet},
		{"select a$b$; set x=1; $b$", HintSet},
		{"select $é1$; set x=1; $é1$", 0},
		{"select $; set x=1; $", HintSet},
		{"select 1.5e10; set x=1", HintSet},
		{"select 'open; set x=1", 0},
		{"select $$open; set x=1", 0},
		{"select /* open; set x=1", 0},
		{"select -- open; set x=1", 0},
		{"select E'open\\", 0},

		// set_config
		{"select set_config('a', 'b', false)", HintSetConfig},
		{"select set_config('a', 'b', true)", HintLocal},
		{"select SET_CONFIG ( 'a' , 'b' , /* x */ TRUE )", HintLocal},
		{"select pg_catalog.set_config('a', 'b', true)", HintLocal},
		{`select "set_config"('a', 'b', true)`, HintLocal},
		{`select "set_config"('a', 'b', false)`, HintSetConfig},
		{"select set_config('a', 'b', $1)", HintSetConfig},
		{"select set_config('a', 'b', true and false)", HintSetConfig},
		{"select set_config('a', 'b', 't')", HintSetConfig},
		{"select set_config('a', 'b')", HintSetConfig},
		{"select set_config", HintSetConfig},
		{"select set_config(", HintSetConfig},
		{"select set_config('a', 'b', true", HintSetConfig},
		{"select set_config('a,,(', f(1, 2, array[3, 4]), true)", HintLocal},
		{`select set_config(E'\',', $q$,$q$ || "x,", true)`, HintLocal},
		{"select set_config('a', set_config('b', 'c', false), true)", HintSetConfig | HintLocal},
		{"select set_config('a', set_config('b', 'c', true), true)", HintLocal},
		{"select set_config(1.5, -- ,\n 'x', true)", HintLocal},
		{"select 'set_config'", 0},

		// the others that open a statement
		{"reset all", HintReset},
		{"alter role joe reset all", HintDDL},
		{"discard all", HintDiscard},
		{"listen c", HintListen},
		{"notify c", HintNotify},
		{"unlisten *", HintUnlisten},
		{"prepare p as select 1", HintPrepare},
		{"prepare transaction 'x'", 0},
		{"PREPARE /* */ TRANSACTION 'x'", 0},
		{"deallocate all", HintDeallocate},
		{"close all", HintClose},
		{"drop table t", HintDrop},
		{"alter table t drop column c", HintDDL},
		{"load 'x'", HintLoad},
		{"do $$ begin end $$", HintDo},
		{"insert into t values (1) on conflict do nothing", 0},
		{"call p()", HintCall},
		{"begin; listen c; commit; deallocate x", HintListen | HintDeallocate | HintExplicit},

		// functions, anywhere
		{"select pg_advisory_lock(1)", HintAdvisoryLock},
		{"select PG_ADVISORY_LOCK_SHARED(1)", HintAdvisoryLock},
		{"select pg_try_advisory_lock(1)", HintAdvisoryLock},
		{"select pg_try_advisory_lock_shared(1)", HintAdvisoryLock},
		{"select pg_advisory_xact_lock(1)", 0},
		{"select pg_try_advisory_xact_lock_shared(1)", 0},
		{"select pg_advisory_unlock(1)", HintAdvisoryUnlock},
		{"select pg_advisory_unlock_shared(1)", HintAdvisoryUnlock},
		{"select pg_advisory_unlock_all()", HintAdvisoryUnlock},
		{`select "pg_advisory_lock"(1)`, HintAdvisoryLock},
		{`select U&"pg\005fadvisory_lock"(1)`, HintSetConfig | HintAdvisoryLock | HintTemp |
			HintSequence | HintDblink | HintShowsPrepared | HintShowsChannels | HintNotify | HintCancelBackend | HintTerminateBackend | HintBackendPID},
		{`select 1&"x"`, 0},
		{"select nextval('s')", 0},
		{"select lastval()", HintSequence},
		{"select currval('s'), setseed(0)", HintSequence},
		{"select dblink_connect('x')", HintDblink},
		{"select * from dblink('x', 'y')", HintDblink},
		{"select * from dblin", 0},

		// temporary things
		{"create temp table t (x int)", HintTemp | HintDDL},
		{"CREATE TEMPORARY SEQUENCE s", HintTemp | HintDDL},
		{"create or replace temp view v as select 1", HintTemp | HintDDL},
		{"create local temp table t (x int)", HintTemp | HintDDL},
		{"create global temporary table t (x int)", HintTemp | HintDDL},
		{"create /* x */ temp table t (x int)", HintTemp | HintDDL},
		{"select 1 into temp t", HintTemp},
		{"create table pg_temp.t (x int)", HintTemp | HintDDL},
		{`create table "pg_temp".t (x int)`, HintTemp | HintDDL},
		{"select * from pg_temp_3.t", HintTemp},
		{"select temp from weather", 0},
		{`select "temp" from weather`, 0},

		// cursors
		{"declare c cursor with hold for select 1", HintHold},
		{"declare c cursor without hold for select 1", 0},
		{"select hold from t", 0},

		// prepared statements
		{"prepare transaction as select 1", HintPrepare},
		{"prepare transaction /* x */ (int) as select 1", HintPrepare},
		{"prepare transaction", 0},
		{"prepare transaction E'as'", 0},
		{"execute p", HintExecute},
		{"EXPLAIN (ANALYZE, VERBOSE) EXECUTE p(1)", HintExecute},
		{"create table t as execute p", HintExecute | HintDDL},
		{"grant execute on function f() to joe", 0},
		{"REVOKE /* x */ EXECUTE on function f() from joe", 0},
		{"select 1 as revoke; execute p", HintExecute},
		{"explain (grant) execute p", HintExecute},
		{"create trigger g after insert on t execute function f()", HintExecute | HintDDL},
		{`select "execute", 'execute' -- execute`, 0},
		{"select executed", 0},
		{"select * from pg_prepared_statements", HintShowsPrepared},
		{`select * from pg_catalog."pg_prepared_statements"`, HintShowsPrepared},
		{"select * from PG_PREPARED_STATEMENT()", HintShowsPrepared},
		{"select * from pg_prepared_xacts", 0},

		// notifications
		{"notify c, 'x'", HintNotify},
		{"select notify from t", 0},
		{"select pg_notify('c', 'x')", HintNotify},
		{`select pg_catalog . "pg_notify"('c', 'x')`, HintNotify},
		{"select pg_listening_channels()", HintShowsChannels},
		{"select 'pg_listening_channels'", 0},

		// structure and transactions
		{"create index on t (x)", HintDDL},
		{"select 1; ALTER table t rename to u", HintDDL},
		{"comment on table create is 'x'", 0},
		{"begin", HintExplicit},
		{"START TRANSACTION", HintExplicit},
		{"/* x */ commit", HintExplicit},
		{"end", HintExplicit},
		{"rollback to savepoint a", HintExplicit},
		{"abort", HintExplicit},
		{"savepoint a", HintExplicit},
		{"release a", HintExplicit},
		{"select case when x then y end, start, release from t", 0},
		{`"begin"`, 0},
	} {
		if got := Scan([]byte(c.sql)) &^ (HintMeaning | HintCatalog); got != c.want {
			t.Errorf("Scan(%q) = %b, want %b", c.sql, got, c.want)
		}
	}
}

func TestScanNonconformingReadsBackslashesInEveryString(t *testing.T) {
	for _, c := range []struct {
		sql  string
		want Hints
	}{
		{`select 'a\'; set x=1; --'`, 0},
		{`select 'a\''; set x=1; --'`, HintSet},
		{`select set_config('\',', 'b', true)`, HintLocal},
		{`select "a\"; set x=1`, HintSet},
	} {
		if got := scanNonconforming([]byte(c.sql)) &^ (HintMeaning | HintCatalog); got != c.want {
			t.Errorf("scanNonconforming(%q) = %b, want %b", c.sql, got, c.want)
		}
	}
}

func TestEveryHintWordIsFoundInEitherCase(t *testing.T) {
	found := func(w hintWord, text string, atStart bool) bool {
		word := []byte(text)
		return mayBeWord(word, atStart) && lookUp(word, atStart) == w.hint
	}
	for _, w := range append(startWords, anyWords...) {
		texts := []string{w.text, strings.ToUpper(w.text)}
		if prefix, ok := strings.CutSuffix(w.text, "*"); ok {
			texts = []string{prefix, strings.ToUpper(prefix), prefix + strings.Repeat("x", 100)}
		}
		for _, text := range texts {
			if !found(w, text, true) {
				t.Errorf("%s is not found where a statement starts", text)
			}
		}
	}
	for _, w := range anyWords {
		if word := strings.TrimSuffix(w.text, "*"); !found(w, word, false) {
			t.Errorf("%s is not found in the midst of a statement", word)
		}
	}
	for _, w := range startWords {
		if found(w, w.text, false) {
			t.Errorf("%s is found in the midst of a statement", w.text)
		}
	}
}

func TestScanTakesLinearTimeOnNestedCalls(t *testing.T) {
	const depth = 20000
	nested := strings.Repeat("set_config('a',", depth) + "'x'" + strings.Repeat(",true)", depth)
	start := time.Now()
	Scan([]byte(nested))
	// Quadratic time would be a minute; linear is a few milliseconds.
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("%d nested calls took %v", depth, took)
	}
}

func scanNonconforming(sql []byte) Hints {
	hints, _ := Read(sql, nil, true)
	return hints
}

func FuzzScan(f *testing.F) {
	for _, s := range []string{
		"", "select 1; set x = 'y'", `select E'a\'`, "$a$ $a", "/* /* */", "--", "U&\"x\"",
		"set_config('a', $$b$$, true)", "prepare transaction", "'", `"`, "E'a'\n'b", "set", "1e", "$1a",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, sql []byte) {
		before := bytes.Clone(sql)
		h := Scan(sql)
		Read(sql, nil, true)
		if !bytes.Equal(before, sql) {
			t.Fatal("Scan changed its argument")
		}
		// A text that is put behind a whole statement reads as before.
		if got := Scan(append([]byte("select 1 /* x */;"), sql...)); got != h {
			t.Fatalf("%b alone, %b as the second statement", h, got)
		}
		// What comes after a text can add hints. It takes none away but where
		// it completes a last word or call.
		if got := Scan(append(bytes.Clone(sql), ";"...)); got != h {
			t.Fatalf("%b alone, %b with a semicolon", h, got)
		}
	})
}

var benchSQL = []struct{ name, sql string }{
	{"select", "SELECT abalance FROM pgbench_accounts WHERE aid = 12345;"},
	{"long", strings.Repeat(`select o.id, o.created_at, c."name", coalesce(sum(i.price * i.quantity), 0) as total
  from orders o join customers c on c.id = o.customer_id left join items i on i.order_id = o.id
  where o.state in ('open', 'paid', 'shipped') and c.country = $1 and o.created_at >= $2
  group by o.id, o.created_at, c."name" order by total desc limit 100 /* report */`, 10)},
	{"literal", "insert into t values ('" + strings.Repeat("x", 4000) + "')"},
}

func BenchmarkScan(b *testing.B) {
	for _, c := range benchSQL {
		b.Run(c.name, func(b *testing.B) {
			sql := []byte(c.sql)
			b.SetBytes(int64(len(sql)))
			b.ReportAllocs()
			for b.Loop() {
				Scan(sql)
			}
		})
	}
}
