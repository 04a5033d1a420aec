package loop

import (
	"testing"
	"time"
)

// TestABufferThatGrowsInSmallPiecesIsMovedSeldom: else a long queue of small
// messages costs the square of its length.
func TestABufferThatGrowsInSmallPiecesIsMovedSeldom(t *testing.T) {
	var f buffers
	var b []byte
	p := make([]byte, 8<<10)
	moves, most := 0, 0
	for range 4096 {
		before := cap(b)
		if b = f.add(b, p); cap(b) != before {
			moves++
		}
		most = max(most, cap(b)-2*len(b))
	}
	if len(b) != 32<<20 || moves > 16 || most > 256<<10 {
		t.Errorf("%d bytes after %d moves, with room for %d more than twice that", len(b), moves, most)
	}
}

// TestAPeerThatIsNeverDoneReadingKeepsNoMoreThanIsUnsent: what has been
// written makes room for what comes, though the buffer never becomes empty.
func TestAPeerThatIsNeverDoneReadingKeepsNoMoreThanIsUnsent(t *testing.T) {
	l := start(t, Options{})
	fd, peer := pair(t)
	c := attach(t, l, fd, &handler{})
	p := pattern(1 << 20)
	want := p
	on(t, l, func() {
		for c.Unsent() < 4*len(p) {
			c.Send(p)
			want = append(want, p...)
		}
	})
	want = want[len(p):]
	sent := len(want)
	for sent < 64<<20 {
		peer.SetDeadline(time.Now().Add(patience)) // all of it takes long with the race detector
		same(t, read(t, peer, len(p)), want[:len(p)])
		want = want[len(p):]
		on(t, l, func() {
			c.sent(tryWrite(c.fd, c.out[c.outOff:]))
			c.Send(p)
			want = append(want, p...)
			if c.Unsent() == 0 || cap(c.out) > 16<<20 {
				t.Errorf("%d bytes kept for %d unsent ones", cap(c.out), c.Unsent())
			}
		})
		sent += len(p)
		if t.Failed() {
			return
		}
	}
	same(t, read(t, peer, len(want)), want)
}
