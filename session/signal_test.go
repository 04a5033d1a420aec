package session

import (
	"encoding/binary"
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

// TestWhoIsSignaledByTheProcessIDOfTheBackendThatTheCallerHas: the one who has
// asked for it last.
func TestWhoIsSignaledByTheProcessIDOfTheBackendThatTheCallerHas(t *testing.T) {
	mode, born := signals(5000000, nil)
	on := func(told uint32) step {
		return step{does: "the backend is process 4711", do: func(r *rig) { r.link = newLink(); r.link.PID, r.link.pidReader = 4711, told }}
	}
	told := func(want uint32) step {
		return step{does: "who was told its process ID", do: func(r *rig) {
			r.t.Helper()
			mustEqual(r.t, "told", fmt.Sprint(r.link.pidReader), fmt.Sprint(want))
		}}
	}
	binds := func(st, formats, value string) string {
		size := string(binary.BigEndian.AppendUint32(nil, uint32(len(value))))
		return message('B', "\x00", st, "\x00", formats, "\x00\x01", size, value, "\x00\x00")
	}
	const end, signal = "select pg_terminate_backend(4711)", "select pg_terminate_backend($1)"
	const asText, asBinary = "\x00\x00", "\x00\x01\x00\x01"
	over := server(columns, row("t"), complete("SELECT 1"), ready('I')).tells(columns, row("t"), complete("SELECT 1"), ready('I'))
	becomes := func(given, sent string) []step {
		return steps(client(given).then("need"), leased().asks(sent))
	}
	play(t, []transcript{
		{"another client, in a Query", mode, steps(born, on(6000000),
			becomes(query(end), query("select pg_terminate_backend(6000000)")), over.then("release"), told(6000000))},
		{"nobody, if nobody has asked", mode, steps(born, on(0),
			becomes(query(end), query("select pg_terminate_backend(1073741824)")), over.then("release"))},
		{"a cancel, in the unnamed statement's text", mode, steps(born, on(6000000),
			client(parse("", "select pg_cancel_backend(4711)"), bind("", ""), execute("", 0), syncing).then("need"),
			leased().asks(parse("", "select pg_cancel_backend(6000000)"), bind("", ""), execute("", 0), syncing))},
		{"as a parameter of the unnamed statement", mode, steps(born, on(6000000),
			client(parse("", signal), binds("", asText, "4711"), execute("", 0), syncing).then("need"),
			leased().asks(parse("", signal), binds("", asText, "6000000"), execute("", 0), syncing))},
		{"in binary", mode, steps(born, on(6000000),
			client(parse("", signal), binds("", asBinary, "\x00\x00\x12\x67"), execute("", 0), syncing).then("need"),
			leased().asks(parse("", signal), binds("", asBinary, "\x00\x5b\x8d\x80"), execute("", 0), syncing))},
		{"as a parameter of a named statement", mode, steps(born, on(6000000),
			client(parse("s", signal), binds("s", asText, "4711"), execute("", 0), syncing).then("need"),
			leased().asks(parse(shared(1), signal), binds(shared(1), asText, "6000000"), execute("", 0), syncing))},
		{"another process", mode, steps(born, on(6000000),
			begin(query("select pg_terminate_backend(4712)")), over.then("release"),
			begin(parse("", signal), binds("", asText, "4712"), execute("", 0), syncing))},
		{"oneself, who has asked", mode, steps(born, on(6000000),
			begin(query("select pg_backend_pid()")), over.then("release"), told(5000000),
			begin(query(end)), over.then("release"))},
		{"oneself, who asks in the same breath", mode, steps(born, on(6000000),
			begin(query(end+"; select pg_backend_pid()")), over.then("release"))},
		{"oneself, who could know it from this transaction", mode, steps(born, on(6000000),
			begin(query("begin")), answers(complete("BEGIN"), ready('T')), passes(query(end)))},
		{"not a text that says so in a string", mode, steps(born, on(6000000),
			begin(query("select pg_terminate_backend(1), 'pg_terminate_backend(4711)', 4711")))},
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
