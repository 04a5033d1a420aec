package session

import (
	"math/rand/v2"
	"strings"
	"testing"

	"pgweir/wire"
)

// rig is the owner of one session: it keeps what the session does not consume,
// hands over buffers that end where the bytes end and are overwritten
// afterwards, and collects what the session says.
type rig struct {
	t    testing.TB
	s    Session
	link *Link
	o    Out

	fromClient, fromServer string // come, and not consumed yet
	toClient, toServer     string

	need, release, drop, busy, end bool
	pinned                         string // what EffectPins has told of
	listen, unlisten, syncNotes    bool
	unread                         string
	leak                           Reason
	learn                          []*Objects // read, and not looked through yet
	await                          bool
	vacate                         []string
	total                          Out // the sums of its counts
	asked, answered                int
	// catchUps are under way; with lagging, until the test ends them.
	catchUps []uint64
	lagging  bool

	// cut says how many of n bytes come at once.
	cut func(n int) int
}

// startVars are the settings that clients and backends of the tests begin with.
var startVars = wire.Vars{"", "UTF8", "ISO, MDY", "postgres", "UTC", "on"}

// newRig is a client of a pool of its own.
func newRig(t testing.TB, config *Config) *rig {
	c := *config
	c.Shared = new(Shared)
	return newMember(t, &c)
}

// newMember is one more client of a pool.
func newMember(t testing.TB, config *Config) *rig {
	vars := startVars
	r := &rig{t: t, link: newLink(), cut: func(n int) int { return n }}
	r.s.Init(config, &vars)
	return r
}

// newLink is a backend on which nobody was before.
func newLink() *Link {
	there := startVars
	return &Link{Vars: &there}
}

// Ways to cut a stream of bytes.
var cuttings = []struct {
	name string
	cut  func() func(n int) int
}{
	{"whole", func() func(int) int { return func(n int) int { return n } }},
	{"byte by byte", func() func(int) int { return func(int) int { return 1 } }},
	{"cut at random", func() func(int) int {
		rng := rand.New(rand.NewPCG(1, 2))
		return func(n int) int { return 1 + rng.IntN(min(n, 40)) }
	}},
	{"cut in the header", func() func(int) int {
		next := 0
		return func(n int) int { next = next%wire.HeaderLen + 1; return min(n, next) }
	}},
}

// rank says which effects come behind which others: a lease ends before its client
// does, and before it needs another.
func rank(e Effect) int {
	switch e {
	case EffectRelease, EffectDrop, EffectDropBusy:
		return 1
	case EffectNeedBackend, EffectNeedOwnBackend:
		return 2
	case EffectEndClient:
		return 3
	}
	return 0
}

// carriesOut notes one thing that a step wants done.
func (r *rig) carriesOut(e Effect) {
	o := &r.o
	ended := r.release || r.drop
	switch e {
	case EffectNeedBackend, EffectNeedOwnBackend:
		if r.need || r.s.Phase() != Waiting {
			r.t.Fatal("a backend was asked for twice, or not waited for")
		}
		r.need = true
	case EffectRelease:
		r.release = true
	case EffectDrop, EffectDropBusy:
		r.drop, r.busy = true, e == EffectDropBusy
	case EffectEndClient:
		r.end = true
	case EffectPins:
		reason, _ := r.s.Pins()
		r.pinned = "pinned: " + reason.String()
		if reason == 0 {
			r.pinned = "unpinned"
		}
	case EffectListen:
		r.listen = true
	case EffectUnlisten:
		r.unlisten = true
	case EffectSyncNotes:
		r.syncNotes = true
	case EffectLeak:
		r.leak |= o.Leak
	case EffectLearn:
		r.learn = append(r.learn, o.Learn)
	case EffectAwait:
		r.await = true
	case EffectCatchUp:
		r.catchUps = append(r.catchUps, o.CatchUp)
	case EffectVacate:
		r.vacate = append(r.vacate, o.Vacate...)
	}
	if ended && (e == EffectRelease || e == EffectDrop || e == EffectDropBusy) {
		r.t.Fatal("a lease ended twice")
	}
}

// took collects what one step has said.
func (r *rig) took() {
	o := &r.o
	r.toServer += string(o.ToServer.Bytes())
	r.toClient += string(o.ToClient.Bytes())
	for i, e := range o.Effects {
		if i > 0 && rank(e) < rank(o.Effects[i-1]) {
			r.t.Fatalf("effects %v come in an order that no owner can carry out", o.Effects)
		}
		r.carriesOut(e)
	}
	r.unread += string(o.Unread)
	r.total.Queries += o.Queries
	r.total.Transactions += o.Transactions
	r.total.Errors += o.Errors
	r.total.Parses += o.Parses
	r.total.Binds += o.Binds
	r.total.ServerParses += o.ServerParses
	r.total.Replays += o.Replays
	r.total.Questions += o.Questions
	if o.Asked {
		r.asked++
	}
	if o.Answered {
		r.answered++
	}
	o.Reset()
	if !r.lagging && len(r.catchUps) > 0 {
		r.catchUp()
	}
}

// catchUp ends the first catch-up that is under way.
func (r *rig) catchUp() {
	number := r.catchUps[0]
	r.catchUps = r.catchUps[1:]
	r.s.CaughtUp(number, &r.o)
	r.took()
}

// buffer is the bytes as a loop would hand them over.
func buffer(s string) []byte {
	b := make([]byte, len(s))
	copy(b, s)
	return b[:len(s):len(s)]
}

func scribble(b []byte) {
	for i := range b {
		b[i] = 0xee
	}
}

func (r *rig) stepClient() {
	in := buffer(r.fromClient)
	n := r.s.Client(in, &r.o)
	r.consumed(n, &r.fromClient)
	r.took()
	scribble(in)
}

func (r *rig) stepServer() {
	in := buffer(r.fromServer)
	n := r.s.Server(in, &r.o)
	r.consumed(n, &r.fromServer)
	r.took()
	scribble(in)
	r.again()
}

// again feeds what was held back, as soon as it can go on.
func (r *rig) again() {
	for r.s.Released() {
		r.stepClient()
	}
}

func (r *rig) consumed(n int, stream *string) {
	if n < 0 || n > len(*stream) {
		r.t.Fatalf("%d of %d bytes were consumed", n, len(*stream))
	}
	*stream = (*stream)[n:]
}

// next is how many of n bytes come next. The middle of a long message comes
// faster: it would take quadratic time.
func (r *rig) next(n int) int {
	k := r.cut(n)
	if n > 4<<10 {
		k = min(n, 3<<10+k)
	}
	return k
}

// client has bytes come from the client, cut.
func (r *rig) client(bytes string) {
	r.t.Helper()
	for len(bytes) > 0 {
		n := r.next(len(bytes))
		r.fromClient += bytes[:n]
		bytes = bytes[n:]
		r.stepClient()
	}
}

// server has bytes come from the backend, cut.
func (r *rig) server(bytes string) {
	r.t.Helper()
	for len(bytes) > 0 {
		n := r.next(len(bytes))
		r.fromServer += bytes[:n]
		bytes = bytes[n:]
		r.stepServer()
	}
}

// lease grants a backend, and feeds what the client has said, into one Out.
func (r *rig) lease() {
	r.t.Helper()
	r.s.Lease(r.link, &r.o)
	r.stepClient()
}

// refuse denies it.
func (r *rig) refuse(e *wire.Error) {
	r.t.Helper()
	in := buffer(r.fromClient)
	n := r.s.Refuse(e, in, &r.o)
	r.consumed(n, &r.fromClient)
	r.took()
	scribble(in)
	r.stepClient()
}

// flags names what has been asked of the owner, and forgets it.
func (r *rig) flags() string {
	var said []string
	for _, f := range []struct {
		flag *bool
		name string
	}{
		{&r.need, "need"}, {&r.release, "release"}, {&r.drop, "drop"}, {&r.busy, "busy"}, {&r.end, "end"},
		{&r.listen, "listen"}, {&r.unlisten, "unlisten"}, {&r.syncNotes, "sync"},
	} {
		if *f.flag {
			said = append(said, f.name)
		}
		*f.flag = false
	}
	if r.pinned != "" {
		said = append(said, r.pinned)
		r.pinned = ""
	}
	r.fromClient, r.unread = r.unread+r.fromClient, ""
	if r.vacate != nil {
		said = append(said, "vacate "+strings.Join(r.vacate, ","))
		r.vacate = nil
	}
	return strings.Join(said, " ")
}
