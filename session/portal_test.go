package session

import (
	"strings"
	"testing"

	"pgweir/wire"
)

// inserted is what a backend is sent to run statements of pgweir's own in the
// midst of a transaction, and wasInserted its answer.
func inserted(statements ...string) string {
	var b strings.Builder
	for _, sql := range statements {
		b.WriteString(parse(scratchName, sql) + bind(scratchName, scratchName) + execute(scratchName, 0))
		b.WriteString(closing("P", scratchName) + closing("S", scratchName))
	}
	return b.String()
}

func wasInserted(tags ...string) string {
	var b strings.Builder
	for _, tag := range tags {
		b.WriteString(parsed + bound + complete(tag) + closed + closed)
	}
	return b.String()
}

// suspendedPortal is a client in a block whose unnamed portal has not been read
// to its end. A simple query of pgweir's own would end it.
func suspendedPortal() []step {
	return steps(
		client(query("begin")).then("need"), leased().asks(query("begin")),
		answers(complete("BEGIN"), ready('T')),
		passes(parse("", "select 1 from t"), bind("", ""), execute("", 1), syncing),
		answers(parsed, bound, row("1"), suspended, ready('T')),
	)
}

func TestASuspendedPortalOutlivesWhatPgweirInserts(t *testing.T) {
	resumed := steps(passes(execute("", 1), syncing), answers(row("2"), suspended, ready('T')))
	idle := func(value string) string { return says(setting(nameIdleTimeout, value), nobodyElse()) }
	timeout := steps(
		begin(query("set idle_session_timeout = '9s'")),
		server(complete("SET"), ready('I')).tells(complete("SET"), ready('I')).asks(question(partSettings)),
		server(idle("9000")).asks(query("RESET "+nameIdleTimeout)),
		server(complete("RESET"), ready('I')).then("release"),
	)
	show := []string{parse("", "show idle_session_timeout"), bind("q", ""), execute("q", 0), syncing}
	ahead := inserted("SET idle_session_timeout = 9000")
	view := "select * from pg_prepared_statements"
	play(t, []transcript{
		{"an idle_session_timeout that is shown", transactionMode, steps(
			timeout, suspendedPortal(),
			client(show...).asks(ahead, syncing, join(show)),
			server(wasInserted("SET"), ready('T'), parsed, bound, row("9s"), complete("SHOW"), ready('T')).
				tells(parsed, bound, row("9s"), complete("SHOW"), ready('T')),
			resumed,
		)},
		{"the same in one pipeline", transactionMode, steps(
			timeout, suspendedPortal(),
			client(append(append([]string{execute("", 1)}, show...), execute("", 1), syncing)...).
				asks(execute("", 1), ahead, join(show), execute("", 1), syncing),
			server(row("2"), suspended, wasInserted("SET"), parsed, bound, row("9s"), complete("SHOW"), ready('T'), row("3"), suspended, ready('T')).
				tells(row("2"), suspended, parsed, bound, row("9s"), complete("SHOW"), ready('T'), row("3"), suspended, ready('T')),
		)},
		{"the same outside of a block", transactionMode, steps(
			timeout,
			client(parse("", "select 1 from t"), bind("", ""), execute("", 1)).then("need"),
			leased().asks(parse("", "select 1 from t"), bind("", ""), execute("", 1)),
			client(show[:3]...).asks(ahead, join(show[:3])),
			client(execute("", 1), syncing).asks(execute("", 1), syncing),
		)},
		{"a view of prepared statements", transactionMode, steps(
			client(parse("s", "select 1"), syncing).then("need"),
			leased().asks(parse(shared(1), "select 1"), syncing),
			answers(parsed, ready('I')).then("release"),
			suspendedPortal(),
			client(parse("", view), bind("q", ""), execute("q", 0), syncing).asks(
				closing("S", shared(1)), syncing, inserted("SAVEPOINT pgweir"), parse("s", "select 1"), syncing,
				inserted("ROLLBACK TO SAVEPOINT pgweir", "RELEASE SAVEPOINT pgweir"), syncing, parse("", view), bind("q", ""), execute("q", 0), syncing),
			server(closed, ready('T'), wasInserted("SAVEPOINT"), parsed, ready('T'), wasInserted("ROLLBACK", "RELEASE"), ready('T'),
				parsed, bound, row("s"), complete("SELECT 1")).
				tells(parsed, bound, row("s"), complete("SELECT 1")),
			answers(ready('T')).asks(closing("S", "s"), syncing),
			server(closed, ready('T')),
			resumed,
		)},
		{"settings that RESET has turned back to another client's", transactionMode, steps(
			step{does: "its backend was opened for another client", do: func(r *rig) {
				vars := startVars
				vars[wire.VarTimeZone] = "Asia/Tokyo"
				r.link.Login = &vars
			}},
			suspendedPortal(),
			passes(parse("", "reset timezone"), bind("q", ""), execute("q", 0), syncing),
			server(parsed, bound, complete("RESET"), reported("TimeZone", "Asia/Tokyo"), ready('T')).
				tells(parsed, bound, complete("RESET"), ready('T')),
			client(execute("", 1), syncing).asks(inserted("SET TimeZone = 'UTC';"), syncing, execute("", 1), syncing),
			server(wasInserted("SET"), reported("TimeZone", "UTC"), ready('T'), row("2"), suspended, ready('T')).
				tells(row("2"), suspended, ready('T')),
			resumed,
		)},
		{"what others have of sequences", transactionMode, steps(
			step{does: "its backend has served another client", do: func(r *rig) { r.link.last, r.link.counted = r.s.id+1, r.s.id+1 }},
			client(parse("", "select 1 from t"), bind("", ""), execute("", 1), flush).then("need"),
			leased().asks(parse("", "select 1 from t"), bind("", ""), execute("", 1), flush),
			answers(parsed, bound, row("1"), suspended),
			client(parse("", "select lastval()"), bind("q", ""), execute("q", 0)).
				asks(inserted(strings.Replace(forgetOthers, "$checks", checkLast, 1)), parse("", "select lastval()"), bind("q", ""), execute("q", 0)),
		)},
	})
}

func TestAnErrorOfWhatPgweirInsertsIsTheClientsOwn(t *testing.T) {
	timeout := failure("57014", "canceling statement due to statement timeout")
	aborted := failure("25P02", "current transaction is aborted")
	idle := func(s string) step {
		return step{does: s, do: func(r *rig) { r.s.idle = 9000 }}
	}
	show := query("show idle_session_timeout")
	ahead := inserted("SET idle_session_timeout = 9000")
	play(t, []transcript{
		{"in place of the one about the block", transactionMode, steps(
			idle("it has a timeout"), suspendedPortal(),
			client(show).asks(ahead, syncing, show),
			server(timeout, ready('E'), aborted, ready('E')).tells(timeout, ready('E')),
			passes(query("rollback")),
			answers(complete("ROLLBACK"), ready('I')).asks(question(partSettings)),
			server(says(nobodyElse())).then("release"),
			// Its statement may still be there.
			begin(query("begin")),
			answers(complete("BEGIN"), ready('T')),
			client(show).asks(closing("S", scratchName), ahead, syncing, show),
			server(closed, wasInserted("SET"), ready('T'), complete("SHOW"), ready('T')).tells(complete("SHOW"), ready('T')),
		)},
		{"the server's last words", transactionMode, steps(
			idle("it has a timeout"), suspendedPortal(),
			client(show).asks(ahead, syncing, show),
			answers(fatal("57P01", "terminating connection due to administrator command")),
			lost().then("drop end"),
		)},
	})
}
