package integration

import (
	"net"
	"strconv"
	"testing"
)

// sameAsDirectly transcribes a script directly and through pgweir, where between
// is called before each step, and compares the transcripts.
func sameAsDirectly(t *testing.T, w *weir, s script, between func()) {
	t.Helper()
	want := transcribe(t, net.JoinHostPort("127.0.0.1", strconv.Itoa(w.PG.Port)), w.DB, &s, nil)
	got := transcribe(t, w.Addr(), w.DB, &s, between)
	if want, got := reportsSorted(want), reportsSorted(got); want != got {
		t.Errorf("differs behind\n%s", differing(want, got))
	}
}

// TestASuspendedPortalIsReadToItsEndWhateverPgweirInserts: a simple query of
// pgweir's own within the block would end the client's unnamed portal.
func TestASuspendedPortalIsReadToItsEndWhateverPgweirInserts(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]string{
		"the timeout of idle sessions is shown": "show idle_session_timeout",
		"prepared statements are shown":         "select name from pg_prepared_statements where name in ('kept', 'named') order by name",
		"a setting is turned back":              "reset timezone",
		"constants are read":                    "select '2020-02-01'::date, 'now' <> 'then'",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := startWeir(t, weirOptions{Database: "pool_size = 1"})
			// The backend is opened for a client with other settings.
			other := rawLogin(t, w.Addr(), "postgres", w.DB, "TimeZone", "Asia/Tokyo", "DateStyle", "German")
			defer other.net.Close()
			interfere(t, other)
			more := talk(execute("", 2), sync_)
			sameAsDirectly(t, w, script{steps: []step{
				sql("set idle_session_timeout = '1h'"),
				talk(parse("named", prepare), parse("gone", "select * from here_and_gone"), sync_),
				talk(parse("kept", "select 1"), sync_),
				sql("begin"),
				talk(parse("", "select generate_series(1, 100)"), bind(""), execute("", 2), sync_), more,
				talk(portal("q", "named"), execute("q", 0), sync_), more, more,
				talk(execute("", 2), parse("again", prepare), portal("r", "again"), execute("r", 0), execute("", 2), sync_), more,
				talk(execute("", 0), sync_),
				talk(portal("s", "named"), execute("s", 0), bind("kept"), execute("", 0), sync_),
				sql("rollback"),
			}}, nil)
		})
	}
}
