package session

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgweir/session/pipeline"
	"pgweir/session/proof"
	"pgweir/wire"
)

// traffic is one round of a conversation in steady state, and the bytes that
// the owner of the session would hand over in it.
type traffic struct {
	name           string
	config         *Config
	client, server []byte
	proven         bool // with a catalog, under which all is proven
}

var steadyTraffic = []traffic{
	{"simple", &transactionMode, []byte(query("select abalance from accounts where aid = 1")),
		[]byte(columns + row("12345") + complete("SELECT 1") + ready('I')), false},
	{"extended", &transactionMode,
		[]byte(parse("", "select abalance from accounts where aid = $1") + bind("", "") + describe("P", "") + execute("", 0) + syncing),
		[]byte(parsed + bound + columns + row("12345") + complete("SELECT 1") + ready('I')), false},
	{"pipeline", &transactionMode,
		[]byte(pipelined(parse("", "select 1")+bind("", "")+execute("", 0)+syncing, 100)),
		[]byte(pipelined(parsed+bound+row("1")+complete("SELECT 1")+ready('I'), 100)), false},
	{"batch", &transactionMode,
		[]byte(pipelined(parse("", "select 1")+bind("", "")+describe("P", "")+execute("", 0), 100) + syncing),
		[]byte(pipelined(parsed+bound+columns+row("1")+complete("SELECT 1"), 100) + ready('I')), false},
	{"prepared in session mode", &sessionMode, []byte(bind("", "s") + execute("", 0) + syncing),
		[]byte(bound + row("12345") + complete("SELECT 1") + ready('I')), false},
	{"bulk", &unwatched, []byte(query("select * from generate_series(1, 1000)")),
		[]byte(columns + pipelined(row("12345"), 1000) + complete("SELECT 1000") + ready('I')), false},
	{"copy in", &unwatched, []byte(query("copy t from stdin") + pipelined(copyData("12345\n"), 1000) + copyDone),
		[]byte(copyIn + complete("COPY 1000") + ready('I')), false},
}

// rewritten is one that names a statement of the client's.
var rewritten = traffic{"named", &transactionMode, []byte(bind("", "s") + describe("P", "") + execute("", 0) + syncing),
	[]byte(bound + columns + row("12345") + complete("SELECT 1") + ready('I')), false}

// stranger is one on a backend that was opened for another application.
var stranger = traffic{"on a backend of another application's", &transactionMode, steadyTraffic[0].client, steadyTraffic[0].server, false}

// proven are all of them again as they ship: nothing is asked any more.
func proven() (all []traffic) {
	for _, tr := range append(steadyTraffic, rewritten) {
		tr.name, tr.proven = tr.name+", proven", true
		all = append(all, tr)
	}
	return all
}

// knownCatalog is one of a database without objects of its own.
func knownCatalog() *Catalog {
	c := new(Catalog)
	r, _ := c.TakeDigest()
	c.Digested(r, "digest")
	c.Learn([]proof.Row{{Kind: 'g', Name: "work_mem"}}, c.Generation())
	return c
}

// vouch answers what the backend is asked: nothing is left.
func vouch(s *Session, o *Out) {
	for s.owed.First() == pipeline.Question {
		o.Reset()
		s.Server([]byte(says(row("e", "", "4MB"), row("d", "", "digest"), nobodyElse(), row("n", strconv.Itoa(s.link.have.Len()), ""))), o)
	}
}

// provingRounds is after how many rounds the next question is far away.
const provingRounds = 1100

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
	if tr.proven {
		config.Catalog = knownCatalog()
	}
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
	if tr.name == rewritten.name || tr.proven && strings.HasPrefix(tr.name, rewritten.name) {
		prepare := []byte(parse("s", "select 1") + syncing)
		s.Client(prepare, &o)
		o.Reset()
		s.Lease(link, &o)
		s.Client(prepare, &o)
		s.Server([]byte(parsed+ready('I')), &o)
		vouch(s, &o)
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
		if s.owed.Len() > 0 {
			vouch(s, &o)
		}
	}
	round()
	for n := 0; tr.proven && n < provingRounds; n++ {
		round()
	}
	if toServer != len(tr.client)+longer || toClient != len(tr.server) || s.owed.Len() > 0 {
		t.Fatalf("%d bytes of %d reach the server, %d of %d the client", toServer, len(tr.client), toClient, len(tr.server))
	}
	return round
}

func TestForwardingAllocatesNothing(t *testing.T) {
	for _, tr := range slices.Concat(steadyTraffic, []traffic{rewritten, stranger}, proven()) {
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
	for _, tr := range slices.Concat(steadyTraffic, []traffic{rewritten, stranger}, proven()) {
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
