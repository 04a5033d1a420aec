package integration

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// ownEnd is how a connection's own end is written behind its application_name.
func ownEnd(conn *pgx.Conn) string { return conn.PgConn().Conn().LocalAddr().String() }

func TestApplicationNameAddHostSaysWhereASessionComesFrom(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"transaction", "session", "statement"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			w := startWeir(t, weirOptions{Top: `listen_addr = "127.0.0.1, ::1"` + "\napplication_name_add_host = true\npool_mode = \"" + mode + `"`, Database: "pool_size = 2"})
			direct := connect(t, w.Direct())
			seen := func(conn *pgx.Conn) string {
				t.Helper()
				return ask(t, conn, "select application_name from pg_stat_activity where pid = pg_backend_pid()")
			}
			long := strings.Repeat("n", 50)
			for _, c := range []struct{ host, name, prefix string }{
				{"127.0.0.1", "shop", "shop - "}, {"::1", "shop", "shop - "}, {"127.0.0.1", "", "app - "},
				{"127.0.0.1", long, long + " - "}, {"127.0.0.1", strings.Repeat("n", 70), strings.Repeat("n", 70)},
			} {
				more := []string{"host=" + c.host}
				if c.name != "" {
					more = append(more, "application_name="+c.name)
				}
				conn := connect(t, w.DSN(more...))
				want := cutTo63(c.prefix + ownEnd(conn))
				if told := conn.PgConn().ParameterStatus("application_name"); told != want {
					t.Errorf("the client is told %q, want %q", told, want)
				}
				if got := ask(t, conn, "show application_name"); got != want || seen(conn) != want {
					t.Errorf("SHOW %q, pg_stat_activity %q, want %q", got, seen(conn), want)
				}
				if mode != "statement" {
					// What is set stands as it is, and what was there at the start comes back.
					for _, reset := range []string{"reset application_name", "reset all", "discard all"} {
						must(t, conn, "set application_name = 'another'")
						if got := seen(conn); got != "another" {
							t.Errorf("after SET: %q", got)
						}
						must(t, conn, reset)
						if got := seen(conn); got != want {
							t.Errorf("after %s: %q, want %q", reset, got, want)
						}
					}
				}
				if err := conn.Close(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if n := ask(t, direct, "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"); n != "1" && n != "2" {
				t.Errorf("names have cost %s backends", n)
			}
		})
	}
}

func cutTo63(s string) string { return s[:min(63, len(s))] }

func TestApplicationNameAddHostOnAUnixSocketAndForReplication(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: "application_name_add_host = 1"})
	conn := connect(t, w.DSN("host="+w.Dir, "application_name=shop"))
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("shop - unix(%d@%s):%d", os.Getpid(), name, w.Port)
	if got := ask(t, conn, "show application_name"); got != cutTo63(want) {
		t.Errorf("%q, want %q", got, want)
	}
	console := connect(t, w.Console(simpleProtocol, "application_name=desk"))
	showsClient(t, console, map[string]string{"application_name": "desk - " + ownEnd(console)})
	showsClient(t, console, map[string]string{"application_name": cutTo63(want)})
	// A standby keeps the name that synchronous_standby_names has.
	standby := connect(t, w.DSN("replication=database", "application_name=standby1", simpleProtocol))
	if got := ask(t, standby, "show application_name"); got != "standby1" {
		t.Errorf("a standby is %q", got)
	}
}

// showsClient waits until SHOW CLIENTS has a client with these columns, once, and gives
// its row. One that changes loops just then is missed there, or seen twice.
func showsClient(t *testing.T, console *pgx.Conn, columns map[string]string) (found map[string]string) {
	t.Helper()
	eventually(t, fmt.Sprintf("SHOW CLIENTS has %v", columns), func() bool {
		n := 0
		for _, row := range show(t, console, "show clients") {
			same := true
			for column, want := range columns {
				same = same && row[column] == want
			}
			if same {
				found = row
				n++
			}
		}
		return n == 1
	})
	return found
}
