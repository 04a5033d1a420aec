package session

import (
	"fmt"
	"slices"
	"strings"

	"pgweir/session/pipeline"
	"pgweir/wire"
)

// simClient is a client, the session that it speaks with, and the connection
// that it believes to have.
type simClient struct {
	seat
	id     int
	loop   int
	params []wire.Param // of its login
	rig    *rig
	says   []part // what is still to be said

	sent   []string // messages said
	at     []int    // and where each begins
	length int      // of all that was said
	outbox string   // said, and not received by pgweir

	direct  *backend // carries out what was consumed
	fed     int      // how many messages it was given
	refused map[int]*wire.Error
	got     string   // read, and not a whole message yet
	early   bool     // or ahead of what it answers
	expect  []string // what comes next
	must    int      // how many of those must come even if the client goes

	hears bool   // it is to be told when its channels are heard
	told  int    // the last notification for it since its channels changed
	heard int    // the last that it has read
	last  string // message that it has read

	lease    *simBackend
	begins   bool        // it has still to log in
	enters   bool        // it does, and needs a backend for it
	needs    bool        // its session does
	again    bool        // its session is to be fed again
	refusal  *wire.Error // until its session has been told
	canceled bool        // but what came of its place in the line is on its way

	awaits bool          // the catalog
	woke   chan struct{} // by the catalog
	woken  bool          // so that it can be told
	rested bool          // pgweir has sent a Sync of its own since it said something last
	bye    bool          // it has said Terminate
	left   bool          // it has closed its connection
	doomed bool          // its backend has died
	quits  bool          // it has read what it need not have, and goes
	closed bool
}

func (s *sim) newClient(id int) *simClient {
	c := &simClient{seat: seat{sim: s}, id: id, loop: 1 + s.rng.IntN(simLoops), refused: map[int]*wire.Error{}, last: ready('I')}
	c.wait.Taker = c
	if !s.prepares {
		c.params = s.params[s.rng.IntN(len(s.params))]
	}
	c.wait.Variant, _ = s.pool.Variant(c.params)
	c.begins = true
	c.rig = newMember(s.t, s.config)
	c.rig.lagging = true
	vars := startVars
	vars[wire.VarApplicationName] = fmt.Sprintf("app%d", s.rng.IntN(3))
	if !s.prepares || s.rng.IntN(4) == 0 {
		vars[wire.VarTimeZone] = []string{"UTC", "Asia/Tokyo"}[s.rng.IntN(2)]
	}
	c.rig.s.Init(s.config, &vars)
	if s.config.Mode != SessionMode {
		c.rig.s.PID = uint32(100 + id)
	}
	c.direct = newBackend(vars)
	c.direct.mode = s.config.Mode
	c.direct.unnamedOnly = s.config.Mode != SessionMode && s.config.MaxPrepared == 0
	c.direct.world, c.direct.owner = s.world, fmt.Sprintf("%d:", id)
	c.direct.verdict = func(token string) verdict { return s.decided[token] }

	inSession := s.config.Mode == SessionMode
	g := &script{
		rng: s.rng, name: fmt.Sprintf("c%d", id), named: !c.direct.unnamedOnly, slow: true,
		state: inSession || s.config.State != StateOff, blocks: s.config.Mode != StatementMode || s.rng.IntN(20) == 0,
	}
	g.world = g.state && (inSession || s.config.Catalog != nil)
	g.prepares = g.world && g.named && s.prepares
	g.savepoints = g.blocks && s.rng.IntN(2) == 0
	own := false
	for range 1 + s.rng.IntN(12) {
		var all []part
		all, own = parts(g.burst(), own)
		c.says = append(c.says, all...)
	}
	if s.rng.IntN(40) == 0 {
		long := query("select '" + strings.Repeat("x", MaxMessage+1000) + "'")
		c.says = append(c.says, part{messages: []string{long}})
	}
	if s.rng.IntN(40) == 0 {
		c.saysLong()
	}
	if s.rng.IntN(4) == 0 {
		// Break off anywhere.
		last := &c.says[len(c.says)-1]
		last.messages = last.messages[:s.rng.IntN(len(last.messages))]
	} else if s.rng.IntN(2) == 0 {
		c.says = append(c.says, part{messages: []string{syncing}})
	}
	c.says = append(c.says, part{messages: []string{terminate}})
	return c
}

// saysLong begins with an unnamed statement that is too long to be kept, and is bound
// behind its Sync.
func (c *simClient) saysLong() {
	rng := c.sim.rng
	long := parse("", fmt.Sprintf("select '%s_%s'", c.direct.vars[wire.VarApplicationName], strings.Repeat("y", MaxMessage+rng.IntN(1000))))
	all := []part{{messages: []string{long, describe("S", ""), syncing}}}
	for range 1 + rng.IntN(3) {
		all = append(all, part{messages: []string{bind("", ""), execute("", 0), syncing}, waits: true})
	}
	c.says = append(all, c.says...)
}

func (s *sim) clientEvents(c *simClient, add func(int, func())) {
	if len(c.rig.learn) > 0 {
		add(10, c.learned)
	}
	if !c.open() || s.frozen == c.loop {
		return
	}
	if c.begins || c.enters {
		s.entryEvents(c, add)
		return
	}
	if c.quits {
		add(1000, c.leave)
		return
	}
	if len(c.says) > 0 {
		if c.answered() {
			c.checkRest()
			add(20, c.say)
		} else if !c.says[0].waits {
			add(2, c.say)
		}
	}
	if c.outbox != "" {
		add(20, c.deliver)
	}
	if c.again {
		add(20, c.received)
	}
	if c.hears {
		add(10, c.listened)
	}
	if c.woken {
		add(10, c.catalogKnown)
	}
	if c.notesWait() && c.rig.s.restful() {
		add(10, c.drained)
	}
	if len(c.rig.catchUps) > 0 {
		add(10, c.caughtUp)
	}
	if r := &c.rig.s; c.lease != nil && r.batch == batchPrepares && r.reads != skipsToSync && r.owed.Len() == 0 {
		add(5, c.rest)
	}
	if !s.calm {
		c.mishaps(add)
	}
}

// mishaps are what may happen to a client, and need not.
func (c *simClient) mishaps(add func(int, func())) {
	s, sess := c.sim, &c.rig.s
	waits := sess.Phase() == Waiting
	if s.rng.IntN(1000) < 2 || c.lease != nil && !waits && sess.owed.First() == pipeline.Question && s.rng.IntN(100) < 3 {
		add(2, c.leave)
	}
	if len(sess.Channels()) > 0 && s.rng.IntN(100) < 10 {
		add(5, c.notify)
	}
	if s.rng.IntN(100) < 5 {
		switch {
		case waits && !c.saysAgain():
			add(5, c.cancelWait)
		case waits:
		case c.lease != nil && c.lease.cancels < 2 && sess.Owes() && !sess.Preparing():
			weight := 1
			if c.lease.waiting != "" {
				weight = 20
			}
			add(weight, c.cancel)
		}
	}
}

// rest has time go by.
func (c *simClient) rest() {
	c.rig.s.Rest(&c.rig.o)
	c.rested = c.rested || len(c.rig.o.ToServer.Bytes()) > 0
	c.sim.stepped(c)
}

// say puts the next burst on its way.
func (c *simClient) say() {
	c.rested = false
	burst := c.says[0].messages
	if c.says[0].waits && c.direct.doubt {
		burst = []string{syncing, closing("S", ""), syncing}
		c.direct.doubt = false
	} else if c.sim.rng.IntN(4) == 0 {
		// Not all of it at once.
		n := c.sim.rng.IntN(len(burst) + 1)
		c.says[0] = part{messages: burst[n:], waits: n == 0 && c.says[0].waits}
		burst = burst[:n]
	} else {
		c.says = c.says[1:]
	}
	for _, m := range burst {
		c.at = append(c.at, c.length)
		c.sent = append(c.sent, m)
		c.length += len(m)
		c.outbox += m
		c.bye = c.bye || m == terminate
	}
	c.sim.happens("client %d says %s", c.id, shown(strings.Join(burst, "")))
}

// deliver has some of it arrive.
func (c *simClient) deliver() {
	n := c.sim.cut(len(c.outbox))
	if c.sim.prepares && c.sim.rng.IntN(4) > 0 {
		n = len(c.outbox)
	}
	c.rig.fromClient += c.outbox[:n]
	c.outbox = c.outbox[n:]
	c.received()
}

// consumed is how much of what it said the session has consumed.
func (c *simClient) consumed() int { return c.length - len(c.outbox) - len(c.rig.fromClient) }

// saysAgain tells whether the direct connection has carried out already what the
// session is to be told again.
func (c *simClient) saysAgain() bool { return c.fed > 0 && c.at[c.fed-1] >= c.consumed() }

// checkRest looks at what a client has that rests.
func (c *simClient) checkRest() {
	s := &c.rig.s
	if s.Phase() != Idle || c.doomed {
		return
	}
	if got, want := s.Channels(), c.direct.channels(); c.sim.config.Listen == ListenShare && !slices.Equal(got, want) {
		c.sim.t.Fatalf("client %d listens to %q, and believes to listen to %q", c.id, got, want)
	}
	if c.heard < c.told && !c.notesWait() {
		c.sim.t.Fatalf("client %d was told of the notification %d, and has read up to %d", c.id, c.told, c.heard)
	}
	names := 0
	for name := range c.direct.stmts {
		if name != "" {
			names++
		}
	}
	if s.config.MaxPrepared > 0 && s.Prepared() != names {
		c.sim.t.Fatalf("client %d has %d named statements, and believes to have %d", c.id, s.Prepared(), names)
	}
}
