package follow

import (
	"testing"

	"pgweir/wire"
)

func TestReplay(t *testing.T) {
	list := func(pairs ...string) *Settings {
		var all []wire.Param
		for i := 0; i < len(pairs); i += 2 {
			all = append(all, wire.Param{Name: pairs[i], Value: pairs[i+1]})
		}
		return NewSettings(all)
	}
	for _, c := range []struct {
		name     string
		from, to *Settings
		want     string
	}{
		{"nothing to nothing", nil, nil, ""},
		{"equal sets in another order", list("a", "1", "b", "2"), list("b", "2", "a", "1"), ""},
		{"a name that comes twice", list("a", "1"), list("a", "1", "a", "1"), ""},
		{"from nothing", nil, list("work_mem", "1024"), `SET "work_mem" = '1024';`},
		{"to nothing", list("work_mem", "1024"), nil, `RESET "work_mem";`},
		{"what is equal stays", list("a", "1", "b", "2", "c", "3"), list("a", "1", "b", "9", "d", "4"),
			`RESET "c";SET "b" = '9';SET "d" = '4';`},
		{"names and values with quotes", nil, list(`my."x`, `it's \`), `SET "my"."""x" = ` + string(wire.AppendLiteral(nil, `it's \`)) + ";"},
		{"extensions' settings", list("my.x", "1"), list("my.y", ""), `RESET "my"."x";SET "my"."y" = '';`},
		{"lists are set as lists", nil, list("search_path", `"$user", public`),
			`SELECT pg_catalog.set_config('search_path','"$user", public',false);`},
		{"the role comes last", nil, list("work_mem", "1", "role", "joe", "session_authorization", "ann", "zone", "2"),
			`SET "work_mem" = '1';SET "zone" = '2';SELECT pg_catalog.set_config('session_authorization','ann',false);` +
				`SELECT pg_catalog.set_config('role','joe',false);`},
		{"and what another's role was set with is taken back first", list("role", "joe"), list("work_mem", "1"),
			`RESET SESSION AUTHORIZATION;RESET ROLE;SET "work_mem" = '1';`},
		{"a role that stays is set anew all the same", list("role", "joe"), list("role", "joe", "work_mem", "1"),
			`RESET SESSION AUTHORIZATION;RESET ROLE;SET "work_mem" = '1';SELECT pg_catalog.set_config('role','joe',false);`},
	} {
		if got := string(c.to.AppendReplay(nil, c.from, nil)); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

func TestSettingsAreComparedByTheirValues(t *testing.T) {
	a := NewSettings([]wire.Param{{Name: "b", Value: "2"}, {Name: "a", Value: "1"}})
	b := NewSettings([]wire.Param{{Name: "a", Value: "1"}, {Name: "b", Value: "2"}, {Name: "a", Value: "1"}})
	other := NewSettings([]wire.Param{{Name: "a", Value: "1"}, {Name: "b", Value: "3"}})
	shifted := NewSettings([]wire.Param{{Name: "a", Value: "1b"}, {Name: "", Value: "2"}})
	if !a.Equal(b) || a.Fingerprint != b.Fingerprint {
		t.Error("equal sets are not equal")
	}
	if a.Equal(other) || a.Equal(nil) || (*Settings)(nil).Equal(a) || a.Equal(shifted) {
		t.Error("sets that differ are equal")
	}
	if !(*Settings)(nil).Equal(nil) || NewSettings(nil) != nil {
		t.Error("there are several empty sets")
	}
	if v, ok := a.Get("b"); v != "2" || !ok {
		t.Errorf("b is %q", v)
	}
	if _, ok := a.Get("c"); ok {
		t.Error("it has what was not put into it")
	}
	if !a.IsPlain() || NewSettings([]wire.Param{{Name: "a", Value: "ü"}}).IsPlain() {
		t.Error("plain is not what is ASCII")
	}
}

// TestStatementsAreSharedUnderSettingsThatDoNotMatterToThem: one hash for those
// under which constants are read, one for those that say what names mean.
func TestStatementsAreSharedUnderSettingsThatDoNotMatterToThem(t *testing.T) {
	LibrarySettings.Store("library.known", nil)
	for _, c := range []struct {
		name, value    string
		reading, names bool // whether it tells statements apart
	}{
		{"statement_timeout", "1s", false, false},
		{"Work_Mem", "1MB", false, false},
		{"app.tenant", "42", false, false},
		{"search_path", "a", false, true},
		{"role", "a", false, true},
		{"transform_null_equals", "on", true, false},
		{"extra_float_digits", "0", true, false},
		{"nobody_knows", "1", true, false},
		{"library.known", "1", true, false},
	} {
		s := NewSettings([]wire.Param{{Name: c.name, Value: c.value}})
		other := NewSettings([]wire.Param{{Name: c.name, Value: c.value + "0"}})
		if got := s.ReadingHash() != (*Settings)(nil).ReadingHash(); got != c.reading || got != (s.ReadingHash() != other.ReadingHash()) {
			t.Errorf("%s: constants are read otherwise: %v, want %v", c.name, got, c.reading)
		}
		if got := s.NamesHash() != (*Settings)(nil).NamesHash(); got != c.names || got != (s.NamesHash() != other.NamesHash()) {
			t.Errorf("%s: names mean something else: %v, want %v", c.name, got, c.names)
		}
	}
}
