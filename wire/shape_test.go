package wire

import (
	"encoding/binary"
	"testing"
)

func shapeOf(sql string, types ...uint32) Shape {
	var oids []byte
	for _, t := range types {
		oids = binary.BigEndian.AppendUint32(oids, t)
	}
	_, s := Read([]byte(sql), oids, false)
	return s
}

func TestTextsThatDifferInConstantsOnlyHaveOneShape(t *testing.T) {
	for _, c := range [][]string{
		{"select 1", "SELECT 2", "select /* x */ 3 -- y", "\tSeLeCt\n17\n"},
		{"select * from t where a = 'x'", "select * from T where A = E'\\'y'", "select  *  from t where a=$$z$$", "select * from t where a = null"},
		{"select f(1)", "select f( 2147483647 )", "select F(0)"},
		{"select a from t where b in (1)", "select a from t where b in (1, 2, 3)", "select a from t where b IN ( 4,5 )"},
		{"select array[1]", "select array[1, 2]", "select ARRAY [3,4,5]"},
		{"insert into t values (1, 'a')", "insert into t values (1, 'a'), (2, 'b')", "insert into t values (3, 'c'),(4,'d'),(5,null)"},
		{"select $1", "select $2"},
		{"select true", "select false"},
	} {
		for _, sql := range c[1:] {
			if shapeOf(sql) != shapeOf(c[0]) {
				t.Errorf("%q and %q have different shapes", c[0], sql)
			}
		}
	}
}

func TestTextsThatMayDoOtherThingsHaveOtherShapes(t *testing.T) {
	texts := []string{
		"", "select", "select a", "select b", `select "a"`, `select "A"`, "select a.b", "select ab",
		"select f(1)", "select f(1, 2)", "select f('a')", "select f(1.5)", "select f(2147483648)", "select abcdefgh", "select abcdefghi", "select aabcdefgh",
		"select f(true)", "select f($1)", "select f()", "select g(1)", "select abcdefghabcdefgh", "select abcdefgh abcdefgh", "select s.f(1)", "select f(1.0, 2)", "select f(2, 1.0)",
		"select a = -1", "select a =- 1", "select a = - 1 - 2", "select 1 === 2", "select 1 == = 2",
		"insert into t values (1)", "insert into t values (1, 2)", "insert into t values ('a')", "insert into t values (1), (2, 3)",
		"insert into t values (default)", "insert into t values (f(1))", "insert into t values (1), (f(1))",
		"insert into t (a) values (1)", "insert into t (b) values (1)",
		"select a from t where b in (f(1))", "select a from t where b in (1) or c in (2)", "select a from t where b in (1.5)",
		"select 1; select 1", "select 1; select f(1)", "begin", "commit", "select array[f(1), 2]",
		"select $1::int", "select row(1, 2)", "select row(1)", "select (1)", "select (1), (2)", "select ((1))",
		"select 'a' 'b'", "select b'1'", "select nullx", "select trues",
	}
	seen := map[Shape]string{}
	for _, sql := range texts {
		s := shapeOf(sql)
		if s == 0 {
			t.Errorf("%q has no shape", sql)
		}
		if other, ok := seen[s]; ok {
			t.Errorf("%q and %q have one shape", sql, other)
		}
		seen[s] = sql
	}
}

func TestTheTypeOfAParameterIsPartOfTheShape(t *testing.T) {
	const sql = "select f($1, $2)"
	if shapeOf(sql, 23, 25) == shapeOf(sql, 25, 23) || shapeOf(sql, 23) == shapeOf(sql) {
		t.Error("parameters of other types make no other shape")
	}
	if one, other := shapeOf(sql, 23, 25), shapeOf(sql, 23, 25); one != other {
		t.Error("parameters of the same types make another shape")
	}
}

func TestATextWhoseNamesCannotBeReadHasNoShape(t *testing.T) {
	if s := shapeOf(`select U&"\0061"()`); s != 0 {
		t.Errorf("shape %x, want none", s)
	}
}

func TestHintMeaningIsOfSettingsThatSayWhatNamesMean(t *testing.T) {
	for _, c := range []struct {
		sql  string
		want bool
	}{
		{"set search_path = a", true}, {"set local search_path to a", true}, {"set session search_path = a", true},
		{"SET ROLE joe", true}, {"set local role joe", true}, {"set session authorization joe", true}, {"set local session authorization joe", true},
		{"set schema 'a'", true}, {"reset search_path", true}, {"reset all", true}, {"reset role", true},
		{`set "search_path" = a`, true}, {`set local "x" = a`, true}, {"set row_security = off", true}, {"set session_replication_role = replica", true},
		{"select set_config('search_path', $1, true)", true}, {"select set_config($1, $2, true)", true},
		{"select set_config('role'::text, 'x', true)", true}, {"select set_config('a' || 'b', 'x', true)", true},
		{"select \"set_config\"($1, 'x', true)", true}, {"select set_config(E'role', 'x', true)", true},
		{"select set_config('app.tenant', $1, true)", false}, {"set local app.tenant = '1'", false}, {"set work_mem = '1MB'", false},
		{"reset work_mem", false}, {"set search_path.x = 1", false}, {"set transaction read only", false}, {"update t set role = 1", false},
	} {
		if got := Scan([]byte(c.sql))&HintMeaning != 0; got != c.want {
			t.Errorf("%q: %v, want %v", c.sql, got, c.want)
		}
	}
	if BodyHints([]byte("begin set local role joe; end"))&HintMeaning == 0 {
		t.Error("a function that sets its role for the transaction has no such hint")
	}
}

func TestHintCatalogIsNotOfTemporaryThings(t *testing.T) {
	for sql, want := range map[string]bool{
		"create table t ()": true, "alter table t add c int": true, "create or replace function f() returns int language sql as ''": true,
		"create temp table t ()": false, "create or replace temporary view v as select 1": false, "create local temp table t ()": false, "drop table t": false,
		"grant usage on schema s to joe": true, "revoke joe from ann": true, "REASSIGN OWNED BY joe TO ann": true, "import foreign schema s from server v into p": true,
		"select 1 as a into t": true, "with x as (select 1) select * into unlogged t from x": true, "select 1 into temp t": false, "select 1 into temporary t": false,
		"insert into t select 1": false, "merge into t using u on true when matched then delete": false, `select "into", 'into'`: false,
		"explain (analyze, costs off) create table t as select 1": true, "explain analyze verbose create materialized view v as select 1": true,
		"explain analyze select 1 into t": true, "explain select 1": false, "explain": false, "explain (": false, "select grant_, explain": false,
	} {
		if got := Scan([]byte(sql))&HintCatalog != 0; got != want {
			t.Errorf("%q: %v, want %v", sql, got, want)
		}
	}
}

// TestIntoOfAFunctionFillsAVariable, but for that of other texts.
func TestIntoOfAFunctionFillsAVariable(t *testing.T) {
	for body, want := range map[string]bool{
		"begin select a into b from t; return b; end": false, "begin execute q into b; end": false,
		"begin if a then grant joe to ann; end if; end": true, "begin create table t as select 1; end": true,
	} {
		if got := BodyHints([]byte(body))&HintCatalog != 0; got != want {
			t.Errorf("%q: %v, want %v", body, got, want)
		}
	}
}

func FuzzShape(f *testing.F) {
	for _, s := range append(nameSeeds, "insert into t values (1,'a'),(2,null)", "select f(1) in (1,2)", "a(b(c(", ")))[[", "in(values(1),(2)),(", "$1$2$", "values(1,") {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, sql []byte) {
		_, s := Read(sql, nil, false)
		if _, again := Read(sql, nil, false); again != s {
			t.Fatalf("%q has two shapes", sql)
		}
		if _, with := Read(append([]byte(" /* x */\n"), sql...), nil, false); with != s {
			t.Fatalf("%q has another shape behind a comment", sql)
		}
		Read(sql, sql, true)
	})
}
