package integration

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// consoleRights are who may do what on the console: the SQLSTATEs with which a
// stats user and an admin are refused, "" for none. Its keys are what SHOW HELP
// says, so that a new command needs a row.
var consoleRights = map[string][2]string{
	"SET key = value": {"42501", "22023"}, "RELOAD": {"42501", ""}, "KILL_CLIENT id": {"42501", "42704"},
	"PAUSE [db] [WITHIN time]": {"42501", "08P01"}, "RESUME [db]": {"42501", "08P01"}, "KILL [db]": {"42501", "08P01"},
	"RECONNECT [db]": {"42501", "08P01"}, "WAIT_CLOSE [db]": {"42501", "08P01"}, "RECONNECT_CLIENTS [db] [OVER time]": {"42501", "08P01"},
	"DISABLE db": {"42501", "08P01"}, "ENABLE db": {"42501", "08P01"}, "SUSPEND": {"42501", "ends"},
	"SHUTDOWN": {"42501", "ends"}, "SHUTDOWN WAIT_FOR_SERVERS|WAIT_FOR_CLIENTS": {"42501", "ends"},

	"SHOW HELP": {}, "SHOW POOLS": {}, "SHOW CLIENTS": {}, "SHOW SERVERS": {}, "SHOW SOCKETS": {}, "SHOW ACTIVE_SOCKETS": {},
	"SHOW STATS": {}, "SHOW STATS_TOTALS": {}, "SHOW STATS_AVERAGES": {}, "SHOW TOTALS": {}, "SHOW SAVINGS": {}, "SHOW PINS": {},
	"SHOW LEAKS": {}, "SHOW EVIDENCE": {}, "SHOW SHAPES": {}, "SHOW LISTENERS": {}, "SHOW PROCESSES": {}, "SHOW FINDINGS": {},
	"SHOW DATABASES": {}, "SHOW USERS": {}, "SHOW AUTH_QUERY": {}, "SHOW LISTS": {}, "SHOW LOGINS": {}, "SHOW CONFIG": {}, "SHOW CERTIFICATES": {},
	"SHOW VERSION": {}, "SHOW STATE": {}, "SHOW MEM": {}, "SHOW FDS": {"42501", ""}, "SHOW DNS_HOSTS": {}, "SHOW DNS_ZONES": {},
	"SHOW PEERS": {}, "SHOW PEER_POOLS": {},
}

// unlistedRights are those of what SHOW HELP leaves out: what drivers send, and what
// there is not.
var unlistedRights = map[string][2]string{
	"SELECT VERSION": {}, "SELECT FDS": {"42501", ""}, "BEGIN": {}, "COMMIT": {}, "ROLLBACK": {}, "SET client_encoding = 'UTF8'": {},
	"SET pool_mode = session": {"42501", ""}, "nonsense": {"42601", "42601"},
}

// consoleCommands are those that SHOW HELP lists.
func consoleCommands(t *testing.T, dsn string) (out []string) {
	t.Helper()
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	var help string
	config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { help += n.Detail }
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	must(t, conn, "show help")
	for line := range strings.SplitSeq(strings.TrimSpace(help), "\n") {
		line = strings.TrimSpace(line)
		names, ok := strings.CutPrefix(line, "SHOW ")
		if !ok {
			out = append(out, line)
			continue
		}
		for name := range strings.SplitSeq(names, "|") {
			out = append(out, "SHOW "+name)
		}
	}
	return out
}

func TestEveryCommandOfTheConsoleHasItsRight(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{
		Top:    "stats_users = [\"looker\"]",
		Tables: "[users.postgres]\n[users.looker]\n[users.stranger]\n",
	})
	for _, name := range []string{"pgweir", "pgbouncer"} {
		if e := refusedWith(t, dsn(w.Port, name, "user=stranger")); e.Code != "42501" || e.Severity != "FATAL" ||
			e.Message != `user "stranger" is neither in admin_users nor in stats_users` {
			t.Errorf("%s: nobody is refused with %+v", name, e)
		}
	}
	found := consoleCommands(t, w.Console())
	slices.Sort(found)
	if known := slices.Sorted(maps.Keys(consoleRights)); !slices.Equal(found, known) {
		t.Fatalf("SHOW HELP lists\n%q\nand there are rights for\n%q", found, known)
	}
	all := maps.Clone(consoleRights)
	maps.Copy(all, unlistedRights)
	looker, admin := connect(t, w.Console("user=looker")), connect(t, w.Console())
	for command, want := range all {
		sql := strings.NewReplacer("key = value", "no_such_setting = 1", "KILL_CLIENT id", "KILL_CLIENT 999999", "WAIT_FOR_SERVERS|", "",
			"[db]", "nowhere", " db", " nowhere", "[WITHIN time]", "WITHIN 1", "[OVER time]", "OVER 1").Replace(command)
		for protocol, run := range map[string]func(*pgx.Conn) error{
			"simple":   func(c *pgx.Conn) error { return runSQL(t.Context(), c, sql) },
			"extended": func(c *pgx.Conn) error { return c.PgConn().ExecParams(t.Context(), sql, nil, nil, nil, nil).Read().Err },
			"prepared": func(c *pgx.Conn) error {
				if _, err := c.PgConn().Prepare(t.Context(), "", sql, nil); err != nil {
					return err
				}
				return c.PgConn().ExecPrepared(t.Context(), "", nil, nil, nil).Read().Err
			},
		} {
			if err := run(looker); sqlState(err) != want[0] || (err == nil) != (want[0] == "") {
				t.Errorf("%s of a stats user, %s: %v, want %q", sql, protocol, err, want[0])
			}
			if want[1] == "ends" {
				continue
			}
			if err := run(admin); sqlState(err) != want[1] || (err == nil) != (want[1] == "") {
				t.Errorf("%s of an admin, %s: %v, want %q", sql, protocol, err, want[1])
			}
		}
	}

	t.Run("rights that a reload takes are gone", func(t *testing.T) {
		user, sibling := connect(t, w.Console()), connect(t, w.Console("user=looker"))
		for _, sql := range []string{"RELOAD", "SHOW FDS"} {
			if _, err := user.PgConn().Prepare(t.Context(), sql, sql, nil); err != nil {
				t.Fatal(err)
			}
		}
		w.Rewrite(t, weirOptions{Top: "admin_users = []\nstats_users = [\"postgres\"]", Tables: "[users.postgres]\n[users.looker]\n"})
		reloadBySignal(t, w)
		for _, sql := range []string{"RELOAD", "SHOW FDS"} {
			if err := runSQL(t.Context(), user, sql); sqlState(err) != "42501" {
				t.Errorf("%s of an admin who is none any more: %v", sql, err)
			}
			if err := user.PgConn().ExecPrepared(t.Context(), sql, nil, nil, nil).Read().Err; sqlState(err) != "42501" {
				t.Errorf("%s of an admin who is none any more, prepared before: %v", sql, err)
			}
		}
		must(t, user, "show pools")
		if err := runSQL(t.Context(), sibling, "show pools"); sqlState(err) != "42501" || !strings.Contains(err.Error(), "FATAL") {
			t.Errorf("who may not even read any more: %v", err)
		}
		if err := runSQL(t.Context(), sibling, "show pools"); err == nil || sqlState(err) != "" {
			t.Errorf("the connection is there still: %v", err)
		}
		w.Rewrite(t, w.opts)
		reloadBySignal(t, w)
		must(t, user, "reload")
	})
	t.Run("auth_type any makes nobody an admin", func(t *testing.T) {
		w.Rewrite(t, weirOptions{
			Top:      "stats_users = [\"looker\"]\nauth_type = \"any\"",
			Database: "user = \"postgres\"",
			Tables:   "[users.postgres]\n",
		})
		reloadBySignal(t, w)
		for user, code := range map[string]string{"looker": "42501", "whoever": "42501", "postgres": ""} {
			conn := connect(t, w.Console("user="+user))
			must(t, conn, "show pools")
			if err := runSQL(t.Context(), conn, "reload"); sqlState(err) != code {
				t.Errorf("RELOAD of %s: %v", user, err)
			}
		}
	})
	t.Run("who runs pgweir is an admin, on the Unix socket", func(t *testing.T) {
		for _, user := range []string{"pgweir", "pgbouncer"} {
			must(t, connect(t, w.Console("host="+w.Dir, "user="+user)), "reload")
			if err := runSQL(t.Context(), connect(t, w.Console("user="+user)), "reload"); sqlState(err) != "42501" {
				t.Errorf("%s over TCP: %v", user, err)
			}
		}
	})
	if err := runSQL(t.Context(), admin, "shutdown wait_for_clients"); err != nil {
		t.Error(err)
	}
	if code := w.Exited(t, patience); code != 0 {
		t.Error(fmt.Sprint("it ended with ", code))
	}
}
