package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestASecretIsNeverPrinted(t *testing.T) {
	db := &Database{Name: "app", Passwords: Passwords{Password: "geheim", PasswordNext: "geheim2"}}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%10.3s", "%T %[1]v"} {
		fmt.Fprintf(&out, verb, db.Password)
		fmt.Fprintf(&out, verb, *db)
		fmt.Fprintf(&out, verb, []Secret{db.Password})
		fmt.Fprintf(&out, verb, map[Secret]Secret{db.Password: db.PasswordNext})
	}
	fmt.Fprint(&out, db.Password, *db, fmt.Errorf("with %w and %v", os.ErrExist, db.Password))
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("x", "secret", db.Password, "database", *db, "list", []Secret{db.Password})
	}
	data, err := json.Marshal(struct {
		A Secret
		B *Database
	}{db.Password, db})
	if err != nil {
		t.Fatal(err)
	}
	out.Write(data)
	for _, form := range []string{"geheim", fmt.Sprintf("%x", "geheim"), fmt.Sprintf("%X", "geheim")} {
		if strings.Contains(out.String(), form) {
			t.Errorf("%q is in %s", form, out.String())
		}
	}
	if !strings.Contains(out.String(), hidden) || Secret("").String() != "" {
		t.Errorf("printed %s", out.String())
	}
}

func TestReferencesToTheEnvironment(t *testing.T) {
	t.Setenv("WEIR_A", "a ${WEIR_B}")
	t.Setenv("WEIR_EMPTY", "")
	for text, want := range map[string]string{
		"": "", "$": "$", "$$": "$$", "a$1b$": "a$1b$", "$WEIR_A": "$WEIR_A", "x${WEIR_A}y": "xa ${WEIR_B}y", "${WEIR_EMPTY}": "",
		"${WEIR_A}${WEIR_A}": "a ${WEIR_B}a ${WEIR_B}", "$${WEIR_A}": "${WEIR_A}", "$$${": "$${", "SCRAM-SHA-256$4096:x$y": "SCRAM-SHA-256$4096:x$y", "{WEIR_A}": "{WEIR_A}",
	} {
		if got, _, err := fromEnvironment(text); got != want || err != nil {
			t.Errorf("%q gives %q, %v, want %q", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"${WEIR_UNSET}": "the environment variable WEIR_UNSET is not set", "${": "no name", "${}": "no name", "${1A}": "no name", "${A B}": "no name", "${A": "no name", "${WEIR_A}${": "no name",
	} {
		if _, _, err := fromEnvironment(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	got, found, err := fromEnvironment([]any{"${WEIR_A}", int64(3), "b"})
	if !reflect.DeepEqual(got, []any{"a ${WEIR_B}", int64(3), "b"}) || len(found) != 1 || err != nil {
		t.Errorf("a list gives %v, %v, %v", got, found, err)
	}
}

func TestReferencesStandInTextsOfEveryKind(t *testing.T) {
	t.Setenv("WEIR_PORT", "5433")
	t.Setenv("WEIR_MODE", "transaction")
	t.Setenv("WEIR_ON", "true")
	t.Setenv("WEIR_TIME", "5s")
	t.Setenv("WEIR_USER", "ann")
	c := mustParse(t, "pool_mode = '${WEIR_MODE}'\nlog_connections = '${WEIR_ON}'\nquery_wait_timeout = '${WEIR_TIME}'\nadmin_users = ['${WEIR_USER}', 'bob']\n"+
		"[databases.app]\nhost = 'db-${WEIR_USER}'\nport = '${WEIR_PORT}'\n")
	db := c.Databases["app"]
	if c.PoolMode != "transaction" || !c.LogConnections || c.QueryWaitTimeout.Seconds() != 5 || strings.Join(c.AdminUsers, " ") != "ann bob" || db.Host != "db-ann" || db.Port != 5433 {
		t.Errorf("%+v, %+v", c, db)
	}
}

// FuzzReferences: a reference is put in once, whatever it stands for, and what is
// escaped stands for itself. No text is too much.
func FuzzReferences(f *testing.F) {
	f.Add("a${b", "x${WEIR_FUZZ}")
	f.Add("$${$$${", "")
	f.Fuzz(func(t *testing.T, text, value string) {
		fromEnvironment(text)
		if strings.ContainsRune(value, 0) || strings.HasSuffix(text, "$") { // which would escape the reference
			return
		}
		t.Setenv("WEIR_FUZZ", value)
		escaped := strings.ReplaceAll(text, "${", "$${")
		if got, found, err := fromEnvironment(escaped + "${WEIR_FUZZ}"); got != text+value || len(found) != 1 || err != nil {
			t.Errorf("%q and a reference to %q give %q, %q, %v", escaped, value, got, found, err)
		}
	})
}

func FuzzSecretLine(f *testing.F) {
	f.Add([]byte("one\r\ntwo"))
	f.Add([]byte("\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := SecretLine(data)
		if (err == nil) == (s == "") || len(s) > maxSecret || strings.ContainsAny(string(s), "\n\x00") || !bytes.HasPrefix(data, []byte(s)) {
			t.Errorf("%q gives %q, %v", data, string(s), err)
		}
	})
}

func TestAnEmptyVariableIsNoPassword(t *testing.T) {
	t.Setenv("WEIR_EMPTY", "")
	for text, want := range map[string]string{
		"[users.a]\npassword = '${WEIR_EMPTY}'":                               "config.toml:2: users.a.password: ${WEIR_EMPTY} stands for nothing: the variable is empty",
		"[users.a]\npassword = '${WEIR_EMPTY}${WEIR_EMPTY}'":                  "config.toml:2: users.a.password: ${WEIR_EMPTY} and ${WEIR_EMPTY} stands for nothing: the variable is empty",
		"[users.a]\npassword_file = '${WEIR_EMPTY}'":                          "config.toml:2: users.a.password_file: ${WEIR_EMPTY} stands for nothing",
		"[users.a]\npassword_command = '${WEIR_EMPTY}'":                       "config.toml:2: users.a.password_command: ${WEIR_EMPTY} stands for nothing",
		"[databases.a]\nuser = 'u'\npassword = '${WEIR_EMPTY}'":               "config.toml:3: databases.a.password: ",
		"[users.a]\npassword = 'x'\npassword_next = '${WEIR_EMPTY}'":          "config.toml:3: users.a.password_next: ",
		"census_user = 'a'\ncensus_password = '${WEIR_EMPTY}'":                "config.toml:2: census_password: ",
		"auth_file = '${WEIR_EMPTY}'\n[users.a]\npassword = 'x${WEIR_EMPTY}'": "",
		"[users.a]\npassword = ''":                                            "",
	} {
		if got := problemsOf(t, text); (got == "") != (want == "") || !strings.HasPrefix(got, want) {
			t.Errorf("%q:\ngot  %s\nwant %s", text, got, want)
		}
	}
}

func TestASecretIsTheFirstLine(t *testing.T) {
	long := strings.Repeat("x", maxSecret)
	for text, want := range map[string]string{"a": "a", "a\n": "a", "a\r\nb": "a", " a \n": " a ", long + "\n": long, long: long} {
		if got, err := SecretLine([]byte(text)); string(got) != want || err != nil {
			t.Errorf("%.20q gives %.20q, %v", text, string(got), err)
		}
	}
	for _, text := range []string{"", "\n", "\r\n", "\na", "a\x00b", long + "x", long + "x\n"} {
		if got, err := SecretLine([]byte(text)); err == nil || got != "" || len(text) > 10 && strings.Contains(err.Error(), "xxx") {
			t.Errorf("%.20q gives %.20q, %v", text, string(got), err)
		}
	}
}

func TestSourcesOfSecretsAreCompleted(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "pw"), "one\nx")
	write(t, filepath.Join(dir, "next"), "two")
	program := filepath.Join(dir, "prog")
	write(t, program, "#!/bin/sh\n")
	if err := os.Chmod(program, 0o700); err != nil {
		t.Fatal(err)
	}
	c, err := Parse(filepath.Join(dir, "config.toml"), []byte(`password_command_ttl = "5s"
[databases.app]
user = "x"
password_command = "./prog a  b"
password_command_ttl = "7s"
[users.ann]
password_file = "pw"
password_next_file = "next"
[users.bob]
password_command = ["prog/../prog", "a b"]
[users.carl]
password_command = ["./prog", "a", "b"]
`))
	if err != nil {
		t.Fatal(err)
	}
	if ann := c.Users["ann"]; ann.Password != "one" || ann.PasswordNext != "two" {
		t.Errorf("%q, %q", string(ann.Password), string(ann.PasswordNext))
	}
	list := c.SecretSources()
	if len(list) != 4 || list[0].TTL.Seconds() != 7 || list[3].TTL.Seconds() != 5 || list[0].Dir != dir ||
		!reflect.DeepEqual(list[0].Command, []string{program, "a", "b"}) || list[1].File != filepath.Join(dir, "pw") || list[0].Setting != "databases.app.password_command" {
		t.Errorf("%+v", list)
	}
	with := c.WithSecrets(func(key string) Secret {
		if strings.HasPrefix(key, "command") {
			return "token"
		}
		return "changed"
	})
	if with.Databases["app"].Password != "token" || with.Users["ann"].Password != "changed" || with.Users["ann"].PasswordNext != "changed" ||
		c.Databases["app"].Password != "" || c.Users["ann"].Password != "one" {
		t.Error("the secrets are not where they belong")
	}
}

func TestWhoElseCanReadASecretIsSaid(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "config.toml")
	for text, holds := range map[string]bool{
		"": false, "[users.a]\npassword = 'x'": true, "[users.a]\npassword = 'SCRAM-SHA-256$x'": false, "[users.a]\npassword = '${PATH}'": false,
		"census_user = 'c'\ncensus_password = 'x'": true, "[databases.a]\nuser = 'u'\npassword = 'x'": true, "[users.a]\npassword = 'md5aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'": true,
	} {
		c, err := Parse(path, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if got := len(c.SecretFiles()) == 1; got != holds {
			t.Errorf("%q: %v", text, got)
		}
	}
	write(t, path, "")
	f := SecretFile{"the configuration", path}
	for mode, by := range map[os.FileMode]string{0o600: "", 0o400: "", 0o604: "everybody", 0o644: "everybody", 0o660: "its group", 0o622: ""} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if by == "its group" && os.Geteuid() == 0 {
			by = "" // root's, and root has every group
		}
		if got := f.Exposure(); (got == "") != (by == "") || !strings.Contains(got, by) {
			t.Errorf("%04o: %q, want %q", mode, got, by)
		}
	}
	if got := (SecretFile{"x", filepath.Join(dir, "missing")}).Exposure(); got != "" {
		t.Errorf("a file that is not there: %q", got)
	}
}
