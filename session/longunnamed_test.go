package session

import (
	"strings"
	"testing"
)

// tooLongText is longer than maxUnnamed, and says so early that it may do anything.
var tooLongText = "select query_to_xml(" + strings.Repeat("1", maxUnnamed+8<<10)

func TestALongUnnamedStatementKeepsItsBackend(t *testing.T) {
	long := parse("", tooLongText)
	run := []string{bind("", ""), execute("", 0), syncing}
	ran := []string{bound, row("1"), complete("SELECT 1"), ready('I')}
	kept := steps(
		begin(long, describe("S", ""), syncing),
		answers(parsed, noParams, columns, ready('I')).then("pinned: prepared statement"),
	)
	crowded := transactionMode
	crowded.MaxPinned = 1
	others := func(n int32) step {
		return step{does: "others are pinned", do: func(r *rig) { r.s.config.Shared.places.Add(n) }}
	}
	play(t, []transcript{
		{"until the next one", transactionMode, steps(
			kept,
			passes(run...), answers(ran...),
			passes(run...), answers(ran...),
			passes(parse("", "select 2"), bind("", ""), execute("", 0), syncing),
			answers(parsed, bound, row("2"), complete("SELECT 1"), ready('I')).asks(question(partsAll)),
			server(says()).then("release unpinned"),
			client(run...).then("need"),
			leased().asks(parse("", "select 2")+run[0], run[1], run[2]),
		)},
		{"until it is closed", transactionMode, steps(
			kept,
			passes(closing("S", ""), syncing),
			answers(closed, ready('I')).asks(question(partsAll)),
			server(says()).then("release unpinned"),
		)},
		{"until a simple query, whose state is found together with its own", transactionMode, steps(
			kept,
			passes(run...), answers(ran...),
			passes(query("select pg_advisory_lock(1)")),
			answers(row(""), complete("SELECT 1"), ready('I')).asks(question(partsAll)),
			server(says(left("l"))).then("pinned: advisory lock"),
		)},
		{"until a Parse that fails", transactionMode, steps(
			kept,
			passes(parse("", "selekt"), syncing),
			answers(failure("42601", "syntax error"), ready('I')).asks(question(partsAll)),
			server(says()).then("release unpinned"),
		)},
		{"and so the next long one", transactionMode, steps(
			kept,
			passes(long, syncing),
			answers(parsed, ready('I')),
			passes(run...), answers(ran...),
		)},
		{"also over a block that has parsed it", transactionMode, steps(
			begin(query("begin")), answers(complete("BEGIN"), ready('T')),
			passes(long, syncing), answers(parsed, ready('T')),
			passes(run...), answers(bound, row("1"), complete("SELECT 1"), ready('T')),
			passes(closing("P", ""), syncing), answers(closed, ready('T')),
			passes(run...), answers(bound, row("1"), complete("SELECT 1"), ready('T')),
		)},
		{"also where nothing is watched", unwatched, steps(
			kept,
			passes(run...), answers(ran...),
			passes(query("select 1")),
			answers(complete("SELECT 1"), ready('I')).then("release unpinned"),
		)},
		{"but not if it fails", transactionMode, steps(
			begin(long, syncing),
			answers(failure("42601", "syntax error"), ready('I')).asks(question(partsAll)),
			server(says()).then("release"),
		)},
		{"where there is room", crowded, steps(
			kept,
			passes(run...), answers(ran...),
			check("it has a place", func(s *Session) bool { return s.config.Shared.places.Load() == 1 }),
			gone().asks(query("DISCARD ALL")).then("end"),
			check("it has none", func(s *Session) bool { return s.config.Shared.places.Load() == 0 }),
		)},
		{"and not where there is none", crowded, steps(
			others(1),
			begin(long, syncing),
			answers(parsed, ready('I')).asks(question(partsAll)),
			server(says()).then("release"),
			client(run...).then("need"),
			leased().asks(closing("S", "")+run[0], run[1], run[2]),
		)},
	})
}
