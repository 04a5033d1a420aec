package session

import (
	"testing"

	"pgweir/wire"
)

// traffic is one round of a conversation in steady state, and the bytes that
// the owner of the session would hand over in it.
type traffic struct {
	name           string
	config         *Config
	client, server []byte
}

var steadyTraffic = []traffic{
	{"simple", &transactionMode, []byte(query("select abalance from accounts where aid = 1")),
		[]byte(columns + row("12345") + complete("SELECT 1") + ready('I'))},
	{"extended", &transactionMode,
		[]byte(parse("", "select abalance from accounts where aid = $1") + bind("", "") + describe("P", "") + execute("", 0) + syncing),
		[]byte(parsed + bound + columns + row("12345") + complete("SELECT 1") + ready('I'))},
	{"pipeline", &transactionMode,
		[]byte(pipelined(parse("", "select 1")+bind("", "")+execute("", 0)+syncing, 100)),
		[]byte(pipelined(parsed+bound+row("1")+complete("SELECT 1")+ready('I'), 100))},
	{"batch", &transactionMode,
		[]byte(pipelined(parse("", "select 1")+bind("", "")+describe("P", "")+execute("", 0), 100) + syncing),
		[]byte(pipelined(parsed+bound+columns+row("1")+complete("SELECT 1"), 100) + ready('I'))},
	{"prepared in session mode", &sessionMode, []byte(bind("", "s") + execute("", 0) + syncing),
		[]byte(bound + row("12345") + complete("SELECT 1") + ready('I'))},
	{"bulk", &unwatched, []byte(query("select * from generate_series(1, 1000)")),
		[]byte(columns + pipelined(row("12345"), 1000) + complete("SELECT 1000") + ready('I'))},
	{"copy in", &unwatched, []byte(query("copy t from stdin") + pipelined(copyData("12345\n"), 1000) + copyDone),
		[]byte(copyIn + complete("COPY 1000") + ready('I'))},
}

// rewritten is one that names a statement of the client's.
var rewritten = traffic{"named", &transactionMode, []byte(bind("", "s") + describe("P", "") + execute("", 0) + syncing),
	[]byte(bound + columns + row("12345") + complete("SELECT 1") + ready('I'))}

// stranger is one on a backend that was opened for another application.
var stranger = traffic{"on a backend of another application's", &transactionMode, steadyTraffic[0].client, steadyTraffic[0].server}

func pipelined(round string, n int) (all string) {
	for range n {
		all += round
	}
	return all
}

// steady returns a function that plays one round, which has to be played once
// before it is steady.
func steady(t testing.TB, tr *traffic) (round func()) {
	config := *tr.config
	config.Shared = new(Shared)
	s, link := new(Session), new(Link)
	vars := startVars
	link.Vars = &vars
	if tr.name == stranger.name {
		link.Login = vars.With(wire.VarApplicationName, "another")
	}
	s.Init(&config, &vars)
	var o Out
	toServer, toClient := 0, 0
	longer := 0 // what is sent than what came
	if tr.name == rewritten.name {
		prepare := []byte(parse("s", "select 1") + syncing)
		s.Client(prepare, &o)
		o.Reset()
		s.Lease(link, &o)
		s.Client(prepare, &o)
		s.Server([]byte(parsed+ready('I')), &o)
		longer = len(shared(1)) - len("s")
	}
	if tr.config.Mode == SessionMode {
		s.Lease(link, &o)
	}
	round = func() {
		o.Reset()
		if s.Phase() == Idle {
			s.Client(tr.client, &o)
			o.Reset()
			s.Lease(link, &o)
		}
		s.Client(tr.client, &o)
		toServer = len(o.ToServer.Bytes())
		o.Reset()
		s.Server(tr.server, &o)
		toClient = len(o.ToClient.Bytes())
	}
	round()
	if toServer != len(tr.client)+longer || toClient != len(tr.server) || s.owed.len() > 0 {
		t.Fatalf("%d bytes of %d reach the server, %d of %d the client", toServer, len(tr.client), toClient, len(tr.server))
	}
	return round
}

func TestForwardingAllocatesNothing(t *testing.T) {
	for _, tr := range append(steadyTraffic, rewritten, stranger) {
		if n := testing.AllocsPerRun(100, steady(t, &tr)); n != 0 {
			t.Errorf("%s: %v allocations in each round", tr.name, n)
		}
	}
}

// TestForwardingCopiesNothing: runs of whole messages are sent from where they
// were read.
func TestForwardingCopiesNothing(t *testing.T) {
	for _, tr := range steadyTraffic {
		r := newRig(t, tr.config)
		s := &r.s
		if tr.config.Mode == SessionMode {
			s.Lease(r.link, &r.o)
		} else {
			s.Client(tr.client, &r.o)
			r.o.Reset()
			s.Lease(r.link, &r.o)
		}
		s.Client(tr.client, &r.o)
		if b := r.o.ToServer.Bytes(); &b[0] != &tr.client[0] {
			t.Errorf("%s: the client's messages are copied", tr.name)
		}
		r.o.Reset()
		s.Server(tr.server, &r.o)
		if b := r.o.ToClient.Bytes(); &b[0] != &tr.server[0] {
			t.Errorf("%s: the server's messages are copied", tr.name)
		}
	}
}

func BenchmarkForwarding(b *testing.B) {
	for _, tr := range append(steadyTraffic, rewritten, stranger) {
		b.Run(tr.name, func(b *testing.B) {
			round := steady(b, &tr)
			b.SetBytes(int64(len(tr.client) + len(tr.server)))
			b.ReportAllocs()
			for b.Loop() {
				round()
			}
		})
	}
}
