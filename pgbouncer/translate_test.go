package pgbouncer

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgweir/config"
)

// of translates a text as a.ini. The current folder is /srv.
func of(text string) *translator { return translate("a.ini", "/srv", files{"a.ini": text}.read) }

func TestEachLineBecomesWhatItMeans(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"a relative path", "[pgbouncer]\nauth_file = users.txt", `auth_file = "/srv/users.txt"`},
		{"an absolute path", "[pgbouncer]\nauth_file = /etc/users.txt", `auth_file = "/etc/users.txt"`},
		{"an abstract socket", "[pgbouncer]\nunix_socket_dir = @pooler", `unix_socket_dir = "@pooler"`},
		{"no socket", "[pgbouncer]\nunix_socket_dir =", `unix_socket_dir = ""`},
		{"names between commas or blanks", "[pgbouncer]\nadmin_users = ann,bob carl ,\tdora", `admin_users = ["ann", "bob", "carl", "dora"]`},
		{"a flag", "[pgbouncer]\nlog_connections = 2", `log_connections = true`},
		{"a word in capitals", "[pgbouncer]\nserver_tls_sslmode = Verify-Full", `server_tls_sslmode = "verify-full"`},
		{"milliseconds", "[pgbouncer]\ntcp_user_timeout = 1500", `tcp_user_timeout = "1500ms"`},
		{"whole seconds", "[pgbouncer]\ntcp_keepidle = 30", `tcp_keepidle = "30s"`},
		{"parts of seconds", "[pgbouncer]\nserver_idle_timeout = 0.25", `server_idle_timeout = "0.25s"`},
		{"longer than a year", "[pgbouncer]\nserver_lifetime = 1e9", `server_lifetime = "31536000s" # 1000000000s in PgBouncer; this is the longest`},
		{"no time limit where pgweir has one", "[pgbouncer]\nserver_connect_timeout = 0", `server_connect_timeout = "31536000s" # 0 is no limit in PgBouncer`},
		{"no limit", "[pgbouncer]\ndefault_pool_size = 0", `default_pool_size = 262143 # 0 is no limit in PgBouncer`},
		{"below none", "[pgbouncer]\nmax_db_connections = -1", `max_db_connections = 0 # -1 in PgBouncer`},
		{"beyond what there is", "[pgbouncer]\ntcp_keepcnt = 1000", `tcp_keepcnt = 127 # 1000 in PgBouncer`},
		{"octal", "[pgbouncer]\nunix_socket_mode = 0700", `unix_socket_mode = "0700"`},
		{"octal, written in decimal", "[pgbouncer]\nunix_socket_mode = 511", `unix_socket_mode = "0777"`},
		{"more than info", "[pgbouncer]\nverbose = 2", `log_level = "debug"`},
		{"another name", "[pgbouncer]\nautodb_idle_timeout = 60", `pool_idle_timeout = "60s"`},
		{"a minimum beyond the size", "[pgbouncer]\nmin_pool_size = 30", `min_pool_size = 20 # 30 in PgBouncer, capped by the pool's size`},
		{"no HTTP", "[pgbouncer]", `http_listen = ""`},
		{"PgBouncer's default", "[pgbouncer]", `max_client_conn = 100`},
		{"no TCP by default", "[pgbouncer]", `listen_addr = []`},
		{"a reference that is none", "[pgbouncer]\nauth_query = select '${A}', $1", `auth_query = "select '$${A}', $1"`},
		{"quotes", "[pgbouncer]\nserver_reset_query = select \"a\\b\"", `server_reset_query = "select \"a\\b\""`},

		{"a database", "[pgbouncer]\n[databases]\na-b = host=x", "[databases.a-b]\nhost = \"x\""},
		{"a database's odd name", "[pgbouncer]\n[databases]\n'a \"b' = host=x", "[databases.\"a \\\"b\"]\nhost = \"x\""},
		{"a database of nothing", "[pgbouncer]\n[databases]\na =", "[databases.a]\n"},
		{"a database on the socket's folder", "[pgbouncer]\nunix_socket_dir = run\n[databases]\na = port=1", "[databases.a]\nport = 1\nhost = \"/srv/run\" # unix_socket_dir, as there is no host"},
		{"a database that comes before", "[databases]\na = pool_size=50\n[pgbouncer]\nmin_pool_size = 30", "[databases.a]\npool_size = 50\nmin_pool_size = 30 # the general one, which default_pool_size caps"},
		{"a database's own minimum", "[pgbouncer]\n[databases]\na = host=x min_pool_size=9 pool_size=5", "min_pool_size = 5 # 9 in PgBouncer, capped by the pool's size"},
		{"a database without a limit", "[pgbouncer]\n[databases]\na = pool_size=0", "pool_size = 262143 # 0 is no limit in PgBouncer"},
		{"the general limit", "[pgbouncer]\n[databases]\na = max_db_connections=0", "#! max_db_connections=0   (a.ini:3)\n#    The general setting holds, as in PgBouncer."},
		{"the general size", "[pgbouncer]\n[databases]\na = pool_size=-1", "#! pool_size=-1   (a.ini:3)\n#    The general setting holds, as in PgBouncer."},
		{"digits and more", "[pgbouncer]\n[databases]\na = pool_size=10x", "pool_size = 10 # 10x there, which PgBouncer reads so"},
		{"a lifetime", "[pgbouncer]\n[databases]\na = server_lifetime=60", `server_lifetime = "60s"`},
		{"a word twice", "[pgbouncer]\n[databases]\na = port=1 port=2", "#! port=1   (a.ini:3)\n#    Has no effect: it stands there again, and the last one counts.\nport = 2"},
		{"the old name of a word", "[pgbouncer]\n[databases]\na = reserve_pool=2", "reserve_pool_size = 2"},
		{"a user that is kept", "[pgbouncer]\n[databases]\na = user=u password=p\na = host=x", "[databases.a]\nhost = \"x\"\nuser = \"u\" # of a.ini:3, which PgBouncer keeps\npassword = \"p\""},
		{"a password without a user", "[pgbouncer]\n[databases]\na = password=p", "#! password=********   (a.ini:3)\n#    Has no effect without user, in PgBouncer neither."},
		{"who asks nowhere", "[pgbouncer]\nauth_dbname = a\n[databases]\na = host=x", "#! auth_dbname = a   (a.ini:2)\n#    Has no effect without auth_user, in PgBouncer neither."},
		{"who asks not here", "[pgbouncer]\n[databases]\na = auth_dbname=b\nb = auth_user=u", "#! auth_dbname=b   (a.ini:3)\n#    Has no effect without auth_user, in PgBouncer neither."},
		{"who asks in one database", "[pgbouncer]\nauth_dbname = a\n[databases]\na = auth_user=u", `auth_dbname = "a"`},
		{"a user", "[pgbouncer]\n[users]\nann = pool_mode=Statement max_user_connections=3", "[users.ann]\npool_mode = \"statement\"\nmax_user_connections = 3"},

		{"a line that counts no more", "[pgbouncer]\nverbose = 1\nverbose = 0", "#! verbose = 1   (a.ini:2)\n#    Has no effect: it is set again at a.ini:3, and the last one counts.\nlog_level = \"info\""},
		{"a section that begins anew", "[pgbouncer]\nverbose = 1\n[pgbouncer]", "#! verbose = 1   (a.ini:2)\n#    Has no effect: the [pgbouncer] at a.ini:3 begins anew with PgBouncer's defaults."},
		{"a section of databases that goes on", "[databases]\na = host=x\n[pgbouncer]\n[databases]\nb = host=y", "[databases.a]\nhost = \"x\"\n\n[databases.b]\nhost = \"y\""},
		{"an HBA file that nobody reads", "[pgbouncer]\nauth_hba_file = x", "#! auth_hba_file = x   (a.ini:2)\n#    Not read by PgBouncer either, as auth_type is md5."},
		{"a certificate that nobody reads", "[pgbouncer]\nclient_tls_cert_file = x", "#! client_tls_cert_file = x   (a.ini:2)"},
		{"ciphers that nobody reads", "[pgbouncer]\nclient_tls_ciphers = HIGH:!aNULL\nclient_tls_protocols = tlsv1.0\nserver_tls_sslmode = Disable\nserver_tls_ciphers = x\nserver_tls13_ciphers = y", "#! server_tls13_ciphers = y   (a.ini:6)\n#    Not read by PgBouncer either, as server_tls_sslmode is Disable."},
		{"a secret that nobody reads", "[pgbouncer]\nauth_ldap_options = ldapbindpasswd=secret", "#! auth_ldap_options = ********   (a.ini:2)"},
		{"a peer", "[pgbouncer]\n[peers]\n1 = host=x", "#! [peers] 1 = host=x   (a.ini:3)\n#    Has no counterpart."},
		{"a comment above", "[pgbouncer]\n; mode\n# of all\npool_mode = session", "# mode\n# of all\npool_mode = \"session\""},
		{"a comment that stays", "; about this file\n\n[pgbouncer]\n; a\n\npool_mode = session", "others (2 lines) have not."},
	} {
		tr := of(c.text)
		if len(tr.problems) > 0 {
			t.Errorf("%s: %v", c.name, tr.problems)
			continue
		}
		text := string(tr.text())
		if !strings.Contains(text, c.want) && !strings.Contains(strings.ReplaceAll(text, "\n# ", " "), c.want) {
			t.Errorf("%s: no\n%s\nin\n%s", c.name, c.want, text)
		}
		alike(t, tr, []byte(text))
	}
}

func TestWhatPgBouncerRefusesIsNamedWithItsLine(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"[pgbouncer]\npool_mod = session", `a.ini:2: unknown setting "pool_mod"; did you mean "pool_mode"?`},
		{"[pgbouncer]\nsession_state = off", `a.ini:2: unknown setting "session_state"`},
		{"[pgbouncer]\npool_mode = sessions", `a.ini:2: pool_mode: "sessions" is not known; it is one of session, transaction, statement`},
		{"[pgbouncer]\nlog_connections = yes", `a.ini:2: log_connections: "yes" is not a whole number (what follows it on the line belongs to it, a comment too)`},
		{"[pgbouncer]\nserver_lifetime = 1h", `a.ini:2: server_lifetime: "1h" is not a number of seconds (what follows it on the line belongs to it, a unit or a comment too)`},
		{"[pgbouncer]\nmax_client_conn = -1", `a.ini:2: max_client_conn: -1 lets no client in, in PgBouncer neither; the least is 1`},
		{"[pgbouncer]\nmax_client_conn = 0", `a.ini:2: max_client_conn: 0 lets no client in, in PgBouncer neither; the least is 1`},
		{"[pgbouncer]\nunix_socket_mode = 777", `a.ini:2: unix_socket_mode: "777" is decimal, and so the mode 01411; octal digits begin with 0`},
		{"[pgbouncer]\nauth_type = pam", `a.ini:2: auth_type: pgweir has no counterpart, and does not start without it. pam is refused, as it needs a C library; ldap asks an LDAP server, as its modules often do.`},
		{"[pgbouncer]\ndisable_pqexec = 1", `a.ini:2: disable_pqexec: pgweir has no counterpart, and does not start without it. pgweir has no way to forbid the simple protocol.`},
		{"[pgbouncer]\n[databases]\npgbouncer = host=x", `a.ini:3: databases.pgbouncer: this name is the admin console's; no database can bear it`},
		{"[pgbouncer]\n[databases]\na = hots=x", `a.ini:3: unknown setting "hots" in databases.a; did you mean "host"?`},
		{"[pgbouncer]\n[databases]\na = password='secret", `a.ini:3: databases.a: is not "name=value name=value ..."; a value with blanks is put in single quotes, with two for one, and none is empty`},
		{"[pgbouncer]\n[databases]\na = pool_mode=x", `a.ini:3: databases.a.pool_mode: "x" is not known; it is one of session, transaction, statement`},
		{"[pgbouncer]\n[users]\nann = password=x", `a.ini:3: unknown setting "password" in users.ann`},
		{"[pgbouncer]\n[peers]\n0 = host=x", `a.ini:3: peers.0: the name of a peer is its peer_id, a number from 1 to 65535`},
		{"[pgbouncer]\n[databases]\na = port=abc", `a.ini:3: databases.a.port: "abc" is not a port (1 to 65535)`},
		{"[pgbouncer]\n[databases]\na = port=-1", `a.ini:3: databases.a.port: "-1" is not a port (1 to 65535)`},
		{"[pgbouncer]\n[peers]\n1 = port=1", `a.ini:3: peers.1: a peer needs a host`},
		{"[pgbouncer]\n[peers]\n1 = host=x user=y", `a.ini:3: unknown setting "user" in peers.1`},
	} {
		tr := of(c.text)
		problems := append(tr.problems, tr.refused...)
		if len(problems) != 1 || !strings.HasPrefix(problems[0].Error(), c.want) {
			t.Errorf("got  %v\nwant %s", problems, c.want)
		}
		if strings.Contains(problems.Error(), "secret") {
			t.Errorf("a secret is shown: %v", problems)
		}
	}
}

// What is at PgBouncer's default asks for nothing.
func TestDefaultsAreNoWarnings(t *testing.T) {
	var b strings.Builder
	b.WriteString("[pgbouncer]\n")
	for i := range general {
		if s := &general[i]; s.name != "auth_query" {
			b.WriteString(s.name + " = " + s.def + "\n")
		}
	}
	tr := of(b.String())
	if len(tr.problems)+len(tr.refused) > 0 {
		t.Errorf("%v %v", tr.problems, tr.refused)
	}
	if notes := Matters(tr.notes); len(notes) > 0 {
		t.Errorf("%+v", notes)
	}
	tr = of("[pgbouncer]\nlog_stats = 0")
	if notes := Matters(tr.notes); len(notes) > 0 || !strings.Contains(string(tr.text()), "#! log_stats = 0") {
		t.Errorf("what pgweir does anyway: %+v, %s", notes, tr.text())
	}
}

func TestAPipeIsLeftForWhoReadsIt(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := w.WriteString("[pgbouncer]\n"); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if Is(fmt.Sprintf("/dev/fd/%d", r.Fd())) {
		t.Error("a pipe is a pgbouncer.ini")
	}
	if rest, err := io.ReadAll(r); err != nil || string(rest) != "[pgbouncer]\n" {
		t.Errorf("left of it: %q, %v", rest, err)
	}
}

func TestOneFileIsToldFromTheOther(t *testing.T) {
	included := filepath.Join(t.TempDir(), "pgbouncer.conf")
	if err := os.WriteFile(included, []byte("; all stands elsewhere\n%include /etc/pgbouncer/main.conf\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if !Is(included) {
		t.Error("a file that only includes others is none")
	}
	for path, want := range map[string]bool{"x.ini": true, "x.INI": true, "x.toml": false, "testdata/operator.ini": true, "testdata/operator.toml": false, "nowhere": false, "ini.go": false} {
		if got := Is(path); got != want {
			t.Errorf("Is(%q) is %v", path, got)
		}
	}
}

func TestAFileMustSayWhereToListen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pgbouncer.ini")
	for text, good := range map[string]bool{
		"[pgbouncer]\nlisten_addr =\nunix_socket_dir =\n": false,
		"[pgbouncer]\nunix_socket_dir =\n":                false,
		"[pgbouncer]\n":                                   true,
		"[pgbouncer]\nlisten_addr=*\nunix_socket_dir=\n":  true,
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(path); (err == nil) != good || err != nil && !strings.Contains(err.Error(), "listen_addr: there is nowhere to listen") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestAllFaultsOfAFileAreToldAtOnce(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "pgbouncer.ini")
	for _, c := range []struct{ text, want string }{
		{"[pgbouncer]\nlisten_addr = *\npool_mod = session\nauth_file = DIR/none\nauth_type = pam\nlisten_port = 99999\n",
			`INI:3: unknown setting "pool_mod"; did you mean "pool_mode"?
INI:4: auth_file: DIR/none: no such file or directory
INI:5: auth_type: pgweir has no counterpart
INI:6: listen_port: `},
		{"[databases]\na = pool_mode=x host=' ' auth_dbname=none auth_user=u\n[pgbouncer]\nlisten_addr=*\n",
			"INI:2: databases.a.auth_dbname: \nINI:2: databases.a.host: \nINI:2: databases.a.pool_mode: "},
		// What follows from a fault is not told beside it.
		{"[databases]\na = = \nb = auth_dbname=a auth_user=u\n[pgbouncer]\nlisten_addr=*\n", "INI:2: databases.a: "},
		{"[pgbouncer]\nunix_socket_dir =\nmax_client_conn = x\n", `INI: listen_addr: there is nowhere to listen
INI:3: max_client_conn: `},
		// What was not read says nothing.
		{"[pgbouncer]\nauth_file = DIR/none\nunix_socket_dir =\n%include DIR/none\n", "DIR/none: \nINI:4: %include: "},
	} {
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(c.text, "DIR", dir)), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Load(path)
		want := strings.Split(strings.NewReplacer("INI", path, "DIR", dir).Replace(c.want), "\n")
		if err == nil || !slices.EqualFunc(strings.Split(err.Error(), "\n"), want, strings.HasPrefix) {
			t.Errorf("got\n%v\nwant\n%s", err, strings.Join(want, "\n"))
		}
	}
}

// A number below a setting's least is refused with the number that stands there, or taken
// for the least, and never refused as another number.
func TestANegativeNumberIsRefusedAsItStandsThereIfItIs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pgbouncer.ini")
	for i := range general {
		s := &general[i]
		if s.kind != kindNumber && s.kind != kindLoose {
			continue
		}
		if err := os.WriteFile(path, []byte("[pgbouncer]\nlisten_addr = *\n"+s.name+" = -1\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(path); err != nil && !strings.Contains(err.Error(), "-1") {
			t.Errorf("%s = -1: %v", s.name, err)
		}
	}
}

func TestImportSaysWhatHoldsInThePlaceOfPAM(t *testing.T) {
	im, err := of("[pgbouncer]\nauth_type = pam\n").imported()
	if err != nil {
		t.Fatal(err)
	}
	c, err := config.Parse("config.toml", im.Text)
	if err != nil {
		t.Fatal(err)
	}
	want := "In the config.toml auth_type is " + c.AuthType + ", its default: whose secret is in auth_file or in [users] logs in with the password, and nobody else."
	if len(im.Notes) != 1 || !strings.HasSuffix(im.Notes[0].Text, want) {
		t.Errorf("%+v, want %s", im.Notes, want)
	}
	if text := strings.ReplaceAll(string(im.Text), "\n#    ", " "); !strings.Contains(text, want) {
		t.Errorf("it is not in\n%s", im.Text)
	}
}
