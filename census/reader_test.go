package census

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"pgweir/cluster"
	"pgweir/health"
	"pgweir/status"
)

func startCluster(t *testing.T, settings map[string]string) *cluster.Cluster {
	t.Helper()
	programs, err := cluster.Find(os.Getenv("PGWEIR_TEST_PG_BIN"))
	if err != nil {
		t.Fatal(err)
	}
	pg, err := cluster.Start(t.Context(), programs, cluster.Options{Settings: settings})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pg.Close(); err != nil {
			t.Error(err)
		}
	})
	return pg
}

func addr(pg *cluster.Cluster) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(pg.Port)) }

func targetOf(pg *cluster.Cluster) Target {
	return Target{Host: addr(pg), Network: "tcp", Addr: addr(pg), ConnString: pg.DSN("postgres")}
}

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = conn.Close(ctx)
	})
	return conn
}

func must(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.PgConn().Exec(t.Context(), sql).ReadAll(); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for ; !condition(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

func newReader(t *testing.T, target Target) *Reader {
	r := NewReader(target, Options{AllMemory: true})
	t.Cleanup(r.Close)
	return r
}

func TestAReaderKeepsOneConnectionAndOpensAnotherWhenItIsLost(t *testing.T) {
	t.Parallel()
	pg := startCluster(t, nil)
	conn := connect(t, pg.DSN("postgres"))
	r := newReader(t, targetOf(pg))
	own := func() []int {
		rows, err := conn.Query(t.Context(), "select pid from pg_stat_activity where application_name = 'pgweir census'")
		if err != nil {
			t.Fatal(err)
		}
		pids, err := pgx.CollectRows(rows, pgx.RowTo[int])
		if err != nil {
			t.Fatal(err)
		}
		return pids
	}
	read := func() health.Evidence {
		t.Helper()
		e := r.Read(t.Context(), nil)
		if e.Err != nil || !e.Privileged || e.Role != "postgres" || !e.Reaches || !e.Asked || e.Autovacuum != "on" || e.Archiver != nil {
			t.Fatalf("%+v", e)
		}
		return e
	}
	first := read()
	read()
	before := own()
	if len(before) != 1 {
		t.Fatalf("connections: %v", before)
	}
	must(t, conn, fmt.Sprintf("select pg_terminate_backend(%d)", before[0]))
	eventually(t, "it is gone", func() bool { return len(own()) == 0 })
	read()
	if after := own(); len(after) != 1 || after[0] == before[0] {
		t.Errorf("connections: %v, then %v", before, after)
	}
	// The server begins anew: another postmaster, and the reader sees it.
	if err := pg.Stop(cluster.Fast); err != nil {
		t.Fatal(err)
	}
	e := r.Read(t.Context(), nil)
	if c := e.Census; e.Err == nil || e.Reaches || !c.Server.Local() || c.Postmaster.Alive || c.Postmaster.PID != first.Census.Postmaster.PID ||
		len(c.Processes) != 0 || c.Server.Version == "" || !e.Started.Equal(first.Started) {
		t.Errorf("stopped: %+v %+v", e, c)
	}
	if err := pg.Restart(); err != nil {
		t.Fatal(err)
	}
	if e = read(); e.Census.Postmaster.PID != pg.PID() || !e.Started.After(first.Started) || len(e.OSStates) != len(e.Census.Processes) {
		t.Errorf("%+v", e)
	}
}

func TestEvidenceOfLocksTransactionsLimitsAndTheArchiver(t *testing.T) {
	t.Parallel()
	pg := startCluster(t, map[string]string{"archive_mode": "on", "archive_command": "false", "superuser_reserved_connections": "2"})
	self, holder, waiter, adviser := connect(t, pg.DSN("postgres")), connect(t, pg.DSN("postgres")), connect(t, pg.DSN("postgres")), connect(t, pg.DSN("postgres"))
	for _, sql := range []string{"create table wanted as select 1 as a", "create role few connection limit 3",
		"create database small connection limit 4", "select pg_switch_wal()"} {
		must(t, self, sql)
	}
	must(t, holder, "begin; update wanted set a = 2; select pg_advisory_lock(12345678901)")
	var waiting sync.WaitGroup
	t.Cleanup(waiting.Wait) // the context has ended by then
	waiting.Go(func() { _, _ = waiter.Exec(t.Context(), "alter table wanted add b int") })
	waiting.Go(func() { _, _ = adviser.Exec(t.Context(), "select pg_advisory_lock(12345678901)") })
	by := int(holder.PgConn().PID())
	r := newReader(t, targetOf(pg))
	ours := func() []status.Backend {
		return []status.Backend{
			{Host: addr(pg), PID: by, Client: &status.Holder{ID: 9, Addr: "unix"}},
			{Host: "10.0.0.1:5432", PID: int(self.PgConn().PID())}, // another server's
		}
	}
	var e health.Evidence
	eventually(t, "both wait and the archiver has failed", func() bool {
		e = r.Read(t.Context(), ours)
		return e.Err != nil || len(e.Blocked) == 2 && e.Archiver != nil && e.Archiver.Failed > 0
	})
	if e.Err != nil {
		t.Fatal(e.Err)
	}
	locks := map[int]health.Blocked{}
	for _, b := range e.Blocked {
		locks[b.PID] = b
		if !slices.Equal(b.By, []int{by}) || b.Since.IsZero() || time.Since(b.Since) > time.Minute {
			t.Errorf("%+v, want it to wait for %d", b, by)
		}
	}
	if got := locks[int(waiter.PgConn().PID())].Lock; got != "relation public.wanted" {
		t.Errorf("%q", got)
	}
	if got := locks[int(adviser.PgConn().PID())].Lock; got != "advisory lock 12345678901" {
		t.Errorf("%q", got)
	}
	i := slices.IndexFunc(e.Holding, func(h health.Holding) bool { return h.PID == by })
	if i < 0 || !e.Holding[i].Idle || e.Holding[i].Age < 1 || e.Holding[i].Begun.IsZero() {
		t.Errorf("%+v", e.Holding)
	}
	if e.Archiver.LastFailed.IsZero() || e.Archiver.LastFailedWAL == "" || !e.Archiver.LastArchived.IsZero() {
		t.Errorf("%+v", e.Archiver)
	}
	l := e.Census.Limits
	if l == nil || l.MaxConnections != 100 || l.SuperuserReserved != 2 || l.Reserved != 0 || l.Roles["few"] != 3 || l.Databases["small"] != 4 ||
		len(l.Roles) != 1 || l.Others != 4 {
		t.Errorf("%+v", l)
	}
	for _, p := range e.Census.Processes {
		if p.Ours != (p.PID == by) || (p.Client != nil) != p.Ours {
			t.Errorf("%+v", p)
		}
		if p.PID == by && !strings.HasPrefix(p.Query, "begin; update wanted") {
			t.Errorf("%q", p.Query)
		}
	}
}

// Nobody may ask: over TCP the backends that we have lead to the postmaster,
// over the socket it is who listens.
func TestWithoutALoginTheProcessTableTells(t *testing.T) {
	t.Parallel()
	pg := startCluster(t, map[string]string{"cluster_name": "main"})
	conn := connect(t, pg.DSN("postgres"))
	pid := int(conn.PgConn().PID())
	socket := fmt.Sprintf("%s/.s.PGSQL.%d", pg.SocketDir, pg.Port)
	for name, target := range map[string]Target{
		"by a seed":    {Host: addr(pg), Network: "tcp", Addr: addr(pg), Seeds: func() []int { return []int{1 << 30, pid} }},
		"by who hears": {Host: socket, Network: "unix", Addr: socket},
	} {
		reader := newReader(t, target)
		var e health.Evidence
		eventually(t, name+": all that has just been forked has its title", func() bool {
			e = reader.Read(t.Context(), nil)
			for _, kind := range []string{postmaster, checkpointer, backgroundWriter, walwriter, clientBackend, "autovacuum launcher"} {
				if !slices.ContainsFunc(e.Census.Processes, func(p status.Process) bool { return p.Kind == kind }) {
					return false
				}
			}
			return true
		})
		c := e.Census
		if e.Asked || e.Err != nil || !e.Reaches || !c.Server.Local() || c.Postmaster.PID != pg.PID() || !c.Postmaster.Alive || c.Limits != nil || c.Server.Version != "" {
			t.Errorf("%s: %+v %+v", name, e, c)
			continue
		}
		for _, p := range c.Processes {
			if p.PID == pid && (p.User != "postgres" || p.Database != "postgres" || p.State != "idle") {
				t.Errorf("%s: %+v", name, p)
			}
		}
		if e.Started.IsZero() {
			t.Errorf("%s: it is not known when it was started", name)
		}
	}
	// What is no backend of PostgreSQL's leads nowhere, and so does nothing.
	for _, c := range []struct {
		seeds []int
		where status.Whereabouts
	}{{nil, status.Unlocated}, {[]int{os.Getpid()}, status.Elsewhere}, {[]int{pid, os.Getpid()}, status.Elsewhere}} {
		e := newReader(t, Target{Host: "x", Network: "tcp", Addr: addr(pg), Seeds: func() []int { return c.seeds }}).Read(t.Context(), nil)
		if e.Census.Server.Where != c.where || len(e.Census.Processes) != 0 || !e.Reaches || !e.Census.Postmaster.Alive {
			t.Errorf("%+v", e.Census)
		}
	}
}

// refusing is a server that turns every login away, and counts them.
func refusing(t *testing.T, code string) (target Target, logins *atomic.Int32) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	logins = new(atomic.Int32)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				if n, err := conn.Read(make([]byte, 1024)); err != nil || n == 0 {
					return // it only knocked
				}
				logins.Add(1)
				fields := "SFATAL\x00VFATAL\x00C" + code + "\x00Mno, and no\x00\x00"
				_, _ = conn.Write(append([]byte{'E', 0, 0, 0, byte(4 + len(fields))}, fields...))
			}()
		}
	}()
	a := l.Addr().String()
	host, port, _ := net.SplitHostPort(a)
	return Target{Host: a, Network: "tcp", Addr: a,
		ConnString: fmt.Sprintf("host=%s port=%s user=census password=secret dbname=postgres sslmode=disable", host, port)}, logins
}

func TestARefusedLoginIsNotTriedAllTheTime(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]int32{"28P01": 1, "28000": 1, "3D000": 1, "42501": 1, "53300": 3, "57P03": 3} {
		target, logins := refusing(t, code)
		r := newReader(t, target)
		for range 3 {
			e := r.Read(t.Context(), nil)
			if e.Code != code || e.Err == nil || !e.Reaches || e.Role != "census" || e.Census.Server.Local() || len(e.Census.Processes) != 0 {
				t.Errorf("%s: %+v", code, e)
			}
			if text := e.Err.Error(); text != "no, and no (SQLSTATE "+code+")" {
				t.Errorf("%q", text)
			}
		}
		if got := logins.Load(); got != want {
			t.Errorf("%s: %d logins, want %d", code, got, want)
		}
		r.line.until = time.Now() // the pause is over
		if r.Read(t.Context(), nil); logins.Load() != want+1 {
			t.Errorf("%s: %d logins after the pause", code, logins.Load())
		}
	}
}

func TestABadConnectionStringIsAnError(t *testing.T) {
	t.Parallel()
	e := newReader(t, Target{Host: "x", Network: "tcp", Addr: "127.0.0.1:1", ConnString: "port=x password=secret"}).Read(t.Context(), nil)
	if e.Err == nil || strings.Contains(e.Err.Error(), "secret") || e.Reaches || e.Census == nil {
		t.Errorf("%+v", e)
	}
}
