package wire

import (
	"strings"
	"testing"
)

func TestSingleCountsStatements(t *testing.T) {
	for _, c := range []struct {
		sql  string
		want bool
	}{
		{"select 1", true},
		{"select 1;", true},
		{"select 1 ; ; -- x\n /* y */ ;", true},
		{"; select 1", true},
		{"select ';' || $$;$$ || E'\\';' || \";\" -- ;\n /* ; */", true},
		{"create rule r as on insert to t do also (insert into u values (1); delete from v)", true},
		{"", false},
		{" -- x\n ;", false},
		{"select 1; select 2", false},
		{"select 1;;x", false},
		{"select 1); select 2", false},
		{"begin; commit;", false},
		{`select '\'; select 2 --'`, false},
	} {
		if got := Single([]byte(c.sql), false); got != c.want {
			t.Errorf("Single(%q) = %t", c.sql, got)
		}
	}
	if !Single([]byte(`select '\'; select 2 --'`), true) {
		t.Error("a backslash does not escape with standard_conforming_strings = off")
	}
}

func TestLeadsFindsTheFirstKeyWord(t *testing.T) {
	for _, c := range []struct {
		sql, word string
		want      bool
	}{
		{"SELECT 1", "select", true},
		{"/* x */ ( -- y\n (Select 1))", "select", true},
		{"; commit", "commit", true},
		{"selected", "select", false},
		{`"select"`, "select", false},
		{"'select'", "select", false},
		{"", "select", false},
		{"(", "select", false},
	} {
		if got := Leads([]byte(c.sql), c.word); got != c.want {
			t.Errorf("Leads(%q, %q) = %t", c.sql, c.word, got)
		}
	}
}

func TestQuoteIdentDoublesQuotes(t *testing.T) {
	if got := string(QuoteIdent([]byte("x "), `a"b`)); got != `x "a""b"` {
		t.Error(got)
	}
}

func TestIdentifiersAreCutBetweenCharacters(t *testing.T) {
	for _, c := range []struct {
		name string
		want int
	}{
		{strings.Repeat("x", 63), 63},
		{strings.Repeat("x", 64), 63},
		{strings.Repeat("é", 32), 62},
		{strings.Repeat("€", 21), 63},
		{strings.Repeat("€", 22), 63},
		{"x" + strings.Repeat("€", 21), 61},
		{strings.Repeat("😀", 16), 60},
		{strings.Repeat("x", 62) + "😀", 62},
		{strings.Repeat("\xff", 64), 63},
	} {
		if got := clipIdent([]byte(c.name)); string(got) != c.name[:c.want] {
			t.Errorf("%q is cut to %d bytes, not %d", c.name, len(got), c.want)
		}
	}
}
