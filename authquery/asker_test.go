package authquery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestAnAnswerServesForItsTTL(t *testing.T) {
	b := newBench(t)
	b.server.secrets["ann"] = "one"
	b.is(t, "ann", "one")
	b.server.set(func(s *fakeServer) { s.secrets["ann"] = "two" })
	b.pass(t, limits.TTL-1)
	b.is(t, "ann", "one")
	b.questionsAre(t, 1)
	b.pass(t, 1)
	b.is(t, "ann", "two")
	b.questionsAre(t, 2)
	if b.server.opened != 1 {
		t.Errorf("%d connections", b.server.opened)
	}
}

// TestThatThereIsNoSuchUserIsBelievedForAsLong: another time would tell who is there.
func TestThatThereIsNoSuchUserIsBelievedForAsLong(t *testing.T) {
	b := newBench(t)
	b.is(t, "bob", "")
	b.pass(t, limits.TTL-1)
	b.is(t, "bob", "")
	b.questionsAre(t, 1)
	b.server.set(func(s *fakeServer) { s.secrets["bob"] = "x" })
	b.pass(t, 1)
	b.is(t, "bob", "x")
}

func TestWithoutATTLEveryLoginAsks(t *testing.T) {
	b := newBench(t)
	limits = Limits{}
	defer func() { limits = Limits{TTL: 30 * time.Second, Stale: 5 * time.Minute} }()
	for range 3 {
		b.is(t, "ann", "")
	}
	b.questionsAre(t, 3)
}

func TestManyWhoWantOneUserAskOnce(t *testing.T) {
	b := newBench(t)
	hold := make(chan struct{})
	b.server.hold, b.server.secrets["ann"] = hold, "one"
	var all []<-chan told
	for range 100 {
		all = append(all, b.begin("ann"))
	}
	close(hold)
	for _, c := range all {
		if got := <-c; got.err != nil || got.answer.User == nil {
			t.Fatal(got.err)
		}
	}
	b.questionsAre(t, 1)
}

func TestThereIsABoundOnConnections(t *testing.T) {
	b := newBench(t)
	for i := range 2 * maxLines {
		s := source
		s.Database = fmt.Sprint("d", i)
		done := make(chan error, 1)
		if _, wait, _ := b.Ask(Question{Source: s, Name: "ann", Limits: limits}, func(_ Answer, err error) { done <- err }); wait == nil {
			t.Fatal("not asked")
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if n := b.server.connections(); n > maxLines {
			t.Fatalf("%d connections", n)
		}
	}
	if n := len(b.Stats().Sources); n != maxLines {
		t.Errorf("%d sources", n)
	}
}

func TestOnlySoManyUsersAreKeptAndUnknownNamesPushOutNone(t *testing.T) {
	b := newBench(t)
	b.cache.users, b.cache.others = newShelf(3), newShelf(2)
	for _, name := range []string{"a", "b", "c", "d"} {
		b.server.set(func(s *fakeServer) { s.secrets[name] = name })
	}
	for _, name := range []string{"a", "b", "c", "a", "x1", "x2", "x3", "x4", "d"} {
		b.is(t, name, b.server.secrets[name])
	}
	b.questionsAre(t, 8)
	for _, name := range []string{"a", "c", "d", "x3", "x4"} { // b was used least recently
		b.is(t, name, b.server.secrets[name])
	}
	b.questionsAre(t, 8)
	b.is(t, "b", "b")
	b.questionsAre(t, 9)
	if c := b.Stats().Cached; c.Plain != 3 || c.Unknown != 2 {
		t.Errorf("%+v", c)
	}
}

func TestAWrongPasswordHasTheNextLoginAskAnewOnceASecond(t *testing.T) {
	for _, name := range []string{"ann", "nobody"} { // both alike
		b := newBench(t)
		b.server.secrets["ann"] = "old"
		a, _ := b.ask(t, name)
		b.server.set(func(s *fakeServer) { s.secrets[name] = "new" })
		b.Doubt(a, name)
		b.Doubt(a, name)
		b.is(t, name, "new")
		b.questionsAre(t, 2)
		for range 50 { // somebody who tries passwords
			a, _ := b.ask(t, name)
			b.Doubt(a, name)
		}
		b.questionsAre(t, 2)
		b.pass(t, restTime)
		for range 50 {
			a, _ := b.ask(t, name)
			b.Doubt(a, name)
		}
		b.questionsAre(t, 3)
	}
}

func TestADoubtOfAnOlderAnswerIsNone(t *testing.T) {
	b := newBench(t)
	b.server.secrets["ann"] = "old"
	a := b.is(t, "ann", "old")
	b.pass(t, limits.TTL)
	if again := b.is(t, "ann", "old"); again.Serial <= a.Serial {
		t.Errorf("serial %d after %d", again.Serial, a.Serial)
	}
	b.Doubt(a, "ann")
	b.is(t, "ann", "old")
	b.questionsAre(t, 2)
}

func TestAReloadHasAllAskedAnew(t *testing.T) {
	b := newBench(t)
	b.server.secrets["ann"] = "old"
	b.is(t, "ann", "old")
	b.server.set(func(s *fakeServer) { s.secrets["ann"] = "new" })
	b.Expire()
	b.is(t, "ann", "new")
}

func TestWhileTheServerIsAwayOldAnswersServeForAWhile(t *testing.T) {
	b := newBench(t)
	b.server.secrets["ann"] = "one"
	began := b.is(t, "ann", "one")
	b.is(t, "nobody", "")
	b.server.set(func(s *fakeServer) { s.away = errAway })
	b.pass(t, limits.TTL)
	if a := b.is(t, "ann", "one"); a.Serial != began.Serial {
		t.Error("another answer")
	}
	b.is(t, "nobody", "") // no other than a known one
	b.fails(t, "bob", errAway)
	b.Doubt(began, "ann")
	b.pass(t, restTime)
	b.is(t, "ann", "one")
	b.pass(t, limits.Stale-limits.TTL-2*restTime)
	b.is(t, "ann", "one")
	b.pass(t, restTime)
	b.fails(t, "ann", errAway)
	b.fails(t, "nobody", errAway)
	b.server.set(func(s *fakeServer) { s.away, s.secrets["ann"] = nil, "two" })
	b.pass(t, openPauseMax)
	b.is(t, "ann", "two")
	if got := b.said(); !slices.Equal(got, []string{"failing: it is away", "works"}) {
		t.Errorf("%q", got)
	}
	if c := b.Stats().Counts; c.Stale != 4 || c.Failures == 0 {
		t.Errorf("%+v", c)
	}
}

func TestNobodyWithAnAnswerWaitsForAServerThatIsAway(t *testing.T) {
	b := newBench(t)
	b.server.secrets["ann"] = "one"
	b.is(t, "ann", "one")
	b.server.set(func(s *fakeServer) { s.away = errAway })
	b.fails(t, "bob", errAway)
	b.pass(t, limits.TTL)
	gone := make(chan struct{})
	defer close(gone)
	b.server.set(func(s *fakeServer) { s.gone = gone })
	a, wait, err := b.Ask(Question{Source: source, Name: "ann", Limits: limits}, nil)
	if wait != nil || err != nil || a.User == nil {
		t.Errorf("%v, %v", wait, err)
	}
}

func TestAServerThatIsAwayIsNotTriedForEachLogin(t *testing.T) {
	b := newBench(t)
	tries := 0
	b.Asker.open = opener(func(context.Context, Source, string) (conn, error) { tries++; return nil, errAway })
	for i := range 20 {
		b.fails(t, fmt.Sprint("u", i), errAway)
		b.fails(t, "u", errAway)
	}
	if tries != 1 {
		t.Errorf("%d tries", tries)
	}
	b.pass(t, restTime)
	b.fails(t, "u", errAway)
	if tries != 2 {
		t.Errorf("%d tries", tries)
	}
}

func TestAQuestionThatFailsConcernsNobodyElse(t *testing.T) {
	b := newBench(t)
	odd := errors.New("no such user")
	b.server.secrets["ann"], b.server.wrong["odd"] = "one", odd
	b.fails(t, "odd", odd)
	b.is(t, "ann", "one")
	b.fails(t, "odd", odd)
	b.questionsAre(t, 2) // once a second
	b.pass(t, restTime)
	b.fails(t, "odd", odd)
	b.questionsAre(t, 3)
	b.is(t, "eve", "")
	if got := b.said(); !slices.Equal(got, []string{"failing: no such user", "works"}) {
		t.Errorf("more words than two within seconds: %q", got)
	}
}

func TestAConnectionThatHasDiedIsOpenedAnew(t *testing.T) {
	b := newBench(t)
	b.is(t, "a", "")
	b.server.set(func(s *fakeServer) { s.away = errAway })
	b.fails(t, "b", errAway)
	b.server.set(func(s *fakeServer) { s.away = nil })
	b.pass(t, restTime)
	b.is(t, "c", "")
	if n := b.server.connections(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

func TestAnIdleConnectionIsClosed(t *testing.T) {
	b := newBench(t)
	b.linger = time.Millisecond
	for range 3 {
		b.Expire()
		b.is(t, "ann", "")
		eventually(t, "it is closed", func() bool { return b.server.connections() == 0 })
	}
	b.linger = time.Hour
	b.Expire()
	b.is(t, "ann", "")
	b.Vacate("s:1", []string{"other"})
	b.Vacate("s:2", []string{"d"})
	if n := b.server.connections(); n != 1 {
		t.Errorf("%d connections", n)
	}
	b.Vacate("s:1", []string{"d"})
	eventually(t, "it has left the database", func() bool { return b.server.connections() == 0 })
}

func TestAfterCloseNothingIsAsked(t *testing.T) {
	b := newBench(t)
	b.is(t, "ann", "")
	b.Close()
	b.fails(t, "bob", errClosed)
}

func TestWhatCannotBeASecretIsAnUnknownUsers(t *testing.T) {
	b := newBench(t)
	b.server.secrets["odd"] = "SCRAM-SHA-256$nonsense"
	b.is(t, "odd", "")
}

func TestFiguresHaveNoSecret(t *testing.T) {
	b := newBench(t)
	b.server.secrets["ann"] = "hidden"
	b.server.secrets["bob"] = "md50123456789abcdef0123456789abcdef"
	b.is(t, "ann", "hidden")
	b.is(t, "bob", "")
	b.is(t, "eve", "")
	b.pass(t, time.Second)
	b.is(t, "ann", "hidden")
	s := b.Stats()
	if c := s.Cached; c.Plain != 1 || c.MD5 != 1 || c.Unknown != 1 || c.SCRAM != 0 || c.Oldest != time.Second {
		t.Errorf("%+v", c)
	}
	if s.Counts != (Counts{Questions: 3, Hits: 1}) || s.Sources[0].Counts != s.Counts || !s.Sources[0].Connected {
		t.Errorf("%+v", s)
	}
	for _, secret := range []string{"hidden", "0123456789abcdef"} {
		if text := fmt.Sprintf("%+v", s); strings.Contains(text, secret) {
			t.Errorf("%s is in %s", secret, text)
		}
	}
}
