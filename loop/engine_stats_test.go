package loop

import "testing"

func TestALoopTellsWhatItsEngineHolds(t *testing.T) {
	l := start(t, Options{})
	var held EngineStats
	on(t, l, func() { held = l.EngineStats() })
	if held.Engine != testedEngine {
		t.Errorf("%v", held.Engine)
	}
	buffers := held.Buffers > 0 && held.BufferSize > 0 && held.BuffersFree == held.Buffers
	if buffers != (testedEngine == IOUring) || held.Shortages != 0 || held.LateBytes != 0 {
		t.Errorf("%+v", held)
	}
}

func TestALoopThatIsDiscardedTakesPosts(t *testing.T) {
	l, err := New(Options{Engine: testedEngine})
	if err != nil {
		t.Fatal(err)
	}
	l.Discard()
	l.Post(func() { t.Error("it runs") })
}
