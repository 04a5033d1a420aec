package session

import "testing"

func TestChannelsInABlock(t *testing.T) {
	one, own := notification("a", "1"), notification("b", "2")
	play(t, []transcript{
		{"an UNLISTEN that a savepoint takes back is none", transactionMode, steps(
			listening("listen a", "a"), listenersBlock("a"),
			passes(query("savepoint s")), answers(complete("SAVEPOINT"), ready('T')),
			passes(query("unlisten a")), answers(complete("UNLISTEN"), ready('T')),
			passes(query("rollback to s")), answers(complete("ROLLBACK"), ready('T')),
			passes(query("commit")), server(complete("COMMIT"), ready('I')).tells(complete("COMMIT")).then("sync"),
			listened(nil).asks(question(ReasonChannels)),
			server(says(left("c", "a"))).asks(query("UNLISTEN *")),
			server(complete("UNLISTEN"), ready('I')).tells(ready('I')).then("release"),
			listensTo("a"),
		)},
		{"and one ahead of a savepoint is", transactionMode, steps(
			listening("listen a", "a"), listenersBlock("a"),
			passes(query("unlisten a")), answers(complete("UNLISTEN"), ready('T')),
			passes(query("savepoint s")), answers(complete("SAVEPOINT"), ready('T')),
			passes(query("rollback to s")), answers(complete("ROLLBACK"), ready('T')),
			passes(query("commit")), server(complete("COMMIT"), ready('I')).tells(complete("COMMIT")).then("sync"),
			notify(one),
			listened(nil).asks(question(ReasonChannels)),
			server(says()).asks(query("UNLISTEN *")).then("unlisten"),
			server(complete("UNLISTEN"), ready('I')).tells(one, ready('I')).then("release"),
			listensTo(),
		)},
		{"one more is heard besides those", transactionMode, steps(
			listening("listen a", "a"), listenersBlock("a"),
			passes(query("listen b")), answers(complete("LISTEN"), ready('T')),
			passes(query("commit")), server(complete("COMMIT"), ready('I')).tells(complete("COMMIT")).asks(question(ReasonChannels)),
			server(says(left("c", "b"), left("c", "a"))).then("listen"),
			wants("a", "b"),
			listened(nil).asks(query("UNLISTEN *")).tells(ready('I')),
			shownNoMore(),
			listensTo("a", "b"),
		)},
		{"are shown ahead of it, whatever opens it", transactionMode, steps(
			client(parse("s", "start transaction"), syncing).then("need"),
			leased().asks(parse(shared(1), "start transaction"), syncing),
			answers(parsed, ready('I')).then("release"),
			listening("listen a", "a"),
			client(bind("", "s"), execute("", 0), syncing).then("need"),
			leased().asks(showing("a"), bind("", shared(1)), execute("", 0), syncing),
			server(isShowing, bound, complete("START TRANSACTION"), ready('T')).tells(bound, complete("START TRANSACTION"), ready('T')),
			passes(parse("", "rollback"), bind("", ""), execute("", 0), syncing),
			server(parsed, bound, complete("ROLLBACK"), ready('I')).tells(parsed, bound, complete("ROLLBACK"), ready('I')).asks(query("UNLISTEN *")),
			shownNoMore(),
			client(parse("", "select 1; begin"), bind("", ""), execute("", 0), syncing).then("need"),
			leased().asks(showing("a"), parse("", "select 1; begin"), bind("", ""), execute("", 0), syncing),
		)},
		{"and are still there when it can be sent", transactionMode, steps(
			listening("listen a", "a"),
			client(query("select pg_advisory_lock(1)")).then("need"), leased().asks(query("select pg_advisory_lock(1)")),
			answers(columns, row("1"), complete("SELECT 1"), ready('I')).asks(question(ReasonLock)),
			server(says(left("l"))).then("pinned: advisory lock"),
			client(query("begin; prepare p as select 1; commit")).asks(showing("a")),
			server(isShowing).asks(query("begin; prepare p as select 1; commit")),
		)},
		{"in a pipeline it waits for what is ahead of it", transactionMode, steps(
			listening("listen a", "a"),
			client(query("select 1"), query("begin")).then("need"),
			leased().asks(query("select 1")),
			answers(complete("SELECT 1"), ready('I')).then("need release"),
			leased().asks(showing("a"), query("begin")),
		)},
		{"whoever leaves in it leaves no channels", transactionMode, steps(
			listening("listen a", "a"), listenersBlock("a"),
			gone().asks(query("ROLLBACK"), query("DISCARD ALL")).then("end"),
		)},
		{"what its own backend hears comes once", transactionMode, steps(
			listening("listen a", "a"), listenersBlock("a"),
			passes(query("commit")),
			notify(one),
			server(complete("COMMIT"), one, own, ready('I')).tells(complete("COMMIT"), own, one, ready('I')).asks(query("UNLISTEN *")),
			shownNoMore(),
		)},
	})
}

// TestALISTENThatHoldsWithinATransaction: COMMIT AND CHAIN makes it hold, and the
// client is told, long before the listening backend can be asked.
func TestALISTENThatHoldsWithinATransaction(t *testing.T) {
	one, two, other := notification("a", "1"), notification("a", "2"), notification("b", "1")
	listens := steps(
		begin(query("begin")), answers(complete("BEGIN"), ready('T')),
		passes(query("listen a")), answers(complete("LISTEN"), ready('T')),
	)
	chained := steps(listens, passes(query("commit and chain")), answers(complete("COMMIT"), ready('T')).then("pinned: channels"))
	ends := steps(
		passes(query("commit")),
		server(complete("COMMIT"), one, ready('I')).tells(complete("COMMIT"), one).asks(question(ReasonChannels)),
		answers(two),
		server(says(left("c", "a"))).tells(ready('I')),
		answers(one),
		listensTo(),
	)
	play(t, []transcript{
		{"keeps its backend, which misses nothing", transactionMode, steps(
			chained, ends,
			passes(query("unlisten a")), asksAbout(partsAll, answers(complete("UNLISTEN"), ready('I'))),
			server(says()).then("release unpinned"),
		)},
		{"and hears nothing twice", transactionMode, steps(
			listening("listen b", "b"),
			client(query("begin")).then("need"), leased().asks(showing("b"), query("begin")),
			server(isShowing, complete("BEGIN"), ready('T')).tells(complete("BEGIN"), ready('T')),
			passes(query("listen a")), answers(complete("LISTEN"), ready('T')),
			passes(query("commit and chain")), answers(complete("COMMIT"), ready('T')).then("pinned: channels"),
			passes(query("commit")), notify(other),
			server(complete("COMMIT"), one, other, ready('I')).tells(complete("COMMIT"), one).asks(question(ReasonChannels)),
			server(says(left("c", "a"), left("c", "b"))).tells(other, ready('I')),
			server(other, two).tells(two),
			listensTo("b"),
		)},
		{"so does one of a text that goes on", transactionMode, steps(
			begin(query("listen a; commit; select 1")),
			answers(complete("LISTEN"), complete("COMMIT")),
			answers(complete("SELECT 1")).then("pinned: channels"),
		)},
		{"or fails then", transactionMode, steps(
			begin(query("listen a; commit; selekt")),
			answers(complete("LISTEN"), complete("COMMIT")),
			answers(failure("42601", "no")).then("pinned: channels"),
		)},
		{"but none that was rolled back", transactionMode, steps(
			listens, passes(query("rollback and chain")), answers(complete("ROLLBACK"), ready('T')),
			passes(query("commit and chain")), answers(complete("COMMIT"), ready('T')),
			passes(query("commit")), server(complete("COMMIT"), ready('I')).tells(complete("COMMIT")).asks(question(ReasonChannels)),
			server(says()).tells(ready('I')).then("release"),
		)},
	})
}
