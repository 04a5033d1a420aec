package integration

import (
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// The console and the metrics as tools made for PgBouncer see them, on database
// pgbouncer. Columns and settings beside PgBouncer's own answers: console, pgbouncer.

// startForTools starts a pgweir with users in an auth_file, one client and its backend.
func startForTools(t *testing.T) *weir {
	t.Helper()
	w := startWeir(t, weirOptions{
		Top:    "stats_users = [\"watcher\"]\nauth_file = \"users.txt\"\nmax_client_conn = 321\nserver_lifetime = \"20m\"\npool_mode = \"transaction\"",
		Tables: "[users.postgres]\n",
		Files:  map[string]string{"users.txt": "\"watcher\" \"\"\n\"elsewhere\" \"x\"\n"},
	})
	must(t, connect(t, w.DSN("application_name=shop")), "select 1")
	return w
}

func TestToolsMadeForPgBouncerFindWhatTheyReadByName(t *testing.T) {
	t.Parallel()
	w := startForTools(t)
	theirs := connect(t, w.DSN("dbname=pgbouncer", "user=watcher", "application_name=agent"))
	own := connect(t, w.Console())
	if v := theirs.PgConn().ParameterStatus("server_version"); v != "1.25.2/bouncer" {
		t.Errorf("server_version is %s", v)
	}
	if v := own.PgConn().ParameterStatus("server_version"); !strings.HasSuffix(v, "/pgweir") {
		t.Errorf("server_version is %s", v)
	}

	t.Run("columns", func(t *testing.T) {
		for table, more := range map[string]int{"pools": 4, "clients": 2, "servers": 2, "stats": 2, "stats_totals": 1, "lists": 0, "users": 0} {
			a, b := columnNames(t, theirs.PgConn(), table), columnNames(t, own.PgConn(), table)
			if len(b)-len(a) != more {
				t.Errorf("SHOW %s: %q and %q", table, a, b)
			}
		}
	})
	t.Run("settings", func(t *testing.T) {
		rows := show(t, theirs, "show config")
		for key, want := range map[string]string{"max_client_conn": "321", "server_lifetime": "1200", "pool_mode": "transaction",
			"log_connections": "1", "unix_socket_mode": "511", "stats_users": "watcher"} {
			if got := rowOf(t, rows, "key", key)["value"]; got != want {
				t.Errorf("%s is %q, want %q", key, got, want)
			}
		}
		for _, row := range rows {
			if row["key"] == "session_state" || row["key"] == "pool_idle_timeout" {
				t.Errorf("PgBouncer has no %s", row["key"])
			}
		}
		if v := rowOf(t, show(t, own, "show config"), "key", "server_lifetime")["value"]; v != "1200s" {
			t.Errorf("pgweir's own is %q", v)
		}
	})
	t.Run("users of the auth_file", func(t *testing.T) {
		users := show(t, theirs, "show users")
		for _, name := range []string{"watcher", "elsewhere", "postgres", "pgbouncer"} {
			rowOf(t, users, "name", name)
		}
		if n := rowOf(t, users, "name", "watcher")["current_client_connections"]; n == "0" {
			t.Error("SHOW USERS does not count the console's clients")
		}
		if row := rowOf(t, show(t, theirs, "show databases"), "name", "pgbouncer"); row["port"] != strconv.Itoa(w.Port) || row["current_client_connections"] == "0" {
			t.Errorf("the console is shown as %v", row)
		}
		if n := rowOf(t, show(t, theirs, "show lists"), "list", "users")["items"]; n != strconv.Itoa(len(users)) {
			t.Errorf("SHOW LISTS counts %s users, SHOW USERS has %d", n, len(users))
		}
	})
	t.Run("ends of connections", func(t *testing.T) {
		row := rowOf(t, show(t, theirs, "show clients"), "application_name", "agent")
		if row["local_addr"] != "127.0.0.1" || row["local_port"] != strconv.Itoa(w.Port) || row["addr"] != "127.0.0.1" || row["database"] != "pgbouncer" {
			t.Errorf("%v", row)
		}
		for _, row := range show(t, theirs, "show servers") {
			if row["port"] != strconv.Itoa(w.PG.Port) || row["local_port"] == "0" || row["remote_pid"] == "0" {
				t.Errorf("%v", row)
			}
		}
	})
	t.Run("errors", func(t *testing.T) {
		for _, sql := range []string{"nonsense", "show nonsense", "reload", "select * from pg_class"} {
			if err := runSQL(t.Context(), theirs, sql); sqlState(err) != "08P01" {
				t.Errorf("%s: %v", sql, err)
			}
		}
		must(t, theirs, "select 1")
	})
}

// columnNames are those of a table of SHOW.
func columnNames(t *testing.T, conn *pgconn.PgConn, table string) (names []string) {
	t.Helper()
	results := conn.Exec(t.Context(), "show "+table)
	for results.NextResult() {
		for _, f := range results.ResultReader().FieldDescriptions() {
			names = append(names, f.Name)
		}
		if _, err := results.ResultReader().Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := results.Close(); err != nil {
		t.Fatal(err)
	}
	return names
}

// TestPsqlConnectsToTheConsoleAndItsOwnCommandsFailCleanly: they ask catalogs that are
// not there. The connection goes on.
func TestPsqlConnectsToTheConsoleAndItsOwnCommandsFailCleanly(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{})
	for _, name := range []string{"pgbouncer", "pgweir"} {
		for _, session := range []string{"any", "read-write", "primary", "prefer-standby"} {
			at := w.DSN("dbname="+name, "target_session_attrs="+session)
			cmd := psqlCommand(t, "-X", "-At", "-d", at, "-c", `\d`, "-c", `\l`, "-c", "select 1", "-c", "show version")
			cmd.Env = append(cmd.Environ(), "LC_ALL=C")
			out, err := cmd.CombinedOutput()
			if err != nil || strings.Count(string(out), "ERROR:  ") != 2 || !strings.Contains(string(out), "\n1\n") {
				t.Errorf("%s, %s: %v\n%s", name, session, err, out)
			}
		}
	}
}

// TestTheMetricsOfPgBouncersExporterFitTheConsole: one snapshot makes both.
func TestTheMetricsOfPgBouncersExporterFitTheConsole(t *testing.T) {
	t.Parallel()
	w := startForTools(t)
	theirs := connect(t, w.DSN("dbname=pgbouncer"))
	var text string
	eventually(t, "the backend is at rest", func() bool {
		_, text = get(t, w, "/metrics/pgbouncer")
		return rowOf(t, show(t, theirs, "show pools"), "database", w.DB)["sv_idle"] == "1" &&
			strings.Contains(text, `pgbouncer_pools_server_idle_connections{database="`+w.DB+`",user="postgres"} 1`)
	})
	pool := `{database="` + w.DB + `",user="postgres"} `
	for _, want := range []string{
		"pgbouncer_up 1",
		"pgbouncer_config_max_client_connections 321",
		`pgbouncer_version_info{version="PgBouncer 1.25.2"} 1`,
		"pgbouncer_pools_client_active_connections" + pool + rowOf(t, show(t, theirs, "show pools"), "database", w.DB)["cl_active"],
		"pgbouncer_users " + rowOf(t, show(t, theirs, "show lists"), "list", "users")["items"],
		`pgbouncer_client_connections{application_name="shop",database="` + w.DB + `",state="idle",user="postgres"} 1`,
		`pgbouncer_stats_totals_queries_pooled_total{database="` + w.DB + `"} ` + rowOf(t, show(t, theirs, "show stats"), "database", w.DB)["total_query_count"],
	} {
		if !strings.Contains(text, "\n"+want+"\n") {
			t.Errorf("there is no %s in\n%s", want, text)
		}
	}
}
