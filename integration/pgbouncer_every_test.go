package integration

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/user"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// fileWithAll is a pgbouncer.ini that has every setting.
func fileWithAll(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("testdata/every_setting.ini")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The pages say which settings there are; a test of theirs holds them to the program.
func TestTheFileWithEverySettingHasThose(t *testing.T) {
	page, err := os.ReadFile("../docs/migration.md")
	if err != nil {
		t.Fatal(err)
	}
	ini := fileWithAll(t)
	rest, seen := string(page), 0
	for _, section := range []string{"[pgbouncer]", "[databases]", "[users]", "[peers]"} {
		_, table, found := strings.Cut(rest, "<!-- table: "+section+" -->")
		if !found {
			t.Fatalf("migration.md has no table %s", section)
		}
		table, rest, _ = strings.Cut(table, "<!-- end -->")
		_, own, _ := strings.Cut(ini, "\n"+section+"\n")
		own, _, _ = strings.Cut(own, "\n[")
		for _, row := range regexp.MustCompile(`(?m)^\| ([a-z0-9_]+) \|[^|]*\| ([^|]*) \|`).FindAllStringSubmatch(table, -1) {
			if row[1] == "setting" || row[2] == "refused" {
				continue
			}
			seen++
			if !regexp.MustCompile(`(?m)(^| )` + row[1] + ` ?=`).MatchString(own) {
				t.Errorf("%s of %s is not there", row[1], section)
			}
		}
	}
	if seen < 110 {
		t.Errorf("only %d settings", seen)
	}
}

// behaviourOfEvery is what some of the settings do to clients.
func (b *bouncer) behaviourOfEvery(t *testing.T) string {
	t.Helper()
	var out strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&out, format+"\n", args...) }
	ask := func(conn *pgx.Conn, sql string) (value string) {
		if err := conn.QueryRow(t.Context(), sql, pgx.QueryExecModeSimpleProtocol).Scan(&value); err != nil {
			return sqlState(err)
		}
		return value
	}
	for _, mode := range []string{"disable", "require"} {
		conn, err := b.connect("ini_alice", b.DB, `password=al"ice`, "sslmode="+mode, "lock_timeout=7s", "application_name=app")
		if err != nil {
			t.Fatal(err)
		}
		say("sslmode %s: lock_timeout %s, application_name %s", mode, ask(conn, "show lock_timeout"),
			regexp.MustCompile(`:\d+`).ReplaceAllString(ask(conn, "show application_name"), ":N"))
		conn.Close(context.Background())
	}
	conn, err := b.connect("ini_alice", "odd name", `password=al"ice`)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	say("statement mode: %s", ask(conn, "begin"))
	bob, err := b.connect("ini_bob", b.DB, "host="+b.Dir)
	if err != nil {
		t.Fatal(err)
	}
	defer bob.Close(context.Background())
	must(t, bob, "begin")
	_, err = bob.PgConn().ReceiveMessage(t.Context())
	say("in a transaction for too long: %s", sqlState(err))
	info, err := os.Stat(fmt.Sprintf("%s/.s.PGSQL.%d", b.Dir, b.Port))
	if err != nil {
		t.Fatal(err)
	}
	say("socket: %o", info.Mode().Perm())
	return out.String()
}

const everyBehaviour = `sslmode disable: lock_timeout 0, application_name app - 127.0.0.1:N
sslmode require: lock_timeout 0, application_name app - 127.0.0.1:N
statement mode: 0A000
in a transaction for too long: 25P03
socket: 700
`

// An import does what the file does, with every setting there is, and with the least.
func TestEverySettingOfPgBouncersIsServedAndImportedAlike(t *testing.T) {
	t.Parallel()
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	b := newBouncer(t)
	ca := newAuthority(t, "ca")
	cert, key := ca.Sign(t, "localhost", net.IPv4(127, 0, 0, 1))
	for name, text := range map[string]string{
		"ca.pem": ca.PEM, "own.pem": cert, "own.key": key, "ident.conf": "map ini_alice ini_bob\n", "resolv.conf": "nameserver 127.0.0.1\n",
		"hba.conf": "host all ini_alice 127.0.0.1/32 scram-sha-256\nlocal all ini_bob trust\n",
	} {
		if err := os.WriteFile(b.Dir+"/"+name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b.write(t, "pgbouncer.ini", strings.ReplaceAll(fileWithAll(t), "= ME", "= "+me.Username))
	b.alike(t, func() string { return b.behaviourOfEvery(t) }, everyBehaviour)

	// The least: no databases, and two lines without which nobody can come.
	b.write(t, "pgbouncer.ini", "[databases]\n[users]\n[pgbouncer]\nlisten_addr = localhost\nlisten_port = PORT\nauth_type = md5\nauth_file = userlist.txt\nadmin_users = ini_alice\nunix_socket_dir =\n")
	b.alike(t, func() string { return "" }, "")
}

// alike serves the pgbouncer.ini and then what is imported of it.
func (b *bouncer) alike(t *testing.T, behaviour func() string, want string) {
	t.Helper()
	if out, code := b.ends(t, program, "import", "pgbouncer.ini", "-o", "config.toml", "--force"); code != 0 || strings.Contains(out, "warning") {
		t.Fatalf("import: %d, %s", code, out)
	}
	shown := ""
	for _, args := range [][]string{{"serve", "pgbouncer.ini"}, {"serve", "-c", "config.toml"}} {
		b.startFor(t, "pgbouncer", program, args...)
		if got := behaviour(); got != want {
			t.Errorf("%q:\n%s\nwant\n%s", args, got, want)
		}
		switch got := b.shows(t); shown {
		case "":
			shown = got
		case got:
		default:
			t.Errorf("%q shows\n%s\nand the pgbouncer.ini\n%s", args, got, shown)
		}
		b.stop(t)
	}
}
