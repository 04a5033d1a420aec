package session

import (
	"slices"
	"strings"
	"testing"

	"pgweir/session/follow"
	"pgweir/wire"
)

// notification is one on a channel.
func notification(channel, payload string) string {
	return message('A', "\x00\x00\x00\x01", channel, "\x00", payload, "\x00")
}

func listensTo(channels ...string) step {
	return check("it listens to "+strings.Join(channels, ", "), func(s *Session) bool { return slices.Equal(s.Channels(), channels) })
}

func wants(channels ...string) step {
	return check("it wants to listen to "+strings.Join(channels, ", "), func(s *Session) bool { return slices.Equal(s.Wanted(), channels) })
}

// showing is what has a backend listen to channels ahead of something.
func showing(channels ...string) string {
	sql := guard
	for _, c := range channels {
		sql += `LISTEN "` + c + `";`
	}
	return query(sql + unguard)
}

var isShowing = complete("SET") + complete("LISTEN") + complete("RESET") + ready('I')

// listenersBlock is the beginning of a block of a client that listens to channels,
// and shownNoMore its end.
func listenersBlock(channels ...string) []step {
	return steps(
		client(query("begin")).then("need"),
		leased().asks(showing(channels...), query("begin")),
		server(isShowing, complete("BEGIN"), ready('T')).tells(complete("BEGIN"), ready('T')),
	)
}

func shownNoMore() step {
	return server(complete("UNLISTEN"), ready('I')).then("release")
}

// listening is a client that listens to channels, whose LISTEN was sql.
func listening(sql string, channels ...string) []step {
	var rows []string
	for _, c := range channels {
		rows = append(rows, left("c", c))
	}
	return steps(
		begin(query(sql)),
		server(complete("LISTEN"), ready('I')).tells(complete("LISTEN")).asks(question(ReasonChannels)),
		server(says(rows...)).then("listen"),
		wants(channels...),
		listened(nil).asks(query("UNLISTEN *")).tells(ready('I')),
		listensTo(channels...),
		server(complete("UNLISTEN"), ready('I')).then("release"),
	)
}

func TestListening(t *testing.T) {
	one, two := notification("a", "1"), notification("a", "2")
	pinning := transactionMode
	pinning.Listen = ListenPin
	rejecting := transactionMode
	rejecting.Listen = ListenReject
	block := steps(begin(query("begin")), answers(complete("BEGIN"), ready('T')))
	play(t, []transcript{
		{"the client is told that its LISTEN has succeeded when its channels are heard", transactionMode, steps(
			begin(query("listen a")),
			server(complete("LISTEN"), ready('I')).tells(complete("LISTEN")).asks(question(ReasonChannels)),
			server(says(left("c", "a"))).then("listen"),
			check("the client waits", func(s *Session) bool { return s.Phase() == Active && len(s.Channels()) == 0 }),
			wants("a"),
			listened(nil).asks(query("UNLISTEN *")).tells(ready('I')),
			listensTo("a"),
			server(complete("UNLISTEN"), ready('I')).then("release"),
			check("it holds no backend", func(s *Session) bool { return s.Phase() == Idle && !s.Pinned() }),
			begin(query("select 1")),
		)},
		{"what it says meanwhile waits as well", transactionMode, steps(
			client(query("listen a"), query("select 1")).then("need"),
			leased().asks(query("listen a")),
			server(complete("LISTEN"), ready('I')).tells(complete("LISTEN")).asks(question(ReasonChannels)),
			client(query("select 2")),
			server(says(left("c", "a"))).then("listen"),
			client(query("select 3")),
			listened(nil).asks(query("UNLISTEN *")).tells(ready('I')),
			server(complete("UNLISTEN"), ready('I')).then("need release"),
			leased().asks(query("select 1"), query("select 2"), query("select 3")),
		)},
		{"channels add up", transactionMode, steps(
			listening("listen a", "a"),
			begin(query("listen b; listen a")),
			server(complete("LISTEN"), complete("LISTEN"), ready('I')).tells(complete("LISTEN"), complete("LISTEN")).asks(question(ReasonChannels)),
			server(says(left("c", "b"), left("c", "a"))).then("listen"),
			wants("a", "b"),
			listened(nil).asks(query("UNLISTEN *")).tells(ready('I')),
			listensTo("a", "b"),
		)},
		{"one that has been rolled back changes nothing", transactionMode, steps(
			block,
			passes(query("listen a")),
			answers(complete("LISTEN"), ready('T')),
			passes(query("rollback")),
			server(complete("ROLLBACK"), ready('I')).tells(complete("ROLLBACK")).asks(question(ReasonChannels)),
			server(says()).tells(ready('I')).then("release"),
			listensTo(),
		)},
		{"one that fails changes nothing", transactionMode, steps(
			begin(query("listen a; selekt")),
			server(failure("42601", "no"), ready('I')).tells(failure("42601", "no")).asks(question(ReasonChannels)),
			server(says()).tells(ready('I')).then("release"),
			listensTo(),
		)},
		{"if nobody can hear them for the client, it keeps its backend", transactionMode, steps(
			begin(query("listen a")),
			server(complete("LISTEN"), ready('I')).tells(complete("LISTEN")).asks(question(ReasonChannels)),
			server(says(left("c", "a"))).then("listen"),
			listened(errTimeout).tells(ready('I')).then("pinned: channels"),
			listensTo(),
			passes(query("select 1")),
			answers(one, complete("SELECT 1"), ready('I')), // from its own backend
			check("it is pinned", (*Session).Pinned),
		)},
		{"and other questions do not unlisten it", transactionMode, steps(
			begin(query("listen a")),
			server(complete("LISTEN"), ready('I')).tells(complete("LISTEN")).asks(question(ReasonChannels)),
			server(says(left("c", "a"))).then("listen"),
			listened(errTimeout).tells(ready('I')).then("pinned: channels"),
			passes(query("set work_mem = '1MB'")),
			answers(complete("SET"), ready('I')).asks(question(partSettings)),
			server(says(nobodyElse(), setting("work_mem", "1024"))),
			check("it is pinned", (*Session).Pinned),
		)},
		{"a client that goes while it waits leaves nothing behind", transactionMode, steps(
			begin(query("listen a")),
			server(complete("LISTEN"), ready('I')).tells(complete("LISTEN")).asks(question(ReasonChannels)),
			server(says(left("c", "a"))).then("listen"),
			gone().asks(query("DISCARD ALL")).then("end"),
			listened(nil),
			server(complete("DISCARD ALL"), ready('I')).then("release"),
		)},
		{"a backend that goes while the client waits takes it along", transactionMode, steps(
			begin(query("listen a")),
			server(complete("LISTEN"), ready('I')).tells(complete("LISTEN")).asks(question(ReasonChannels)),
			server(says(left("c", "a"))).then("listen"),
			lost().tells(fatal("08006", "server closed the connection unexpectedly")).then("drop end"),
			listened(nil),
		)},
		{"a notification is passed on at once to a client at rest", transactionMode, steps(
			listening("listen a", "a"),
			notify(one).tells(one),
			notify(notification("b", "1")), // not its own
			client(query("select 1")[:7]),
			notify(two).tells(two),
		)},
		{"but not in a transaction, nor in an answer", transactionMode, steps(
			listening("listen a", "a"),
			listenersBlock("a"),
			notify(one),
			passes(query("select 1")),
			notify(two),
			answers(complete("SELECT 1"), ready('T')),
			passes(query("commit")),
			server(complete("COMMIT"), ready('I')).tells(complete("COMMIT"), one, two, ready('I')).asks(query("UNLISTEN *")),
			shownNoMore(),
			begin(query("select 1")),
			answers(row("12345")[:8]),
			notify(one),
			server(row("12345")[8:], complete("SELECT 1"), ready('I')).
				tells(row("12345")[8:], complete("SELECT 1"), one, ready('I')).then("release"),
		)},
		{"and in order", transactionMode, steps(
			listening("listen a", "a"),
			begin(query("select 1")),
			notify(one, two),
			server(complete("SELECT 1"), ready('I')).tells(complete("SELECT 1"), one, two, ready('I')).then("release"),
		)},
		{"what the client says goodbye to is not told any more", transactionMode, steps(
			listening("listen a", "a"),
			client(query("select 1")).then("need"),
			client(terminate), // it waits for its backend
			gone().then("end"),
			notify(one),
		)},
		{"UNLISTEN holds when it commits", transactionMode, steps(
			listening("listen a; listen b", "a", "b"),
			begin(query("unlisten a")),
			unlistened(complete("UNLISTEN")),
			listensTo("b"),
			begin(query("unlisten *")),
			unlistened(complete("UNLISTEN")),
			listensTo(),
		)},
		{"and not if it is rolled back", transactionMode, steps(
			listening("listen a", "a"),
			listenersBlock("a"),
			passes(query("unlisten *")),
			answers(complete("UNLISTEN"), ready('T')),
			listensTo("a"),
			passes(query("rollback")),
			server(complete("ROLLBACK"), ready('I')).tells(complete("ROLLBACK")).then("sync"),
			listened(nil).asks(question(ReasonChannels)),
			server(says(left("c", "a"))).asks(query("UNLISTEN *")),
			server(complete("UNLISTEN"), ready('I')).tells(ready('I')).then("release"),
			listensTo("a"),
		)},
		{"or fails", transactionMode, steps(
			listening("listen a", "a"),
			begin(query("unlisten a; selekt")),
			answers(failure("42601", "no"), ready('I')).then("release"),
			listensTo("a"),
		)},
		{"or is only prepared", transactionMode, steps(
			listening("listen a", "a"),
			begin(parse("", "unlisten a"), syncing),
			answers(parsed, ready('I')).then("release"),
			listensTo("a"),
		)},
		{"DISCARD ALL unlistens, too", transactionMode, steps(
			listening("listen a", "a"),
			begin(query("discard all")),
			unlistened(complete("DISCARD ALL")),
			listensTo(),
		)},
		{"a statement that asks what it listens to sees it", transactionMode, steps(
			listening("listen a", "a"),
			client(query("select * from pg_listening_channels()")).then("need"),
			leased().asks(query(guard+`LISTEN "a";`+unguard), query("select * from pg_listening_channels()")),
			server(complete("LISTEN"), ready('I'), columns, row("a"), complete("SELECT 1"), ready('I')).
				tells(columns, row("a"), complete("SELECT 1"), ready('I')).asks(query("UNLISTEN *")),
			shownNoMore(),
		)},
		{"with listen = pin the client keeps its backend", pinning, steps(
			begin(query("listen a")),
			answers(complete("LISTEN"), ready('I')).asks(question(ReasonChannels)),
			server(says(left("c", "a"))).then("pinned: channels"),
			passes(query("unlisten a")),
			asksAbout(ReasonChannels, answers(complete("UNLISTEN"), ready('I'))),
			server(says(nobodyElse())).then("release unpinned"),
		)},
		{"with listen = reject it is an error", rejecting, steps(
			client(query("listen a")).then("need"),
			leased().asks(query(`EXECUTE "`+refusedName+`"`)),
			server(missing(refusedName), ready('I')).tells(notSupported, ready('I')).asks(question(ReasonChannels)),
			server(says()).then("release"),
			client(parse("", "listen a"), bind("", ""), execute("", 0), syncing).then("need"),
			leased().asks(refusedBind, closing("S", ""), bind("", ""), execute("", 0), syncing),
			server(missing(refusedName), ready('I')).tells(notSupported, ready('I')).asks(question(ReasonChannels)),
			server(says()).then("release"),
		)},
	})
}

var notSupported = failure2("0A000", "LISTEN is not supported in transaction mode",
	`Set listen = "share" or pool_mode = "session" for this database or user.`)

// unlistened is how a transaction ends that has taken channels from the client.
func unlistened(messages ...string) []step {
	return []step{
		server(join(messages), ready('I')).tells(messages...).then("sync"),
		listened(nil).tells(ready('I')).then("release unlisten"),
	}
}

// known: the client was told this process ID.
func known(pid uint32) step {
	return step{does: "it has a process ID", do: func(r *rig) { r.s.PID = pid }}
}

// afterOthers: the next backend is one that another client was on before.
func afterOthers() step {
	return step{does: "the next backend is another", do: func(r *rig) { r.link = newLink(); r.link.last = 1 << 60 }}
}

func signed(pid uint32) step {
	return step{does: "what the backend notifies is signed", do: func(r *rig) {
		r.t.Helper()
		if got := r.link.Notifier.Load(); got != pid {
			r.t.Fatalf("what the backend notifies is signed %d, want %d", got, pid)
		}
	}}
}

func TestWhatIsOnItsWayComesBeforeTheEndOfUnlisten(t *testing.T) {
	one, two, other := notification("a", "1"), notification("a", "2"), notification("b", "3")
	commits := func(command string) step {
		return server(complete(command), ready('I')).tells(complete(command)).then("sync")
	}
	pinned := transactionMode
	pinned.MaxPinned = 1
	play(t, []transcript{
		{"in a statement of its own", transactionMode, steps(
			listening("listen a", "a"),
			begin(query("unlisten a")),
			commits("UNLISTEN"),
			notify(one, two),
			listensTo("a"),
			listened(nil).tells(one, two, ready('I')).then("release unlisten"),
			notify(one),
			listensTo(),
		)},
		{"in a block", transactionMode, steps(
			listening("listen a; listen b", "a", "b"),
			listenersBlock("a", "b"),
			notify(one),
			passes(query("unlisten a")), answers(complete("UNLISTEN"), ready('T')),
			passes(query("commit")), commits("COMMIT"),
			notify(other),
			listened(nil).asks(question(ReasonChannels)),
			server(says(left("c", "b"))).asks(query("UNLISTEN *")).then("unlisten"),
			server(complete("UNLISTEN"), ready('I')).tells(one, other, ready('I')).then("release"),
			listensTo("b"),
		)},
		{"in the extended protocol", transactionMode, steps(
			listening("listen a", "a"),
			begin(parse("", "unlisten *"), bind("", ""), execute("", 0), syncing),
			answers(parsed, bound), commits("UNLISTEN"),
			notify(one),
			listened(nil).tells(one, ready('I')).then("release unlisten"),
		)},
		{"and of DISCARD ALL", transactionMode, steps(
			listening("listen a", "a"),
			begin(query("discard all")), commits("DISCARD ALL"),
			notify(one),
			listened(nil).tells(one, ready('I')).then("release unlisten"),
			listensTo(),
		)},
		{"but not what it has sent itself behind it", transactionMode, steps(
			listening("listen a; listen b", "a", "b"),
			known(1),
			begin(query("unlisten a; notify a; notify b")),
			server(complete("UNLISTEN"), complete("NOTIFY"), complete("NOTIFY"), ready('I')).
				tells(complete("UNLISTEN"), complete("NOTIFY"), complete("NOTIFY")).then("sync"),
			notify(one, other),
			listened(nil).tells(other, ready('I')).then("release unlisten"),
		)},
		{"which follows in a pipeline only when that is over", transactionMode, steps(
			listening("listen a", "a"),
			client(query("begin"), query("unlisten a"), query("commit"), query("notify a")).then("need"),
			leased().asks(showing("a"), query("begin")),
			server(isShowing, complete("BEGIN"), ready('T')).tells(complete("BEGIN"), ready('T')).asks(query("unlisten a")),
			server(complete("UNLISTEN"), ready('T')).tells(complete("UNLISTEN"), ready('T')).asks(query("commit")),
			commits("COMMIT"),
			notify(one),
			listened(nil).asks(question(ReasonChannels)),
			server(says()).asks(query("UNLISTEN *")).then("unlisten"),
			server(complete("UNLISTEN"), ready('I')).tells(one, ready('I')).then("need release"),
			leased().asks(query("notify a")),
			answers(complete("NOTIFY"), ready('I')).then("release"),
		)},
		{"and when a DO block has done it", transactionMode, steps(
			listening("listen a", "a"),
			client(query("do $$begin unlisten a; end$$"), query("notify a")).then("need"),
			leased().asks(query("do $$begin unlisten a; end$$")),
			commits("DO"),
			listened(nil).tells(ready('I')).then("unlisten").asks(question(partsAll)),
		)},
		{"with a LISTEN in the same transaction", transactionMode, steps(
			listening("listen a; listen b", "a", "b"),
			begin(query("unlisten *; listen b")),
			server(complete("UNLISTEN"), complete("LISTEN"), ready('I')).tells(complete("UNLISTEN"), complete("LISTEN")).then("sync"),
			notify(one),
			listened(nil).asks(question(ReasonChannels)),
			server(says(left("c", "b"))).then("listen"),
			wants("b"), listensTo("a", "b"),
			notify(other),
			listened(nil).asks(query("UNLISTEN *")).tells(one, other, ready('I')),
			listensTo("b"),
		)},
		{"or if nobody can hear the new channel for it", transactionMode, steps(
			listening("listen a", "a"),
			begin(query("unlisten *; listen b")),
			server(complete("UNLISTEN"), complete("LISTEN"), ready('I')).tells(complete("UNLISTEN"), complete("LISTEN")).then("sync"),
			listened(nil).asks(question(ReasonChannels)),
			server(says(left("c", "b"))).then("listen"),
			listened(errTimeout).tells(ready('I')).then("unlisten pinned: channels"),
			listensTo(), wants(),
		)},
		{"with a bound for pins", pinned, steps(
			listening("listen a", "a"),
			begin(query("select pg_advisory_lock(1)")),
			server(complete("SELECT 1"), ready('I')).tells(complete("SELECT 1"), ready('I')).asks(question(ReasonLock)),
			server(says(left("l", ""))).then("pinned: advisory lock"),
			passes(query("unlisten a")), commits("UNLISTEN"),
			notify(one),
			listened(nil).tells(one, ready('I')).then("unlisten"),
			listensTo(),
		)},
		{"if the client goes meanwhile", transactionMode, steps(
			listening("listen a", "a"),
			begin(query("unlisten a")), commits("UNLISTEN"),
			gone().asks(query("DISCARD ALL")).then("end"),
			listened(nil),
			server(complete("DISCARD ALL"), ready('I')).then("release"),
		)},
		{"if it says goodbye meanwhile", transactionMode, steps(
			listening("listen a", "a"),
			client(query("unlisten a"), terminate).then("need"),
			leased().asks(query("unlisten a")),
			commits("UNLISTEN"),
			listened(nil).tells(ready('I')).then("release end unlisten"),
		)},
		{"if the backend is lost meanwhile", transactionMode, steps(
			listening("listen a", "a"),
			begin(query("unlisten a")), commits("UNLISTEN"),
			lost().tells(fatal("08006", "server closed the connection unexpectedly")).then("drop end"),
			listened(nil),
		)},
	})
}

// TestANotifyWaitsForWhatOthersHaveNotified: only then can it be told from that.
func TestANotifyWaitsForWhatOthersHaveNotified(t *testing.T) {
	fresh := steps(known(7), begin(query("notify a")), signed(7), answers(complete("NOTIFY"), ready('I')).then("release"))
	play(t, []transcript{
		{"not if nobody was there before", transactionMode, fresh},
		{"nor if it was the client itself", transactionMode, steps(
			fresh, begin(query("notify a")), signed(7))},
		{"a query", transactionMode, steps(
			known(7), afterOthers(),
			client(query("notify a")).then("need"),
			leased().then("sync"),
			signed(0),
			client(query("select 1")),
			listened(nil).asks(query("notify a"), query("select 1")),
			signed(7),
			answers(complete("NOTIFY"), ready('I'), complete("SELECT 1"), ready('I')).then("release"),
			begin(query("notify a")), // on the same again
		)},
		{"one with more in it", transactionMode, steps(
			known(7), afterOthers(),
			client(query("set work_mem = '1MB'; notify a")).then("need"),
			leased().then("sync"),
			listened(nil).asks(query("set work_mem = '1MB'; notify a")),
			signed(7),
		)},
		{"in the midst of a transaction", transactionMode, steps(
			known(7), afterOthers(),
			begin(query("begin")), answers(complete("BEGIN"), ready('T')),
			client(query("notify a")).then("sync"),
			listened(nil).asks(query("notify a")),
			signed(7),
			answers(complete("NOTIFY"), ready('T')),
			passes(query("notify a")),
		)},
		{"the unnamed statement", transactionMode, steps(
			known(7), afterOthers(),
			client(parse("", "notify a"), bind("", ""), execute("", 0), syncing).then("need"),
			leased().asks(parse("", "notify a"), flush).then("sync"),
			answers(parsed),
			listened(nil).asks(bind("", ""), execute("", 0), syncing),
			signed(7),
		)},
		{"a named one", transactionMode, steps(
			known(7),
			client(parse("s", "select pg_notify('a', '')"), syncing).then("need"),
			leased().asks(parse(follow.NamePrefix+"1", "select pg_notify('a', '')"), syncing),
			server(parsed, ready('I')).tells(parsed, ready('I')).then("release"),
			afterOthers(),
			client(bind("", "s"), execute("", 0), syncing).then("need"),
			leased().then("sync"),
			listened(nil).asks(parse(follow.NamePrefix+"1", "select pg_notify('a', '')"), bind("", follow.NamePrefix+"1"), execute("", 0), syncing),
			signed(7),
		)},
		{"if the client goes meanwhile", transactionMode, steps(
			known(7), afterOthers(),
			client(query("notify a")).then("need"),
			leased().then("sync"),
			gone().asks(query("DISCARD ALL")).then("end"),
			listened(nil),
			server(complete("DISCARD ALL"), ready('I')).then("release"),
		)},
	})
}

// TestWhatIsHeardIsSignedNoLonger: the next client's notifications are its own.
func TestWhatIsHeardIsSignedNoLonger(t *testing.T) {
	heard := step{does: "all is heard", do: func(r *rig) { r.link.Heard() }}
	play(t, []transcript{{"", transactionMode, steps(
		known(7), afterOthers(),
		client(query("notify a")).then("need"),
		leased().then("sync"),
		listened(nil).asks(query("notify a")),
		answers(complete("NOTIFY"), ready('I')).then("release"),
		signed(7),
		heard,
		signed(0),
		step{does: "another client was there", do: func(r *rig) { r.link.last = 1 << 60 }},
		begin(query("notify a")), // waits for nothing
		signed(7),
	)}})
}

// TestAClientHearsItselfBeforeItHearsOfTheEnd: a NOTIFY of one's own.
func TestAClientHearsItselfBeforeItHearsOfTheEnd(t *testing.T) {
	one := notification("a", "1")
	play(t, []transcript{{"", transactionMode, steps(
		listening("listen a", "a"),
		client(query("notify a")).then("need"),
		leased().asks(query("notify a")),
		server(complete("NOTIFY"), ready('I')).tells(complete("NOTIFY")).then("sync"),
		notify(one).tells(one),
		client(query("select 1")),
		step{do: func(r *rig) {
			r.s.Listened(nil, &r.o)
			r.took()
			mustEqual(r.t, "to the client", r.toClient, ready('I'))
			r.again()
			r.toClient, r.toServer = "", ""
			r.flags()
		}},
	)}})
	r := newRig(t, &transactionMode)
	r.s.PID = 7
	r.client(query("notify a"))
	r.lease()
	if got := r.link.Notifier.Load(); got != 7 {
		t.Errorf("the one who notified last is %d, want 7", got)
	}
	other := newMember(t, r.s.config)
	other.link = r.link
	r.server(complete("NOTIFY") + ready('I'))
	other.client(query("select 1"))
	other.lease()
	if got := r.link.Notifier.Load(); got != 0 {
		t.Errorf("the one who notified last is %d behind another client, want 0", got)
	}
}

// TestThatAClientHasNotifiedIsToldOnce: the leases behind that one cost nothing.
func TestThatAClientHasNotifiedIsToldOnce(t *testing.T) {
	for sql, want := range map[string]bool{"notify c": true, "select pg_notify('c', '')": true, "select 1": false} {
		r := newRig(t, &transactionMode)
		r.s.PID = 5000000
		r.client(query(sql))
		r.lease()
		r.server(complete("OK") + ready('I'))
		if got := r.link.Notified(); got != want {
			t.Errorf("%s: %v", sql, got)
		}
		if r.link.Notified() {
			t.Errorf("%s: told twice", sql)
		}
	}
}

func TestWhatWaitsForTheListeningBackendCanBeCanceled(t *testing.T) {
	one := notification("a", "1")
	gone := failure(wire.CodeQueryCanceled, "canceled")
	listens := func(sql, channel string) []step {
		return steps(
			begin(query(sql)), givesUp(false),
			server(complete("LISTEN"), ready('I')).tells(complete("LISTEN")).asks(question(ReasonChannels)), givesUp(false),
			server(says(left("c", channel))).then("listen"),
		)
	}
	alone := transactionMode
	alone.Listening = func() bool { return false }
	yields := steps(
		begin(query("listen a")),
		server(complete("LISTEN"), ready('I')).tells(complete("LISTEN")).asks(question(ReasonChannels)),
		server(says(left("c", "a"))).then("listen").asks(query("UNLISTEN *")),
	)
	unlistens := steps(
		begin(query("unlisten a")), givesUp(false),
		server(complete("UNLISTEN"), ready('I')).tells(complete("UNLISTEN")).then("sync"),
	)
	play(t, []transcript{
		{"a LISTEN", transactionMode, steps(
			listens("listen a", "a"),
			givesUp(true).tells(gone, ready('I')).asks(query("UNLISTEN *")),
			listensTo(), wants(), givesUp(false),
			server(complete("UNLISTEN"), ready('I')).then("release"),
			notify(one),
			listening("listen a", "a"),
		)},
		{"a LISTEN that has given its backend back", alone, steps(
			yields,
			server(complete("UNLISTEN"), ready('I')).then("release"),
			givesUp(true).tells(gone, ready('I')),
			listensTo(), wants(), givesUp(false),
			yields,
			server(complete("UNLISTEN"), ready('I')).then("release"),
			listened(nil).tells(ready('I')), listensTo("a"),
		)},
		{"a LISTEN that is about to", alone, steps(
			yields,
			givesUp(true).tells(gone, ready('I')),
			server(complete("UNLISTEN"), ready('I')).then("release"),
			listensTo(),
		)},
		{"a LISTEN besides others, and what follows is run", transactionMode, steps(
			listening("listen a", "a"),
			listens("listen b", "b"),
			client(query("select 1")),
			givesUp(true).tells(gone, ready('I')).asks(query("UNLISTEN *")),
			listensTo("a"), wants("a"),
			server(complete("UNLISTEN"), ready('I')).then("need release"),
			leased().asks(query("select 1")),
		)},
		{"an UNLISTEN", transactionMode, steps(
			listening("listen a", "a"),
			unlistens,
			givesUp(true).tells(gone, ready('I')).then("release"),
			listensTo("a"), wants("a"), givesUp(false),
			notify(one).tells(one),
			unlistens,
			listened(nil).tells(ready('I')).then("release unlisten"),
		)},
		{"the one of two that waits", transactionMode, steps(
			listening("listen a", "a"),
			begin(query("unlisten a; listen b")),
			server(complete("UNLISTEN"), complete("LISTEN"), ready('I')).tells(complete("UNLISTEN"), complete("LISTEN")).then("sync"),
			givesUp(true).tells(gone).asks(question(ReasonChannels)),
			server(says(left("c", "b"))).then("listen"),
			wants("a", "b"),
			listened(nil).asks(query("UNLISTEN *")).tells(ready('I')),
			listensTo("a", "b"),
		)},
	})
}

func TestWhatWasNotifiedBeforeAQueryComesWithItsAnswer(t *testing.T) {
	one, two := notification("a", "1"), notification("a", "2")
	listens := steps(listening("listen a", "a"), lagging())
	play(t, []transcript{
		{"the end of the answer waits for it", transactionMode, steps(
			listens,
			begin(query("select 1")), catchingUp(1),
			server(complete("SELECT 1"), ready('I')).tells(complete("SELECT 1")),
			notify(one),
			caughtUp().tells(one, ready('I')).then("release"),
			catchingUp(0), notify(two).tells(two),
		)},
		{"but not if it has come already", transactionMode, steps(
			listens,
			begin(query("select 1")),
			notify(one), caughtUp(),
			server(complete("SELECT 1"), ready('I')).tells(complete("SELECT 1"), one, ready('I')).then("release"),
		)},
		{"with an error as well", transactionMode, steps(
			listens,
			begin(query("select")),
			server(failure("42601", "no"), ready('I')).tells(failure("42601", "no")),
			caughtUp().tells(ready('I')).then("release"),
		)},
		{"in the extended protocol", transactionMode, steps(
			listens,
			begin(parse("", "select 1"), bind("", ""), execute("", 0)), catchingUp(0),
			passes(syncing), catchingUp(1),
			server(parsed, bound, complete("SELECT 1"), ready('I')).tells(parsed, bound, complete("SELECT 1")),
			caughtUp().tells(ready('I')).then("release"),
		)},
		{"a block waits at its end", transactionMode, steps(
			listens,
			client(query("begin")).then("need"), leased().asks(showing("a"), query("begin")), caughtUp(),
			server(isShowing, complete("BEGIN"), ready('T')).tells(complete("BEGIN"), ready('T')),
			passes(query("select 1")), answers(complete("SELECT 1"), ready('T')),
			passes(query("commit")), catchingUp(0),
			server(complete("COMMIT"), ready('I')).tells(complete("COMMIT")), catchingUp(1),
			notify(one),
			caughtUp().tells(one, ready('I')).asks(query("UNLISTEN *")), shownNoMore(),
		)},
		{"so does a pipeline", transactionMode, steps(
			listens,
			begin(query("select 1")), passes(query("select 2")), catchingUp(1), caughtUp(),
			answers(complete("SELECT 1"), ready('I')), catchingUp(0),
			server(complete("SELECT 1"), ready('I')).tells(complete("SELECT 1")), catchingUp(1),
			caughtUp().tells(ready('I')).then("release"),
		)},
		{"an earlier one is not enough", transactionMode, steps(
			listens,
			begin(query("select 1")), passes(query("select 2")),
			answers(complete("SELECT 1"), ready('I')),
			server(complete("SELECT 1"), ready('I')).tells(complete("SELECT 1")), catchingUp(2),
			caughtUp(), notify(one),
			caughtUp().tells(one, ready('I')).then("release"),
		)},
		{"what it says meanwhile is run afterwards", transactionMode, steps(
			listens,
			begin(query("select 1")),
			server(complete("SELECT 1"), ready('I')).tells(complete("SELECT 1")),
			client(query("select 2")),
			givesUp(false),
			caughtUp().tells(ready('I')).then("need release"),
			leased().asks(query("select 2")),
		)},
		{"a client that goes meanwhile leaves nothing to be cleaned", transactionMode, steps(
			listens,
			begin(query("select 1")),
			server(complete("SELECT 1"), ready('I')).tells(complete("SELECT 1")),
			gone().then("release end"),
			caughtUp(),
		)},
		{"who listens to nothing does not wait", transactionMode, steps(
			lagging(),
			begin(query("select 1")), catchingUp(0), answers(complete("SELECT 1"), ready('I')).then("release"),
		)},
	})
}
