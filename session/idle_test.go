package session

import (
	"strings"
	"testing"
	"time"
)

func TestAnIdleSessionTimeoutIsTheClients(t *testing.T) {
	idle := func(value string) string { return says(setting(nameIdleTimeout, value), nobodyElse()) }
	reset := query("RESET " + nameIdleTimeout)
	is := func(d time.Duration) step {
		return check("the client has "+d.String(), func(s *Session) bool { return s.IdleTimeout() == d && s.Settings() == nil })
	}
	sets := steps(
		begin(query("set idle_session_timeout = '9s'")),
		server(complete("SET"), ready('I')).tells(complete("SET"), ready('I')).asks(question(partSettings)),
		server(idle("9000")).asks(reset),
		server(complete("RESET"), ready('I')).then("release"),
		is(9*time.Second),
	)
	ahead := query("SET idle_session_timeout = 9000")
	shown := steps(
		server(complete("SET"), ready('I'), complete("SHOW"), ready('I')).tells(complete("SHOW"), ready('I')).asks(question(partSettings)),
		server(idle("9000")).asks(reset),
		server(complete("RESET"), ready('I')).then("release"),
		is(9*time.Second),
	)
	play(t, []transcript{
		{"it is taken from the backend before that is given back", transactionMode, sets},
		{"it is on no other backend, and is no setting to be carried", transactionMode, steps(
			sets, elsewhere(), begin(query("select 1")), answers(complete("SELECT 1"), ready('I')).then("release"),
		)},
		{"SHOW finds it, wherever", transactionMode, steps(
			sets, elsewhere(),
			client(query("Show Idle_Session_Timeout")).then("need"),
			leased().asks(ahead, query("Show Idle_Session_Timeout")),
			shown,
		)},
		{"0 is none", transactionMode, steps(
			sets,
			client(query("set idle_session_timeout = 0")).then("need"),
			leased().asks(ahead, query("set idle_session_timeout = 0")),
			server(complete("SET"), ready('I'), complete("SET"), ready('I')).tells(complete("SET"), ready('I')).asks(question(partSettings)),
			server(idle("0")).then("release"),
			is(0),
			begin(query("show idle_session_timeout")),
		)},
		{"a block that is rolled back changes nothing", transactionMode, steps(
			sets,
			client(query("begin")).then("need"), leased().asks(query("begin")),
			server(complete("BEGIN"), ready('T')).tells(complete("BEGIN"), ready('T')),
			client(query("set idle_session_timeout = 1")).asks(inserted("SET idle_session_timeout = 9000"), syncing, query("set idle_session_timeout = 1")),
			server(wasInserted("SET"), ready('T'), complete("SET"), ready('T')).tells(complete("SET"), ready('T')),
			client(query("show idle_session_timeout")).asks(query("show idle_session_timeout")), // the backend knows it
			server(complete("SHOW"), ready('T')).tells(complete("SHOW"), ready('T')),
			client(query("rollback")).asks(query("rollback")),
			server(complete("ROLLBACK"), ready('I')).tells(complete("ROLLBACK"), ready('I')).asks(question(partSettings)),
			server(says(nobodyElse())).then("release"),
			is(9*time.Second),
		)},
		{"RESET ALL turns it back", transactionMode, steps(
			sets,
			asked("reset all", partSettings, says(nobodyElse()), "release"),
			is(0),
		)},
		{"RESET of another leaves it", transactionMode, steps(
			sets,
			asked("reset work_mem", partSettings, says(nobodyElse()), "release"),
			is(9*time.Second),
		)},
	})
}

// TestTheClientsTimeoutIsThereInAPipeline: what stands behind other messages of the
// extended protocol is dealt with in another way.
func TestTheClientsTimeoutIsThereInAPipeline(t *testing.T) {
	r := newRig(t, &transactionMode)
	r.s.idle = 9000
	r.client(parse("", "select 1") + bind("", "") + execute("", 0) + parse("", "show idle_session_timeout") + bind("", "") + execute("", 0) + syncing)
	r.lease()
	if !strings.Contains(r.toServer, "SET idle_session_timeout = 9000") {
		t.Errorf("the backend is told %s", show(r.toServer))
	}
}

// TestAResetOfTheTimeoutIsSeenAheadOfOtherStatements of the same transaction.
func TestAResetOfTheTimeoutIsSeenAheadOfOtherStatements(t *testing.T) {
	r := newRig(t, &transactionMode)
	r.s.idle = 9000
	r.client(query("begin"))
	r.lease()
	r.server(complete("BEGIN") + ready('T'))
	r.client(query("reset idle_session_timeout"))
	r.server(wasInserted("SET") + ready('T') + complete("RESET") + ready('T'))
	r.client(query("set work_mem = '5MB'"))
	r.server(complete("SET") + ready('T'))
	r.client(query("commit"))
	r.server(complete("COMMIT") + ready('I'))
	r.server(says(setting("work_mem", "5120"), nobodyElse()))
	if r.s.IdleTimeout() != 0 {
		t.Errorf("the client is ended after %v", r.s.IdleTimeout())
	}
}
