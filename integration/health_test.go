package integration

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"pgweir/cluster"
)

func TestAHealthyServerHasNoFindings(t *testing.T) {
	t.Parallel()
	pg := startCluster(t, cluster.Options{})
	w := watched(t, pg, "")
	begun := findings(t, w)
	// What takes several readings to be found would be found by the fifth.
	var last healthAnswer
	eventuallyWithin(t, time.Minute, "five readings have been taken", func() bool {
		last = findings(t, w)
		if len(last.Findings) > 0 {
			t.Fatalf("%+v", last.Findings)
		}
		return last.At.Sub(begun.At) >= 5*time.Second
	})
	if last.Postmaster.PID == nil || *last.Postmaster.PID != pg.PID() || !last.Postmaster.Alive {
		t.Errorf("the postmaster is %+v, not %d", last.Postmaster, pg.PID())
	}
}

// TestAStoppedProcessIsNamed: a process that does not move is named with its
// kind and pid, for as long as it does not.
func TestAStoppedProcessIsNamed(t *testing.T) {
	t.Parallel()
	pg := startCluster(t, cluster.Options{})
	w := watched(t, pg, "")
	direct := connect(t, w.Direct())
	findings(t, w)
	pids := map[string]int{
		"checkpointer": pidOf(t, direct, "checkpointer"),
		"walwriter":    pidOf(t, direct, "walwriter"),
		"postmaster":   pg.PID(),
	}
	for _, kind := range []string{"checkpointer", "walwriter", "postmaster"} {
		pid := pids[kind]
		t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGCONT) }) // else it would not end
		signal(t, pid, syscall.SIGSTOP)
		f := isFound(t, w, "process_stopped", fmt.Sprintf("%s (pid %d)", kind, pid), fmt.Sprintf("kill -CONT %d", pid))
		if f.Severity != "critical" {
			t.Errorf("%s: %q", kind, f.Severity)
		}
		signal(t, pid, syscall.SIGCONT)
		isOver(t, w, "process_stopped")
	}
	// Two at once are one finding that names both.
	signal(t, pids["walwriter"], syscall.SIGSTOP)
	first := isFound(t, w, "process_stopped", "walwriter")
	signal(t, pids["checkpointer"], syscall.SIGSTOP)
	if f := isFound(t, w, "process_stopped", fmt.Sprintf("walwriter (pid %d)", pids["walwriter"]), fmt.Sprintf("checkpointer (pid %d)", pids["checkpointer"])); !f.Since.Equal(first.Since) {
		t.Errorf("it is the same finding, but was since %v and now is since %v", first.Since, f.Since)
	}
	signal(t, pids["checkpointer"], syscall.SIGCONT)
	signal(t, pids["walwriter"], syscall.SIGCONT)
	isOver(t, w, "process_stopped")
	nothingIsFound(t, w)
}

// TestAServerThatDoesNotAnswerIsToldOf: the kernel goes on accepting for a
// postmaster that does not move, so that only a login shows it.
func TestAServerThatDoesNotAnswerIsToldOf(t *testing.T) {
	t.Parallel()
	pg := startCluster(t, cluster.Options{})
	w := watched(t, pg, "")
	direct := connect(t, w.Direct())
	findings(t, w)
	t.Cleanup(func() { _ = syscall.Kill(pg.PID(), syscall.SIGCONT) })
	signal(t, pg.PID(), syscall.SIGSTOP)
	// Whoever is in is served; so the census must be made to log in again.
	must(t, direct, "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'pgweir census'")
	isFoundWithin(t, w, 2*noticed, "server_unreachable", "does not answer", fmt.Sprintf("(pid %d) lives", pg.PID()))
	isFound(t, w, "process_stopped", fmt.Sprintf("postmaster (pid %d)", pg.PID()))
	eventuallyWithin(t, noticed, "/readyz says why clients cannot be served", func() bool {
		code, body := get(t, w, "/readyz")
		return code == http.StatusServiceUnavailable && strings.Contains(body, "does not answer")
	})
	signal(t, pg.PID(), syscall.SIGCONT)
	isOver(t, w, "server_unreachable")
	isOver(t, w, "process_stopped")
	servedWithin(t, connect(t, w.DSN()), patience)
}

// TestACrashIsTold: PostgreSQL restarts all of its processes when one of them
// is killed; that is told for a minute.
func TestACrashIsTold(t *testing.T) {
	t.Parallel()
	pg := startCluster(t, cluster.Options{})
	w := watched(t, pg, "")
	findings(t, w)
	direct := connect(t, w.Direct())
	old := pidOf(t, direct, "checkpointer")
	eventually(t, "the census has seen it", func() bool {
		_, body := get(t, w, "/census")
		return strings.Contains(body, fmt.Sprintf(`"pid": %d,`, old))
	})
	signal(t, backendOf(t, direct), syscall.SIGKILL)
	isFound(t, w, "server_crashed")
	eventually(t, "the server is back", func() bool {
		conn, err := pgx.Connect(t.Context(), w.Direct())
		if err == nil {
			_ = conn.Close(t.Context())
		}
		return err == nil
	})
	now := pidOf(t, connect(t, w.Direct()), "checkpointer")
	f := isFound(t, w, "server_crashed", fmt.Sprintf("checkpointer: %d, was %d", now, old))
	isOver(t, w, "server_starting")
	isReady(t, w)
	a := isOverWithin(t, w, "server_crashed", time.Minute+noticed)
	if lasted := a.At.Sub(f.Since); lasted < time.Minute {
		t.Errorf("it was told for %v", lasted)
	}
	nothingIsFound(t, w)
}

// TestAServerThatIsStoppedIsToldOf, and so is that clients cannot be served.
func TestAServerThatIsStoppedIsToldOf(t *testing.T) {
	t.Parallel()
	pg := startCluster(t, cluster.Options{})
	w := watched(t, pg, "")
	client := connect(t, w.DSN())
	must(t, client, "select 1")
	atWork(t, w, 0)
	findings(t, w)
	old := pg.PID()
	if err := pg.Stop(cluster.Fast); err != nil {
		t.Fatal(err)
	}
	f := isFound(t, w, "postmaster_gone", fmt.Sprintf("(pid %d)", old), fmt.Sprintf(":%d", pg.Port))
	if f.Severity != "critical" {
		t.Errorf("%q", f.Severity)
	}
	eventuallyWithin(t, noticed, "/readyz says why clients cannot be served", func() bool {
		code, body := get(t, w, "/readyz")
		return code == http.StatusServiceUnavailable &&
			(strings.Contains(body, "postmaster") || strings.Contains(body, "connection refused"))
	})
	if err := pg.Restart(); err != nil {
		t.Fatal(err)
	}
	isFound(t, w, "server_restarted", fmt.Sprintf("postmaster %d, was %d", pg.PID(), old))
	isOver(t, w, "postmaster_gone")
	isReady(t, w)
	allServed(t, []*pgx.Conn{client}, patience)
}

func TestAnArchiverThatFailsIsToldOf(t *testing.T) {
	t.Parallel()
	pg := startCluster(t, cluster.Options{Settings: map[string]string{"archive_mode": "on", "archive_command": "/bin/false"}})
	w := watched(t, pg, "")
	direct := connect(t, w.Direct())
	must(t, direct, "create table t (); select pg_switch_wal()")
	isFound(t, w, "archiver_failing", "archive_command")
	wal := ask(t, direct, "select last_failed_wal from pg_stat_archiver")
	isFound(t, w, "archiver_failing", wal)
	must(t, direct, "alter system set archive_command = '/bin/true'")
	must(t, direct, "select pg_reload_conf()")
	must(t, direct, "create table u (); select pg_switch_wal()") // wakes it
	isOver(t, w, "archiver_failing")
	if got := ask(t, direct, "select last_archived_time > last_failed_time from pg_stat_archiver"); got != "t" {
		t.Errorf("it is told to be over, but the server does not say so: %s", got)
	}
}

// TestWhoWaitsForWhomIsToldInTermsOfClients: of pgweir's clients, whichever
// backends they have.
func TestWhoWaitsForWhomIsToldInTermsOfClients(t *testing.T) {
	t.Parallel()
	pg := startCluster(t, cluster.Options{})
	w := watched(t, pg, "")
	holder, waiter, third := connect(t, w.DSN()), connect(t, w.DSN()), connect(t, w.DSN())
	must(t, holder, "create table orders (id int)")
	must(t, holder, "begin; lock table orders in access exclusive mode")
	done := begin(t, waiter, "select * from orders")
	of := func(c *pgx.Conn) string { return "lient " + idOf(t, w, c) + " (127.0.0.1:" } // the first begins the sentence
	f := isFound(t, w, "lock_queue", of(holder), of(waiter), "relation public.orders", "idle in transaction", "KILL_CLIENT "+idOf(t, w, holder)+" ")
	if wait, held, _ := strings.Cut(f.Text, " held by "); !strings.Contains(wait, of(waiter)) || !strings.Contains(held, of(holder)) {
		t.Errorf("%s", f.Text)
	}
	if f.Severity != "warning" {
		t.Errorf("%q", f.Severity)
	}
	// A chain is followed to its root.
	must(t, third, "begin; select pg_advisory_xact_lock(4711)")
	must(t, holder, "commit")
	if err := finished(t, done, patience); err != nil {
		t.Fatal(err)
	}
	isOver(t, w, "lock_queue")
	must(t, waiter, "begin; lock table orders in access exclusive mode")
	blocked := begin(t, waiter, "select pg_advisory_xact_lock(4711)")
	last := begin(t, holder, "select * from orders")
	f = isFound(t, w, "lock_queue", of(holder), of(waiter), of(third), "which waits for", "KILL_CLIENT "+idOf(t, w, third)+" ")
	if strings.Contains(f.Advice, "KILL_CLIENT "+idOf(t, w, waiter)+" ") {
		t.Errorf("the one in the middle is not to blame: %s", f.Advice)
	}
	must(t, third, "commit")
	if err := finished(t, blocked, patience); err != nil {
		t.Fatal(err)
	}
	must(t, waiter, "commit")
	if err := finished(t, last, patience); err != nil {
		t.Fatal(err)
	}
	isOver(t, w, "lock_queue")
}

func TestFewConnectionsLeftIsToldOf(t *testing.T) {
	t.Parallel()
	pg := startCluster(t, cluster.Options{Settings: map[string]string{
		"max_connections": "10", "superuser_reserved_connections": "3", "max_wal_senders": "2",
	}})
	w := watched(t, pg, "")
	client := connect(t, w.DSN())
	must(t, client, "begin")
	direct := connect(t, w.Direct())
	count := func() int {
		n, err := strconv.Atoi(ask(t, direct, "select count(*) from pg_stat_activity where backend_type = 'client backend'"))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	eventually(t, "the census is one of them", func() bool { return count() == 3 })
	nothingIsFound(t, w) // with 3 of 7
	var more []*pgx.Conn
	for range 3 {
		more = append(more, connect(t, w.Direct()))
	}
	f := isFound(t, w, "near_max_connections", "6 client backends are open of the 7", "max_connections 10 less 3", "pgweir has 1 of them, others have 5 (the role postgres has 5)")
	if f.Severity != "warning" {
		t.Errorf("%q", f.Severity)
	}
	more = append(more, connect(t, w.Direct()))
	if g := isFound(t, w, "near_max_connections", "7 client backends are open of the 7"); g.Severity != "critical" || !g.Since.Equal(f.Since) {
		t.Errorf("%+v, before: %+v", g, f)
	}
	for _, c := range more {
		if err := c.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	isOver(t, w, "near_max_connections")
}

// TestWhatTheCensusMayNotSeeIsToldOf, with what helps.
func TestWhatTheCensusMayNotSeeIsToldOf(t *testing.T) {
	t.Parallel()
	pg := startCluster(t, cluster.Options{})
	direct := connect(t, pg.DSN("postgres"))
	must(t, direct, `create role "some""body" login`)
	t.Run("too few rights", func(t *testing.T) {
		w := watched(t, pg, `census_user = 'some"body'`)
		f := isFound(t, w, "census_rights", `GRANT pg_monitor TO "some""body";`)
		if f.Severity != "info" {
			t.Errorf("%q", f.Severity)
		}
		must(t, direct, f.Advice)
		isOver(t, w, "census_rights")
		nothingIsFound(t, w)
	})
	t.Run("nobody may ask", func(t *testing.T) {
		w := watched(t, pg, `census_user = ""`)
		must(t, connect(t, w.DSN()), "select 1")
		isFound(t, w, "census_blind", "census_user")
	})
	t.Run("no such role", func(t *testing.T) {
		w := watched(t, pg, `census_user = "nobody"`)
		isFound(t, w, "census_login", `role "nobody" does not exist`)
		isReady(t, w)
	})
}
