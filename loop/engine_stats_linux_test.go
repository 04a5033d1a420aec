package loop

import (
	"syscall"
	"testing"
)

func TestDiscardLeavesNoDescriptor(t *testing.T) {
	pair(t) // so that the runtime's own poller is there already
	before := descriptors(t)
	l, err := New(Options{Engine: testedEngine})
	if err != nil {
		t.Fatal(err)
	}
	if descriptors(t) == before {
		t.Error("a loop holds no descriptor")
	}
	l.Discard()
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors before, %d afterwards", before, after)
	}
}

func TestLateBytesAreCountedUntilTheyAreTaken(t *testing.T) {
	l := ringLoop(t, Options{})
	if l == nil {
		return
	}
	fd, peer := pair(t)
	k := collect()
	c := attach(t, l, fd, k)
	eventuallyOn(t, l, "the kernel receives for it", func() bool { return c.is(reading) })
	on(t, l, func() {
		write(t, peer, pattern(10_000))
		l.engine.(*ring).submit() // brings it
		c.Pause()
	})
	eventuallyOn(t, l, "they are late", func() bool { return l.EngineStats().LateBytes == 10_000 })
	on(t, l, c.Resume)
	eventually(t, "all has come", func() bool { return k.n.Load() == 10_000 })
	on(t, l, func() {
		if n := l.EngineStats().LateBytes; n != 0 {
			t.Errorf("%d bytes are late still", n)
		}
	})
}

func TestALoopWhoseRingHasFailedHoldsNoBuffers(t *testing.T) {
	l := ringLoop(t, Options{})
	if l == nil {
		return
	}
	breakRing(t, l, syscall.EFAULT)
	on(t, l, func() {
		if held := l.EngineStats(); held != (EngineStats{Engine: Readiness}) {
			t.Errorf("%+v", held)
		}
	})
}
