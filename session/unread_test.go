package session

import (
	"fmt"
	"strings"
	"testing"

	"pgweir/session/follow"
	"pgweir/session/proof"
	"pgweir/wire"
)

// objects is what is known of a database that has a function of which no text says
// which setting it sets, one that names it, and one that loads a library.
func objects() *proof.Knowledge {
	c := new(Catalog)
	r, _ := c.TakeDigest()
	c.Digested(r, "digest")
	c.Learn([]proof.Row{
		{Kind: 'g', Name: "work_mem"},
		{Kind: 'f', Name: "composes", Text: "begin perform set_config($1, 'x', false); end"},
		{Kind: 'f', Name: "names", Text: "begin perform set_config('my.x', 'x', false); end"},
	}, c.Generation())
	return c.Knowledge()
}

// TestWhatRanBeforeItsNamesWereKnownIsReadLater: only the texts themselves say
// what may have been left, unless they are not all there, or may have run others.
func TestWhatRanBeforeItsNamesWereKnownIsReadLater(t *testing.T) {
	k := objects()
	for text, want := range map[string]string{
		"select 1":                       "nothing",
		"select names()":                 "nothing",
		"select composes('my.y')":        "a name",
		"do $$ begin end $$":             "anything",
		"call something()":               "anything",
		"execute s":                      "anything",
		strings.Repeat("x", maxUnread-1): "nothing",
		strings.Repeat("x", maxUnread):   "anything",
	} {
		var e evidence
		e.keep([]byte("select 2"), true)
		e.begin()
		e.keep([]byte(text), true)
		all, ok := e.later(k, false)
		got := "nothing"
		if !ok {
			got = "anything"
		} else if all.Unknown {
			got = "a name"
		}
		if got != want {
			t.Errorf("%.40q may have left %s, want %s", text, got, want)
		}
	}
}

func TestATextThatIsNotThereMayHaveLeftAnything(t *testing.T) {
	k := objects()
	var e evidence
	e.keep([]byte("select 1"), false)
	if _, ok := e.later(k, false); ok {
		t.Error("a text that may be misread is trusted")
	}
	e.begin()
	half := []byte(strings.Repeat("x", maxUnread/2))
	e.keep(half, true)
	if e.lost {
		t.Error("the first one has no room")
	}
	if e.keep(half, true); !e.lost || len(e.unread) >= maxUnread {
		t.Errorf("%d bytes are kept", len(e.unread))
	}
}

// TestWhatRanUnderAnOlderGenerationIsReadAgain, as far as its texts are there.
func TestWhatRanUnderAnOlderGenerationIsReadAgain(t *testing.T) {
	k := objects()
	var shapes proof.Table
	ran := func(texts ...string) (e evidence) {
		for i, text := range texts {
			e.ran = append(e.ran, shapes.Add(wire.HashExactly(fmt.Append(nil, i, text)), []byte(text)))
		}
		return e
	}
	long := "select names() /* " + strings.Repeat("x", 200) + " */"
	for _, c := range []struct {
		e           evidence
		unknown, ok bool
	}{
		{ran("select 1", "select names()"), false, true},
		{ran("select 1", "select composes('x')"), true, true},
		{ran("select 1", long), false, false},
		{ran("select 1", "do 'begin end'"), false, false},
		{ran(strings.Split(strings.Repeat("select 1;", maxRan-1)+"select 1", ";")...), false, false},
		{ran(strings.Split(strings.Repeat("select 1;", maxRan-2)+"select 1", ";")...), false, true},
	} {
		all, ok := c.e.later(k, true)
		if all.Unknown != c.unknown && ok || ok != c.ok {
			t.Errorf("%d shapes, the last %.30q: unknown %v, sure %v; want %v, %v", len(c.e.ran), c.e.ran[len(c.e.ran)-1].Text(), all.Unknown, ok, c.unknown, c.ok)
		}
		if _, ok := c.e.later(k, false); !ok {
			t.Error("what ran under this generation is read again")
		}
	}
}

// washingRig is of a client whose statement ran before the objects were read, and
// whose backend is being cleaned for the next one.
func washingRig(t *testing.T) *rig {
	t.Helper()
	d := aDatabase()
	r := waitingRig(t, d, "answer")
	for topics(r.toServer) != "" {
		question := r.toServer
		r.toServer = ""
		r.server(d.answer(question))
	}
	mustEqual(t, "behind the answer, to the server", r.toServer, query("RESET ALL"))
	r.toServer = ""
	return r
}

// TestNoSettingStaysThatWasSetBeforeTheObjectsWereRead: what is read may be others
// by then, so that nobody can know the names of those that ran.
func TestNoSettingStaysThatWasSetBeforeTheObjectsWereRead(t *testing.T) {
	r := washingRig(t)
	r.client(query("select 2"))
	if r.toServer != "" || r.release {
		t.Errorf("the backend is told %s meanwhile, released: %v", show(r.toServer), r.release)
	}
	r.server(complete("RESET") + ready('I'))
	if got := r.flags(); got != "need release" {
		t.Errorf("behind that: %s", got)
	}
	r.lease()
	r.toServer = ""
	r.server(complete("SELECT 1") + ready('I'))
	if strings.Contains(r.toServer, "RESET") {
		t.Errorf("and again: %s", show(r.toServer))
	}
}

func TestWhatRESETALLLeaves(t *testing.T) {
	role, memory, path := wire.Param{Name: follow.NameRole, Value: "joe"}, wire.Param{Name: "work_mem", Value: "1"}, wire.Param{Name: "search_path", Value: "a"}
	base := follow.NewSettings([]wire.Param{path})
	for _, c := range []struct{ of, base, want *follow.Settings }{
		{nil, nil, nil},
		{follow.NewSettings([]wire.Param{memory}), nil, nil},
		{follow.NewSettings([]wire.Param{memory, role}), nil, follow.NewSettings([]wire.Param{role})},
		{follow.NewSettings([]wire.Param{memory, role}), base, follow.NewSettings([]wire.Param{path, role})},
		{follow.NewSettings([]wire.Param{memory}), base, base},
	} {
		if got := c.of.AfterReset(c.base); !got.Equal(c.want) {
			t.Errorf("%v over %v leaves %v, want %v", c.of.All(), c.base.All(), got.All(), c.want.All())
		}
	}
}

// TestABackendThatGoesWhileItIsCleanedTakesNobodyAlong: its client was told that
// all is done.
func TestABackendThatGoesWhileItIsCleanedTakesNobodyAlong(t *testing.T) {
	for _, says := range []string{"", fatal("57P01", "terminating connection due to administrator command")} {
		r := washingRig(t)
		r.flags()
		r.toClient = ""
		r.server(says)
		r.s.Lost(&r.o)
		r.took()
		if got := r.flags(); got != "drop" || r.toClient != "" {
			t.Errorf("the backend says %s and goes: %s, and the client reads %s", show(says), got, show(r.toClient))
		}
	}
}

// TestAnOlderGenerationIsNoReasonForAPin, as not having read the objects is.
func TestAnOlderGenerationIsNoReasonForAPin(t *testing.T) {
	for _, lost := range []bool{false, true} {
		r := catalogRig(t, aDatabase())
		c := r.s.config.Catalog
		r.client(query("select 1"))
		r.lease()
		e := &r.s.link.evidence
		e.lost = lost
		e.ran = append(e.ran[:0], r.s.config.Shared.Shapes.Add(1, []byte("select f(1) /* "+strings.Repeat("x", 200)+" */")))
		e.generation = c.Generation()
		c.Due()
		reading, _ := c.TakeDigest()
		c.Digested(reading, "2")
		c.Learn([]proof.Row{{Kind: 'g', Name: "work_mem"}, {Kind: 'f', Name: "composes", Text: "begin perform set_config($1, 'x', false); end"}}, c.Generation())
		if got := r.s.unread(); got != lost || !r.s.link.unsure {
			t.Errorf("with texts that are not there %v: a name may be unknown %v, unsure %v", lost, got, r.s.link.unsure)
		}
	}
}
