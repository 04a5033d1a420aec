package session

import (
	"strings"
	"testing"

	"pgweir/wire"
)

// openedInBerlin: the backend was opened for a client in another time zone,
// and has been given this client's since.
func openedInBerlin() step {
	return step{do: func(r *rig) {
		there := startVars
		login := startVars.With(wire.VarTimeZone, "Europe/Berlin")
		r.link = &Link{Vars: &there, Login: login}
	}}
}

func TestResetTurnsBackToTheClientsOwnLogin(t *testing.T) {
	berlin, anew := reported("TimeZone", "Europe/Berlin"), query("SET TimeZone = 'UTC';")
	play(t, []transcript{
		{"RESET of what the client did not change tells it nothing", transactionMode, steps(
			openedInBerlin(),
			begin(query("RESET TimeZone")),
			server(complete("RESET"), berlin, ready('I')).tells(complete("RESET"), ready('I')).then("release"),
			clientHas(wire.VarTimeZone, "UTC"),
			client(query("select 1")).then("need"),
			leased().asks(anew, query("select 1")),
		)},
		{"RESET of what it did change tells it its own", transactionMode, steps(
			openedInBerlin(),
			begin(query("SET TimeZone = 'CET'")),
			answers(complete("SET"), reported("TimeZone", "CET"), ready('I')).then("release"),
			begin(query("reset timezone")),
			server(complete("RESET"), berlin, ready('I')).
				tells(complete("RESET"), reported("TimeZone", "UTC"), ready('I')).then("release"),
			clientHas(wire.VarTimeZone, "UTC"),
		)},
		{"so it does if that was the other's value by chance", transactionMode, steps(
			openedInBerlin(),
			begin(query("SET TimeZone = 'Europe/Berlin'")),
			answers(complete("SET"), berlin, ready('I')).then("release"),
			begin(query("SET TimeZone TO DEFAULT")),
			server(complete("SET"), ready('I')).
				tells(complete("SET"), reported("TimeZone", "UTC"), ready('I')).then("release"),
		)},
		{"within a block it is set anew ahead of the next statement", unwatched, steps(
			openedInBerlin(),
			begin(query("begin")),
			answers(complete("BEGIN"), ready('T')),
			passes(query("reset all")),
			server(complete("RESET"), berlin, ready('T')).tells(complete("RESET"), ready('T')),
			client(query("show timezone")).asks(inserted("SET TimeZone = 'UTC';"), syncing, query("show timezone")),
			server(wasInserted("SET"), reported("TimeZone", "UTC"), ready('T'), row("UTC"), complete("SHOW"), ready('T')).
				tells(row("UTC"), complete("SHOW"), ready('T')),
		)},
		{"in session mode too, with DISCARD ALL in the extended protocol", sessionMode, steps(
			openedInBerlin(),
			leased(),
			passes(parse("", "discard all"), bind("", ""), execute("", 0), syncing),
			server(parsed, bound, complete("DISCARD ALL"), berlin, ready('I')).
				tells(parsed, bound, complete("DISCARD ALL"), ready('I')),
			client(query("select 1")).asks(anew, query("select 1")),
		)},
		{"one that fails turns nothing back", transactionMode, steps(
			openedInBerlin(),
			begin(query("SET TimeZone = 'Europe/Berlin'")),
			answers(complete("SET"), berlin, ready('I')).then("release"),
			begin(query("RESET TimeZone; select 1/0")),
			answers(failure("22012", "division by zero"), ready('I')).then("release"),
			clientHas(wire.VarTimeZone, "Europe/Berlin"),
		)},
		{"a SET of its own is not taken for one", transactionMode, steps(
			openedInBerlin(),
			begin(query("SET TimeZone = 'Europe/Berlin'")),
			answers(complete("SET"), berlin, ready('I')).then("release"),
			clientHas(wire.VarTimeZone, "Europe/Berlin"),
		)},
	})
}

// TestEveryWayOfRunningAResetTurnsBackToTheClientsOwnLogin: also where its text is
// in another message than what runs it, or behind another answer.
func TestEveryWayOfRunningAResetTurnsBackToTheClientsOwnLogin(t *testing.T) {
	berlin := reported("TimeZone", "Europe/Berlin")
	for name, c := range map[string]struct{ first, second, answer string }{
		"a named statement": {parse("s", "RESET TimeZone") + syncing, bind("", "s") + execute("", 0) + syncing, bound + complete("RESET") + berlin + ready('I')},
		"an unnamed one":    {parse("", "RESET TimeZone") + syncing, bind("", "") + execute("", 0) + syncing, parsed + bound + complete("RESET") + berlin + ready('I')},
		"a pipeline": {"", query("select 1") + query("RESET TimeZone"),
			columns + row("1") + complete("SELECT 1") + ready('I') + complete("RESET") + berlin + ready('I')},
	} {
		r := newRig(t, &transactionMode)
		openedInBerlin().do(r)
		if c.first != "" {
			r.client(c.first)
			r.lease()
			r.server(parsed + ready('I'))
			r.flags()
		}
		r.client(c.second)
		r.lease()
		r.toClient = ""
		r.server(c.answer)
		if zone := r.s.Vars()[wire.VarTimeZone]; zone != "UTC" || strings.Contains(r.toClient, "Berlin") {
			t.Errorf("%s: the client has %s, and is told %s", name, zone, show(r.toClient))
		}
	}
}
