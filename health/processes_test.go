package health

import (
	"fmt"
	"testing"
	"time"

	"pgweir/status"
)

// ticks are the kernel's units of CPU time; -1 is unknown.
func ticks(n int) time.Duration {
	if n < 0 {
		return -1
	}
	return time.Duration(n) * 10 * time.Millisecond
}

func TestStoppedProcesses(t *testing.T) {
	state := func(states map[int]byte) func(e *Evidence) {
		return func(e *Evidence) {
			for pid, s := range states {
				e.OSStates[pid] = s
			}
		}
	}
	scenes{
		"one, and others": {
			{at: 0},
			{at: 5, change: state(map[int]byte{bgwPID: 'T'}), want: []string{"process_stopped warning 5"}, text: []string{"The background writer (pid 102) is stopped", "dirty pages", "kill -CONT 102"}},
			{at: 10, change: state(map[int]byte{bgwPID: 'T', ckptPID: 'T'}), want: []string{"process_stopped critical 5"}, text: []string{"2 processes", "checkpointer (pid 101) and background writer (pid 102)"}},
			{at: 15, change: state(map[int]byte{bgwPID: 'T', ckptPID: 'T', walPID: 'T', avPID: 'T', llPID: 'T'}), want: []string{"process_stopped critical 5"}, text: []string{"and 2 more"}},
			{at: 20},
			{at: 25, change: state(map[int]byte{walPID: 'T'}), want: []string{"process_stopped critical 25"}},
		},
		"the postmaster": {
			{at: 0, change: state(map[int]byte{pmPID: 'T'}), want: []string{"process_stopped critical 0"}, text: []string{"The postmaster (pid 100)", "nobody can log in"}},
		},
		"the postmaster, which the census has not listed": {
			{at: 0, change: func(e *Evidence) { e.remove(pmPID); e.OSStates[pmPID] = 'T' }, want: []string{"process_stopped critical 0"}, text: []string{"The postmaster (pid 100)"}},
		},
		"a client's": {
			{at: 0, change: func(e *Evidence) {
				e.add(status.Process{PID: 130, Kind: "client backend", Ours: true, Client: &status.Holder{ID: 7, Addr: "10.0.0.1:555"}})
				e.OSStates[130] = 'T'
			}, want: []string{"process_stopped warning 0"}, text: []string{"Client 7 (10.0.0.1:555, pid 130)"}},
		},
		"three": {
			{at: 0, change: state(map[int]byte{ckptPID: 'T', bgwPID: 'T', walPID: 'T'}), want: []string{"process_stopped critical 0"},
				text: []string{"checkpointer (pid 101), background writer (pid 102) and walwriter (pid 103). Meanwhile"}},
		},
		"of a kind that nobody misses": {
			{at: 0, change: state(map[int]byte{llPID: 'T'}), want: []string{"process_stopped warning 0"}, text: []string{"a debugger.\n"}},
		},
		"clients', which means the same": {
			{at: 0, change: func(e *Evidence) {
				e.add(other(130, "bob", "active"))
				e.OSStates[130], e.OSStates[censusPID] = 'T', 'T'
			}, want: []string{"process_stopped warning 0"}, text: []string{"Meanwhile its client waits, and so does who needs its locks.\n"}},
		},
		"a tracer's steps": {
			{at: 0, change: state(map[int]byte{walPID: 't'})},
			{at: 5},
			{at: 10, change: state(map[int]byte{walPID: 't'})},
			{at: 15, change: state(map[int]byte{walPID: 't'}), want: []string{"process_stopped critical 15"}},
			{at: 20, change: func(e *Evidence) { e.OSStates[walPID] = 't'; e.process(walPID).CPU = 1 }},
		},
	}.run(t)
}

func TestStuckProcesses(t *testing.T) {
	waits := func(pid int, wait string, cpu int) func(e *Evidence) {
		return func(e *Evidence) { p := e.process(pid); p.Wait, p.CPU = wait, ticks(cpu) }
	}
	far := func(wait string) func(e *Evidence) {
		return func(e *Evidence) { e.remote(); e.process(walPID).Wait = wait }
	}
	zombie := func(e *Evidence) {
		e.OSStates[walPID] = 'Z'
		*e.process(walPID) = status.Process{PID: walPID, Parent: pmPID, CPU: -1, Memory: -1}
	}
	disk := func(cpu int) func(e *Evidence) {
		return func(e *Evidence) { e.OSStates[censusPID] = 'D'; e.process(censusPID).CPU = ticks(cpu) }
	}
	recovery := func(wait string) func(e *Evidence) {
		return func(e *Evidence) { standby(e); e.process(120).Wait = wait }
	}
	lock := waits(ckptPID, "LWLock: WALWrite", 3)
	scenes{
		"it waits for one thing": {
			{at: 0, change: lock}, {at: 5, change: lock},
			{at: 10, change: lock, want: []string{"process_stuck warning 10"}, text: []string{"The checkpointer (pid 101) has made no headway for 10 s, waiting for LWLock: WALWrite. Meanwhile there are no checkpoints", "/proc/101/stack"}},
			{at: 59, change: lock, want: []string{"process_stuck warning 10"}},
			{at: 60, change: lock, want: []string{"process_stuck critical 10"}, text: []string{"60 s", "no checkpoints"}},
			{at: 65},
		},
		"readings come fast": {
			{at: 0, change: lock}, {at: 1, change: lock}, {at: 2, change: lock}, {at: 9, change: lock},
			{at: 10, change: lock, want: []string{"process_stuck warning 10"}},
		},
		"readings come slowly": {
			{at: 0, change: lock}, {at: 30, change: lock}, {at: 60, change: lock, want: []string{"process_stuck critical 60"}},
		},
		"it works meanwhile": {
			{at: 0, change: waits(ckptPID, "IO: DataFileSync", 1)}, {at: 5, change: waits(ckptPID, "IO: DataFileSync", 2)},
			{at: 10, change: waits(ckptPID, "IO: DataFileSync", 3)}, {at: 15, change: waits(ckptPID, "IO: DataFileSync", 3)},
		},
		"it waits for other things": {
			{at: 0, change: lock}, {at: 5, change: waits(ckptPID, "LWLock: A", 3)}, {at: 10, change: lock}, {at: 15, change: lock},
		},
		"it goes slowly on purpose": {
			{at: 0, change: waits(ckptPID, "Timeout: CheckpointWriteDelay", 1)}, {at: 5, change: waits(ckptPID, "Timeout: CheckpointWriteDelay", 1)},
			{at: 100, change: waits(ckptPID, "Timeout: CheckpointWriteDelay", 1)},
		},
		"recovery is paused": {
			{at: 0, change: recovery("IPC: RecoveryPause")}, {at: 50, change: recovery("IPC: RecoveryPause")}, {at: 100, change: recovery("IPC: RecoveryPause")},
		},
		"recovery conflicts with a query": {
			{at: 0, change: recovery("Lock: relation")}, {at: 5, change: recovery("Lock: relation")},
			{at: 10, change: recovery("Lock: relation"), want: []string{"process_stuck warning 10"}, text: []string{"The startup process (pid 120)", "falls behind"}},
		},
		"a command takes its time": {
			{at: 0, change: recovery("IPC: RestoreCommand")}, {at: 30, change: recovery("IPC: RestoreCommand")}, {at: 59, change: recovery("IPC: RestoreCommand")},
			{at: 60, change: recovery("IPC: RestoreCommand"), want: []string{"process_stuck critical 60"}, text: []string{"waiting for its command to end"}},
		},
		"elsewhere its CPU time is not known": {
			{at: 0, change: far("LWLock: WALWrite")}, {at: 30, change: far("LWLock: WALWrite")}, {at: 59, change: far("LWLock: WALWrite")},
			{at: 60, change: far("LWLock: WALWrite"), want: []string{"process_stuck critical 60"}},
		},
		"elsewhere it writes": {
			{at: 0, change: far("IO: WALSync")}, {at: 30, change: far("IO: WALSync")}, {at: 60, change: far("IO: WALSync")}, {at: 90, change: far("IO: WALSync")},
		},
		"clients may wait": {
			{at: 0, change: waits(censusPID, "Lock: relation", 1)}, {at: 30, change: waits(censusPID, "Lock: relation", 1)}, {at: 90, change: waits(censusPID, "Lock: relation", 1)},
		},
		"the disk does not answer": {
			{at: 0, change: disk(4)}, {at: 5, change: disk(4)},
			{at: 10, change: disk(4), want: []string{"process_stuck warning 10"}, text: []string{"A backend of watcher", "state D"}},
			{at: 15, change: disk(5)}, {at: 20, change: disk(6)}, {at: 25, change: disk(7)},
		},
		"the disk's state without CPU time": {
			{at: 0, change: disk(-1)}, {at: 5, change: disk(-1)}, {at: 10, change: disk(-1)}, {at: 15, change: disk(-1)},
		},
		"a zombie": {
			{at: 0}, {at: 5, change: zombie},
			{at: 10, change: zombie, want: []string{"process_stuck warning 10"}, text: []string{"The walwriter (pid 103)", "dead without"}},
			{at: 15},
		},
		"another process has got its pid": {
			{at: 0, change: func(e *Evidence) { lock(e); e.become(ckptPID, 500) }},
			{at: 10, change: func(e *Evidence) {
				e.process(walPID).Wait = "LWLock: WALWrite"
				e.become(walPID, 500)
				e.process(500).CPU = ticks(3)
			}},
			{at: 15, change: func(e *Evidence) {
				e.process(walPID).Wait = "LWLock: WALWrite"
				e.become(walPID, 500)
				e.process(500).CPU = ticks(3)
			}},
		},
		"two": {
			{at: 0, change: func(e *Evidence) { lock(e); e.process(walPID).Wait = "LWLock: B" }},
			{at: 5, change: func(e *Evidence) { lock(e); e.process(walPID).Wait = "LWLock: B" }},
			{at: 10, change: func(e *Evidence) { lock(e); e.process(walPID).Wait = "LWLock: B" }, want: []string{"process_stuck warning 10"}, text: []string{"checkpointer (pid 101)", "walwriter (pid 103)"}},
		},
	}.run(t)
}

func TestMissingProcesses(t *testing.T) {
	without := func(pids ...int) func(e *Evidence) { return func(e *Evidence) { e.remove(pids...) } }
	set := func(autovacuum string, pids ...int) func(e *Evidence) {
		return func(e *Evidence) { e.remove(pids...); e.Autovacuum = autovacuum }
	}
	scenes{
		"the walwriter": {
			{at: 0}, {at: 5, change: without(walPID)},
			{at: 10, change: without(walPID), want: []string{"process_missing critical 10"}, text: []string{"missing (walwriter)"}},
			{at: 15, change: without(walPID, bgwPID), want: []string{"process_missing critical 10"}},
			{at: 20, change: without(walPID, bgwPID), want: []string{"process_missing critical 10"}, text: []string{"missing (background writer, walwriter)"}},
			{at: 25}, {at: 30, change: without(walPID)}, {at: 35},
		},
		"it was never there": {
			{at: 0, change: without(ckptPID)}, {at: 5, change: without(ckptPID), want: []string{"process_missing critical 5"}},
		},
		"autovacuum was seen": {
			{at: 0}, {at: 5, change: without(avPID)}, {at: 10, change: without(avPID), want: []string{"process_missing warning 10"}, text: []string{"autovacuum launcher"}},
		},
		"autovacuum was never seen":                   {{at: 0, change: without(avPID)}, {at: 5, change: without(avPID)}, {at: 10, change: without(avPID)}},
		"autovacuum was turned off":                   {{at: 0, change: set("on")}, {at: 5, change: set("off", avPID)}, {at: 10, change: set("off", avPID)}, {at: 15, change: set("", avPID)}, {at: 20, change: set("", avPID)}},
		"autovacuum is on":                            {{at: 0, change: set("on", avPID)}, {at: 5, change: set("on", avPID), want: []string{"process_missing warning 5"}}},
		"the launcher of replication":                 {{at: 0}, {at: 5, change: without(llPID)}, {at: 10, change: without(llPID), want: []string{"process_missing warning 10"}}},
		"one whose kind nobody knows":                 {{at: 0}, {at: 5, change: nameless, want: []string{"census_blind info 5"}}, {at: 10, change: nameless, want: []string{"census_blind info 5"}}},
		"a standby's startup process":                 {{at: 0, change: standby}, {at: 5, change: noStartup}, {at: 10, change: noStartup, want: []string{"process_missing critical 10"}, text: []string{"startup"}}},
		"a standby's background writer":               {{at: 0, change: noWriter}, {at: 5, change: noWriter, want: []string{"process_missing warning 5"}}},
		"elsewhere, with rights":                      {{at: 0, change: far(walPID, true)}, {at: 5, change: far(walPID, true), want: []string{"process_missing critical 5"}}},
		"elsewhere, with too few":                     {{at: 0, change: far(walPID, false), want: []string{"census_rights info 0"}}, {at: 5, change: far(walPID, false), want: []string{"census_rights info 0"}}},
		"it is starting":                              {{at: 0, change: starting, want: []string{"server_starting critical 0 down"}}, {at: 5, change: starting, want: []string{"server_starting critical 0 down"}}},
		"the logger, then far away":                   {{at: 0, change: logger}, {at: 5, change: far(0, true)}, {at: 10, change: far(0, true)}},
		"the logger may be the one that nobody knows": {{at: 0, change: logger}, {at: 5, change: unsure}, {at: 10, change: unsure}, {at: 15, change: unsure}},
		"the logger":                                  {{at: 0, change: logger}, {at: 5}, {at: 10, want: []string{"process_missing warning 10"}, text: []string{"logger"}}},
		"between two restarts of pids":                {{at: 0, change: without(walPID)}, {at: 5}, {at: 10, change: without(walPID)}},
	}.run(t)
}

func nameless(e *Evidence) { e.process(walPID).Kind = ""; e.Privileged = true; e.Asked = false }

func logger(e *Evidence) { e.add(status.Process{PID: 140, Kind: "logger"}) }

func noWriter(e *Evidence) { standby(e); e.remove(bgwPID) }

// unsure is a reading with a process that was just forked.
func unsure(e *Evidence) { e.add(status.Process{PID: 170}) }

func noStartup(e *Evidence) { standby(e); e.remove(120) }

func starting(e *Evidence) {
	e.remove(walPID, bgwPID)
	e.refuse("57P03", "the database system is starting up")
}

func far(pid int, privileged bool) func(e *Evidence) {
	return func(e *Evidence) { e.remove(pid); e.remote(); e.Privileged = privileged }
}

func TestProcessesThatDoNotLiveLong(t *testing.T) {
	archiver := func(pid int) func(e *Evidence) {
		return func(e *Evidence) { e.add(status.Process{PID: pid, Kind: "archiver"}) }
	}
	extra := func(kind string, pids ...int) func(e *Evidence) {
		return func(e *Evidence) {
			for _, pid := range pids {
				e.add(status.Process{PID: pid, Kind: kind})
			}
		}
	}
	scenes{
		"an archiver that ends again and again": {
			{at: 0, change: archiver(201)}, {at: 60, change: archiver(202)}, {at: 120, change: archiver(203)},
			{at: 180, change: archiver(204), want: []string{"process_restarting warning 180"}, text: []string{"archiver (3 times, pid 204 now)", "10 min"}},
			{at: 400, change: archiver(204), want: []string{"process_restarting warning 180"}},
			{at: 660, change: archiver(204)},
		},
		"not there in between": {
			{at: 0, change: archiver(201)}, {at: 5}, {at: 10, change: archiver(202)}, {at: 15}, {at: 20, change: archiver(203)}, {at: 25},
			{at: 30, change: archiver(204), want: []string{"process_restarting warning 30"}},
		},
		"workers that come and go": {
			{at: 0, change: extra("parallel worker", 1)}, {at: 1, change: extra("parallel worker", 2)}, {at: 2, change: extra("parallel worker", 3)},
			{at: 3, change: extra("parallel worker", 4)}, {at: 4, change: extra("parallel worker", 5)}, {at: 5, change: extra("autovacuum worker", 6)},
			{at: 6, change: extra("autovacuum worker", 7)}, {at: 7, change: extra("autovacuum worker", 8)}, {at: 8, change: extra("autovacuum worker", 9)},
		},
		"an extension's": {
			{at: 0, change: extra("x launcher", 1)}, {at: 1, change: extra("x launcher", 2)}, {at: 2, change: extra("x launcher", 3)},
			{at: 3, change: extra("x launcher", 4), want: []string{"process_restarting info 3"}, text: []string{"x launcher", "extension"}},
		},
		"several of a kind": {
			{at: 0, change: extra("io worker", 1, 2, 3)}, {at: 5, change: extra("io worker", 1, 2, 3, 4, 5)}, // more of them is no restart
			{at: 10, change: extra("io worker", 1, 2, 3)}, {at: 15, change: extra("io worker", 6, 7, 8)}, // nor are three at once three
			{at: 20, change: extra("io worker", 6, 7, 9)},
			{at: 25, change: extra("io worker", 1, 7, 9), want: []string{"process_restarting warning 25"}},
		},
		"another postmaster": {
			{at: 0, change: archiver(201)}, {at: 5, change: archiver(202)}, {at: 10, change: archiver(203)},
			{at: 20, change: func(e *Evidence) { restarted(e); archiver(204)(e) }, want: []string{"server_restarted info 20"}},
		},
	}.run(t)
}

func TestWhatIsKnownOfRestartsIsBounded(t *testing.T) {
	j := New()
	for i := range 3 * maxKinds {
		e := healthy(i)
		for k := range 3 {
			e.add(status.Process{PID: 1000 + i*3 + k, Kind: fmt.Sprintf("extension %d", i*3+k)})
		}
		e.add(status.Process{PID: 10_000 + i, Kind: "walsummarizer"})
		j.Judge(e)
		if len(j.starts) > maxKinds {
			t.Fatalf("%d kinds are remembered", len(j.starts))
		}
	}
	if n := len(j.starts); n != maxKinds {
		t.Errorf("%d kinds are remembered; the bound %d was not reached", n, maxKinds)
	}
	if n := len(j.starts["walsummarizer"].at); n != maxStarts {
		t.Errorf("%d starts are remembered; the bound %d was not reached", n, maxStarts)
	}
	e := healthy(10 * 3600)
	j.Judge(e)
	j.Judge(healthy(10*3600 + 1))
	if len(j.starts) > 6 {
		t.Errorf("%d kinds are remembered long after they were seen", len(j.starts))
	}
}
