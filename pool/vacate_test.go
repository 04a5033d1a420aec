package pool

import (
	"testing"
	"time"

	"pgweir/wire"
)

// gone waits until a pool has no backend.
func gone(t *testing.T, p *Pool) {
	t.Helper()
	eventually(t, "no backend is left", func() bool {
		c := p.Counts()
		return c.Opening+c.Idle+c.Lent+c.Closing+c.Listening == 0
	})
}

// client is a client of a pool's with a backend; leave is its end.
func (h *host) client(p *Pool) (b *Backend, leave func()) {
	h.t.Helper()
	k := h.taker(p)
	k.ask(p, nil)
	return k.wait(), func() { p.Forget(k.Variant) }
}

func TestAPoolWithoutClientsLeavesItsDatabaseAtOnce(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, nil)
	one, oneLeaves := h.client(p)
	two, twoLeaves := h.client(p)
	h.giveBack(one)
	h.giveBack(two)
	oneLeaves()
	twoLeaves()
	p.Upkeep(0)
	check(t, p, 0, 2, 0, 0)
	p.Vacate()
	gone(t, p)
	// That does not hold for who comes then.
	b, leave := h.client(p)
	h.giveBack(b)
	check(t, p, 0, 1, 0, 0)
	leave()
}

func TestAPoolWithAClientStaysInItsDatabaseUntilThatGoes(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, nil)
	b, leave := h.client(p)
	h.giveBack(b)
	p.Vacate()
	p.Upkeep(1)
	check(t, p, 0, 1, 0, 0)
	leave()
	p.Upkeep(0)
	gone(t, p)
}

func TestABackendThatComesBackFromAClientThatHasGoneLeavesItsDatabase(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, nil)
	b, leave := h.client(p)
	leave() // and b is being cleaned
	p.Vacate()
	check(t, p, 0, 0, 1, 0)
	h.giveBack(b)
	gone(t, p)
	if n := h.evicts.Load(); n != 1 {
		t.Errorf("%d backends were evicted", n)
	}
}

func TestABackendThatIsBeingOpenedForNobodyLeavesItsDatabase(t *testing.T) {
	h, s := newHost(t), serve(t)
	hold := make(chan struct{})
	s.set(func(s *server) { s.hold = hold })
	p := h.pool(s, func(s *Settings) { s.MinSize = 2 })
	p.Upkeep(1)
	h.opens(p, 2)
	p.Vacate()
	close(hold)
	gone(t, p)
}

// A login that has begun before DROP DATABASE waits for that, and fails: who comes
// then may find another database of that name.
func TestALoginThatEndsWithItsDatabaseIsNoReasonToRefuseOthers(t *testing.T) {
	h, s := newHost(t), serve(t)
	hold := make(chan struct{})
	s.set(func(s *server) { s.hold = hold })
	p := h.pool(s, func(s *Settings) { s.MinSize = 1 })
	p.Upkeep(1)
	h.opens(p, 1)
	s.startsAre(1)
	p.Vacate()
	s.set(func(s *server) {
		s.refuse = func(*startup) *wire.Error { return wire.Fatalf("3D000", "it has just been dropped") }
	})
	close(hold)
	gone(t, p)
	s.set(func(s *server) { s.refuse = nil })
	b, leave := h.client(p)
	h.giveBack(b)
	leave()
}

func TestTheMinimumIsNotOpenedInADatabaseThatIsToBeLeft(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, func(s *Settings) { s.MinSize = 2 })
	end := make(chan struct{})
	s.set(func(s *server) { s.holdEnd = end }) // so that there is something yet
	p.Upkeep(1)
	eventually(t, "the minimum is open", func() bool { return p.Counts().Idle == 2 })
	p.Vacate()
	for range 3 {
		p.Upkeep(0)
	}
	close(end)
	gone(t, p)
	p.vacated = 0
	p.Upkeep(0)
	if n := len(s.logins()); n != 2 {
		t.Errorf("%d logins", n)
	}
	// It is wanted again with the next client.
	b, leave := h.client(p)
	p.Upkeep(1)
	eventually(t, "the minimum is open", func() bool { return p.Counts().Idle == 1 })
	h.giveBack(b)
	leave()
}

func TestADatabaseIsLeftForAsLongAsPostgreSQLWaitsForThat(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, nil)
	b, leave := h.client(p)
	p.Vacate()
	leave()
	if now := h.now(); !p.vacates(now) || !p.vacates(now+vacancy-time.Second) || p.vacates(now+vacancy+time.Second) {
		t.Errorf("the database is left until %v after %v", p.vacated, now)
	}
	h.giveBackAt(b, h.now()+vacancy+time.Second)
	check(t, p, 0, 1, 0, 0)
}

func TestAListeningBackendThatLingersLeavesItsDatabase(t *testing.T) {
	h, _, _, p := listenPool(t, nil)
	l := p.Listener()
	l.linger = time.Hour
	_, leave := h.client(p)
	a := hearing(t, l)
	a.listen("x")
	l.Leave(a)
	p.Vacate() // while there is another client
	p.Upkeep(1)
	a.sync()
	if c := p.Counts(); c.Listening != 1 {
		t.Errorf("%+v", c)
	}
	leave()
	eventually(t, "it has gone", func() bool {
		p.Upkeep(0)
		c := p.Counts()
		return c.Listening+c.Closing == 0
	})
	if st := l.Status(); st.Losses != 0 || st.Channels != 0 {
		t.Errorf("%+v", st)
	}
}

func TestAListeningBackendAnswersBeforeItLeavesItsDatabase(t *testing.T) {
	_, s, n, p := listenPool(t, nil)
	l := p.Listener()
	l.linger = time.Hour
	answers := make(chan struct{})
	n.set(func(n *bulletin) { n.before = func(*serverSession) { <-answers } })
	a := hearing(t, l)
	a.begin("x")
	s.startsAre(1)
	eventually(t, "it is asked to listen", func() bool { return len(n.asked()) == 1 })
	l.Leave(a)
	p.Vacate()
	for range 3 {
		p.Upkeep(0)
		eventually(t, "that is seen", func() bool { return len(l.wake) == 0 })
	}
	close(answers)
	eventually(t, "it has gone", func() bool {
		p.Upkeep(0)
		c := p.Counts()
		return c.Listening+c.Closing == 0
	})
	if n := len(s.logins()); n != 1 {
		t.Errorf("%d logins: it was given up in the midst of its work", n)
	}
}
