package authquery

import (
	"sync/atomic"
	"testing"
	"time"
)

func TestASourceThatIsHeldHasNoConnectionAndItsQuestionsWait(t *testing.T) {
	b := newBench(t)
	var held atomic.Bool
	b.Asker.opts.Held = func(s Source) bool { return held.Load() && s == source }
	b.server.set(func(s *fakeServer) { s.secrets["ann"], s.secrets["bob"] = "one", "two" })
	b.is(t, "ann", "one")
	hold := make(chan struct{})
	b.server.set(func(s *fakeServer) { s.hold = hold })
	bob := b.begin("bob")
	eventually(t, "bob is asked about", func() bool { return b.server.questions() == 2 })

	held.Store(true)
	b.Reconsider()
	if !b.Lingers() {
		t.Error("a question that is under way is not seen")
	}
	close(hold) // it is answered first
	if got := comes(t, bob); got.err != nil || got.answer.User == nil {
		t.Error(got.err)
	}
	eventually(t, "the connection is gone", func() bool { return !b.Lingers() })
	if n := b.server.connections(); n != 0 {
		t.Errorf("%d connections", n)
	}

	b.server.set(func(s *fakeServer) { s.hold = nil })
	b.mu.Lock()
	b.clock = b.clock.Add(limits.TTL) // the answer is stale, and serves
	b.mu.Unlock()
	b.is(t, "ann", "one")
	eve := b.begin("eve")
	looked := func() bool {
		b.Asker.mu.Lock()
		defer b.Asker.mu.Unlock()
		return len(b.lines[source].wake) == 0
	}
	eventually(t, "the line has seen that it is held", looked)
	b.mu.Lock()
	b.clock = b.clock.Add(2 * questionTimeout)
	b.mu.Unlock()
	b.Reconsider()
	eventually(t, "the line has looked again", looked)
	if len(eve) > 0 || b.Lingers() || b.server.questions() != 2 {
		t.Error("somebody was asked about")
	}
	held.Store(false)
	b.Reconsider()
	if got := comes(t, eve); got.err != nil {
		t.Error(got.err) // her question has not grown old
	}
	eventually(t, "the connection is there again", func() bool { return b.server.connections() == 1 })
}

func TestAnAskerThatIsClosedWaitsForNoSourceThatIsHeld(t *testing.T) {
	b := newBench(t)
	b.Asker.opts.Held = func(Source) bool { return true }
	ann := b.begin("ann")
	done := make(chan struct{})
	go func() {
		b.Close()
		close(done)
	}()
	if got := comes(t, ann); got.err == nil {
		t.Error("there is an answer")
	}
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("it does not end")
	}
}
