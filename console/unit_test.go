package console

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgtype"

	"pgweir/status"
	"pgweir/wire"
)

func TestSplitTakesATextApartIntoStatements(t *testing.T) {
	for text, want := range map[string][][]string{
		"":                               nil,
		" ; ;; ":                         nil,
		"-- only a comment":              nil,
		"/* a */ /* b /* c */ */":        nil,
		"show pools":                     {{"show", "pools"}},
		"SHOW POOLS;SHOW LISTS":          {{"SHOW", "POOLS"}, {"SHOW", "LISTS"}},
		"set a='x;''y'; b":               {{"set", "a", "=", "x;'y"}, {"b"}},
		`set "a ""b""" to c`:             {{"set", `a "b"`, "to", "c"}},
		"a--b\nc/**/d":                   {{"a", "c", "d"}},
		"set t = 10.5s":                  {{"set", "t", "=", "10.5s"}},
		"set h=db.example:5432,b":        {{"set", "h", "=", "db.example:5432", ",", "b"}},
		"kill_client -1":                 {{"kill_client", "-1"}},
		"\tshow\r\n\v\fversion":          {{"show", "version"}},
		"sh\u00f6w \xff":                 {{"sh\u00f6w", "\xff"}},
		"''":                             {{""}},
		"a - b / c":                      {{"a", "-", "b", "/", "c"}},
		strings.Repeat("a;", 3):          {{"a"}, {"a"}, {"a"}},
		"show pools /* x; y */ ; -- end": {{"show", "pools"}},
	} {
		statements, err := split(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		var got [][]string
		for _, st := range statements {
			var words []string
			for _, tok := range st.tokens {
				words = append(words, tok.text)
			}
			got = append(got, words)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%q: want %q, got %q", text, want, got)
		}
	}
	for _, text := range []string{"'", `"`, "'a''", "/*", "/* /* */", "a; 'b", `"a""`, "/*/"} {
		if statements, err := split(text); err == nil {
			t.Errorf("%q is no text, but was split into %v", text, statements)
		} else if e, ok := err.(*wire.Error); !ok || e.Code != wire.CodeSyntaxError {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestNearestFindsWhatWasMeantAndNothingElse(t *testing.T) {
	names := []string{"pools", "clients", "servers", "set", "stats_totals"}
	for typed, want := range map[string]string{
		"pools": "pools", "pool": "pools", "polos": "pools", "poolz": "pools", "serverss": "servers",
		"clinets": "clients", "stat_total": "stats_totals",
		"se": "", "x": "", "": "", "vacuum": "", "cents": "", "poolssss": "",
	} {
		if got := nearest(typed, names); got != want {
			t.Errorf("%q: want %q, got %q", typed, want, got)
		}
	}
}

func TestBinaryValuesAreReadByPgxAsTheirTextIs(t *testing.T) {
	types := pgtype.NewMap()
	for _, oid := range []uint32{oidInt4, oidInt8, oidNumeric} {
		for _, n := range []int64{0, 1, -1, 9999, 10000, 10001, -100000000, 123456789, 100020003,
			math.MaxInt32, math.MinInt32, math.MaxInt64, math.MinInt64, 1e16, 5e18} {
			if oid == oidInt4 && int64(int32(n)) != n {
				continue
			}
			var binary, text int64
			if err := types.Scan(oid, pgtype.BinaryFormatCode, appendBinary(nil, oid, value{number: n}), &binary); err != nil {
				t.Fatalf("type %d, %d: %v", oid, n, err)
			}
			if err := types.Scan(oid, pgtype.TextFormatCode, appendText(nil, oid, value{number: n}), &text); err != nil {
				t.Fatalf("type %d, %d: %v", oid, n, err)
			}
			if binary != n || text != n {
				t.Errorf("type %d: %d is %d in binary and %d in text", oid, n, binary, text)
			}
		}
	}
	for _, f := range []float64{0, 9.38, 1e9} {
		var binary, text float64
		if err := types.Scan(oidFloat8, pgtype.BinaryFormatCode, appendBinary(nil, oidFloat8, value{real: f}), &binary); err != nil {
			t.Fatal(err)
		}
		if err := types.Scan(oidFloat8, pgtype.TextFormatCode, appendText(nil, oidFloat8, value{real: f}), &text); err != nil {
			t.Fatal(err)
		}
		if binary != f || text != f {
			t.Errorf("%g is %g in binary and %g in text", f, binary, text)
		}
	}
}

func TestBinaryInt4OfTooGreatANumberIsTheGreatest(t *testing.T) {
	for n, want := range map[int64]string{1 << 40: "\x7f\xff\xff\xff", -1 << 40: "\x80\x00\x00\x00"} {
		if got := string(appendBinary(nil, oidInt4, value{number: n})); got != want {
			t.Errorf("%d: %x", n, got)
		}
	}
}

func TestStateIsWhatTheConsoleHasSaidOfAllDatabases(t *testing.T) {
	for mode, want := range map[status.Mode]string{
		status.Active: "yes no no", status.Paused: "no yes no", status.Suspended: "no no yes",
	} {
		r := stateTable.read(&status.Snapshot{Mode: mode, Databases: []status.Database{{Name: "app", Paused: true}}})
		if got := r.cell(0, 1).text + " " + r.cell(1, 1).text + " " + r.cell(2, 1).text; got != want {
			t.Errorf("%s: %s", mode, got)
		}
	}
}

func TestUnknownMemoryIsNullAndNever0(t *testing.T) {
	s := fixture()
	s.Savings.BackendMemory, s.Savings.MemorySaved, s.Savings.MemorySource = -1, -1, "unknown"
	r := savingsTable.read(s)
	fields := savingsTable.fields()
	for row := range r.rows {
		for column, f := range fields {
			v := r.cell(row, column)
			if strings.Contains(f.name, "_bytes") && !v.null {
				t.Errorf("row %d: %s is %d", row, f.name, v.number)
			}
			if f.name == "memory_source" && v.text != "unknown" {
				t.Errorf("row %d: the source is %s", row, v.text)
			}
		}
	}
}

func TestWelcomeSaysWhatDriversLookFor(t *testing.T) {
	b := Welcome(nil, "pgweir", "0.1.0")
	got := make(map[string]string)
	for len(b) > 0 {
		typ, total := wire.Header(b)
		name, value, err := wire.DecodeParameterStatus(b[wire.HeaderLen:total])
		if typ != 'S' || err != nil {
			t.Fatalf("%q: %v", b[:total], err)
		}
		got[string(name)] = string(value)
		b = b[total:]
	}
	want := map[string]string{"server_version": "0.1.0/pgweir", "client_encoding": "UTF8", "server_encoding": "UTF8",
		"DateStyle": "ISO, MDY", "TimeZone": "GMT", "standard_conforming_strings": "on", "integer_datetimes": "on",
		"is_superuser": "on"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
}

func TestTheEngineIsShownWithWhyItIsNotIOUring(t *testing.T) {
	for _, c := range []struct {
		engine status.Engine
		want   string
	}{
		{status.Engine{Name: "io_uring", Loops: 4}, "[{io_engine io_uring}]"},
		{status.Engine{Name: "epoll", Loops: 4, Reason: "it is forbidden"}, "[{io_engine epoll} {io_engine_reason it is forbidden}]"},
		{status.Engine{Name: "io_uring", Loops: 4, Retreated: 1, Reason: "it has failed"},
			"[{io_engine io_uring} {io_engine_reason it has failed} {io_engine_retreated 1 of 4 event loops}]"},
	} {
		if got := fmt.Sprint(engineRows(&c.engine)); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
	if r := memTable.read(&status.Snapshot{Engine: status.Engine{Name: "epoll", Loops: 4}}); r.rows != 0 {
		t.Errorf("%d rows without a ring", r.rows)
	}
}
