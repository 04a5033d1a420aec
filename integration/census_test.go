package integration

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"pgweir/cluster"
)

// TestTheCensusIsWhatTheServerAndTheProcessTableSay: process by process, where
// the test has read both itself, just before and just after, and nothing has
// changed in between.
func TestTheCensusIsWhatTheServerAndTheProcessTableSay(t *testing.T) {
	t.Parallel()
	pg := startCluster(t, cluster.Options{Settings: map[string]string{
		"cluster_name":      "two words: and more",
		"logging_collector": "on",
		"archive_mode":      "on",
		"archive_command":   "true",
		// No worker comes and goes.
		"autovacuum_naptime": "1h",
	}})
	self := connect(t, pg.DSN("postgres"))
	started(t, self, "checkpointer", "background writer", "walwriter", "autovacuum launcher", "archiver", "logical replication launcher")
	backendsInAllStates(t, pg, self)
	postmaster := pg.PID()
	c := censusBetween(t, pg, self)
	if c.Server.Version == nil || *c.Server.Version != ask(t, self, "select split_part(current_setting('server_version'), ' ', 1)") ||
		!c.Server.Local || c.Postmaster.PID == nil || *c.Postmaster.PID != postmaster || !c.Postmaster.Alive {
		t.Errorf("%+v %+v", c.Server, c.Postmaster)
	}
	if time.Since(c.At) > time.Minute {
		t.Errorf("taken at %v", c.At)
	}
	processesAreChildren(t, c, postmaster, activityOf(t, self))
	kinds := c.kinds()
	for _, kind := range []string{"postmaster", "logger", "checkpointer", "background writer", "walwriter", "autovacuum launcher", "archiver", "logical replication launcher"} {
		if kinds[kind] != 1 {
			t.Errorf("%d times %s", kinds[kind], kind)
		}
	}
	if (pg.Programs.Major == 14) != (kinds["stats collector"] == 1) || (pg.Programs.Major >= 18) != (kinds["io worker"] > 0) {
		t.Errorf("%v", kinds)
	}
	var mine []processOf
	for _, p := range c.Processes {
		if or(p.Application) == "pgweir census" {
			mine = append(mine, p)
		}
	}
	if len(mine) != 1 || !strings.Contains(mine[0].Role, "census") || mine[0].Ours {
		t.Errorf("the census's own backend: %+v", mine)
	}
	eventually(t, "the census's own backend is gone", func() bool {
		return ask(t, self, "select count(*) from pg_stat_activity where application_name = 'pgweir census'") == "0"
	})
}

// backendsInAllStates has a backend at rest, one in a transaction, one at work,
// one that waits for a lock, and one over the socket.
func backendsInAllStates(t *testing.T, pg *cluster.Cluster, self *pgx.Conn) {
	t.Helper()
	must(t, self, "create role app superuser login; create table locked (a int)")
	const idle, open, busy, blocked = "idle one", "in a transaction", "busy", "blocked"
	conns := map[string]*pgx.Conn{}
	for _, name := range []string{idle, open, busy, blocked} {
		conns[name] = connect(t, dsn(pg.Port, "postgres", "user=app", "application_name='"+name+"'"))
	}
	overSocket := connect(t, "host="+pg.SocketDir+" port="+ask(t, self, "show port")+" user=postgres dbname=template1")
	must(t, overSocket, "select 1")
	must(t, conns[open], "begin; lock table locked; select 'what it ran last'")
	begin(t, conns[busy], "select pg_sleep(3600)")
	begin(t, conns[blocked], "select * from locked")
	eventually(t, "all are in their states", func() bool {
		return ask(t, self, "select count(*) from pg_stat_activity where application_name in ('busy', 'blocked') and wait_event is not null") == "2"
	})
}

// censusBetween is a census that equals what was read just before and just after.
func censusBetween(t *testing.T, pg *cluster.Cluster, self *pgx.Conn) (c *censusOf) {
	t.Helper()
	own, postmaster := backendOf(t, self), pg.PID()
	eventually(t, "the census equals two equal readings around it", func() bool {
		before, tableBefore := activityOf(t, self), childrenOf(t, postmaster)
		c = runCensus(t, "--dsn", pg.DSN("postgres"))
		after, tableAfter := activityOf(t, self), childrenOf(t, postmaster)
		// Our own backend is at work whenever it says what it does.
		delete(before, own)
		delete(after, own)
		if !maps.Equal(before, after) || !slices.Equal(slices.Sorted(maps.Keys(tableBefore)), slices.Sorted(maps.Keys(tableAfter))) {
			return false
		}
		got := c.byPID()
		wanted := slices.Sorted(maps.Keys(tableAfter))
		wanted = append(wanted, postmaster)
		slices.Sort(wanted)
		if pids := slices.Sorted(maps.Keys(got)); !slices.Equal(pids, wanted) {
			t.Logf("the census has %v, the process table %v", pids, wanted)
			return false
		}
		for pid, want := range after {
			if told(got[pid]) != want {
				t.Logf("%d: %+v, want %+v", pid, told(got[pid]), want)
				return false
			}
		}
		return true
	})
	return c
}

// processesAreChildren looks at each process of a census: the postmaster comes
// first, and all others are its children.
func processesAreChildren(t *testing.T, c *censusOf, postmaster int, activity map[int]seen) {
	t.Helper()
	titles := childrenOf(t, postmaster)
	for pid, p := range c.byPID() {
		if p.Role == "" || p.Ours || p.Client != nil || p.Since == nil {
			t.Errorf("%+v", p)
		}
		if pid == postmaster {
			if or(p.Kind) != "postmaster" || c.Processes[0].PID != pid {
				t.Errorf("the postmaster is a %q, and first is %d", or(p.Kind), c.Processes[0].PID)
			}
			continue
		}
		if p.Parent == nil || *p.Parent != postmaster {
			t.Errorf("%d: its parent is not %d", pid, postmaster)
		}
		if _, told := activity[pid]; !told && !strings.HasSuffix(titles[pid], ": "+or(p.Kind)) {
			t.Errorf("%d, which the server does not list, is a %q; its title is %q", pid, or(p.Kind), titles[pid])
		}
	}
}

// TestTheCensusMeasuresCPUAndMemory: against the kernel's own figures, read by
// the test.
func TestTheCensusMeasuresCPUAndMemory(t *testing.T) {
	t.Parallel()
	pg := startCluster(t, cluster.Options{Settings: map[string]string{"autovacuum": "off"}})
	worker := connect(t, pg.DSN("postgres"))
	must(t, worker, "set work_mem = '64MB'; create temp table grown as select generate_series(1, 300000) as i; select count(*) from (select distinct i from grown) as s")
	pid := backendOf(t, worker)
	for cycle := 0; cycle < 2; cycle++ {
		// What a process holds may change between two looks; not for long. And
		// the backend of the census before may be on its way out.
		eventually(t, "the figures agree", func() bool {
			before := map[int]float64{}
			for child := range childrenOf(t, pg.PID()) {
				if cpu, ok := cpuSeconds(t, child); ok {
					before[child] = cpu
				}
			}
			c := runCensus(t, "--dsn", pg.DSN("postgres"))
			for child, p := range c.byPID() {
				want, lives := privateMemory(child)
				now, still := cpuSeconds(t, child)
				if !lives || !still {
					return false
				}
				if p.CPU == nil || p.Memory == nil {
					t.Logf("%d: unknown, though we are root or its user: %+v", child, p)
					return false
				}
				if child == pg.PID() {
					// What it has written since its last fork it shares with that
					// child: while the census's own backend lives, it has less
					// to itself than now.
					if *p.Memory <= 0 || *p.Memory > int64(want)*11/10 {
						t.Logf("the postmaster: %d bytes, want at most %d", *p.Memory, want)
						return false
					}
					continue
				}
				// Of pages that the postmaster has written since, a child may
				// share the old ones with nobody but that backend.
				const old = 256 << 10
				if d := float64(*p.Memory) - float64(want); d > 0.1*float64(want) || d < -0.1*float64(want)-old {
					t.Logf("%d: %d bytes, want %d", child, *p.Memory, want)
					return false
				}
				if from, was := before[child]; was && (*p.CPU < from-0.001 || *p.CPU > now+0.001) {
					t.Fatalf("%d has used %f s, before it was %f, now %f", child, *p.CPU, from, now)
				}
			}
			p := c.byPID()[pid]
			return *p.CPU > 0.05 && *p.Memory > 2<<20
		})
		must(t, worker, "select sum(i) from generate_series(1, 2000000) as i")
	}
}
