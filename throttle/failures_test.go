package throttle

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// clock is a time that passes when it is told to.
type clock struct {
	now    time.Duration
	alarms []alarm
}

type alarm struct {
	at time.Duration
	f  func()
}

func (c *clock) after(d time.Duration, f func()) { c.alarms = append(c.alarms, alarm{c.now + d, f}) }

// pass lets time pass, and calls what is due on the way.
func (c *clock) pass(d time.Duration) {
	for end := c.now + d; ; {
		slices.SortFunc(c.alarms, func(a, b alarm) int { return int(a.at - b.at) })
		if len(c.alarms) == 0 || c.alarms[0].at > end {
			c.now = end
			return
		}
		next := c.alarms[0]
		c.alarms = c.alarms[1:]
		c.now = max(c.now, next.at)
		next.f()
	}
}

func memory(most int) (*Failures, *clock) {
	c := &clock{now: time.Hour}
	return NewFailures(Penalty{100 * time.Millisecond, 5 * time.Second}, most, func() time.Duration { return c.now }, c.after), c
}

// try makes an attempt, ends it when it may be judged, and gives how long it took until
// its client is told; below 0 if it is not judged within a minute.
func try(f *Failures, c *clock, a Addr, user string, o Outcome) time.Duration {
	begun, ready := c.now, false
	t := &Attempt{Ready: func() { ready = true }}
	if f.Begin(t, a, user) != AttemptJudged {
		for !ready && c.now-begun < time.Minute {
			c.pass(10 * time.Millisecond)
		}
		if !ready {
			f.End(t, Abandoned)
			return -1
		}
	}
	c.pass(f.End(t, o))
	f.End(t, Abandoned)
	return c.now - begun
}

func fail(f *Failures, c *clock, a Addr, user string, n int) {
	for range n {
		try(f, c, a, user, Wrong)
	}
}

func TestTheDelayGrowsToItsBoundAndGoesWithTime(t *testing.T) {
	f, c := memory(100)
	for i, want := range []time.Duration{0, 0, 0, 0, 0, 100, 200, 400, 800, 1600, 3200, 5000, 5000} {
		if got := try(f, c, ip("10.0.0.1"), "app", Wrong); got != want*time.Millisecond {
			t.Errorf("the wrong password number %d is told of after %v, want %v ms", i+1, got, want.Nanoseconds())
		}
	}
	c.pass(time.Hour)
	for range freeFailures {
		if got := try(f, c, ip("10.0.0.1"), "app", Wrong); got != 0 {
			t.Errorf("after an hour the first are delayed by %v", got)
		}
	}
}

func TestARightPasswordIsAnsweredAtOnceAndClears(t *testing.T) {
	f, c := memory(100)
	fail(f, c, ip("10.0.0.1"), "app", 8)
	if got := try(f, c, ip("10.0.0.1"), "app", Right); got != 0 {
		t.Errorf("a right password is answered after %v", got)
	}
	for range freeFailures {
		if got := try(f, c, ip("10.0.0.1"), "app", Wrong); got != 0 {
			t.Errorf("after a right password wrong ones are told of after %v", got)
		}
	}
}

// TestOldPasswordsLeaveRightOnesOfTheSameUserAlone: some clients of an address try an old
// one all the time.
func TestOldPasswordsLeaveRightOnesOfTheSameUserAlone(t *testing.T) {
	f, c := memory(100)
	var told [userAtOnce - 1]time.Duration
	for range 1000 {
		for i := range told {
			if c.now < told[i] {
				continue
			}
			old := &Attempt{}
			if f.Begin(old, ip("10.0.0.1"), "app") != AttemptJudged {
				t.Fatal("an old one waits")
			}
			d := f.End(old, Wrong)
			told[i] = c.now + max(d, 10*time.Millisecond)
			c.after(d, func() { f.End(old, Abandoned) })
		}
		right := &Attempt{}
		if f.Begin(right, ip("10.0.0.1"), "app") != AttemptJudged {
			t.Fatal("a right one waits")
		}
		f.End(right, Abandoned) // as if it had ended otherwise: it clears nothing
		c.pass(10 * time.Millisecond)
	}
}

func TestNobodyElseIsDelayed(t *testing.T) {
	f, c := memory(100)
	fail(f, c, ip("10.0.0.1"), "app", 12)
	for _, tc := range []who{{ip("10.0.0.2"), "app"}, {ip("10.0.0.1"), "other"}, {LocalAddr(0), "app"}, {ip("2001:db8::1"), "app"}} {
		if got := try(f, c, tc.addr, tc.user, Right); got != 0 {
			t.Errorf("%v of %v is delayed by %v", tc.user, tc.addr, got)
		}
	}
}

// TestManyConnectionsGuessNoFasterThanSome: all are begun at once, and close when they
// have no answer.
func TestManyConnectionsGuessNoFasterThanSome(t *testing.T) {
	f, c := memory(100)
	judged := 0
	var open []*Attempt
	for range 1000 {
		a := &Attempt{}
		a.Ready = func() { judged++; open = append(open, a) }
		if f.Begin(a, ip("10.0.0.1"), "app") == AttemptJudged {
			a.Ready()
		}
	}
	if judged != userAtOnce || f.Delayed() != 1000-userAtOnce {
		t.Errorf("%d are judged at once, %d wait", judged, f.Delayed())
	}
	for range 600 { // a minute
		c.pass(100 * time.Millisecond)
		for _, a := range slices.Clone(open) {
			f.End(a, Wrong)
			f.End(a, Abandoned)
		}
		open = nil
	}
	if judged < 9*userAtOnce || judged > 14*userAtOnce {
		t.Errorf("%d guesses in a minute, in which %d have five seconds each", judged, userAtOnce)
	}
	if a := new(Attempt); f.Begin(a, ip("10.0.0.1"), "app") != AttemptRejected {
		t.Error("one more is not rejected")
	}
}

// busy begins as many attempts as are judged at a time.
func busy(t *testing.T, f *Failures, a Addr, user string) (all []*Attempt) {
	t.Helper()
	for range userAtOnce {
		attempt := &Attempt{Ready: func() {}}
		if f.Begin(attempt, a, user) != AttemptJudged {
			t.Fatal("held")
		}
		all = append(all, attempt)
	}
	return all
}

func TestWhoGoesWhileHeldMakesRoomAndCountsForNothing(t *testing.T) {
	f, c := memory(100)
	fail(f, c, ip("10.0.0.1"), "app", 4)
	judged := busy(t, f, ip("10.0.0.1"), "app")
	ready := 0
	var all []*Attempt
	for range 3 {
		a := &Attempt{Ready: func() { ready++ }}
		for range 2 {
			if f.Begin(a, ip("10.0.0.1"), "app") != AttemptHeld {
				t.Fatal("not held")
			}
		}
		all = append(all, a)
	}
	f.End(all[0], Abandoned)
	f.End(all[1], Abandoned)
	f.End(all[1], Wrong)
	f.End(judged[0], Abandoned)
	if ready != 1 || f.Delayed() != 0 || f.Begin(all[2], ip("10.0.0.1"), "app") != AttemptJudged {
		t.Errorf("%d are ready, %d held", ready, f.Delayed())
	}
	f.End(all[2], Right)
	for _, a := range judged {
		f.End(a, Abandoned)
	}
	if n := len(f.Suspects()); n != 0 {
		t.Errorf("%d suspects", n)
	}
}

// TestABurstOfRightPasswordsIsNeverRejected: how long each takes to be judged does not
// matter.
func TestABurstOfRightPasswordsIsNeverRejected(t *testing.T) {
	f, _ := memory(100)
	var open []*Attempt
	in := 0
	for range 2000 {
		a := &Attempt{}
		a.Ready = func() { open = append(open, a) }
		switch f.Begin(a, ip("10.0.0.1"), "app") {
		case AttemptJudged:
			open = append(open, a)
		case AttemptRejected:
			t.Fatal("rejected")
		}
	}
	for len(open) > 0 {
		if len(open) > userAtOnce {
			t.Fatalf("%d at a time", len(open))
		}
		a := open[0]
		open = open[1:]
		f.End(a, Right)
		in++
	}
	if in != 2000 || f.Delayed() != 0 {
		t.Errorf("%d are in, %d wait", in, f.Delayed())
	}
}

func TestWhoTriesManyUsersIsSlowedAndThoseWhoWereInBeforeAreNot(t *testing.T) {
	f, c := memory(1000)
	nat := ip("10.0.0.1")
	try(f, c, nat, "app", Right)
	for i := range freeUsers {
		if got := try(f, c, nat, fmt.Sprint("user", i), Wrong); got != 0 {
			t.Fatalf("user %d is delayed by %v", i, got)
		}
	}
	if got := try(f, c, nat, "next", Wrong); got == 0 {
		t.Error("one more user is not delayed")
	}
	// Who has been in from there is told of wrong ones no sooner.
	for _, user := range []string{"app", "another"} {
		if got := try(f, c, nat, user, Wrong); got == 0 {
			t.Errorf("%s is told at once that it was wrong", user)
		}
	}
	if got := try(f, c, nat, "app", Right); got != 0 {
		t.Errorf("a right password is delayed by %v", got)
	}
	if got := try(f, c, ip("10.0.0.2"), "next", Right); got != 0 {
		t.Errorf("another address is delayed by %v", got)
	}
	if s := f.Suspects(); len(s) != 1 || s[0].Users != freeUsers+2 || s[0].Addr != nat {
		t.Errorf("%+v", s)
	}
}

// TestOneStalePasswordHurtsNobody: a user whose password is wrong tries all the time.
func TestOneStalePasswordHurtsNobody(t *testing.T) {
	f, c := memory(1000)
	fail(f, c, ip("10.0.0.1"), "stale", 100)
	for i := range 50 {
		if got := try(f, c, ip("10.0.0.1"), fmt.Sprint("app", i), Right); got != 0 {
			t.Errorf("another user of the address is delayed by %v", got)
		}
	}
}

func TestNoMoreRecordsAreKeptThanTheBoundAndThoseInUseAre(t *testing.T) {
	f, c := memory(10)
	fail(f, c, ip("10.0.0.1"), "app", 7)
	busy(t, f, ip("10.0.0.1"), "app")
	held := &Attempt{Ready: func() {}}
	if f.Begin(held, ip("10.0.0.1"), "app") != AttemptHeld {
		t.Fatal("not held")
	}
	for i := range 1000 {
		fail(f, c, ip(fmt.Sprintf("10.1.%d.%d", i/250, i%250)), "app", 1)
		if n, m := len(f.records), f.recent.Len(); n > 10+2 || n != m {
			t.Fatalf("%d records, %d in their order", n, m)
		}
	}
	f.End(held, Abandoned)
	if got := try(f, c, ip("10.0.0.1"), "app", Wrong); got == 0 {
		t.Error("a record in use was forgotten")
	}
}

func TestWithoutAPenaltyNothingIsKept(t *testing.T) {
	f, c := memory(10)
	fail(f, c, ip("10.0.0.1"), "app", 7)
	judged := busy(t, f, ip("10.0.0.1"), "app")
	held := &Attempt{}
	ready := false
	held.Ready = func() { ready = true }
	f.Begin(held, ip("10.0.0.1"), "app")
	f.Set(Penalty{})
	if !ready {
		t.Error("one is held after the penalty has gone")
	}
	f.End(held, Abandoned)
	for _, a := range judged {
		f.End(a, Abandoned)
	}
	for range 50 {
		if got := try(f, c, ip("10.0.0.2"), "app", Wrong); got != 0 {
			t.Fatalf("delayed by %v", got)
		}
	}
	if len(f.records) > 2 {
		t.Errorf("%d records", len(f.records))
	}
}

func TestTheLogHasALineForAnAddressAndNotForEachLogin(t *testing.T) {
	n := NewNotes(3)
	said := func(a string, e Event, now time.Duration) string {
		say, unsaid := n.Note(ip(a), e, now)
		return fmt.Sprint(say, " ", unsaid)
	}
	for i, tc := range []struct {
		addr string
		e    Event
		at   time.Duration
		want string
	}{
		{"10.0.0.1", Refused, 0, "true 0"}, {"10.0.0.1", Refused, time.Second, "false 0"}, {"10.0.0.1", TimedOut, time.Second, "true 0"},
		{"10.0.0.1", Refused, 59 * time.Second, "false 0"}, {"10.0.0.1", Refused, 60 * time.Second, "true 2"},
		{"10.0.0.1", Refused, 61 * time.Second, "false 0"}, {"10.0.0.1", Failed, 61 * time.Second, "true 0"},
		{"10.0.0.1", Failed, 61 * time.Second, "true 0"}, {"10.0.0.2", Refused, 62 * time.Second, "true 0"},
		{"10.0.0.3", Refused, 63 * time.Second, "true 0"}, {"10.0.0.4", Refused, 64 * time.Second, "false 0"}, // there is no note free
		{"10.0.0.4", Failed, 64 * time.Second, "true 0"}, {"10.0.0.4", Refused, 200 * time.Second, "true 0"},
	} {
		if got := said(tc.addr, tc.e, tc.at); got != tc.want {
			t.Errorf("%d: %s, want %s", i, got, tc.want)
		}
	}
	if len(n.Tallies()) != 3 || n.Total(Refused) != 9 || n.Total(Failed) != 3 {
		t.Errorf("%v, %d refused", n.Tallies(), n.Total(Refused))
	}
	garbled := 0
	for range 100 {
		if say, _ := n.Note(ip("10.0.0.4"), Garbled, 200*time.Second); say {
			garbled++
		}
	}
	if garbled != lines[Garbled] {
		t.Errorf("%d lines of garbage", garbled)
	}
}
