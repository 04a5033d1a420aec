package pool

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"pgweir/wire"
)

var (
	searchA = param("search_path", "a")
	searchB = param("search_path", "b")
)

func TestEqualStartupParametersShareBackendsAndOthersDoNot(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, nil)
	a := h.lease(p, searchA, param("options", "-c x.y=1"))
	h.giveBack(a)
	// In another order, and with settings that are set for each client anyway.
	same := h.lease(p, param("options", "-c x.y=1"), param("timezone", "Asia/Tokyo"), searchA, param("application_name", "me"))
	if same != a {
		t.Error("equal parameters do not share")
	}
	for _, params := range [][]wire.Param{nil, {searchA}, {searchB, param("options", "-c x.y=1")}} {
		b := h.lease(p, params...)
		if b == a {
			t.Errorf("%v got a backend of other parameters", params)
		}
		starts := s.logins()
		start := starts[len(starts)-1]
		for _, q := range params {
			if got, _ := start.Get(q.Name); got != q.Value {
				t.Errorf("the backend for %v was opened with %q", params, got)
			}
		}
		if got, ok := start.Get("application_name"); ok {
			t.Errorf("application_name %q", got)
		}
	}
	if got, _ := s.logins()[0].Get("search_path"); got != "a" {
		t.Errorf("search_path %q", got)
	}
}

func TestAnIdleBackendOfOtherParametersMakesRoomWhenThePoolIsFull(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, func(s *Settings) { s.Size = 2 })
	first, second := h.lease(p, searchA), h.lease(p, searchA)
	h.giveBack(first)
	h.giveBack(second)
	b := h.lease(p, searchB)
	if _, ok := b.Host.(*side); !ok || b.variant == first.variant {
		t.Fatal("not of its own variant")
	}
	if got := h.lease(p, searchA); got != second {
		t.Error("not the one that was idle longest has made room")
	}
	if _, most := s.counts(); most > 2 {
		t.Errorf("%d processes at once", most)
	}
	if n := h.evicts.Load(); n != 1 {
		t.Errorf("%d were put out for one", n)
	}
}

func TestNoMoreBackendsMakeRoomThanAreNeeded(t *testing.T) {
	for name, full := range map[string]func(*Settings){
		"size": func(s *Settings) { s.Size = 3 },
		"cap":  func(s *Settings) { s.MaxDatabase = 3 },
	} {
		t.Run(name, func(t *testing.T) {
			h, s := newHost(t), serve(t)
			hold := make(chan struct{})
			s.holdEnd = hold
			p := h.pool(s, full)
			var lent []*Backend
			for range 3 {
				lent = append(lent, h.lease(p, searchA))
			}
			for _, b := range lent {
				h.giveBack(b)
			}
			var all []*taker
			for range 2 {
				k := h.taker(p, searchB)
				k.ask(p, nil)
				all = append(all, k)
			}
			for range 10 {
				p.Upkeep(1)
			}
			if n := h.evicts.Load(); n != 1 {
				t.Errorf("%d backends make room before the first is gone", n)
			}
			close(hold)
			for _, k := range all {
				k.wait()
			}
			if n := h.evicts.Load(); n != 2 {
				t.Errorf("%d backends have made room for two", n)
			}
		})
	}
}

func TestManyWhoNeedRoomGetItOneAfterTheOther(t *testing.T) {
	h, s := newHost(t), serve(t)
	s.late = 2 * time.Millisecond
	p := h.pool(s, func(s *Settings) { s.Size = 4 })
	var lent []*Backend
	for range 4 {
		lent = append(lent, h.lease(p, searchA))
	}
	for _, b := range lent {
		h.giveBack(b)
	}
	var all []*taker
	for range 4 {
		k := h.taker(p, searchB)
		k.ask(p, nil)
		all = append(all, k)
	}
	for _, k := range all {
		k.wait()
	}
	if _, most := s.counts(); most > 4 {
		t.Errorf("%d processes at once", most)
	}
}

func TestAReturnedBackendThatNobodyCanUseMakesRoomForTheFirst(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, func(s *Settings) { s.Size = 1 })
	a := h.lease(p, searchA)
	k := h.taker(p, searchB)
	k.ask(p, nil)
	h.giveBack(a)
	if b := k.wait(); b.variant == a.variant {
		t.Error("lent a backend of other parameters")
	}
}

func TestTheFirstMayBeOvertakenButNotForLong(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, func(s *Settings) { s.Size = 1 })
	a := h.lease(p, searchA)
	first := h.taker(p, searchB)
	first.ask(p, nil)
	behind, last := h.taker(p, searchA), h.taker(p, searchA)
	behind.ask(p, nil)
	last.ask(p, nil)
	h.giveBackAt(a, first.since+overtake/2)
	if behind.wait() != a {
		t.Fatal("the backend that fits was not handed on")
	}
	first.waits()
	h.giveBackAt(a, first.since+overtake+time.Millisecond)
	if b := first.wait(); b.variant == a.variant {
		t.Fatal("of other parameters")
	} else {
		last.waits()
		h.giveBack(b)
	}
	last.wait()
}

func TestFreshOpensABackendThoughOneIsIdle(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, nil)
	h.giveBack(h.lease(p))
	params := []wire.Param{param("DateStyle", "ISO"), param("application_name", "me")}
	k := h.taker(p, params...)
	k.ask(p, params)
	b := k.wait()
	start := s.logins()[1]
	if got, _ := start.Get("DateStyle"); got != "ISO" {
		t.Errorf("opened with %v", start.Params)
	}
	if b.Vars[wire.VarDateStyle] != "ISO, MDY" {
		t.Errorf("%v", b.Vars)
	}
	// The same again is known now, and the same backends serve.
	again := h.taker(p, params...)
	if again.Variant != k.Variant {
		t.Error("another variant")
	}
	again.ask(p, nil)
	h.giveBack(again.wait())
	if n := len(s.logins()); n != 2 {
		t.Errorf("%d logins", n)
	}
}

func TestFreshMakesRoomEvenAmongItsOwn(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, func(s *Settings) { s.Size = 1 })
	old := h.lease(p)
	h.giveBack(old)
	params := []wire.Param{param("TimeZone", "Asia/Tokyo")}
	k := h.taker(p, params...)
	k.ask(p, params)
	if b := k.wait(); b == old {
		t.Error("lent an old one")
	}
	if _, most := s.counts(); most != 1 {
		t.Errorf("%d processes at once", most)
	}
}

func TestTheServersAnswerIsLearnedOnce(t *testing.T) {
	h, s := newHost(t), serve(t)
	s.answers = func(*startup) []wire.Param { return []wire.Param{param("is_superuser", "on")} }
	p := h.pool(s, nil)
	welcome := func(params ...wire.Param) *Welcome {
		_, w := p.Variant(params)
		return w
	}
	if welcome() != nil {
		t.Fatal("known before anybody has asked")
	}
	h.giveBack(h.lease(p))
	base := welcome()
	if base == nil || base.Vars[wire.VarTimeZone] != "UTC" {
		t.Fatalf("%+v", base)
	}
	if last := base.Params[len(base.Params)-1]; last != param("is_superuser", "on") {
		t.Errorf("%v", base.Params)
	}

	named := welcome(param("application_name", "psql"))
	if named == nil || named.Vars[wire.VarApplicationName] != "psql" || named.Params[0] != param("application_name", "psql") {
		t.Fatalf("an application_name needs no asking: %+v", named)
	}
	if base.Vars[wire.VarApplicationName] != "" || base.Params[0].Value != "" {
		t.Error("the answer to others has changed")
	}
	for name, shown := range map[string]string{"b\xc3\xa4r": "b??r", "a\nb": "a?b", strings.Repeat("x", 64): strings.Repeat("x", 63)} {
		if w := welcome(param("application_name", name)); w == nil || w.Vars[wire.VarApplicationName] != shown {
			t.Errorf("an application_name that the server changes, %q, is answered %v", name, w)
		}
	}
	if w := welcome(param("TimeZone", "UTC")); w == nil || w.Vars[wire.VarTimeZone] != "UTC" {
		t.Error("the server has said UTC itself, so it knows it")
	}
	if w := welcome(param("TimeZone", "Asia/Tokyo")); w != nil {
		t.Errorf("nobody knows what the server says to this: %v", w.Vars)
	}

	params := []wire.Param{param("TimeZone", "Asia/Tokyo"), param("application_name", "one")}
	k := h.taker(p, params...)
	k.ask(p, params)
	h.giveBack(k.wait())
	w := welcome(param("TimeZone", "Asia/Tokyo"), param("application_name", "two"))
	if w == nil || w.Vars[wire.VarTimeZone] != "Asia/Tokyo" || w.Vars[wire.VarApplicationName] != "two" {
		t.Fatalf("%+v", w)
	}
	if w := welcome(param("TimeZone", "Asia/Tokyo"), param("client_encoding", "UTF8")); w == nil {
		t.Error("both values are the server's own words")
	}
	if w := welcome(searchA); w != nil {
		t.Error("other parameters may be answered in another way")
	}
}

func TestAServerThatSaysSomethingElseNowIsAskedAgain(t *testing.T) {
	h, s := newHost(t), serve(t)
	version := "15.1"
	s.answers = func(*startup) []wire.Param { return []wire.Param{param("is_superuser", version)} }
	p := h.pool(s, nil)
	h.giveBack(h.lease(p))
	params := []wire.Param{param("TimeZone", "Asia/Tokyo")}
	k := h.taker(p, params...)
	k.ask(p, params)
	b := k.wait()
	s.set(func(*server) { version = "15.2" })
	h.giveBack(h.lease(p)) // the idle one
	h.end(h.lease(p), false)
	eventually(t, "it is gone", func() bool { return p.Counts().Closing == 0 })
	h.giveBack(h.lease(p)) // a new one
	if _, w := p.Variant(nil); w == nil || w.Params[len(w.Params)-1].Value != "15.2" {
		t.Errorf("%+v", w)
	}
	if _, w := p.Variant(params); w != nil {
		t.Errorf("what the server said before is still taken for true: %v", w.Params)
	}
	h.giveBack(b)
}

func TestOthersWithTheSameQuestionAreServedByOneAnswer(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, func(s *Settings) { s.Size = 1 })
	params := []wire.Param{param("DateStyle", "German")}
	b := h.lease(p)
	var all []*taker
	for range 5 {
		k := h.taker(p, params...)
		k.ask(p, params)
		all = append(all, k)
	}
	h.giveBack(b)
	for _, k := range all {
		h.giveBack(k.wait())
	}
	if n := len(s.logins()); n != 2 {
		t.Errorf("%d logins", n)
	}
}

func TestVariantsThatNobodyUsesAreForgotten(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, nil)
	kept, _ := p.Variant([]wire.Param{searchB})
	for i := range 500 {
		v, _ := p.Variant([]wire.Param{param("x.y", strconv.Itoa(i))})
		p.Forget(v)
	}
	k := h.taker(p, searchA)
	k.ask(p, nil)
	b := k.wait()
	p.Forget(k.Variant)
	variants := func() int {
		p.Upkeep(1)
		p.mu.Lock()
		defer p.mu.Unlock()
		return len(p.variants)
	}
	if n := variants(); n != 2 {
		t.Errorf("%d variants", n)
	}
	h.giveBack(b)
	if n := variants(); n != 2 {
		t.Errorf("%d variants, though one has an idle backend", n)
	}
	again := h.taker(p, searchA)
	again.ask(p, nil)
	if again.wait() != b {
		t.Error("the idle backend is out of sight")
	}
	p.Forget(again.Variant)
	h.end(b, false)
	eventually(t, "its variant is forgotten", func() bool { return variants() == 1 })
	p.Forget(kept)
	if n := variants(); n != 0 {
		t.Errorf("%d variants in the end", n)
	}
}

func TestAVariantIsNotForgottenWhileABackendOfItIsBeingOpened(t *testing.T) {
	h, s := newHost(t), serve(t)
	hold := make(chan struct{})
	s.hold = hold
	p := h.pool(s, nil)
	k := h.taker(p, searchA)
	k.ask(p, nil)
	s.startsAre(1)
	if !p.Leave(&k.Waiter) {
		t.Fatal("not in the line")
	}
	p.Forget(k.Variant)
	p.Upkeep(1)
	close(hold)
	eventually(t, "the backend is idle", func() bool { return p.Counts().Idle == 1 })
	p.Upkeep(1)
	b := h.lease(p, searchA)
	if b.variant != k.Variant {
		t.Error("the backend is out of sight")
	}
	h.giveBack(b)
}

func TestWhatIsRememberedIsBounded(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, nil)
	h.giveBack(h.lease(p))
	v, _ := p.Variant(nil)
	p.mu.Lock()
	base := v.welcomes[wishKey(wire.Vars{})]
	for i := range 3 * maxWelcomes {
		v.keep(string(rune(i)), base)
		if len(v.welcomes) > maxWelcomes {
			t.Fatalf("%d answers are kept", len(v.welcomes))
		}
	}
	p.mu.Unlock()
}

func TestWhatTheServerSaysOutlivesClientsAndBackends(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, nil)
	k := h.taker(p, searchA)
	k.ask(p, []wire.Param{searchA})
	h.end(k.wait(), false)
	p.Forget(k.Variant)
	eventually(t, "the variant is forgotten", func() bool {
		p.Upkeep(1)
		p.mu.Lock()
		defer p.mu.Unlock()
		return len(p.variants) == 0
	})
	if _, w := p.Variant([]wire.Param{searchA}); w == nil {
		t.Error("the server would be asked again")
	}
	p.mu.Lock()
	for i := range 3 * maxAnswers {
		p.remember(&Variant{key: strconv.Itoa(i)})
		if len(p.answers) > maxAnswers {
			t.Fatalf("%d answers are kept", len(p.answers))
		}
	}
	p.mu.Unlock()
}

func TestTheServersNewWordsTakeThePlaceOfAllOldOnes(t *testing.T) {
	h, s := newHost(t), serve(t)
	zone := "UTC"
	s.answers = func(*startup) []wire.Param { return []wire.Param{param("TimeZone", zone)} }
	p := h.pool(s, nil)
	h.giveBack(h.lease(p))
	k := h.taker(p, searchA)
	k.ask(p, []wire.Param{searchA})
	h.end(k.wait(), false)
	h.end(h.lease(p), false)
	s.set(func(*server) { zone = "Asia/Tokyo" }) // ALTER ROLE ... SET TimeZone
	h.giveBack(h.lease(p))
	if _, w := p.Variant([]wire.Param{searchA}); w != nil {
		t.Errorf("what the server said before is still taken for true: %v", w.Vars)
	}
}
