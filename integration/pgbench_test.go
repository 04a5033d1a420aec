package integration

import (
	"context"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// pgbench runs the installed pgbench against a database and gives the number
// of transactions. It is an error if one of its clients is aborted, or if a
// transaction fails.
func pgbench(t *testing.T, port int, db string, args ...string) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "pgbench", append(args, "-h", "127.0.0.1", "-p", strconv.Itoa(port), "-U", "postgres", db)...)
	cmd.Env = append(os.Environ(), "PGSSLMODE=disable", "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("pgbench %s: %v\n%s", strings.Join(args, " "), err, tail(string(out), 2000))
	}
	if strings.Contains(string(out), "aborted") {
		t.Errorf("pgbench %s:\n%s", strings.Join(args, " "), tail(string(out), 2000))
	}
	if m := regexp.MustCompile(`number of failed transactions: (\d+)`).FindSubmatch(out); m != nil && string(m[1]) != "0" {
		t.Errorf("%s transactions failed", m[1])
	}
	m := regexp.MustCompile(`number of transactions actually processed: (\d+)`).FindSubmatch(out)
	if m == nil {
		return 0 // -i
	}
	n, err := strconv.Atoi(string(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestPgbenchWithManyClientsNeverUsesMoreBackendsThanThePool(t *testing.T) {
	t.Parallel()
	for _, workers := range []string{`"auto"`, "2"} {
		w := startWeir(t, weirOptions{Top: "workers = " + workers + "\nlog_connections = false\nlog_disconnections = false", Database: "pool_size = 10"})
		pgbench(t, w.PG.Port, w.DB, "-i", "-q", "-s", "2")
		eventually(t, "pgbench's own backends are gone", func() bool { return len(w.Backends(t)) == 0 })
		watch := watchBackends(t, w.PG, w.DB)
		for _, mode := range []string{"simple", "extended"} {
			for _, script := range []string{"select-only", "tpcb-like"} {
				// Not for a time (-T), which begins before the clients have come.
				if n := pgbench(t, w.Port, w.DB, "-n", "-c", "200", "-j", "2", "-t", "2", "-M", mode, "-b", script); n != 400 {
					t.Errorf("workers %s, %s %s: %d of 400 transactions of 200 clients", workers, mode, script, n)
				}
			}
		}
		// Every connection new.
		if n := pgbench(t, w.Port, w.DB, "-n", "-c", "20", "-j", "2", "-t", "20", "-C", "-S"); n != 400 {
			t.Errorf("%d of 400 transactions with a connection each", n)
		}
		if most := watch.Stop(t); most > 10 || most < 5 {
			t.Errorf("%d backends", most)
		}
		// Money neither came nor went.
		if got := ask(t, connect(t, w.Direct()), "select (select sum(abalance) from pgbench_accounts) = (select sum(delta) from pgbench_history) and (select sum(bbalance) from pgbench_branches) = (select sum(tbalance) from pgbench_tellers)"); got != "t" {
			t.Error("the books do not balance")
		}
	}
}

func TestPgbenchWorksInSessionMode(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: `pool_mode = "session"`, Database: "pool_size = 10"})
	pgbench(t, w.Port, w.DB, "-i", "-q")
	watch := watchBackends(t, w.PG, w.DB)
	for _, mode := range []string{"simple", "extended", "prepared"} {
		if n := pgbench(t, w.Port, w.DB, "-n", "-c", "10", "-j", "2", "-t", "50", "-M", mode); n != 500 {
			t.Errorf("%s: %d of 500 transactions", mode, n)
		}
	}
	if most := watch.Stop(t); most > 10 {
		t.Errorf("%d backends", most)
	}
}
