package wire

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// databaseCases are texts with the databases that they need for themselves.
var databaseCases = []struct {
	sql  string
	want string // with commas
}{
	{"", ""},
	{"select 1", ""},
	{"drop", ""},
	{"drop database", ""},
	{"drop database;", ""},
	{"drop table database", ""},
	{"drop schema d", ""},
	{"database d", ""},
	{"select 'drop database d'", ""},
	{"drop database d", "d"},
	{"DROP DATABASE D;", "d"},
	{"/* a */ drop -- b\n database /* c; */ d;", "d"},
	{" ; ; drop database d", "d"},
	{`drop database "D d"`, "D d"},
	{`drop database "a""b"`, `a"b`},
	{`drop database U&"d"`, "d"},
	{`drop database U&"\0064"`, ""},
	{`drop database ""`, ""},
	{`drop database "d`, ""},
	{"drop database if exists d", "d"},
	{"drop database if", "if"},
	{"drop database if exists", ""},
	{"drop database d with (force)", "d"},
	{"drop database " + strings.Repeat("x", 70), strings.Repeat("x", 63)},
	{"drop database d\x00\x00\x01;drop", "d"},
	{"drop database a; drop database b", "a,b"},
	{"drop ; drop database b", "b"},
	{"drop database if; drop database b", "if,b"},
	{"begin; alter database a rename to b; commit", "a"},
	{"select ';'; drop database d", "d"},
	{"select 'drop database c'; drop database d", "d"},
	{"select 1; -- drop database c;\n drop database d", "d"},

	{"alter database d rename to e", "d"},
	{"alter database d set tablespace t", "d"},
	{`Alter Database "D" Rename To e`, "D"},
	{"alter database d set work_mem = 1", ""},
	{"alter database d set", ""},
	{"alter database d", ""},
	{"alter database", ""},
	{"alter database d owner to o", ""},
	{"alter database d connection limit 5", ""},
	{"alter database d set work_mem = 1; alter database e rename to f", "e"},
	{"alter table rename to t", ""},

	{"create database d", "template1"},
	{"create database d;", "template1"},
	{"create database", ""},
	{"create database 'd'", ""},
	{"create table t ()", ""},
	{"create database d template t", "t"},
	{"create database d template = t", "t"},
	{"CREATE DATABASE d WITH TEMPLATE T", "t"},
	{`create database d template "T"`, "T"},
	{"create database d template 'T'", "T"},
	{"create database d template E'a\\'b'", "a'b"},
	{`create database d "template" t`, "t"},
	{`create database d "TEMPLATE" t`, "template1"},
	{"create database d template default", "template1"},
	{`create database d template "default"`, "default"},
	{"create database d owner template", "template1"},
	{"create database d owner = template template = t", "t"},
	{"create database d owner o template t encoding 'UTF8'", "t"},
	{"create database d with owner = o encoding = 'UTF8' connection limit = -1 template = t", "t"},
	{"create database d connection limit -1 template t", "t"},
	{"create database d connection_limit +1 template t", "t"},
	{"create database d allow_connections true is_template false template t oid 5", "t"},
	{"create database d encoding 6 template t", "t"},
	{"create database template", "template1"},
	{"create database with with template with", "with"},
	{"create database d template", "template1"},
	{"create database d template =; drop database e", "template1,e"},
	{"create database d template 'open", ""},
	{"create database a template b; create database c; drop database if exists b", "b,template1,b"},
}

func TestDatabasesFindsWhatAStatementNeedsForItself(t *testing.T) {
	for _, c := range databaseCases {
		if got := strings.Join(Databases([]byte(c.sql), false), ","); got != c.want {
			t.Errorf("%q: %q, not %q", c.sql, got, c.want)
		}
	}
	const escaped = `create database d template 'a\'b'`
	if got := Databases([]byte(escaped), true); len(got) != 1 || got[0] != "a'b" {
		t.Errorf("with standard_conforming_strings = off: %q", got)
	}
}

// checkDatabases checks what holds for any text.
func checkDatabases(t *testing.T, sql string, nonconforming bool) {
	t.Helper()
	names := Databases([]byte(sql), nonconforming)
	if hints, _ := Read([]byte(sql), nil, nonconforming); names != nil && hints&(HintDrop|HintDDL) == 0 {
		t.Fatalf("%q: %q, and Scan has seen no DROP, ALTER or CREATE", sql, names)
	}
	if slices.Contains(names, "") {
		t.Fatalf("%q: a name is empty: %q", sql, names)
	}
	if nonconforming {
		return
	}
	behind := Databases([]byte("drop database d;"+sql), false)
	if len(behind) == 0 || behind[0] != "d" {
		t.Fatalf("%q: behind another statement %q", sql, behind)
	}
	if names != nil && !slices.Equal(behind[1:], names) {
		t.Fatalf("%q: %q alone, %q behind another statement", sql, names, behind)
	}
}

func FuzzDatabases(f *testing.F) {
	for _, c := range databaseCases {
		f.Add([]byte(c.sql), false)
		f.Add([]byte(c.sql), true)
	}
	f.Fuzz(func(t *testing.T, text []byte, nonconforming bool) {
		checkDatabases(t, string(text), nonconforming)
	})
}

func TestDatabasesOfTextsPutTogetherAtRandom(t *testing.T) {
	pieces := []string{
		" ", " ", " ", "\n", ";", ";", ";", "=", "(", "'", `"`, `\`, "$", "$$", "--", "/*", "*/", "e'", `u&"`, "\x00", "-", "é", "1", "d",
		"drop ", "alter ", "create ", "database ", "drop database ", "alter database ", "create database ", "if ", "exists ", "with ",
		"rename ", "set ", "tablespace ", "template ", "connection ", "limit ", "default ", "'t' ", `"T" `, "owner ",
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 200_000 {
		var b strings.Builder
		for range 1 + r.IntN(14) {
			b.WriteString(pieces[r.IntN(len(pieces))])
		}
		checkDatabases(t, b.String(), r.IntN(2) == 0)
	}
}

func TestDatabasesTakesLinearTime(t *testing.T) {
	for _, piece := range []string{";", ";/*", "drop/*", ";drop/*", ";drop/*;", "--", ";--", ";drop database d", "drop database U&\"a\"/*", "$a", "$a$b", "'", "create database d template ", ";alter database d/*"} {
		sql := []byte("drop database d;" + strings.Repeat(piece, 1<<20/len(piece)))
		for _, text := range [][]byte{sql, sql[len("drop database d;"):]} {
			start := time.Now()
			Databases(text, false)
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("a megabyte of %q took %v", piece, took)
			}
		}
	}
}

func TestATextWithoutDatabasesIsTurnedAwayWithoutAllocating(t *testing.T) {
	for _, sql := range []string{"select abalance from accounts where aid = 1", "begin; select 1; commit", "drop table t", "create table t ()"} {
		text := []byte(sql)
		if n := testing.AllocsPerRun(100, func() { Databases(text, false) }); n != 0 {
			t.Errorf("%q: %v allocations", sql, n)
		}
	}
}

func BenchmarkDatabases(b *testing.B) {
	for _, sql := range []string{"select abalance from accounts where aid = 1", "/* a request of an application's */ select 1;"} {
		text := []byte(sql)
		b.Run(sql, func(b *testing.B) {
			for b.Loop() {
				Databases(text, false)
			}
		})
	}
}
