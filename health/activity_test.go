package health

import (
	"slices"
	"strings"
	"testing"

	"pgweir/status"
)

// client is a backend of ours that a client holds.
func client(pid int, id uint64, state string) status.Process {
	return status.Process{
		PID: pid, Kind: "client backend", User: "alice", Database: "shop", Application: "till", State: state, Ours: true,
		Client: &status.Holder{ID: id, Addr: "10.0.0.1:" + strings.Repeat("5", int(id%4)+1)},
	}
}

func other(pid int, user, state string) status.Process {
	return status.Process{PID: pid, Kind: "client backend", User: user, Database: "shop", State: state}
}

func TestArchiverFailing(t *testing.T) {
	with := func(a *Archiver) func(e *Evidence) { return func(e *Evidence) { e.Archiver = a } }
	fails := with(&Archiver{Archived: 3, Failed: 2, LastArchived: second(-300), LastFailed: second(-1), LastFailedWAL: "00000001000000000000000A"})
	scenes{
		"and works again": {
			{at: 0, change: with(&Archiver{Archived: 3, LastArchived: second(-300)})},
			{at: 5, change: fails, want: []string{"archiver_failing warning 5"}, text: []string{"00000001000000000000000A", "failures so far: 2", "5 min ago", "archive_command"}},
			{at: 604, change: fails, want: []string{"archiver_failing warning 5"}},
			{at: 605, change: fails, want: []string{"archiver_failing critical 5"}},
			{at: 610, change: with(&Archiver{Archived: 4, Failed: 2, LastArchived: second(606), LastFailed: second(604)})},
			{at: 615, change: fails, want: []string{"archiver_failing warning 615"}},
		},
		"from the beginning": {
			{at: 0, change: with(&Archiver{Failed: 1, LastFailed: second(-10)}), want: []string{"archiver_failing warning 0"}, text: []string{"none has been archived"}},
		},
		"the server could not be asked for a moment": {
			{at: 0, change: fails, want: []string{"archiver_failing warning 0"}},
			{at: 5, change: func(e *Evidence) { e.refuse("57014", "canceling statement due to statement timeout") }},
			{at: 10, change: fails, want: []string{"archiver_failing warning 0"}},
			{at: 15},
			{at: 20, change: fails, want: []string{"archiver_failing warning 20"}},
		},
	}.run(t)
}

func TestNearMaxConnections(t *testing.T) {
	// The census itself is one of them; 97 are usable.
	with := func(n int) func(e *Evidence) {
		return func(e *Evidence) {
			for i := range n - 1 {
				p := other(1000+i, "bob", "idle")
				switch {
				case i < 10:
					p.Ours = true
				case i < 15:
					p.User = "carol"
				}
				e.add(p)
			}
			for i := range 20 { // have places of their own
				e.add(status.Process{PID: 2000 + i, Kind: "walsender", User: "bob"})
			}
		}
	}
	scenes{
		"it fills up": {
			{at: 0, change: with(82)},
			{at: 5, change: with(83), want: []string{"near_max_connections warning 5"}, text: []string{"83 client backends", "of the 97", "max_connections 100 less 3", "pgweir has 10 of them", "others have 73 (the role bob has 67)"}},
			{at: 10, change: with(94), want: []string{"near_max_connections warning 5"}},
			{at: 15, change: with(95), want: []string{"near_max_connections critical 5"}},
			{at: 20, change: func(e *Evidence) { e.refuse("53300", "sorry, too many clients already") }, want: []string{"near_max_connections critical 5"}, text: []string{"sorry, too many clients already"}},
			{at: 25, change: with(100), want: []string{"near_max_connections critical 5"}},
			{at: 30, change: with(20)},
		},
		"version 16 reserves more": {
			{at: 0, change: func(e *Evidence) { with(80)(e); e.Census.Limits.Reserved = 7 }, want: []string{"near_max_connections warning 0"}, text: []string{"less 10 reserved"}},
		},
		"exactly at the limits": {
			{at: 0, change: func(e *Evidence) { with(84)(e); e.Census.Limits.MaxConnections = 103 }},
			{at: 5, change: func(e *Evidence) { with(85)(e); e.Census.Limits.MaxConnections = 103 }, want: []string{"near_max_connections warning 5"}},
			{at: 10, change: func(e *Evidence) { with(96)(e); e.Census.Limits.MaxConnections = 103 }, want: []string{"near_max_connections warning 5"}},
			{at: 15, change: func(e *Evidence) { with(97)(e); e.Census.Limits.MaxConnections = 103 }, want: []string{"near_max_connections critical 5"}},
		},
		"nothing is usable":        {{at: 0, change: func(e *Evidence) { e.Census.Limits.MaxConnections = 3 }}},
		"the limits are not known": {{at: 0, change: func(e *Evidence) { with(100)(e); e.Census.Limits = nil }}},
		"kinds are not known": {
			{at: 0, change: with(90), want: []string{"near_max_connections warning 0"}},
			{at: 5, change: func(e *Evidence) { with(90)(e); e.remote(); e.Privileged = false }, want: []string{"census_rights info 5"}},
			{at: 10, change: with(90), want: []string{"near_max_connections warning 0"}},
		},
	}.run(t)
}

func TestOldTransactions(t *testing.T) {
	with := func(holding ...Holding) func(e *Evidence) {
		return func(e *Evidence) {
			e.add(client(130, 7, "idle in transaction"))
			e.add(other(131, "bob's", "idle in transaction"))
			e.Holding = holding
		}
	}
	scenes{
		"idle in transaction": {
			{at: 0, change: with(Holding{PID: 130, Idle: true, Begun: second(-60), Age: 12})},
			{at: 5, change: with(Holding{PID: 130, Idle: true, Begun: second(-60), Age: 12}), want: []string{"idle_in_transaction warning 5"},
				text: []string{"client 7 (10.0.0.1:5555, pid 130, alice@shop, till) for 65 s", "last 12 transactions", "KILL_CLIENT 7", `ALTER ROLE "alice"`}},
			{at: 10, change: with(
				Holding{PID: 131, Idle: true, Begun: second(-100)}, Holding{PID: 132, Idle: true, Begun: second(-100)},
				Holding{PID: 133, Idle: true, Begun: second(-100)}, Holding{PID: 134, Idle: true, Begun: second(-100)},
			), want: []string{"idle_in_transaction warning 5"}, text: []string{"a backend of bob's (database shop, pid 131)", "a process (pid 133)", "and 1 more", "pg_terminate_backend(131)"}},
			{at: 15, change: with()},
		},
		"at work for long": {
			{at: 0, change: with(Holding{PID: 131, Begun: second(-1800)})},
			{at: 5, change: with(Holding{PID: 131, Begun: second(-1800), Age: 9}), want: []string{"vacuum_held info 5"}, text: []string{"30 min", "pg_cancel_backend(131)"}},
			{at: 10, change: with(Holding{PID: 131, Idle: true, Begun: second(-1800)}), want: []string{"idle_in_transaction warning 10"}},
			{at: 15},
		},
		"since when is not known": {{at: 0, change: with(Holding{PID: 131, Idle: true})}},
		"of a role that is not known": {
			{at: 0, change: with(Holding{PID: 999, Idle: true, Begun: second(-1800)}), want: []string{"idle_in_transaction warning 0"}, text: []string{"set idle_in_transaction_session_timeout"}},
		},
	}.run(t)
}

func TestLockQueue(t *testing.T) {
	with := func(blocked ...Blocked) func(e *Evidence) {
		return func(e *Evidence) {
			for i := range 8 {
				e.add(client(120+i, uint64(7+i), "active"))
			}
			e.process(121).State = "idle in transaction"
			e.Blocked = blocked
		}
	}
	orders := func(pid int, since int, by ...int) Blocked {
		return Blocked{PID: pid, By: by, Lock: "relation public.orders", Since: second(since)}
	}
	unknown := Blocked{PID: 120, By: []int{121}}
	scenes{
		"one waits": {
			{at: 0, change: with(orders(120, -1, 121))},
			{at: 2, change: with(orders(120, 0, 121)), want: []string{"lock_queue warning 2"}, text: []string{
				"Client 7 (10.0.0.1:5555, pid 120) waits 2 s for relation public.orders held by client 8 (10.0.0.1:5, pid 121, idle in transaction).", "KILL_CLIENT 8 on"}},
			{at: 60, change: with(orders(120, 0, 121)), want: []string{"lock_queue warning 2"}},
			{at: 61, change: with(orders(120, 0, 121)), want: []string{"lock_queue critical 2"}},
			{at: 62},
		},
		"twice the same wait":     {{at: 0, change: with(orders(120, 0, 121))}, {at: 1, change: with(orders(120, 0, 121)), want: []string{"lock_queue warning 1"}}},
		"short waits, one by one": {{at: 0, change: with(orders(120, 0, 121))}, {at: 1, change: with(orders(120, 1, 121))}, {at: 2, change: with(orders(120, 2, 121))}},
		"since when is not known": {
			{at: 0, change: with(unknown)},
			{at: 5, change: with(unknown), want: []string{"lock_queue warning 5"}, text: []string{"waits 5 s for a lock held by"}},
			{at: 61, change: with(unknown), want: []string{"lock_queue critical 5"}},
			{at: 65}, {at: 70, change: with(unknown)},
		},
		"a queue and a chain": {
			{at: 10, change: with(
				orders(120, 0, 121), orders(122, 1, 121, 120), orders(123, 2, 120),
				Blocked{PID: 124, By: []int{123}, Lock: "transactionid 5", Since: second(3)},
			), want: []string{"lock_queue warning 10"}, text: []string{
				"Client 7 (10.0.0.1:5555, pid 120) waits 10 s for relation public.orders held by client 8",
				"client 9 (10.0.0.1:55, pid 122) waits 9 s for relation public.orders held by client 8",
				"client 10 (10.0.0.1:555, pid 123) waits 8 s for relation public.orders behind client 7 (10.0.0.1:5555, pid 120), which waits for relation public.orders held by client 8 (10.0.0.1:5, pid 121, idle in transaction)",
				"and 1 more wait", "end it: KILL_CLIENT 8 on pgweir's console.",
			}},
		},
		"a long chain": {
			{at: 10, change: with(
				orders(120, 0, 122), orders(122, 0, 123), orders(123, 0, 124), orders(124, 0, 125), orders(125, 0, 126), orders(126, 0, 121),
			), want: []string{"lock_queue warning 10"}, text: []string{
				"pid 124), which waits for relation public.orders, and so on, to client 8 (10.0.0.1:5, pid 121, idle in transaction)"}},
		},
		"a chain that is just short enough": {
			{at: 10, change: with(
				orders(120, 0, 122), orders(122, 0, 123), orders(123, 0, 124), orders(124, 0, 121),
			), want: []string{"lock_queue warning 10"}, text: []string{
				"pid 124), which waits for relation public.orders held by client 8 (10.0.0.1:5, pid 121, idle in transaction); "}},
		},
		"a wait that is told twice": {
			{at: 10, change: with(orders(120, 0, 121), orders(120, 5, 122)), want: []string{"lock_queue warning 10"}, text: []string{"waits 10 s for relation public.orders held by client 8 (10.0.0.1:5, pid 121, idle in transaction).\n"}},
		},
		"a prepared transaction": {
			{at: 10, change: with(orders(120, 0, 0)), want: []string{"lock_queue warning 10"}, text: []string{"held by a prepared transaction.", "pg_prepared_xacts"}},
		},
		"a deadlock": {
			{at: 10, change: with(orders(120, 0, 121), orders(121, 0, 122), orders(122, 0, 120)), want: []string{"lock_queue warning 10"}, text: []string{"in a circle", "pg_locks"}},
		},
		"it waits for itself":      {{at: 10, change: with(orders(120, 0, 120)), want: []string{"lock_queue warning 10"}}},
		"for whom is not known":    {{at: 10, change: with(orders(120, 0)), want: []string{"lock_queue warning 10"}, text: []string{"waits 10 s for relation public.orders."}}},
		"behind someone not known": {{at: 10, change: with(orders(120, 0, 999)), want: []string{"lock_queue warning 10"}, text: []string{"a process (pid 999)", "pg_terminate_backend(999)"}}},
		"autovacuum waits": {
			{at: 10, change: func(e *Evidence) {
				with(orders(150, 0, 121))(e)
				e.add(status.Process{PID: 150, Kind: "autovacuum worker"})
			}, want: []string{"lock_queue warning 10"}, text: []string{"The autovacuum worker (pid 150) waits"}},
		},
	}.run(t)
}

// Every ID is found in some scene of this package, so it is enough to keep the
// list itself right.
func TestIDsAreEachThereOnce(t *testing.T) {
	sorted := slices.Sorted(slices.Values(IDs))
	if len(slices.Compact(sorted)) != len(IDs) || len(IDs) != 17 {
		t.Errorf("%d IDs: %q", len(IDs), IDs)
	}
}
