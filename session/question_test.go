package session

import (
	"strings"
	"testing"

	"pgweir/wire"
)

func TestWhatIsAskedAfterWhichHints(t *testing.T) {
	for _, c := range []struct {
		hints wire.Hints
		pins  Reason
		set   bool // the client has settings
		want  Reason
	}{
		{0, 0, false, 0},
		{wire.HintDo, 0, false, partsAll},
		{wire.HintCall, 0, false, partsAll},
		{wire.HintSet, 0, false, partSettings},
		{wire.HintSetConfig, 0, false, partSettings},
		{wire.HintAdvisoryLock | wire.HintTemp, 0, false, ReasonLock | ReasonTemp},
		{wire.HintHold, 0, false, ReasonCursor},
		{wire.HintPrepare, 0, false, ReasonPrepared},
		{wire.HintListen, 0, false, ReasonChannels},
		{wire.HintReset, 0, false, 0},
		{wire.HintReset, 0, true, partSettings},
		{wire.HintDiscard, 0, true, partSettings},
		{wire.HintAdvisoryUnlock | wire.HintDrop | wire.HintClose | wire.HintDeallocate | wire.HintUnlisten, 0, true, 0},
		{wire.HintExecute | wire.HintShowsPrepared | wire.HintNotify | wire.HintDDL, 0, true, 0},
		{wire.HintDrop, ReasonLock, false, 0},
	} {
		r := newRig(t, &transactionMode)
		r.s.pins = c.pins
		if c.set {
			r.s.settings = NewSettings([]wire.Param{{Name: "a", Value: "b"}})
		}
		if got := r.s.parts(c.hints); got != c.want {
			t.Errorf("after %b, with pins %q: %b, want %b", c.hints, c.pins, got, c.want)
		}
	}
	// What may end a pin asks for what there is, at least.
	for hint, reason := range map[wire.Hints]Reason{
		wire.HintAdvisoryUnlock: ReasonLock, wire.HintDrop: ReasonTemp, wire.HintClose: ReasonCursor,
		wire.HintDeallocate: ReasonPrepared, wire.HintUnlisten: ReasonChannels, wire.HintDiscard: ReasonTemp,
	} {
		r := newRig(t, &transactionMode)
		r.s.pins = reason | ReasonLibrary
		if got := r.s.parts(hint); got&reason == 0 {
			t.Errorf("after %b, with pins %q: %b, which lacks it", hint, r.s.pins, got)
		}
	}
}

func TestRowsOfAnAnswer(t *testing.T) {
	var a asking
	null := message('D', "\x00\x03\x00\x00\x00\x01s\x00\x00\x00\x01x\xff\xff\xff\xff")
	for _, m := range []string{
		setting("work_mem", "1024"), setting("my.x", ""), null, who("joe", "ann"),
		left("l"), left("t"), left("h"), left("p"), left("c", "a"), left("c", "b"),
		row("n", "leaky", ""), row("f", "locks", "select pg_advisory_lock(1)"), row("f", "harmless", "select 1"),
	} {
		all, _ := frames(m)
		for _, m := range all {
			a.row([]byte(m[wire.HeaderLen:]))
		}
	}
	want := []wire.Param{{Name: "work_mem", Value: "1024"}, {Name: "my.x", Value: ""}, {Name: "role", Value: "joe"}, {Name: "session_authorization", Value: "ann"}}
	if !NewSettings(a.settings).equal(NewSettings(want)) {
		t.Errorf("the settings are %v", a.settings)
	}
	if a.found != ReasonLock|ReasonTemp|ReasonCursor|ReasonPrepared|ReasonChannels {
		t.Errorf("found: %v", a.found)
	}
	if strings.Join(a.channels, " ") != "a b" || strings.Join(a.suspects, " ") != "leaky" {
		t.Errorf("channels %q, suspects %q", a.channels, a.suspects)
	}
	if len(a.learned) != 1 || a.learned[0].Name != "locks" || a.learned[0].Hints&wire.HintAdvisoryLock == 0 {
		t.Errorf("learned %v", a.learned)
	}
}

// TestMalformedRowsSayNothing: rows that no question of ours is answered with.
func TestMalformedRowsSayNothing(t *testing.T) {
	whole := setting("work_mem", "1024")[wire.HeaderLen:]
	var bodies []string
	for n := range len(whole) {
		bodies = append(bodies, whole[:n])
	}
	bodies = append(bodies,
		"\x00\x03\x7f\xff\xff\xffs", "\x00\x03\x80\x00\x00\x00\x80\x00\x00\x00\x80\x00\x00\x00",
		row("", "", "")[wire.HeaderLen:], row("lt", "", "")[wire.HeaderLen:], row("?", "a", "b")[wire.HeaderLen:], row("l")[wire.HeaderLen:])
	for _, body := range bodies {
		var a asking
		a.row([]byte(body))
		if a.found != 0 || a.settings != nil || a.channels != nil {
			t.Errorf("%q says something: %+v", body, a)
		}
	}
}

// TestLongRowsOfAnAnswer come in parts, and are held only so far.
func TestLongRowsOfAnAnswer(t *testing.T) {
	r := newRig(t, &transactionMode)
	value := strings.Repeat("v", 3*maxDecoded)
	r.client(query("set my.x = 'v'"))
	r.lease()
	r.server(complete("SET") + ready('I'))
	answer := says(nobodyElse(), setting("my.x", value))
	for len(answer) > 0 {
		n := min(len(answer), 50_000)
		r.server(answer[:n])
		answer = answer[n:]
		if len(r.fromServer) > maxDecoded {
			t.Fatalf("%d bytes are held back", len(r.fromServer))
		}
	}
	if got, _ := r.s.Settings().get("my.x"); got != value {
		t.Errorf("the setting has %d bytes, want %d", len(got), len(value))
	}
	if r.flags() != "need release" {
		t.Error("the backend is not released")
	}

	a := &asking{}
	a.part(make([]byte, 100), maxRow)
	if !a.failed || a.long != nil {
		t.Error("a row of any length is kept")
	}
}

func TestReasonsHaveNames(t *testing.T) {
	if got := (ReasonLock | ReasonChannels | ReasonUnknown).String(); got != "advisory lock, channels, unknown" {
		t.Errorf("%q", got)
	}
	for i, name := range ReasonNames {
		if name == "" {
			t.Errorf("reason %d has no name", i)
		}
	}
	if Reason(0).Names() != nil {
		t.Error("no reason has a name")
	}
}

func TestNamesOfThePoolsAreReplaced(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", ""},
		{"p_1", "s"},
		{`"p_1" p_1. p_12 p_1a p_1A p_1_ p_1é`, `"s" s. p_12 p_1a sA s_ sé`},
		{"xp_1", "xs"},
		{"p_1p_1", "p_1s"},
	} {
		if got := string(replaceName([]byte(c.text), "p_1", "s")); got != c.want {
			t.Errorf("%q becomes %q, want %q", c.text, got, c.want)
		}
	}
	// A name that looks like another is not replaced twice.
	if got := string(replaceName([]byte("p_1 p_1"), "p_1", "p_1")); got != "p_1 p_1" {
		t.Errorf("%q", got)
	}
}
