package pipeline

import "testing"

// TestEachMessageOfPgweirsOwnHasAnErrorPolicy: no error is ignored. What pgweir
// sends of its own has small letters, but for the mark of a copy's end.
func TestEachMessageOfPgweirsOwnHasAnErrorPolicy(t *testing.T) {
	ours := 0
	for p := range Pending(255) {
		small := p >= 'a' && p <= 'z'
		if p.Ours() {
			ours++
			if p.OnError() == noPolicy || !small {
				t.Errorf("%c has policy %d", p, p.OnError())
			}
		} else if p.OnError() != Concerns || small && (p.EndsWithReady() || p.Changes()) {
			t.Errorf("%c is the client's, and has policy %d", p, p.OnError())
		}
	}
	if ours != 13 {
		t.Errorf("%d kinds are pgweir's own", ours)
	}
}
