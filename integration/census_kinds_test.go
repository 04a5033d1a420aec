package integration

import (
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"pgweir/cluster"
)

func TestTheCensusSeesParallelWorkers(t *testing.T) {
	t.Parallel()
	pg := startCluster(t, cluster.Options{})
	conn, self := connect(t, pg.DSN("postgres")), connect(t, pg.DSN("postgres"))
	setting := "force_parallel_mode"
	if pg.Programs.Major >= 16 {
		setting = "debug_parallel_query"
	}
	must(t, conn, "create table one as select 1 as a; set "+setting+" = on")
	leader := backendOf(t, conn)
	begin(t, conn, "select a, pg_sleep(3600) from one")
	eventually(t, "a worker sleeps", func() bool {
		return ask(t, self, fmt.Sprintf("select count(*) from pg_stat_activity where leader_pid = %d and wait_event = 'PgSleep'", leader)) == "1"
	})
	c := runCensus(t, "--dsn", pg.DSN("postgres"))
	found := 0
	for pid, p := range c.byPID() {
		if or(p.Kind) == "parallel worker" {
			found++
			if want := activityOf(t, self)[pid]; told(p) != want || p.Memory == nil || *p.Memory <= 0 {
				t.Errorf("%+v, want %+v", told(p), want)
			}
			if title := childrenOf(t, pg.PID())[pid]; !strings.Contains(title, fmt.Sprintf("parallel worker for PID %d", leader)) {
				t.Errorf("its title is %q", title)
			}
		}
	}
	if found != 1 {
		t.Errorf("%d parallel workers: %v", found, c.kinds())
	}
}

func TestTheCensusSeesAutovacuumWorkers(t *testing.T) {
	t.Parallel()
	pg := startCluster(t, cluster.Options{Settings: map[string]string{
		"autovacuum_naptime": "1s", "autovacuum_vacuum_cost_delay": "100ms", "autovacuum_vacuum_cost_limit": "1",
		"vacuum_cost_page_hit": "100", "vacuum_cost_page_miss": "100", "vacuum_cost_page_dirty": "100",
	}})
	self := connect(t, pg.DSN("postgres"))
	must(t, self, "create table dying as select generate_series(1, 100000) as a; delete from dying")
	// The launcher takes its time.
	eventuallyWithin(t, time.Minute, "the census has the autovacuum worker that the server has", func() bool {
		if ask(t, self, "select count(*) from pg_stat_activity where backend_type = 'autovacuum worker' and query like '%dying%'") == "0" {
			return false
		}
		c := runCensus(t, "--dsn", pg.DSN("postgres"))
		for pid, p := range c.byPID() {
			if or(p.Kind) == "autovacuum worker" && or(p.Database) == "postgres" && or(p.State) == "active" {
				return strings.Contains(childrenOf(t, pg.PID())[pid], "autovacuum worker")
			}
		}
		return false
	})
}

func TestTheCensusSeesBothSidesOfReplication(t *testing.T) {
	t.Parallel()
	primary := startCluster(t, cluster.Options{Settings: map[string]string{"hot_standby": "on", "autovacuum_naptime": "1h"}}) // no worker comes and goes
	port, postmaster := startStandby(t, primary)
	for side, c := range map[string]struct {
		port, postmaster int
		want             []string
		not              []string
	}{
		"primary": {primary.Port, primary.PID(),
			[]string{"checkpointer", "background writer", "walwriter", "autovacuum launcher", "walsender"}, []string{"startup", "walreceiver"}},
		"standby": {port, postmaster,
			[]string{"checkpointer", "background writer", "startup", "walreceiver"}, []string{"walsender", "walwriter", "autovacuum launcher"}},
	} {
		self := connect(t, dsn(c.port, "postgres"))
		started(t, self, c.want...)
		eventually(t, "the clients of before have gone", func() bool {
			n := 0
			for _, title := range childrenOf(t, c.postmaster) {
				if strings.Contains(title, " postgres postgres 127.0.0.1(") {
					n++
				}
			}
			return n == 1
		})
		census := runCensus(t, "--dsn", dsn(c.port, "postgres"))
		kinds := census.kinds()
		for _, kind := range c.want {
			if kinds[kind] != 1 {
				t.Errorf("%s: %d times %s: %v", side, kinds[kind], kind, kinds)
			}
		}
		for _, kind := range c.not {
			if kinds[kind] != 0 {
				t.Errorf("%s: %d times %s", side, kinds[kind], kind)
			}
		}
		if !census.Server.Local || *census.Postmaster.PID != c.postmaster {
			t.Errorf("%s: %+v, want %d", side, census.Postmaster, c.postmaster)
		}
		activity, children := activityOf(t, self), childrenOf(t, c.postmaster)
		for pid, p := range census.byPID() {
			if pid == c.postmaster {
				continue
			}
			if want, ok := activity[pid]; ok && or(p.Kind) != want.kind {
				t.Errorf("%s: %d is a %s, want %s", side, pid, or(p.Kind), want.kind)
			}
			if _, ok := children[pid]; !ok {
				t.Errorf("%s: %d is not a child of the postmaster", side, pid)
			}
			if or(p.Kind) == "walsender" && (or(p.Application) != "the_standby" || or(p.User) != "postgres") {
				t.Errorf("%+v", p)
			}
		}
	}
}

// TestWithFewRightsTheCensusSaysWhatItCanAndWhatWouldHelp: the server hides
// kinds and states, the titles tell them.
func TestWithFewRightsTheCensusSaysWhatItCanAndWhatWouldHelp(t *testing.T) {
	t.Parallel()
	pg := startCluster(t, cluster.Options{Settings: map[string]string{"cluster_name": "main", "autovacuum_naptime": "1h"}}) // no worker comes and goes
	self := connect(t, pg.DSN("postgres"))
	must(t, self, `create role "no rights" login; select 'a secret'`)
	low := dsn(pg.Port, "postgres", `user='no rights'`)
	eventually(t, "kinds are as the server tells those who may know", func() bool {
		want := activityOf(t, self)
		c := runCensus(t, "--dsn", low)
		if !c.finding("census_rights") || !strings.Contains(fmt.Sprint(c.Findings), `GRANT pg_monitor TO "no rights"`) {
			t.Fatalf("%+v", c.Findings)
		}
		for pid, p := range c.byPID() {
			if w, told := want[pid]; told && or(p.Kind) != w.kind {
				t.Logf("%d is a %q, want %q", pid, or(p.Kind), w.kind)
				return false
			}
			if p.Parent == nil || p.CPU == nil {
				t.Fatalf("the process table is open to all: %+v", p)
			}
		}
		p, ok := c.byPID()[backendOf(t, self)]
		return ok && or(p.Kind) == "client backend" && or(p.State) == "idle" && or(p.User) == "postgres" &&
			or(p.Database) == "postgres" && p.Since == nil && p.Wait == nil
	})
	if out, errText, code := censusOutput(t, "--dsn", low); code != 0 || strings.Contains(out+errText, "a secret") || !strings.Contains(out, `GRANT pg_monitor TO "no rights"`) {
		t.Errorf("exit code %d\n%s\n%s", code, out, errText)
	}
	// From elsewhere there are no titles: what is hidden is unknown, not made up.
	far := dsn(forward(t, pg.Port), "postgres", `user='no rights'`)
	hidden := 0
	for pid, p := range runCensus(t, "--dsn", far).byPID() {
		if p.Kind != nil || p.State != nil || p.Wait != nil || p.Since != nil || p.CPU != nil || p.Memory != nil || p.Parent != nil {
			t.Errorf("%d: %+v", pid, p)
		}
		if !strings.Contains(p.Role, "may not see") {
			t.Errorf("its role: %q", p.Role)
		}
		hidden++
	}
	if hidden < 4 {
		t.Errorf("only %d processes", hidden)
	}
}

// forward passes connections on to a port; for the server they come from
// another one than the client has, as from another machine. The system may give
// both ends the same number, since they go to different ports.
func forward(t *testing.T, to int) (port int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := dialFromOtherPort(to, portNumber(in.RemoteAddr()))
			if err != nil {
				in.Close()
				continue
			}
			go func() { _, _ = io.Copy(out, in); out.Close() }()
			go func() { _, _ = io.Copy(in, out); in.Close() }()
		}
	}()
	return portNumber(l.Addr())
}

func portNumber(a net.Addr) int { return a.(*net.TCPAddr).Port }

// dialFromOtherPort connects to a port from any but one.
func dialFromOtherPort(to, other int) (net.Conn, error) {
	for {
		conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(to)))
		if err != nil || portNumber(conn.LocalAddr()) != other {
			return conn, err
		}
		defer conn.Close() // not before there is another
	}
}

func TestAServerElsewhereIsReadThroughSQLAlone(t *testing.T) {
	t.Parallel()
	pg := startCluster(t, cluster.Options{Settings: map[string]string{"logging_collector": "on"}})
	self := connect(t, pg.DSN("postgres"))
	far := dsn(forward(t, pg.Port), "postgres")
	own := backendOf(t, self)
	eventually(t, "the census is what the server says", func() bool {
		before := activityOf(t, self)
		c := runCensus(t, "--dsn", far)
		after := activityOf(t, self)
		if c.Server.Local || c.Postmaster.PID != nil || !c.Postmaster.Alive {
			t.Fatalf("%+v %+v", c.Server, c.Postmaster)
		}
		got := c.byPID()
		if len(got) != len(after) || len(before) != len(after) {
			return false
		}
		for pid, want := range after {
			p, ok := got[pid]
			if !ok || pid != own && (before[pid] != want || told(p) != want) {
				return false
			}
			if p.Memory != nil || p.CPU != nil || p.Parent != nil {
				t.Fatalf("%+v", p)
			}
		}
		return true
	})
}

// TestNobodyCanShadowWhatTheCensusAsks: views, functions and operators of the
// same names, ahead in everybody's search_path; and a statement that is no text
// in our encoding.
func TestNobodyCanShadowWhatTheCensusAsks(t *testing.T) {
	t.Parallel()
	pg := startCluster(t, cluster.Options{Settings: map[string]string{"autovacuum_naptime": "1h"}}) // no worker comes and goes
	self := connect(t, pg.DSN("postgres"))
	for _, sql := range []string{
		"create schema evil",
		"create view evil.pg_stat_activity as select * from pg_catalog.pg_stat_activity where false",
		"create view evil.pg_locks as select * from pg_catalog.pg_locks where false",
		"create function evil.age(xid) returns int language sql as 'select 1/0'",
		"create function evil.substring(bytea, int, int) returns bytea language sql as 'select null::bytea'",
		"create function evil.differs(text, text) returns boolean language sql as 'select 1/0 = 1'",
		"create operator evil.= (leftarg = text, rightarg = text, function = evil.differs)",
		"create operator evil.|| (leftarg = text, rightarg = text, function = evil.differs)",
		"alter role all set search_path = evil, pg_catalog, public",
		"alter role all set idle_session_timeout = '1ms'",
		"create database latin encoding 'LATIN1' locale 'C' template template0",
	} {
		must(t, self, sql)
	}
	// The session's own timeout is in force for new sessions only.
	latin := connect(t, dsn(pg.Port, "latin", "client_encoding=LATIN1", "idle_session_timeout=0"))
	must(t, latin, "begin; select '\xe9\xe8 caf\xe9' as x")
	holder := connect(t, dsn(pg.Port, "postgres", "idle_session_timeout=0"))
	must(t, holder, "select 1")
	waiter := connect(t, dsn(pg.Port, "postgres", "idle_session_timeout=0"))
	must(t, holder, "create table public.wanted (a int)")
	must(t, holder, "begin; lock table public.wanted")
	pid := backendOf(t, waiter)
	begin(t, waiter, "select * from public.wanted")
	eventually(t, "it waits", func() bool {
		return ask(t, self, fmt.Sprintf("select wait_event_type from pg_catalog.pg_stat_activity where pid = %d", pid)) == "Lock"
	})
	want := map[int]seen{}
	for pid, s := range activityOf(t, self) {
		want[pid] = s
	}
	c := runCensus(t, "--dsn", pg.DSN("postgres"))
	for pid, s := range want {
		if p, ok := c.byPID()[pid]; !ok || or(p.Kind) != s.kind {
			t.Errorf("%d: %+v, want %+v", pid, p, s)
		}
	}
	text := ""
	for _, f := range c.Findings {
		if f.ID == "lock_queue" {
			text = f.Text
		}
	}
	if text != "" && !strings.Contains(text, "public.wanted") { // judged by how long it has waited
		t.Errorf("%q", text)
	}
}

// TestAFullServerIsStillSeen: nobody gets in any more, but the process table
// shows who holds the connections.
func TestAFullServerIsStillSeen(t *testing.T) {
	t.Parallel()
	pg := startCluster(t, cluster.Options{Settings: map[string]string{"max_connections": "8", "max_wal_senders": "0"}})
	self := connect(t, pg.DSN("postgres"))
	must(t, self, "create role app login; grant pg_monitor to app")
	app := dsn(pg.Port, "postgres", "user=app")
	var held []*pgx.Conn
	for {
		conn, err := pgx.Connect(t.Context(), app)
		if err != nil {
			if sqlState(err) != "53300" {
				t.Fatal(err)
			}
			break
		}
		t.Cleanup(func() { conn.Close(t.Context()) })
		held = append(held, conn)
	}
	if len(held) < 3 {
		t.Fatalf("%d connections", len(held))
	}
	// Over TCP, what tells where the server's processes are is a login. Over
	// the socket it is who listens there.
	socket := "host=" + pg.SocketDir + " port=" + strconv.Itoa(pg.Port) + " user=app dbname=postgres"
	out, errText, code := censusOutput(t, "--json", "--dsn", socket)
	if code != 1 || !strings.Contains(errText, "53300") {
		t.Errorf("exit code %d, %s", code, errText)
	}
	c := parseCensus(t, out)
	if n := c.kinds()["client backend"]; n < len(held)+1 || !c.Server.Local || *c.Postmaster.PID != pg.PID() || !c.finding("near_max_connections") {
		t.Errorf("%d client backends, %+v, %+v", n, c.Server, c.Findings)
	}
	for _, conn := range held {
		p, ok := c.byPID()[int(conn.PgConn().PID())]
		if !ok || or(p.User) != "app" || or(p.Database) != "postgres" || or(p.State) != "idle" || p.Since != nil {
			t.Errorf("%+v", p)
		}
	}
}
