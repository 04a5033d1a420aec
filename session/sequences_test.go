package session

import (
	"fmt"
	"strings"
	"testing"
)

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
		{"not where the backend skips to the Sync", transactionMode, steps(
			begin(lock), answers(columns, row("1"), complete("SELECT 1")), answers(ready('I')).asks(question(ReasonLock)),
			server(says(left("l"))).then("pinned: advisory lock"),
			passes(parse("", "selekt"), query("select 1")), answers(failure("42601", "no")), others,
			passes(parse("", "select 2")),
			passes(syncing), answers(ready('I')),
			client(next).asks(forgets, next),
		)},
		{"not if nobody else was there", transactionMode, steps(
			begin(lock), answers(columns, row("1"), complete("SELECT 1")), answers(ready('I')).asks(question(ReasonLock)),
			server(says(left("l"))).then("pinned: advisory lock"),
			passes(next),
		)},
	})
}

func TestWhichSequencesATextAsksFor(t *testing.T) {
	for text, want := range map[string]string{
		"select currval('a'), currval(E'b\\'c'::regclass)": "[a b'c] false",
		"select lastval()":               "[] true",
		"select currval('a'), lastval()": "[a] true",
		"select currval($1)":             "[] true",
		"select currval(x)":              "[] true",
		"select currval('a' || x)":       "[a] true",
		"select currval('a') || 'b'":     "[a] true",
		"select currval('$pgweir$')":     "[] true",
		"select currval":                 "[] true",
		"select f()":                     "[] false",
	} {
		names, last := sequencesIn([]byte(text), false)
		if got := fmt.Sprint(names, last); got != want {
			t.Errorf("%s asks for %s, want %s", text, got, want)
		}
	}
	s := newMember(t, &transactionMode).s
	for text, checks := range map[string][2]bool{"select currval('it''s')": {true, false}, "select lastval()": {false, true}, "select currval('it''s'), currval($1)": {true, true}, "do 'x'": {false, true}, "": {false, true}} {
		sql := s.forgets([]byte(text))
		if strings.Contains(sql, "to_regclass('it''s')") != checks[0] || strings.Contains(sql, "lastval()") != checks[1] || strings.Contains(sql, "$checks") || strings.Contains(sql, "$name") {
			t.Errorf("ahead of %s: %s", text, sql)
		}
	}
}
