package session

import (
	"slices"
	"strings"
	"testing"
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
			block,
			notify(one),
			passes(query("select 1")),
			notify(two),
			answers(complete("SELECT 1"), ready('T')),
			passes(query("commit")),
			server(complete("COMMIT"), ready('I')).tells(complete("COMMIT"), one, two, ready('I')).then("release"),
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
			anyAnswer(complete("UNLISTEN"), ready('I')),
			listensTo("b"),
			begin(query("unlisten *")),
			anyAnswer(complete("UNLISTEN"), ready('I')),
			listensTo(),
		)},
		{"and not if it is rolled back", transactionMode, steps(
			listening("listen a", "a"),
			block,
			passes(query("unlisten *")),
			answers(complete("UNLISTEN"), ready('T')),
			listensTo("a"),
			passes(query("rollback")),
			answers(complete("ROLLBACK"), ready('I')).then("release"),
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
			anyAnswer(complete("DISCARD ALL"), ready('I')),
			listensTo(),
		)},
		{"a statement that asks what it listens to sees it", transactionMode, steps(
			listening("listen a", "a"),
			client(query("select * from pg_listening_channels()")).then("need"),
			leased().asks(query(`LISTEN "a";`), query("select * from pg_listening_channels()")),
			server(complete("LISTEN"), ready('I'), columns, row("a"), complete("SELECT 1"), ready('I')).
				tells(columns, row("a"), complete("SELECT 1")).asks(question(ReasonChannels)),
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

// anyAnswer is answers behind which the lease ends, whatever is told the owner
// about channels and asked of the backend.
func anyAnswer(messages ...string) step {
	all := join(messages)
	return step{does: "server says " + show(all), do: func(r *rig) {
		r.server(all)
		if r.toServer != "" {
			r.toServer = ""
			r.server(says(nobodyElse()))
		}
		if r.toClient != all || !r.release {
			r.t.Fatalf("the client is told %s, and the lease ends: %v", show(r.toClient), r.release)
		}
		r.toClient = ""
		r.flags()
	}}
}

// TestNotificationsAreBounded: a client that never ends its transaction is not
// told more than so much.
func TestNotificationsAreBounded(t *testing.T) {
	r := newRig(t, &transactionMode)
	for _, s := range append(listening("listen a", "a"), begin(query("begin"))...) {
		s.do(r)
		r.flags()
	}
	one := []byte(notification("a", "1"))
	for range maxNotes + 10 {
		r.s.Notify(one, &r.o)
	}
	r.took()
	r.toClient = ""
	r.server(complete("BEGIN") + ready('I'))
	if n := strings.Count(r.toClient, string(one)); n != maxNotes {
		t.Errorf("%d notifications are passed on, want %d", n, maxNotes)
	}
}

// TestAClientHearsItselfBeforeItHearsOfTheEnd: a NOTIFY of one's own.
func TestAClientHearsItselfBeforeItHearsOfTheEnd(t *testing.T) {
	one := notification("a", "1")
	play(t, []transcript{{"", transactionMode, steps(
		listening("listen a", "a"),
		client(query("notify a")).then("need"),
		leased().asks(query("notify a")),
		server(complete("NOTIFY"), ready('I')).tells(complete("NOTIFY")).then("sync"),
		notify(one),
		client(query("select 1")),
		step{do: func(r *rig) {
			r.s.Listened(nil, &r.o)
			r.took()
			mustEqual(r.t, "to the client", r.toClient, one+ready('I'))
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
