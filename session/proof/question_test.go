package proof

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"pgweir/wire"
)

// dataRow is the body of a DataRow.
func dataRow(values ...string) []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(len(values)))
	for _, v := range values {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(v))), v...)
	}
	return b
}

func text(q Question) string { return string(q.Append(nil)) }

func TestAQuestionHasTheTextsOfItsParts(t *testing.T) {
	for part, want := range map[Reason]string{
		PartSettings: "'s' ELSE 'w'", PartHash: "SELECT 'e'", PartDigest: "SELECT 'd'", PartLearn: "SELECT 'g'::text", PartDblink: "SELECT 'b', '', '' WHERE public.dblink", PartSlots: "SELECT 'b', '', '' WHERE EXISTS",
		ReasonLock: "SELECT 'l'", ReasonTemp: "SELECT 't'", ReasonCursor: "SELECT 'h'", ReasonPrepared: "SELECT 'p'", ReasonChannels: "SELECT 'c'",
	} {
		one := text(Question{Parts: part, Dblink: "public.dblink_get_connections"})
		if !strings.Contains(one, want) || strings.Contains(one, "$") && part != PartLearn {
			t.Errorf("%s is asked for by %s", want, one)
		}
		all := text(Question{Parts: PartsAll | PartHash | PartDigest | PartLearn | PartDblink | PartSlots, Dblink: "public.dblink_get_connections"})
		if strings.Count(all, want) != 1 {
			t.Errorf("%s occurs %d times in the question about everything", want, strings.Count(all, want))
		}
		if n := strings.Count(text(Question{Parts: part | ReasonCursor | ReasonLock}), "\n UNION ALL SELECT"); n == 0 {
			t.Errorf("parts are not put together with that of %s", want)
		}
	}
}

// TestAQuestionNamesEverythingInFull: a client may have operators and functions
// of its own ahead of PostgreSQL's. What is learned is read under a search_path
// of pgweir's own.
func TestAQuestionNamesEverythingInFull(t *testing.T) {
	sql := text(Question{Parts: PartsAll | PartHash | PartDigest, Names: "{role}", Customs: []string{"my.x"}, Prefix: "p_", User: "joe"})
	sql = strings.Replace(sql, plans, "", 1)
	last := ""
	wire.Tokens([]byte(sql), false, func(kind wire.TokenKind, text []byte) {
		if kind == wire.TokenOperator && last != "operator" && string(text) != "*" {
			t.Errorf("an operator %s behind %q", text, last)
		}
		switch {
		case kind == wire.TokenName && string(text) == "operator":
			last = "operator"
		case kind == wire.TokenName && string(text) != "pg_catalog":
			last = string(text)
		}
		if kind == wire.TokenOperator {
			last = ""
		}
	})
	for _, name := range []string{"current_setting(", "array_agg(", "unnest(", "concat_ws(", "sum(", "count(", "starts_with(", "hashtext(", "pg_locks", "lower(", "pg_settings", "pg_cursors "} {
		if all, full := strings.Count(sql, name), strings.Count(sql, "pg_catalog."+name); all != full || all == 0 {
			t.Errorf("%s occurs %d times, %d of them in full", name, all, full)
		}
	}
}

func TestAQuestionQuotesWhatItIsGiven(t *testing.T) {
	sql := text(Question{Parts: PartsAll | PartHash, Names: "{it's}", Prefix: "p'x_", User: `jo'e\`, Customs: []string{"my.x", "my.y"}})
	for _, want := range []string{"unnest('{it''s}'::", "starts_with(name, 'p''x_')", ` E'jo''e\\'`,
		"SELECT 'k', 'my.x', pg_catalog.current_setting('my.x', true)", "'my.y', true)"} {
		if !strings.Contains(sql, want) {
			t.Errorf("%s is not in %s", want, sql)
		}
	}
}

func TestSettingsThatAreAsResetMakesThemAreListedIfThatIsAskedFor(t *testing.T) {
	if plain := text(Question{Parts: PartSettings}); !strings.Contains(plain, "reset_val") {
		t.Error("all are listed")
	}
	if all := text(Question{Parts: PartSettings, Reset: true}); strings.Contains(all, "reset_val") {
		t.Error("they are not listed")
	}
}

func TestAGuardedQuestionRunsUnderSettingsOfItsOwn(t *testing.T) {
	for _, q := range []Question{{Parts: ReasonLock, Guarded: true}, {Parts: PartLearn}} {
		if !strings.HasPrefix(text(q), "SET LOCAL statement_timeout = 0;") {
			t.Errorf("%.60s", text(q))
		}
	}
	if strings.Contains(text(Question{Parts: PartsAll}), "SET LOCAL") {
		t.Error("a question that was not canceled costs more statements")
	}
}

// TestWhatReadsWholeCatalogsIsPlannedAsPostgreSQLWould, and what is asked about a
// client comes before.
func TestWhatReadsWholeCatalogsIsPlannedAsPostgreSQLWould(t *testing.T) {
	for _, q := range []Question{{Parts: PartLearn}, {Parts: PartDigest}, {Parts: PartDigest, Guarded: true}, {Parts: PartsAll | PartDigest}} {
		before, after, _ := strings.Cut(text(q), plans)
		if strings.Contains(before, "SELECT 'd'") || strings.Contains(before, "SELECT 'g'") || after == "" {
			t.Errorf("%s is read under a client's settings", q.Parts)
		}
		if strings.Contains(after, "pg_prepared_statements") || strings.Contains(after, "SELECT 's'") {
			t.Errorf("%s is asked under settings of pgweir's own", q.Parts)
		}
	}
}

func TestRowsOfAnAnswer(t *testing.T) {
	var a Answer
	null := append(dataRow("s", "x")[2:], 0xff, 0xff, 0xff, 0xff)
	for _, row := range [][]byte{
		dataRow("s", "work_mem", "1024"), dataRow("k", "my.x", ""), append([]byte{0, 3}, null...),
		dataRow("i", "role", "joe"), dataRow("i", "session_authorization", "ann"), dataRow("s", "Lib.Y", "1"),
		dataRow("l", "", ""), dataRow("t", "", ""), dataRow("h", "", ""), dataRow("p", "", ""), dataRow("n", "3", ""),
		dataRow("c", "a", ""), dataRow("c", "b", ""), dataRow("e", "", "on|off"), dataRow("d", "", "1.2.3"),
	} {
		a.Part(row, 0)
	}
	want := []wire.Param{{Name: "work_mem", Value: "1024"}, {Name: "my.x"}, {Name: "role", Value: "joe"}, {Name: "session_authorization", Value: "ann"}, {Name: "Lib.Y", Value: "1"}}
	if !slices.Equal(a.Settings, want) || !slices.Equal(a.Library, []string{"lib.y"}) {
		t.Errorf("the settings are %v, those of libraries %v", a.Settings, a.Library)
	}
	if a.Found != PartsOthers || !slices.Equal(a.Channels, []string{"a", "b"}) || a.Shared != 3 {
		t.Errorf("found %v, channels %q, %d statements", a.Found, a.Channels, a.Shared)
	}
	var other Answer
	other.Part(dataRow("e", "", "on|on"), 0)
	if a.Hash == 0 || a.Hash == other.Hash || a.Digest != "1.2.3" || a.Failed || a.Learned != nil {
		t.Errorf("%+v", a)
	}
	a.Part(dataRow("w", "log_min_messages", "x"), 0)
	a.Part(dataRow("b", "", ""), 0)
	if a.Found != PartsOthers|ReasonSetting|ReasonLibrary || len(a.Settings) != len(want) {
		t.Errorf("found %v", a.Found)
	}
	if a.Part(dataRow("n", "many", ""), 0); !a.Failed {
		t.Error("a number that is none is taken")
	}
}

func TestRowsOfWhatIsLearned(t *testing.T) {
	var a Answer
	for _, kind := range []string{"D", "g", "r", "f", "o", "x", "u", "v"} {
		a.Part(dataRow(kind, "name", "text"), 0)
	}
	if len(a.Learned) != 8 || a.Failed || a.Found != 0 || a.Learned[7] != (Row{'v', "name", "text"}) {
		t.Errorf("%v", a.Learned)
	}
	a.size = maxRows - len(dataRow("f", "name", "text"))
	if a.Part(dataRow("f", "name", "text"), 0); a.Failed || len(a.Learned) != 9 {
		t.Error("less than the bound fails")
	}
	if a.Part(dataRow("f", "name", "text"), 0); !a.Failed || a.Learned != nil {
		t.Error("more than the bound is kept")
	}
}

// TestMalformedRowsSayNothing: rows that no question is answered with.
func TestMalformedRowsSayNothing(t *testing.T) {
	whole := dataRow("s", "work_mem", "1024")
	var bodies [][]byte
	for n := range len(whole) {
		bodies = append(bodies, whole[:n])
	}
	bodies = append(bodies, []byte("\x00\x03\x7f\xff\xff\xffs"), []byte("\x00\x03\x80\x00\x00\x00\x80\x00\x00\x00\x80\x00\x00\x00"),
		dataRow("", "", ""), dataRow("lt", "", ""), dataRow("l"), dataRow("l", "", "", ""))
	for _, body := range bodies {
		var a Answer
		a.Part(body, 0)
		if !a.Failed || a.Found != 0 || a.Settings != nil || a.Channels != nil {
			t.Errorf("%q says something: %+v", body, a)
		}
	}
	var a Answer
	if a.Part(dataRow("?", "a", "b"), 0); a.Failed || a.Found != 0 {
		t.Error("a row of another kind says something")
	}
}

func TestLongRowsComeInParts(t *testing.T) {
	value := strings.Repeat("v", 1000)
	body := dataRow("k", "my.x", value)
	for step := 1; step < len(body); step += 13 {
		var a Answer
		for i := 0; i < len(body); i += step {
			n := min(step, len(body)-i)
			if a.Part(body[i:i+n], len(body)-i-n); a.InRow() != (i+n < len(body)) {
				t.Fatalf("in parts of %d: a row is under way: %v", step, a.InRow())
			}
		}
		if a.Failed || len(a.Settings) != 1 || a.Settings[0].Value != value || a.long != nil {
			t.Fatalf("in parts of %d: %+v", step, a)
		}
	}
	var a Answer
	a.Part(make([]byte, 100), maxRow)
	if !a.Failed || a.long != nil {
		t.Error("a row of any length is kept")
	}
	a.Part(make([]byte, maxRow/2), maxRow/4)
	if a.Part(make([]byte, maxRow/4), 0); !a.Failed {
		t.Error("the end of it is taken for a row")
	}
}

func TestReasonsHaveNames(t *testing.T) {
	if got := (ReasonLock | ReasonChannels | ReasonUnknown).String(); got != "advisory lock, channels, unknown" {
		t.Errorf("%q", got)
	}
	for i, name := range ReasonNames {
		if name == "" {
			t.Errorf("reason %d has no name", i)
		}
	}
	if Reason(0).Names() != nil {
		t.Error("no reason has a name")
	}
	if PartsAll&ReasonUnknown != 0 || PartSettings&(1<<numReasons-1) != 0 {
		t.Error("a part of a question is a reason that it cannot find")
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add(dataRow("s", "work_mem", "1024"), 3)
	f.Add(dataRow("n", "12", ""), 0)
	f.Add([]byte("\x00\x03\x7f\xff\xff\xffs"), 1)
	f.Fuzz(func(t *testing.T, body []byte, cut int) {
		var whole, parts Answer
		whole.Part(body, 0)
		if cut < 0 || cut > len(body) {
			cut = len(body) / 2
		}
		if cut < len(body) {
			parts.Part(body[:cut], len(body)-cut)
		}
		parts.Part(body[cut:], 0)
		if cut == len(body) {
			return // it has come twice
		}
		if whole.Failed != parts.Failed || whole.Found != parts.Found || whole.Hash != parts.Hash || whole.Shared != parts.Shared ||
			!slices.Equal(whole.Settings, parts.Settings) || !slices.Equal(whole.Learned, parts.Learned) {
			t.Errorf("whole it says %+v, cut at %d %+v", whole, cut, parts)
		}
		if n := len(whole.Settings) + len(whole.Channels) + len(whole.Learned); n > 1 || whole.Failed && n > 0 {
			t.Errorf("one row says %+v", whole)
		}
	})
}

// TestWhatALibraryHasDefinedIsNotTheClientsOwn unless it is listed: what was asked for
// by name then has a default.
func TestWhatALibraryHasDefinedIsNotTheClientsOwn(t *testing.T) {
	rows := [][]byte{
		dataRow("k", "my.x", "1"), dataRow("k", "lib.default", "on"), dataRow("m", "Lib.Default", "on"),
		dataRow("k", "lib.mine", "1s"), dataRow("s", "lib.mine", "1000"), dataRow("k", "lib.granted", "2s"), dataRow("w", "lib.granted", "2000"),
	}
	for range 2 {
		var a Answer
		for _, row := range rows {
			a.Part(row, 0)
		}
		slices.SortFunc(a.Settings, func(a, b wire.Param) int { return strings.Compare(a.Name, b.Name) })
		if want := []wire.Param{{Name: "lib.mine", Value: "1000"}, {Name: "my.x", Value: "1"}}; !slices.Equal(a.Settings, want) || a.Found != ReasonSetting {
			t.Errorf("the settings are %v, found %v", a.Settings, a.Found)
		}
		slices.Reverse(rows)
	}
}

// TestUnderOtherTimeoutsTheClientsOwnAreReadBefore: the list that is asked for then
// has them as they were.
func TestUnderOtherTimeoutsTheClientsOwnAreReadBefore(t *testing.T) {
	sql := text(Question{Parts: PartSettings, Guarded: true, User: "postgres"})
	before, behind, ok := strings.Cut(sql, noTimeouts)
	if !ok || before != timeoutsBefore || !strings.Contains(behind, notTimeouts) || !strings.HasSuffix(behind, resets) {
		t.Errorf("the question is %s", sql)
	}
	for _, setting := range []string{"search_path", "client_encoding"} {
		if strings.Contains(sql, "SET LOCAL "+setting) {
			t.Errorf("the client's %s is another in %s", setting, sql)
		}
	}
	for _, c := range []struct {
		was, reset string
		want       []wire.Param
	}{
		{"0", "0", nil},
		{"1ms", "0", []wire.Param{{Name: "lock_timeout", Value: "1"}}},
		{"118s", "0", []wire.Param{{Name: "lock_timeout", Value: "118000"}}},
		{"2min", "120000", nil},
		{"0", "120000", []wire.Param{{Name: "lock_timeout", Value: "0"}}},
		{"3h", "120000", []wire.Param{{Name: "lock_timeout", Value: "10800000"}}},
		{"24d", "0", []wire.Param{{Name: "lock_timeout", Value: "2073600000"}}},
	} {
		var a Answer
		a.Part(dataRow("q", "statement_timeout", "7s"), 0)
		a.Part(dataRow("q", "lock_timeout", c.was), 0)
		a.Part(dataRow("Q", "lock_timeout", c.reset), 0)
		if a.Failed || !slices.Equal(a.Settings, c.want) {
			t.Errorf("%s, where RESET leads to %s: %v, want %v", c.was, c.reset, a.Settings, c.want)
		}
	}
	var a Answer
	if a.Part(dataRow("Q", "lock_timeout", "0"), 0); !a.Failed {
		t.Error("nothing was said of it before, and the answer has not failed")
	}
}
