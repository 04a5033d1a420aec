package session

import (
	"testing"

	"pgweir/wire"
)

// TestEachReasonHasOneKind: what may pin is one row's, but for the reason that is
// about the question itself. A row has what its hints call for.
func TestEachReasonHasOneKind(t *testing.T) {
	var reasons Reason
	for i := range kinds {
		k := &kinds[i]
		if k.reason&reasons != 0 {
			t.Errorf("row %d has a reason of a row before it", i)
		}
		reasons |= k.reason
		if (k.noted == 0) != (k.note == nil) || (k.ready == 0) != (k.ahead == nil) {
			t.Errorf("row %d has hints without a function, or a function without hints", i)
		}
		if k.reason == 0 && k.makes|k.ends|k.blind != 0 {
			t.Errorf("row %d has hints and no reason", i)
		}
	}
	if all := ReasonUnknown - 1; reasons != all {
		t.Errorf("the kinds have the reasons %v, want %v", reasons, all)
	}
}

// TestHintsLeadToQuestions: the hints of each kind lead to the part of a question
// that finds it.
func TestHintsLeadToQuestions(t *testing.T) {
	for _, c := range []struct {
		hints wire.Hints
		want  Reason
	}{
		{0, 0},
		{wire.HintSet, partSettings},
		{wire.HintSetConfig | wire.HintAdvisoryLock, partSettings | ReasonLock},
		{wire.HintTemp, ReasonTemp},
		{wire.HintHold, ReasonCursor},
		{wire.HintPrepare, ReasonPrepared},
		{wire.HintDeallocate, 0},
		{wire.HintDeallocate | wire.HintFunction, ReasonPrepared},
		{wire.HintListen, ReasonChannels},
		{wire.HintUnlisten, 0},
		{wire.HintReset, 0}, // nothing is set
		{wire.HintSequence, 0},
		{wire.HintDo, partsAll},
		{wire.HintCall, partsAll},
	} {
		r := newRig(t, &transactionMode)
		if got := r.s.parts(c.hints); got != c.want {
			t.Errorf("hints %x lead to %v, want %v", c.hints, got, c.want)
		}
	}
}
