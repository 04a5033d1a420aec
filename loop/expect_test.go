package loop

import "testing"

// TestWhatIsExpectedIsReceivedThoughThePollerIsSilent: the turn's end suffices for it.
func TestWhatIsExpectedIsReceivedThoughThePollerIsSilent(t *testing.T) {
	l, err := New(Options{Engine: Readiness})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Discard()
	turn := func() { l.engine.dispatch() }
	fd, peer := pair(t)
	got := ""
	calls := 0
	c := new(Conn)
	c.Init(fd, &handler{received: func(_ *Conn, p []byte) int {
		calls++
		got += string(p)
		return len(p)
	}})
	if err := l.Add(c); err != nil {
		t.Fatal(err)
	}
	c.Expect()
	turn()
	if calls != 0 {
		t.Error("nothing has come, and the handler is told")
	}
	say := func(s string) {
		if _, err := peer.Write([]byte(s)); err != nil {
			t.Fatal(err)
		}
	}
	say("first")
	c.Expect()
	turn()
	same(t, []byte(got), []byte("first"))
	say("second")
	turn()
	c.Expect() // it has begun: what comes now is the poller's to tell
	turn()
	same(t, []byte(got), []byte("first"))

	fd, peer = pair(t)
	gone := new(Conn)
	gone.Init(fd, &handler{received: func(*Conn, []byte) int { t.Error("one that has gone is told"); return 0 }})
	if err := l.Add(gone); err != nil {
		t.Fatal(err)
	}
	say("too late")
	gone.Expect()
	gone.Close()
	turn()
	c.Close()
}
