package session

import (
	"cmp"
	"slices"
	"testing/synctest"
	"time"

	"pgweir/wire"
)

// The simulation has two event loops, which are two owners of clients and
// backends. What is posted to one is done there in order, while anything may
// happen on the other. Time goes by only when the simulation sleeps.

const simLoops = 2

// letter is something posted in the present step. Letters of different
// goroutines have no order but that of their keys.
type letter struct {
	loop, key int
	do        func()
}

// post has f done on a loop; on any goroutine. What bears the same key keeps
// its order.
func (s *sim) post(loop, key int, f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.letters = append(s.letters, letter{loop, key, f})
}

func (c *simClient) key() int  { return c.id }
func (b *simBackend) key() int { return 1000 + b.id }

// post has f done on the client's loop.
func (c *simClient) post(f func()) { c.sim.post(c.loop, c.key(), f) }

// sets sets what pool's goroutines may set as well.
func (s *sim) sets(flag *bool, value bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*flag = value
}

// advance moves the simulation's clock, which stands still while anybody is at
// work: nobody waits for it in real time.
func advance(d time.Duration) { <-time.After(d) }

// settle waits until the pool's goroutines have done all that they can.
func (s *sim) settle() {
	advance(time.Millisecond) // no two backends come back at the same time
	synctest.Wait()
	s.mu.Lock()
	slices.SortStableFunc(s.letters, func(a, b letter) int { return cmp.Compare(a.key, b.key) })
	for _, l := range s.letters {
		s.posts[l.loop] = append(s.posts[l.loop], l.do)
	}
	s.letters = s.letters[:0]
	s.mu.Unlock()
	s.accept()
}

// loopEvents: what was posted first is done next.
func (s *sim) loopEvents(loop int, add func(int, func())) {
	if len(s.posts[loop]) > 0 && s.frozen != loop {
		add(20, func() {
			do := s.posts[loop][0]
			s.posts[loop] = s.posts[loop][1:]
			do()
		})
	}
}

// now is the time since the beginning.
func (s *sim) now() time.Duration { return time.Since(s.began) }

// passes has time go by, and does what the proxy does a few times a second.
func (s *sim) passes(d time.Duration) {
	advance(d)
	n := 0
	for _, c := range s.clients {
		if !c.closed {
			n++
		}
	}
	s.pool.Upkeep(n)
}

// Where a backend is: on the loop with that number; parked there, if the number
// is negative; or with nobody, on its way from one to the other.
const nobodys = 0

// claimedBy makes a parked backend a loop's, as loop.Conn.Claim does.
func (b *simBackend) claimedBy(loop int) bool {
	switch {
	case b.at == loop:
		return true
	case b.at >= nobodys:
		return false
	case b.home != loop && (b.out != "" || b.gone):
		return false // its own loop is to tell
	}
	b.at, b.home = loop, loop
	return true
}

// parks leaves the backend to whoever claims it.
func (b *simBackend) parks() {
	if b.holder != nil {
		b.holder.sim.t.Fatalf("backend %d is parked, and client %d's", b.id, b.holder.id)
	}
	b.at = -b.home
}

// wakes has a backend's loop see that something has come for it while nobody
// held it. Until it has been dealt with, nothing else happens on this loop.
func (s *sim) wakes(b *simBackend) {
	s.happens("loop %d looks at backend %d", b.home, b.id)
	b.at, s.frozen = b.home, b.home
	s.looked = b
}

// looks ends that.
func (s *sim) looks() {
	b := s.looked
	s.looked, s.frozen = nil, 0
	s.receivedIdle(b)
}

// receivedIdle deals with what a backend says that nobody holds, as proxy does.
func (s *sim) receivedIdle(b *simBackend) {
	all, rest := frames(b.out)
	if len(all) == 0 && b.gone { // in the midst of a message, even
		b.out = ""
		s.loses(b)
		return
	}
	for ; ; all = all[1:] {
		if len(all) == 0 {
			b.out = rest
			break
		}
		switch m := all[0]; m[0] {
		case 'S':
			if name, value, err := wire.DecodeParameterStatus([]byte(m[wire.HeaderLen:])); err == nil {
				b.link.Report(name, value)
			}
		case 'N', 'A':
		case 'E':
			b.out = ""
			s.loses(b)
			return
		default:
			s.t.Fatalf("backend %d says %s, and nobody holds it", b.id, show(m))
		}
	}
	if b.out == "" && !b.held && !b.lost {
		b.parks()
		if b.contended {
			b.contended = false
			s.sets(&b.idle, true)
		}
		s.pool.Checked(b.pool, s.now())
	}
}

// loses: a backend has gone that nobody holds.
func (s *sim) loses(b *simBackend) {
	s.happens("backend %d is seen to be gone", b.id)
	b.lost, b.told = true, b.told || b.out == ""
	b.contended = false
	if b.held || s.pool.Lost(b.pool) {
		s.discard(b, false)
	}
}
