package session

import (
	"fmt"
	"testing"

	"pgweir/wire"
)

// noSuchProcess is PostgreSQL's warning of a process ID that is no backend's.
func noSuchProcess(pid int) string {
	return message('N', fmt.Sprintf("SWARNUNG\x00VWARNING\x00C01000\x00MPID %d ist kein Backend 1\x00Fsignalfuncs.c\x00L70\x00Rpg_signal_backend\x00\x00", pid))
}

// signals is a mode in which the clients with these process IDs can be
// signaled. The first is one's own; what is done to others is noted.
func signals(own uint32, done *[]Signal, others ...uint32) (Config, step) {
	c := transactionMode
	c.Signal = func(s Signal) bool {
		for _, pid := range others {
			if pid == s.PID {
				*done = append(*done, s)
				return true
			}
		}
		return false
	}
	return c, step{do: func(r *rig) { r.s.PID = own }}
}

func TestASignalToAProcessIDThatStandsForAClientReachesIt(t *testing.T) {
	var done []Signal
	mode, born := signals(5000000, &done, 6000000, 7000000)
	expect := func(want ...Signal) step {
		return step{do: func(r *rig) {
			r.t.Helper()
			mustEqual(r.t, "signals", fmt.Sprint(done), fmt.Sprint(want))
			done = nil
		}}
	}
	const end, cancel = "select pg_terminate_backend(6000000)", "select pg_cancel_backend(6000000)"
	asBinary := row("\x00")
	play(t, []transcript{
		{"to its end", mode, steps(born,
			begin(query(end)),
			server(columns, noSuchProcess(6000000), row("f"), complete("SELECT 1"), ready('I')).
				tells(columns, row("t"), complete("SELECT 1"), ready('I')).then("release"),
			expect(Signal{PID: 6000000, Terminate: true}),
		)},
		{"to the end of its query", mode, steps(born,
			begin(query(cancel)),
			server(columns, noSuchProcess(6000000), row("f"), complete("SELECT 1"), ready('I')).
				tells(columns, row("t"), complete("SELECT 1"), ready('I')).then("release"),
			expect(Signal{PID: 6000000}),
		)},
		{"by a superuser, in the extended protocol, in binary", mode, steps(born,
			step{do: func(r *rig) { r.link.Params = append(r.link.Params, wire.Param{Name: "is_superuser", Value: "on"}) }},
			begin(parse("", "select pg_terminate_backend($1)"), bind("", ""), execute("", 0), syncing),
			server(parsed, bound, noSuchProcess(6000000), asBinary, complete("SELECT 1"), ready('I')).
				tells(parsed, bound, row("\x01"), complete("SELECT 1"), ready('I')).then("release"),
			expect(Signal{PID: 6000000, Terminate: true, Superuser: true}),
		)},
		{"some are there and others are not", mode, steps(born,
			begin(query("select pg_terminate_backend(n) from unnest(array[6000000, 8000000, 7000000]) n")),
			server(columns, noSuchProcess(6000000), row("f"), noSuchProcess(8000000), row("f"), noSuchProcess(7000000), row("f"), row("f"), complete("SELECT 4"), ready('I')).
				tells(columns, row("t"), noSuchProcess(8000000), row("f"), row("t"), row("f"), complete("SELECT 4"), ready('I')).then("release"),
			expect(Signal{PID: 6000000, Terminate: true}, Signal{PID: 7000000, Terminate: true}),
		)},
		{"what is more than what the function returns is left as it is", mode, steps(born,
			begin(query("select 1, pg_terminate_backend(6000000)")),
			server(columns, noSuchProcess(6000000), row("1", "f"), row("f"), complete("SELECT 1"), ready('I')).
				tells(columns, row("1", "f"), row("f"), complete("SELECT 1"), ready('I')).then("release"),
			expect(Signal{PID: 6000000, Terminate: true}),
		)},
		{"a value that comes later is not the function's", mode, steps(born,
			begin(query(end+"; select false")),
			server(columns, noSuchProcess(6000000), complete("SELECT 0"), ready('I')).
				tells(columns, complete("SELECT 0"), ready('I')).then("release"),
			begin(query("select false")),
			answers(columns, row("f"), complete("SELECT 1"), ready('I')).then("release"),
			expect(Signal{PID: 6000000, Terminate: true}),
		)},
		{"one ends oneself as directly", mode, steps(born,
			begin(query("select pg_terminate_backend(5000000)")),
			server(columns, noSuchProcess(5000000), row("f"), complete("SELECT 1"), ready('I')).
				tells(columns, fatal("57P01", "terminating connection due to administrator command")).then("drop busy end"),
			expect(),
		)},
		{"with both functions in one text, neither is meant", mode, steps(born,
			begin(query(end+"; "+cancel)),
			answers(columns, noSuchProcess(6000000), row("f"), complete("SELECT 1"), ready('I')).then("release"),
			expect(),
		)},
		{"the same words from elsewhere mean nothing", mode, steps(born,
			begin(query("select 1 /* pg_terminate_backend */")),
			answers(columns, noSuchProcess(6000000), row("f"), complete("SELECT 1"), ready('I')).then("release"),
			begin(query(end)),
			answers(columns, notice("PID 6000000 is not a PostgreSQL backend process"), row("f"), complete("SELECT 1"), ready('I')).then("release"),
			expect(),
		)},
	})
}

func TestWhichProcessWasNotFoundIsReadInAnyLanguage(t *testing.T) {
	for text, want := range map[string]uint32{
		"PID 4194305 is not a PostgreSQL backend process": 4194305,
		"PID 2147483647 は不明":                              2147483647,
		"12":                                              12,
		"PID 2147483648 is too large":                     0,
		"PID 99999999999999999999 is too large":           0,
		"none":                                            0,
		"":                                                0,
	} {
		pid, ok := signaledPID([]byte("VWARNING\x00M" + text + "\x00Rpg_signal_backend\x00\x00"))
		if ok != (want != 0) || ok && pid != want {
			t.Errorf("%q: %d, %v", text, pid, ok)
		}
	}
}

func FuzzSignaledPID(f *testing.F) {
	f.Add([]byte(noSuchProcess(6000000)[5:]))
	f.Add([]byte("MPID 1\x00Rpg_signal_backend\x00"))
	f.Fuzz(func(t *testing.T, body []byte) {
		if pid, ok := signaledPID(body); ok && pid > 1<<31-1 {
			t.Errorf("%d", pid)
		}
	})
}
