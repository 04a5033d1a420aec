package session

import "testing"

// TestAPipelineGivesWay: at the end of a transaction behind which the client has
// asked for more, if somebody waits.
func TestAPipelineGivesWay(t *testing.T) {
	crowd := false
	crowded := transactionMode
	crowded.Waiting = func() bool { return crowd }
	comes := step{does: "somebody waits", do: func(*rig) { crowd = true }}
	nobody := step{does: "nobody waits", do: func(*rig) { crowd = false }}
	q := query("select 1")
	done := join([]string{complete("SELECT 1"), ready('I')})
	ext := join([]string{parse("", "select 1"), bind("", ""), execute("", 0), syncing})
	ran := join([]string{parsed, bound, complete("SELECT 1"), ready('I')})
	play(t, []transcript{
		{"nobody waits", crowded, steps(
			nobody, client(q, q).then("need"), leased().asks(q, q), answers(done), passes(q), answers(done), passes(q),
		)},
		{"somebody does", crowded, steps(
			comes, client(q, q).then("need"), leased().asks(q, q), answers(done), client(q),
			server(done).tells(done).then("need release"), leased().asks(q),
		)},
		{"in the extended protocol", crowded, steps(
			comes, client(ext, ext).then("need"), leased().asks(ext, ext), answers(ran), client(ext),
			server(ran).tells(ran).then("need release"), leased().asks(ext),
		)},
		{"not within what has begun", crowded, steps(
			comes, client(ext, ext[:len(ext)-len(syncing)]).then("need"), leased().asks(ext, ext[:len(ext)-len(syncing)]),
			answers(ran), passes(syncing), answers(ran).then("release"),
		)},
		{"not within a block, and but once", crowded, steps(
			comes, client(q, query("begin")).then("need"), leased().asks(q, query("begin")), answers(done), client(q, q, q),
			server(complete("BEGIN"), ready('T')).tells(complete("BEGIN"), ready('T')).asks(q, q, q),
			passes(q),
		)},
		{"not within a copy", crowded, steps(
			comes, client(q, query("copy t from stdin")).then("need"), leased().asks(q, query("copy t from stdin")),
			answers(done), passes(copyData("1\n"), copyDone), client(q).asks(q),
		)},
	})
}
