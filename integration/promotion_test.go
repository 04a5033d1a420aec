package integration

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"pgweir/cluster"
)

// toldAtLogin is what a client that comes now is told of a parameter at its login.
func toldAtLogin(t *testing.T, dsn, parameter string) string {
	t.Helper()
	conn, err := pgconn.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	return conn.ParameterStatus(parameter)
}

// demote says whether the transactions of a server only read, and waits until it knows.
func demote(t *testing.T, pg *cluster.Cluster, value string) {
	t.Helper()
	execSQL(t, pg.DSN("postgres"), "alter system set default_transaction_read_only = "+value)
	execSQL(t, pg.DSN("postgres"), "select pg_reload_conf()")
	conn := connect(t, pg.DSN("postgres"))
	eventually(t, "the server has read its configuration", func() bool { return ask(t, conn, "show default_transaction_read_only") == value })
}

// chosen tells whether libpq takes the server for one of these attributes.
func chosen(t *testing.T, w *weir, attrs string) bool {
	t.Helper()
	cmd := exec.Command("psql", "-XAt", "-c", "select 'in'", w.DSN("target_session_attrs="+attrs))
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	if err != nil && !strings.Contains(string(out), "session is ") && !strings.Contains(string(out), "server is ") {
		t.Fatalf("%v: %s", err, out)
	}
	return err == nil && strings.TrimSpace(string(out)) == "in"
}

// choices compares what libpq takes the server for.
func choices(t *testing.T, w *weir, want map[string]bool) {
	t.Helper()
	for attrs, is := range want {
		if got := chosen(t, w, attrs); got != is {
			t.Errorf("%s, %s: %v, want %v", w.opts.Top, attrs, got, is)
		}
	}
}

var (
	asStandby = map[string]bool{"any": true, "read-write": false, "read-only": true, "primary": false, "standby": true}
	asPrimary = map[string]bool{"any": true, "read-write": true, "read-only": false, "primary": true, "standby": false}
)

// TestAPromotionIsToldToWhoComes, also while no backend has anything to do: PostgreSQL
// reports a promotion with the next answer only.
func TestAPromotionIsToldToWhoComes(t *testing.T) {
	t.Parallel()
	primary := startCluster(t, cluster.Options{})
	port, _ := startStandby(t, primary)
	var pools []*weir
	for _, top := range []string{`pool_mode = "transaction"`, `pool_mode = "session"`, `session_state = "off"`} {
		w := startWeir(t, weirOptions{Cluster: primary, DB: "postgres", Top: top, Database: fmt.Sprintf("port = %d", port)})
		for _, more := range []string{"application_name=plain", "search_path=x", "options=-cwork_mem=1MB"} {
			must(t, connect(t, w.DSN(more)), "select 1")
			if got := toldAtLogin(t, w.DSN(more), "in_hot_standby"); got != "on" {
				t.Errorf("%s, %s: in_hot_standby is %q", top, more, got)
			}
		}
		choices(t, w, asStandby)
		atWorkInAnyMode(t, w)
		pools = append(pools, w)
	}
	execSQL(t, dsn(port, "postgres"), "select pg_promote()")
	for _, w := range pools {
		eventually(t, "a client is told of the promotion", func() bool { return toldAtLogin(t, w.DSN(), "in_hot_standby") == "off" })
		for _, more := range []string{"application_name=plain", "search_path=x", "options=-cwork_mem=1MB"} {
			if got := toldAtLogin(t, w.DSN(more), "in_hot_standby"); got != "off" {
				t.Errorf("%s, %s: in_hot_standby is %q", w.opts.Top, more, got)
			}
		}
		choices(t, w, asPrimary)
	}
}

// atWorkInAnyMode waits until no client's query is under way.
func atWorkInAnyMode(t *testing.T, w *weir) {
	t.Helper()
	if !w.sessions() {
		atWork(t, w, 0)
	}
}

func TestWhatTransactionsMayDoIsToldToWhoComes(t *testing.T) {
	t.Parallel()
	pg := startCluster(t, cluster.Options{})
	w := startWeir(t, weirOptions{Cluster: pg, Database: "pool_size = 1"})
	client, other := connect(t, w.DSN()), connect(t, w.DSN())
	must(t, client, "select 1")
	const parameter = "default_transaction_read_only"
	for _, value := range []string{"on", "off", "on"} {
		demote(t, pg, value)
		must(t, client, "select 1") // only a backend that is asked something reads the configuration
		eventually(t, "a client is told "+value, func() bool {
			must(t, client, "select 1")
			return toldAtLogin(t, w.DSN(), parameter) == value
		})
		if got := toldAtLogin(t, w.DSN("options=-c"+parameter+"=off"), parameter); got != "off" {
			t.Errorf("who asks for off is told %q", got)
		}
		choices(t, w, map[string]bool{"read-write": value == "off", "primary": true})
	}
	// What another client has set is its own.
	demote(t, pg, "off")
	eventually(t, "a client is told off", func() bool { return toldAtLogin(t, w.DSN(), parameter) == "off" })
	must(t, other, "set "+parameter+" = on")
	for range 3 {
		must(t, other, "select 1")
		if got := toldAtLogin(t, w.DSN(), parameter); got != "off" {
			t.Errorf("a client is told %q", got)
		}
	}
}

// TestAServerThatComesBackAsAStandbyIsToldToWhoComes first.
func TestAServerThatComesBackAsAStandbyIsToldToWhoComes(t *testing.T) {
	t.Parallel()
	pg := startCluster(t, cluster.Options{})
	w := startWeir(t, weirOptions{Cluster: pg, DB: "postgres"})
	must(t, connect(t, w.DSN()), "select 1")
	atWork(t, w, 0)
	choices(t, w, map[string]bool{"primary": true})
	if err := pg.Stop(cluster.Fast); err != nil {
		t.Fatal(err)
	}
	if err := pg.WriteFile("standby.signal", nil); err != nil {
		t.Fatal(err)
	}
	if err := pg.Restart(); err != nil {
		t.Fatal(err)
	}
	choices(t, w, asStandby)
}
