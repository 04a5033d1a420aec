package session

import "testing"

// TestAClientThatKeepsItsBackendHasItsOwnSequences: another client's are
// forgotten before, so that what the client is given there stays.
func TestAClientThatKeepsItsBackendHasItsOwnSequences(t *testing.T) {
	others := step{does: "another client was there", do: func(r *rig) { r.link.counted = severalCounted }}
	forgets := query(guard + "DISCARD SEQUENCES;" + unguard)
	forgotten := []string{complete("SET"), complete("DISCARD SEQUENCES"), complete("RESET"), ready('I')}
	makes, lock, next := query("create temp table t (a serial)"), query("select pg_advisory_lock(1)"), query("select nextval('s')")
	play(t, []transcript{
		{"before a temporary object is made", transactionMode, steps(
			client(makes).then("need"), others, leased().asks(forgets, makes),
			server(forgotten...), answers(complete("CREATE TABLE")), answers(ready('I')).asks(question(ReasonTemp)),
			server(says(left("t"))).then("pinned: temporary table"),
			passes(query("insert into t default values")), answers(complete("INSERT 0 1"), ready('I')),
			passes(query("select currval('t_a_seq')")),
		)},
		{"ahead of the first message behind what pins", transactionMode, steps(
			client(lock).then("need"), others, leased().asks(lock),
			answers(columns, row("1"), complete("SELECT 1")), answers(ready('I')).asks(question(ReasonLock)),
			server(says(left("l"))).then("pinned: advisory lock"),
			client(next).asks(forgets, next), server(forgotten...), answers(columns, row("7"), complete("SELECT 1"), ready('I')),
			passes(query("select currval('s')")),
		)},
		{"not if nobody else was there", transactionMode, steps(
			begin(lock), answers(columns, row("1"), complete("SELECT 1")), answers(ready('I')).asks(question(ReasonLock)),
			server(says(left("l"))).then("pinned: advisory lock"),
			passes(next),
		)},
	})
}
