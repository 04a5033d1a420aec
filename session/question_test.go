package session

import (
	"strings"
	"testing"

	"pgweir/session/follow"
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
			r.s.settings = follow.NewSettings([]wire.Param{{Name: "a", Value: "b"}})
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
	if got, _ := r.s.Settings().Get("my.x"); got != value {
		t.Errorf("the setting has %d bytes, want %d", len(got), len(value))
	}
	if r.flags() != "need release" {
		t.Error("the backend is not released")
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
