package session

import (
	"strings"
	"testing"
)

// TestLongMessagesStreamThrough passes messages of several megabytes both ways
// in pieces as a loop would read them, and looks at how much is held back.
func TestLongMessagesStreamThrough(t *testing.T) {
	const size = 3 << 20
	long := strings.Repeat("x", size)
	for _, c := range []struct {
		name           string
		config         Config
		before, during string // what the client says, and the server
		client, server string
	}{
		{"a query", unwatched, "", "", query("select '" + long + "'"), complete("SELECT 1") + ready('I')},
		{"a row", unwatched, "", "", query("select 1"), columns + row(long) + complete("SELECT 1") + ready('I')},
		{"data in", unwatched, query("copy t from stdin"), copyIn, copyData(long) + copyDone, complete("COPY 1") + ready('I')},
		{"data out", unwatched, "", "", query("copy t to stdout"), copyOut + copyData(long) + copyDone + complete("COPY 1") + ready('I')},
		{"a parameter", unwatched, "", "", parse("", "select $1") + message('B', "\x00\x00"+long) + execute("", 0) + syncing,
			parsed + bound + row("1") + complete("SELECT 1") + ready('I')},
		{"a notice", unwatched, "", "", query("do"), notice(long) + complete("DO") + ready('I')},
		{"an error", unwatched, "", "", query("select 1"), failure("22000", long) + ready('I')},
		{"a row description", unwatched, "", "", query("select 1"), message('T', long) + complete("SELECT 1") + ready('I')},
		{"a function's result", unwatched, "", "", call(long), message('V', long) + ready('I')},
		{"a parameter's report", unwatched, "", "", query("set x"), reported("x", long) + complete("SET") + ready('I')},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, &c.config)
			feed := func(stream string, come func(string), kept *string) {
				for len(stream) > 0 {
					n := min(len(stream), 100_000)
					come(stream[:n])
					stream = stream[n:]
					if r.need {
						r.need = false
						r.lease()
					}
					if len(*kept) >= MaxMessage {
						t.Fatalf("%d bytes are held back", len(*kept))
					}
				}
			}
			feed(c.before, r.client, &r.fromClient)
			feed(c.during, r.server, &r.fromServer)
			feed(c.client, r.client, &r.fromClient)
			mustEqual(t, "to the server", r.toServer, c.before+c.client)
			feed(c.server, r.server, &r.fromServer)
			mustEqual(t, "to the client", r.toClient, c.during+c.server)
			if !r.release {
				t.Fatal("the backend was not released")
			}
		})
	}
}

func TestALongMessageWaitsForNobodyElse(t *testing.T) {
	r := newRig(t, &unwatched)
	long := query("select '" + strings.Repeat("x", 2*MaxMessage) + "'")
	r.client(long[:MaxMessage-1])
	if r.need {
		t.Fatal("a backend was asked for before that much had come")
	}
	r.client(long[MaxMessage-1 : MaxMessage])
	if !r.need {
		t.Fatal("no backend was asked for")
	}
	r.lease()
	if !r.s.MidMessage() {
		t.Fatal("nobody would notice if the rest did not come")
	}
	r.client(long[MaxMessage:] + query("select 2"))
	if r.s.MidMessage() || r.toServer != long+query("select 2") {
		t.Fatal("the rest and the next query were not passed on")
	}
}

func TestTheRestOfALongRefusedParseIsThrownAway(t *testing.T) {
	for _, c := range cuttings {
		r := newRig(t, &unnamedUnwatched)
		r.cut = c.cut()
		r.client(query("begin"))
		r.lease()
		r.server(complete("BEGIN") + ready('T'))
		r.toServer = ""
		r.client(parse("a", strings.Repeat("x", 2*MaxMessage)) + syncing)
		mustEqual(t, c.name, r.toServer, refusedBind+syncing)
	}
}

func TestCountsOfWhatHappened(t *testing.T) {
	r := newRig(t, &transactionMode)
	r.client(query("begin"))
	r.lease()
	r.server(complete("BEGIN") + ready('T'))
	r.client(parse("", "select 1") + bind("", "") + bind("", "") + syncing)
	r.server(parsed + failure("42601", "no") + ready('E'))
	r.client(query("rollback"))
	r.server(complete("ROLLBACK") + ready('I'))
	r.client(syncing) // local, and no query
	got, want := r.total, Out{Queries: 3, Transactions: 1, Errors: 1, Parses: 1, Binds: 2}
	if got.Queries != want.Queries || got.Transactions != want.Transactions || got.Errors != want.Errors ||
		got.Parses != want.Parses || got.Binds != want.Binds {
		t.Errorf("got %+v, want %+v", got, want)
	}
	// The first was asked twice: when it came, and when it went on.
	if r.asked != 4 || r.answered != 3 {
		t.Errorf("asked %d times, answered %d times; want 4 and 3", r.asked, r.answered)
	}
}

func TestAQueryWhoseEndIsWithheldCountsWhenItIsTold(t *testing.T) {
	r := newRig(t, &transactionMode)
	r.client(query("listen a"))
	r.lease()
	r.server(complete("LISTEN") + ready('I'))
	r.server(says(left("c", "a")))
	if !r.s.Withholds() || r.total.Queries != 0 || r.total.Transactions != 0 || r.answered != 0 {
		t.Errorf("withheld: %v, and %d queries, %d transactions, %d answers", r.s.Withholds(), r.total.Queries, r.total.Transactions, r.answered)
	}
	r.s.Listened(nil, &r.o)
	r.took()
	if r.s.Withholds() || r.total.Queries != 1 || r.total.Transactions != 1 || r.answered != 1 {
		t.Errorf("told: %v, and %d queries, %d transactions, %d answers", !r.s.Withholds(), r.total.Queries, r.total.Transactions, r.answered)
	}
}

func TestAnswersToPgweirsOwnQuestionsAreNotTheClients(t *testing.T) {
	r := newRig(t, &unwatched)
	r.s.vars = r.s.vars.With(0, "mine")
	r.client(parse("", "select 1"))
	r.asked = 0
	r.lease()
	if r.asked != 1 {
		t.Error("the client does not wait, though something is set ahead of its message")
	}
	r.client(bind("", "") + execute("", 0) + syncing)
	if r.asked != 1 {
		t.Error("the client begins to wait twice")
	}
	r.server(complete("SET") + ready('I'))
	if r.answered != 0 || r.total.Queries != 0 {
		t.Error("the answer to the SET counts as the client's")
	}
}

func TestALongRestOfACopyIsThrownAway(t *testing.T) {
	for _, c := range cuttings {
		r := newRig(t, &unwatched)
		r.cut = c.cut()
		r.client(copyData(strings.Repeat("x", 3*MaxMessage)) + query("select 1"))
		r.need = false
		r.lease()
		mustEqual(t, c.name, r.toServer, query("select 1"))
	}
}

func TestFlushAndStrayCopyDataAreNoQuestions(t *testing.T) {
	r := newRig(t, &sessionMode)
	r.lease()
	r.client(flush + copyData("1\n") + copyDone)
	if r.asked != 0 || r.s.Owes() {
		t.Error("the client is said to wait for an answer that will not come")
	}
}

func TestModesHaveNames(t *testing.T) {
	for m, want := range map[Mode]string{SessionMode: "session", TransactionMode: "transaction", StatementMode: "statement"} {
		r := newRig(t, &Config{Mode: m})
		if got := r.s.Mode().String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestLargeBuffersAreNotKept(t *testing.T) {
	var o Out
	o.ToClient.keep(make([]byte, 0, maxGather+1))
	o.ToServer.keep(make([]byte, 10, 20))
	o.Reset()
	if o.ToClient.copied != nil || cap(o.ToServer.copied) != 20 || len(o.ToServer.copied) != 0 {
		t.Error("Reset keeps the wrong buffers")
	}
}
