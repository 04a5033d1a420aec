package session

import (
	"fmt"
	"pgweir/session/pipeline"
	"slices"
	"strconv"
	"strings"

	"pgweir/wire"
)

// simClient is a client, the session that it speaks with, and the connection
// that it believes to have.
type simClient struct {
	sim  *sim
	id   int
	rig  *rig
	says []part // what is still to be said

	sent   []string // messages said
	at     []int    // and where each begins
	length int      // of all that was said
	outbox string   // said, and not received by pgweir

	direct  *backend // carries out what was consumed
	fed     int      // how many messages it was given
	refused map[int]*wire.Error
	got     string   // read, and not a whole message yet
	expect  []string // what comes next
	must    int      // how many of those must come even if the client goes

	hears bool   // it is to be told when its channels are heard
	told  int    // the last notification for it since its channels changed
	heard int    // the last that it has read
	last  string // message that it has read

	lease   *simBackend
	waiting bool
	awaits  bool          // the catalog
	woke    chan struct{} // by the catalog
	woken   bool          // so that it can be told
	rested  bool          // pgweir has sent a Sync of its own since it said something last
	bye     bool          // it has said Terminate
	left    bool          // it has closed its connection
	doomed  bool          // its backend has died
	quits   bool          // it has read what it need not have, and goes
	closed  bool
}

func (s *sim) newClient(id int) *simClient {
	c := &simClient{sim: s, id: id, refused: map[int]*wire.Error{}, last: ready('I')}
	c.rig = newMember(s.t, s.config)
	c.rig.lagging = true
	vars := startVars
	vars[wire.VarApplicationName] = fmt.Sprintf("app%d", s.rng.IntN(3))
	vars[wire.VarTimeZone] = []string{"UTC", "Asia/Tokyo"}[s.rng.IntN(2)]
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
	if inSession {
		c.waiting = true
		s.line = append(s.line, c)
	}
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
	if c.closed || c.left {
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
	if c.outbox != "" && (c.lease != nil || s.config.Mode != SessionMode) {
		add(20, c.deliver)
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
	if r := &c.rig.s; c.lease != nil && r.unsynced && !r.executed && !r.skipping && r.owed.Len() == 0 {
		add(5, c.rest)
	}
	if s.calm {
		return
	}
	if s.rng.IntN(1000) < 2 || c.lease != nil && c.rig.s.owed.First() == pipeline.Question && s.rng.IntN(100) < 3 {
		add(2, c.leave)
	}
	if len(c.rig.s.Channels()) > 0 && s.rng.IntN(100) < 10 {
		add(5, c.notify)
	}
	waits := c.waiting && c.rig.s.Phase() == Waiting
	waits = waits && !c.saysAgain()
	if waits && s.rng.IntN(100) < 2 {
		add(5, func() { c.refuse(errTimeout) })
	}
	if s.rng.IntN(100) < 5 {
		switch {
		case waits:
			add(5, func() { c.refuse(wire.Errorf(wire.CodeQueryCanceled, "canceling statement due to user request")) })
		case c.lease != nil && c.lease.waiting != "" && c.rig.s.Owes():
			add(20, func() { s.decide(c.lease, canceled) })
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
	c.rig.fromClient += c.outbox[:n]
	c.outbox = c.outbox[n:]
	c.rig.stepClient()
	c.sim.stepped(c)
}

// consumed is how much of what it said the session has consumed.
func (c *simClient) consumed() int { return c.length - len(c.outbox) - len(c.rig.fromClient) }

// listened tells the session that the channels are heard, or not.
func (c *simClient) listened() {
	c.hears = false
	var e *wire.Error
	if c.sim.rng.IntN(10) == 0 {
		e = errTimeout
	}
	c.sim.happens("client %d hears %v, %v", c.id, c.rig.s.Wanted(), e == nil)
	c.rig.s.Listened(e, &c.rig.o)
	c.rig.took()
	c.rig.again()
	c.sim.stepped(c)
}

// caughtUp ends a catch-up.
func (c *simClient) caughtUp() {
	c.sim.happens("client %d has been told all up to %d", c.id, c.rig.catchUps[0])
	c.rig.catchUp()
	c.rig.again()
	c.sim.stepped(c)
}

// notify has something come for it.
func (c *simClient) notify() {
	c.sim.notes++
	c.told = c.sim.notes
	c.sim.happens("client %d is notified of %d", c.id, c.sim.notes)
	c.rig.s.Notify([]byte(note(c.rig.s.Channels()[0], c.sim.notes)), c.sim.rng.IntN(4) == 0, &c.rig.o)
	c.sim.stepped(c)
}

// saysAgain tells whether the direct connection has carried out already what the
// session is to be told again.
func (c *simClient) saysAgain() bool { return c.fed > 0 && c.at[c.fed-1] >= c.consumed() }

// notesWait tells whether notifications wait for it.
func (c *simClient) notesWait() bool { return c.rig.s.x != nil && len(c.rig.s.x.notes) > 0 }

// drained: it has read what it was sent.
func (c *simClient) drained() {
	c.rig.s.NotesDrained(&c.rig.o)
	c.sim.stepped(c)
}

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

func note(channel string, n int) string {
	return message('A', "\x00\x00\x00\x01", fmt.Sprintf("%s\x00%08d\x00", channel, n))
}

// readsNote reads a notification: in order, and never within a transaction or an answer.
func (c *simClient) readsNote(m string) {
	n, err := strconv.Atoi(m[wire.HeaderLen+7 : len(m)-1])
	if err != nil || n <= c.heard {
		c.sim.t.Fatalf("client %d reads the notification %s behind %d", c.id, show(m), c.heard)
	}
	c.heard = n
	rests := c.rested || c.last == ready('I') || c.last[0] == 'E' && c.direct.tx == 'I'
	if !rests && (len(c.expect) == 0 || c.expect[0] != ready('I')) {
		c.sim.t.Fatalf("client %d reads a notification in the midst of something else, behind %s", c.id, show(c.last))
	}
}

func (c *simClient) leaveLine() {
	if c.waiting {
		c.waiting = false
		c.sim.line = slices.DeleteFunc(c.sim.line, func(o *simClient) bool { return o == c })
	}
}

// leave closes the connection without a word.
func (c *simClient) leave() {
	c.sim.happens("client %d goes", c.id)
	c.leaveLine()
	c.left = true
	c.rig.s.Gone(&c.rig.o)
	c.sim.stepped(c)
	c.close() // proxy does at once, whatever the session still has to do
}

// close has the client forgotten.
func (c *simClient) close() {
	c.closed = true
	c.rig.s.Forget()
}

// refuse has the client wait no more, in vain.
func (c *simClient) refuse(e *wire.Error) {
	c.sim.happens("client %d is refused", c.id)
	c.leaveLine()
	i, whole := slices.BinarySearch(c.at, c.consumed())
	if !whole {
		c.sim.t.Fatalf("client %d is refused in the midst of a message", c.id)
	}
	c.refused[i] = e
	c.rig.refuse(e)
	c.sim.stepped(c)
}

// follow has the direct connection carry out what has been consumed.
func (c *simClient) follow() {
	d := c.direct
	for !d.dead {
		if d.in == "" {
			if c.fed == len(c.sent) || c.at[c.fed] >= c.consumed() {
				break
			}
			if e := c.refused[c.fed]; e != nil {
				c.refuseDirectly(e)
				c.fed++
				continue
			}
			d.in = c.sent[c.fed]
			c.fed++
		}
		if !d.next() {
			break
		}
		c.collect()
	}
	c.collect()
}

// refuseDirectly answers the next message as a connection would that has no
// backend for it.
func (c *simClient) refuseDirectly(e *wire.Error) {
	d := c.direct
	d.say += failure(e.Code, e.Message)
	m := c.sent[c.fed]
	d.doubt = d.doubt || setsUnnamed(m[0], m[wire.HeaderLen:])
	switch c.sent[c.fed][0] {
	case 'Q', 'F':
		d.say += ready('I')
	default:
		d.skip = true
	}
	d.flush()
}

// collect takes what the direct connection has said: what it has flushed must
// come, what it has not may.
func (c *simClient) collect() {
	all, _ := frames(c.direct.out)
	c.direct.out = ""
	// What was expected without having been flushed has been flushed now.
	c.expect = append(c.expect[:c.must:c.must], all...)
	c.must = len(c.expect)
	unflushed, _ := frames(c.direct.say)
	c.expect = append(c.expect, unflushed...)
}

// reads holds what comes against what would come directly.
func (c *simClient) reads(bytes string) {
	if c.left || c.quits {
		return
	}
	c.got += bytes
	all, rest := frames(c.got)
	c.got = rest
	if len(all) == 0 {
		return
	}
	c.follow()
	for _, m := range all {
		if m == asyncNotice {
			continue
		}
		if m[0] == 'A' {
			c.readsNote(m)
			continue
		}
		c.last = m
		if len(c.expect) > 0 && (c.expect[0] == m || c.sameError(c.expect[0], m)) {
			c.expect = c.expect[1:]
			if c.must--; c.must < 0 {
				// Ahead of its flush: the direct connection will not say it again.
				c.direct.say = c.direct.say[len(m):]
				c.must = 0
			}
			continue
		}
		if len(c.expect) > 0 && c.expect[0][0] == 't' && m == errAborted && c.direct.tx == 'E' {
			c.quits = true // a Describe of what cannot be prepared anew either
			return
		}
		if c.doomed && (strings.Contains(m, "\x00VFATAL\x00C57P01\x00") || strings.Contains(m, "\x00VFATAL\x00C08006\x00")) {
			continue
		}
		c.sim.t.Fatalf("client %d reads  %s\ninstead of    %s", c.id, show(m), strings.Join(c.missing(), ""))
	}
}

// sameError tells whether got is as good as want. In a block that has failed a
// statement cannot be prepared anew, and that is what the client is told then,
// and not what else would be wrong with its message.
func (c *simClient) sameError(want, got string) bool {
	return want[0] == 'E' && got == errAborted && c.direct.tx == 'E'
}

// answered tells whether all that was said has been answered.
func (c *simClient) answered() bool {
	if c.outbox != "" || c.rig.fromClient != "" {
		return false
	}
	c.follow()
	return c.must == 0 && c.direct.in == ""
}

func (c *simClient) missing() (all []string) {
	for _, m := range c.expect {
		all = append(all, show(m))
	}
	return all
}
