package pool

import (
	"testing"
	"time"

	"pgweir/wire"
)

// TestWhatIsLearnedEndsThePauseForARefusal: of before, and only if it is new.
func TestWhatIsLearnedEndsThePauseForARefusal(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, nil)
	refuse := func(kind trouble) {
		p.mu.Lock()
		p.hosts.all[0].failure = failure{err: wire.Fatalf(wire.CodeInvalidPassword, "no"), kind: kind, until: time.Hour}
		p.mu.Unlock()
	}
	refused := func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.hosts.all[0].failure.err != nil
	}
	refuse(troubleLasts)
	if p.Learn(Learned{Password: "a"}); refused() {
		t.Error("it is not tried with the new password")
	}
	refuse(troubleLasts)
	if p.Learn(Learned{Password: "a"}); !refused() {
		t.Error("it is tried again with the old one")
	}
	refuse(troublePasses)
	if p.Learn(Learned{Password: "b"}); !refused() {
		t.Error("a password makes no room")
	}
}
