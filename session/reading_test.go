package session

import (
	"testing"

	"pgweir/wire"
)

// aside is what a backend is told to have another setting in the midst of a
// transaction, and isAside its answer.
func aside(name, value string) string {
	sql := "SELECT pg_catalog.set_config('" + name + "', '" + value + "', true)"
	return parse(scratchName, sql) + bind(scratchName, scratchName) + execute(scratchName, 0) + closing("P", scratchName) + closing("S", scratchName)
}

var isAside = parsed + bound + row("value") + complete("SELECT 1") + closed + closed

// moment is the same outside of one.
func moment(name, value string) string {
	return query("SELECT pg_catalog.set_config('" + name + "', '" + value + "', false)")
}

var isMoment = columns + row("value") + complete("SELECT 1") + ready('I')

// TestAStatementIsReadUnderTheSettingsOfItsParse, also on a backend that is
// given it later, and planned under those of the moment.
func TestAStatementIsReadUnderTheSettingsOfItsParse(t *testing.T) {
	run := func(name string) []string { return []string{bind("", name), execute("", 0), syncing} }
	ran := []string{bound, row("1"), complete("SELECT 1"), ready('I')}
	// prepared is a client with a statement called s, which sets its style then.
	prepared := func(text string) []step {
		return steps(
			client(parse("s", text), syncing).then("need"),
			leased().asks(parse(shared(1), text), syncing),
			answers(parsed, ready('I')).then("release"),
			with("client", wire.VarDateStyle, "German"),
			elsewhere(),
			with("backend", wire.VarDateStyle, "German"),
		)
	}
	play(t, []transcript{
		{"outside of a transaction", transactionMode, steps(
			prepared("select '1.2.2020'::date"),
			client(run("s")...).then("need"),
			leased().asks(moment("DateStyle", "ISO, MDY"), parse(shared(2), "select '1.2.2020'::date"), syncing, moment("DateStyle", "German"),
				bind("", shared(2)), execute("", 0), syncing),
			server(isMoment, parsed, ready('I'), isMoment, bound, row("1"), complete("SELECT 1"), ready('I')).tells(ran...).then("release"),
			client(run("s")...).then("need"),
			leased().asks(run(shared(2))...),
			answers(ran...).then("release"),
		)},
		{"in the midst of a pipeline", transactionMode, steps(
			prepared("select '1.2.2020'::date"),
			client(append([]string{parse("", "select 2"), bind("", ""), execute("", 0)}, run("s")...)...).then("need"),
			leased().asks(parse("", "select 2"), bind("", ""), execute("", 0),
				aside("DateStyle", "ISO, MDY"), parse(shared(2), "select '1.2.2020'::date"), aside("DateStyle", "German"),
				bind("", shared(2)), execute("", 0), syncing),
			server(parsed, bound, row("2"), complete("SELECT 1"), isAside, parsed, isAside, bound, row("1"), complete("SELECT 1"), ready('I')).
				tells(parsed, bound, row("2"), complete("SELECT 1"), bound, row("1"), complete("SELECT 1"), ready('I')).then("release"),
		)},
		{"but not if it has no constants", transactionMode, steps(
			prepared("select $1::int"),
			client(run("s")...).then("need"),
			leased().asks(parse(shared(2), "select $1::int"), bind("", shared(2)), execute("", 0), syncing),
			server(parsed, bound, row("1"), complete("SELECT 1"), ready('I')).tells(ran...).then("release"),
		)},
	})
}

// TestWhatWasMadeUnderUnknownSettingsServesNobodyElse: a transaction has changed
// one, for itself or in a way that is seen only at its end.
func TestWhatWasMadeUnderUnknownSettingsServesNobodyElse(t *testing.T) {
	run := func(name string) []string { return []string{bind("", name), execute("", 0), syncing} }
	ran := []string{bound, row("1"), complete("SELECT 1"), ready('I')}
	inBlock := []string{bound, row("1"), complete("SELECT 1"), ready('T')}
	block := func(sql string) []step {
		return steps(
			begin(query("begin")),
			answers(complete("BEGIN"), ready('T')),
			passes(query(sql)),
			answers(complete("SET"), ready('T')),
		)
	}
	end := steps(
		passes(query("commit")),
		answers(complete("COMMIT"), ready('I')).then("release"),
	)
	prepared := steps(
		client(parse("s", "select 1"), syncing).then("need"),
		leased().asks(parse(shared(1), "select 1"), syncing),
		answers(parsed, ready('I')).then("release"),
	)
	anew := func(name string) []step {
		return steps(
			client(run("s")...).then("need"),
			leased().asks(closing("S", name), parse(name, "select 1"), bind("", name), execute("", 0), syncing),
			server(closed, parsed, bound, row("1"), complete("SELECT 1"), ready('I')).tells(ran...).then("release"),
		)
	}
	for _, sql := range []string{"set local extra_float_digits = 0", "select set_config('bytea_output', 'escape', true)", "set local nobody_knows = 1"} {
		play(t, []transcript{
			{"a Parse behind " + sql, transactionMode, steps(
				block(sql),
				client(parse("s", "select 1"), syncing).asks(parse(shared(1), "select 1"), syncing),
				answers(parsed, ready('T')),
				client(run("s")...).asks(run(shared(1))...),
				answers(inBlock...),
				end,
				anew(shared(1)),
			)},
			{"a Bind behind " + sql, transactionMode, steps(
				prepared,
				block(sql),
				client(run("s")...).asks(run(shared(1))...),
				answers(inBlock...),
				client(run("s")...).asks(run(shared(1))...),
				answers(inBlock...),
				end,
				anew(shared(1)),
			)},
		})
	}
	for _, sql := range []string{"set local statement_timeout = 1", "select set_config('app.tenant', '1', true)", "set local role a", "set local search_path = a", "set local application_name = 'a'"} {
		play(t, []transcript{{"but not behind " + sql, transactionMode, steps(
			prepared,
			block(sql),
			client(run("s")...).asks(run(shared(1))...),
			answers(inBlock...),
			end,
			client(run("s")...).then("need"),
			leased().asks(run(shared(1))...),
			answers(ran...).then("release"),
		)}})
	}
}
