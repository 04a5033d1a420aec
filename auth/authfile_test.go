package auth

import (
	"slices"
	"strings"
	"testing"

	"pgweir/wire"
)

func TestParseAuthFileReadsUsersAndSecrets(t *testing.T) {
	scram := wire.DeriveSCRAMSecret("x", []byte("0123456789abcdef"), 4096).String()
	file := "\ufeff; a comment\n# another\n\n" +
		"\"ann\" \"secret\"\r\n" +
		"  \"b\"\"ob\"\t \"a \"\" b\" ignored \"rest\n" +
		"\"eve\"\"\" \"\"\n" +
		"\"md\" \"md50123456789abcdef0123456789abcdef\"\n" +
		"\"sc\" \"" + scram + "\""
	got, err := ParseAuthFile("users.txt", []byte(file))
	if err != nil {
		t.Fatal(err)
	}
	want := []Entry{
		{Name: "ann", Secret: "secret"}, {Name: `b"ob`, Secret: `a " b`}, {Name: `eve"`},
		{Name: "md", Secret: "md50123456789abcdef0123456789abcdef"}, {Name: "sc", Secret: scram},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestParseAuthFileNamesFileAndLineButNoSecret(t *testing.T) {
	for _, c := range []struct{ file, want string }{
		{"ann \"hidden\"", "users.txt:1: expected the user name in double quotes"},
		{"\n\n\"ann", "users.txt:3: the user name has no closing quote on this line"},
		{"\"ann\"", "users.txt:1: expected the password in double quotes"},
		{"\"ann\" hidden", "users.txt:1: expected the password in double quotes"},
		{"\"ann\" \"hidden", "users.txt:1: the password has no closing quote on this line"},
		{"\"ann\" \"hidden\n\"", "users.txt:1: the password has no closing quote on this line"},
		{"\"ann\" \"hidden\"\"", "users.txt:1: the password has no closing quote on this line"},
		{"\"\" \"hidden\"", "users.txt:1: the user name is empty"},
		{"\"ann\" \"hid\x00den\"", "users.txt:1: the password holds a NUL"},
		{"\"a\" \"b\"\n\"ann\" \"SCRAM-SHA-256$hidden\"", `users.txt:2: user "ann": invalid SCRAM-SHA-256 secret: a part is missing`},
	} {
		entries, err := ParseAuthFile("users.txt", []byte(c.file))
		if err == nil || err.Error() != c.want || entries != nil {
			t.Errorf("%q: %v, %v; want %s", c.file, entries, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "hid") {
			t.Errorf("the error %q shows the secret", err)
		}
	}
}

func FuzzParseAuthFile(f *testing.F) {
	f.Add([]byte("\"a\" \"b\"\n; c\n\"d\"\"\" \"e\" x"))
	f.Add([]byte("\"a\" \"SCRAM-SHA-256$4096:AAAA$AAAA:AAAA\""))
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, err := ParseAuthFile("f", data)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "f:") {
				t.Fatalf("error without file and line: %v", err)
			}
			return
		}
		// What was read can be written and read again, and is good for New.
		var b strings.Builder
		for _, e := range entries {
			for _, s := range []string{e.Name, e.Secret} {
				b.WriteString(`"` + strings.ReplaceAll(s, `"`, `""`) + `" `)
			}
			b.WriteString("\n")
		}
		again, err := ParseAuthFile("g", []byte(b.String()))
		if err != nil || !slices.Equal(entries, again) {
			t.Fatalf("%q became %q, %v", entries, again, err)
		}
		if _, err := New(entries); err != nil {
			t.Fatal(err)
		}
	})
}
