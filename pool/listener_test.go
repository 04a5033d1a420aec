package pool

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pgweir/wire"
)

// listenPool is a pool with a server that knows LISTEN.
func listenPool(t testing.TB, f func(*Settings)) (*host, *server, *bulletin, *Pool) {
	h, s := newHost(t), serve(t)
	n := announce(t, s)
	return h, s, n, h.pool(s, f)
}

func TestANotificationReachesAllWhoHearItsChannelAndNobodyElse(t *testing.T) {
	_, s, n, p := listenPool(t, nil)
	l := p.Listener()
	a, b, c := hearing(t, l), hearing(t, l), hearing(t, l)
	a.listen("x", "y")
	b.listen("y")
	c.listen("Z; \"q\"", "x", "x")
	n.notify("x", "1")
	n.notify("y", "2")
	n.notify("Z; \"q\"", "")
	a.heard("done", "x 1", "y 2")
	b.heard("done", "y 2")
	c.heard("done", "x 1", "Z; \"q\" ")
	if live, _ := s.counts(); live != 1 {
		t.Errorf("%d processes for three who listen", live)
	}
	start := s.logins()[0]
	if name, _ := start.Get("application_name"); name != "pgweir listener" || len(start.Params) != 3 {
		t.Errorf("startup parameters %v", start.Params)
	}
	st := l.Status()
	if st.PID == 0 || st.ID == 0 || st.Since.IsZero() || st.Address.Addr != s.addr ||
		st.Channels != 3 || st.Subscribers != 3 || st.Notifications != 3 || st.Losses != 0 {
		t.Errorf("%+v", st)
	}
	if got := l.Channels(); !slices.Equal(got, []ChannelStatus{{"Z; \"q\"", 1}, {"x", 2}, {"y", 2}}) {
		t.Errorf("%v", got)
	}
	check(t, p, 0, 0, 0, 0)
	if c := p.Counts(); c.Listening != 1 || c.Logins != 1 {
		t.Errorf("%+v", c)
	}
}

func TestAListenReplacesWhatWasHeardBefore(t *testing.T) {
	_, _, n, p := listenPool(t, nil)
	l := p.Listener()
	a, other := hearing(t, l), hearing(t, l)
	other.listen("a", "b", "c", "d")
	a.listen("b", "d")
	a.listen("a", "c", "d")
	for _, channel := range []string{"a", "b", "c", "d"} {
		n.notify(channel, "")
	}
	a.heard("done", "done", "a ", "c ", "d ")
	queries := len(n.asked())
	a.listen("c")
	a.listen("c")
	a.listen()
	if got := len(n.asked()); got != queries {
		t.Errorf("%d queries to hear less", got-queries)
	}
	n.notify("c", "")
	a.heard("done", "done", "done")
	if st := l.Status(); st.Subscribers != 1 || st.Channels != 4 {
		t.Errorf("%+v", st)
	}
}

func TestNotificationsBeginWithDone(t *testing.T) {
	_, _, n, p := listenPool(t, nil)
	l := p.Listener()
	old := hearing(t, l)
	old.listen("x")
	// What comes before the answer has been sent before the new one's LISTEN
	// if the channel was listened to, and after it if it was not.
	n.set(func(n *bulletin) {
		n.between = func(x *serverSession) {
			x.conn.Write(append(notification("x", "early"), notification("fresh", "early")...))
		}
	})
	a := hearing(t, l)
	a.listen("x", "fresh")
	n.set(func(n *bulletin) { n.between = nil })
	n.notify("x", "late")
	a.heard("done", "fresh early", "x late")
	old.heard("done", "x early", "x late")
}

func TestManyCallsBecomeFewQueries(t *testing.T) {
	_, s, n, p := listenPool(t, nil)
	hold := make(chan struct{})
	s.hold = hold
	l := p.Listener()
	const many = 5000
	var all []*ear
	for i := range many {
		x := hearing(t, l)
		x.begin("all", fmt.Sprint("own", i), fmt.Sprint("shared", i%10))
		all = append(all, x)
	}
	s.set(func(s *server) { s.hold = nil })
	close(hold)
	for _, x := range all {
		if e := x.finish(); e != nil {
			t.Fatal(e)
		}
	}
	if got := len(n.asked()); got > many*16/maxBatch*2+2 {
		t.Errorf("%d queries", got)
	}
	n.notify("all", "1")
	n.notify("own17", "2")
	n.notify("shared7", "3")
	all[17].heard("done", "all 1", "own17 2", "shared7 3")
	all[18].heard("done", "all 1")
	if got := len(s.logins()); got != 1 {
		t.Errorf("%d logins", got)
	}
	if st := l.Status(); st.Subscribers != many || st.Channels != many+11 {
		t.Errorf("%+v", st)
	}
	for _, x := range all {
		l.Leave(x)
	}
	if st := l.Status(); st.Subscribers != 0 || st.Channels != 0 {
		t.Errorf("%+v", st)
	}
}

func TestTheBackendIsThereAsLongAsThereAreChannels(t *testing.T) {
	_, s, n, p := listenPool(t, nil)
	l := p.Listener()
	l.linger = 20 * time.Millisecond
	a := hearing(t, l)
	a.listen() // hears nothing, needs nothing
	if got := len(s.logins()); got != 0 {
		t.Fatalf("%d logins", got)
	}
	for range 3 {
		a.listen("x", "y")
		n.notify("x", "1")
		a.listen("y")
		eventually(t, "UNLISTEN is sent", func() bool { return slices.Equal(n.listened(), []string{"y"}) })
		l.Leave(a)
		listening(t, p, 0)
		eventually(t, "its slot is free", func() bool { return p.Counts().Closing == 0 })
		if live, most := s.counts(); live != 0 || most > 1 {
			t.Errorf("%d processes, %d at once", live, most)
		}
		eventually(t, "the goroutine is gone", func() bool {
			l.mu.Lock()
			defer l.mu.Unlock()
			return !l.running && len(l.subs)+len(l.channels)+len(l.stale)+len(l.queue) == 0
		})
	}
	if got := len(s.logins()); got != 3 {
		t.Errorf("%d logins", got)
	}
	if st := l.Status(); st.PID != 0 || st.Losses != 0 || st.Lost != nil {
		t.Errorf("%+v", st)
	}
}

func TestAChannelThatIsWantedAgainIsListenedToAgain(t *testing.T) {
	_, _, n, p := listenPool(t, nil)
	l := p.Listener()
	l.linger = time.Millisecond
	keep, a := hearing(t, l), hearing(t, l)
	keep.listen("keep")
	for range 50 {
		a.listen("x")
		n.notify("x", "1")
		a.heard("done", "x 1")
		a.listen()
		a.heard("done")
	}
	eventually(t, "UNLISTEN is sent", func() bool { return slices.Equal(n.listened(), []string{"keep"}) })
	a.listen("x")
	if got := n.listened(); !slices.Equal(got, []string{"keep", "x"}) {
		t.Errorf("%q", got)
	}
}

func TestWhoLeavesHearsNothingAndIsAnswered(t *testing.T) {
	_, s, n, p := listenPool(t, nil)
	l := p.Listener()
	stay := hearing(t, l)
	stay.listen("x")
	hold := make(chan struct{})
	n.set(func(n *bulletin) { n.before = func(*serverSession) { <-hold } })
	a := hearing(t, l)
	a.begin("x") // goes to the server
	eventually(t, "it is under way", func() bool { return len(n.asked()) == 2 })
	a.begin("x", "y") // waits for that
	l.Leave(a)
	l.Leave(a)
	if e := a.finish(); e == nil || e.Code != wire.CodeQueryCanceled {
		t.Error(e)
	}
	// The same one may come back while the old request is still under way.
	a.begin("x", "z")
	n.set(func(n *bulletin) { n.before = nil })
	close(hold)
	if e := a.finish(); e == nil || e.Code != wire.CodeQueryCanceled {
		t.Error(e)
	}
	if e := a.finish(); e != nil {
		t.Error(e)
	}
	n.notify("x", "1")
	n.notify("y", "2")
	n.notify("z", "3")
	a.heard("done", "x 1", "z 3")
	stay.heard("done", "x 1")
	if len(s.logins()) != 1 {
		t.Errorf("%d logins", len(s.logins()))
	}
}

func TestNamesThatCannotBeChannelsAreRefused(t *testing.T) {
	_, s, n, p := listenPool(t, nil)
	a := hearing(t, p.Listener())
	for _, name := range []string{"", "a\x00b", strings.Repeat("x", 64)} {
		a.refused("42602", "good", name)
	}
	if got := len(s.logins()); got != 0 {
		t.Errorf("%d logins", got)
	}
	longest := strings.Repeat("x", 63)
	a.listen(longest)
	n.notify(longest, strings.Repeat("p", 7999))
	a.heard("done", longest+" "+strings.Repeat("p", 7999))
}

func TestListenMayBeCalledWithoutDoneAndFromACallback(t *testing.T) {
	_, _, n, p := listenPool(t, nil)
	l := p.Listener()
	a, b := hearing(t, l), hearing(t, l)
	l.Listen(b, []string{"b"}, nil)
	var inner atomic.Bool
	l.Listen(a, []string{"a"}, func(e *wire.Error) {
		l.Listen(a, []string{"a", "more"}, func(*wire.Error) { inner.Store(true) })
	})
	eventually(t, "both are done", inner.Load)
	n.notify("b", "1")
	n.notify("more", "2")
	b.heard("b 1")
	a.heard("more 2")
}

func TestAnErrorOfTheServersGoesToThoseItIsAbout(t *testing.T) {
	_, _, n, p := listenPool(t, nil)
	l := p.Listener()
	first := hearing(t, l)
	first.listen("first")
	n.set(func(n *bulletin) {
		n.refuse = func(sql string) *wire.Error {
			if strings.Contains(sql, "bad") {
				return wire.Errorf("22021", "invalid byte sequence for encoding \"UTF8\": 0xff")
			}
			return nil
		}
	})
	hold := make(chan struct{})
	n.set(func(n *bulletin) { n.before = func(*serverSession) { <-hold } })
	blocker := hearing(t, l)
	blocker.begin("blocker") // so that the others come together
	eventually(t, "it is under way", func() bool { return len(n.asked()) == 2 })
	var good, bad []*ear
	for i := range 20 {
		x := hearing(t, l)
		if i%7 == 3 {
			x.begin("good0", fmt.Sprint("bad", i))
			bad = append(bad, x)
		} else {
			x.begin(fmt.Sprint("good", i))
			good = append(good, x)
		}
	}
	close(hold)
	for _, x := range good {
		if e := x.finish(); e != nil {
			t.Error(e)
		}
	}
	for _, x := range bad {
		if e := x.finish(); e == nil || e.Code != "22021" || e.Severity != "ERROR" {
			t.Error(e)
		}
	}
	n.notify("good0", "1")
	good[0].heard("done", "good0 1")
	bad[0].heard()
	// One that fails hears what it heard before.
	first.refused("22021", "bad", "more")
	n.notify("first", "1")
	first.heard("done", "first 1")
	if st := l.Status(); st.Losses != 0 {
		t.Errorf("%+v", st)
	}
}

func TestSyncComesAfterAllThatWasSentBefore(t *testing.T) {
	_, _, n, p := listenPool(t, nil)
	a := hearing(t, p.Listener())
	a.sync() // without a backend
	a.listen("x")
	want := []string{"done"}
	for i := range 500 {
		n.notify("x", fmt.Sprint(i))
		want = append(want, fmt.Sprint("x ", i))
	}
	a.sync()
	a.mu.Lock()
	defer a.mu.Unlock()
	if !slices.Equal(a.said, want) {
		t.Errorf("%d heard", len(a.said))
	}
}

// TestSyncComesAfterWhatANewListenerHears: what comes while a LISTEN is being
// answered is told when that is over; a Sync asked for along with it comes last.
func TestSyncComesAfterWhatANewListenerHears(t *testing.T) {
	_, _, n, p := listenPool(t, nil)
	l := p.Listener()
	if l.Connected() {
		t.Error("it is connected before anybody listens")
	}
	a, b := hearing(t, l), hearing(t, l)
	a.listen("w")
	if !l.Connected() {
		t.Error("it is not connected, and somebody listens")
	}
	busy, goOn := make(chan struct{}), make(chan struct{})
	n.set(func(n *bulletin) {
		n.before = func(*serverSession) { close(busy); <-goOn }
		n.between = func(x *serverSession) {
			x.conn.Write(notification("x", "early"))
		}
	})
	a.begin("w", "v")
	<-busy
	n.set(func(n *bulletin) { n.before = nil })
	over := make(chan struct{})
	l.Sync(func() { b.say("synced"); close(over) })
	b.begin("x")
	close(goOn)
	a.finish()
	b.finish()
	select {
	case <-over:
	case <-time.After(patience):
		t.Fatal("no end of Sync")
	}
	n.set(func(n *bulletin) { n.between = nil })
	b.heard("done", "x early", "synced")
}

// silent is a Subscriber that does nothing.
type silent struct{ n int }

func (s *silent) Notify([]byte) { s.n++ }
func (s *silent) Missed()       {}

func BenchmarkANotificationForTenThousand(b *testing.B) {
	_, _, _, p := listenPool(b, nil)
	l := p.Listener()
	done := make(chan *wire.Error, 10_000)
	for range 10_000 {
		l.Listen(&silent{}, []string{"x", "y"}, func(e *wire.Error) { done <- e })
	}
	for range 10_000 {
		if e := <-done; e != nil {
			b.Fatal(e)
		}
	}
	m := notification("x", "payload")
	for b.Loop() {
		p.host.Notify(l.notified([]byte("x")), m)
	}
}

func TestANotificationIsSignedAndKeptOnceForAllWhoHearIt(t *testing.T) {
	h, s, n, p := listenPool(t, nil)
	l := p.Listener()
	var signed atomic.Int32
	h.sign = func(server *Address, m []byte) {
		if server.Addr != s.addr {
			t.Errorf("signed for %q", server.Addr)
		}
		signed.Add(1)
		m[8] = 42
	}
	var kept []*keeper
	for range 3 {
		k := &keeper{ear: hearing(t, l)}
		kept = append(kept, k)
		l.Listen(k, []string{"x"}, func(e *wire.Error) { k.answer <- e })
		if e := k.finish(); e != nil {
			t.Fatal(e)
		}
	}
	n.notify("x", "1")
	for _, k := range kept {
		eventually(t, "it is heard", func() bool { return k.message.Load() != nil })
	}
	first := *kept[0].message.Load()
	for i, k := range kept {
		m := *k.message.Load()
		if m[8] != 42 {
			t.Errorf("subscriber %d is told process ID %d", i, m[8])
		}
		if &m[0] != &first[0] {
			t.Errorf("subscriber %d has a copy of its own", i)
		}
	}
	if got := signed.Load(); got != 1 {
		t.Errorf("signed %d times", got)
	}
}

// keeper is a Subscriber that keeps the last message.
type keeper struct {
	*ear
	message atomic.Pointer[[]byte]
}

func (k *keeper) Notify(m []byte) { k.message.Store(&m) }
