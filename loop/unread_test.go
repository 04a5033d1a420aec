package loop

import "testing"

// TestWhatIsPutBackComesFirst: ahead of what was kept, and of what comes.
func TestWhatIsPutBackComesFirst(t *testing.T) {
	l := start(t, Options{})
	fd, peer := pair(t)
	var got []byte
	consume := 5
	c := attach(t, l, fd, &handler{received: func(_ *Conn, p []byte) int {
		n := min(consume, len(p))
		got = append(got, p[:n]...)
		consume -= n
		return n
	}})
	if _, err := peer.Write([]byte("first and kept")); err != nil {
		t.Fatal(err)
	}
	eventuallyOn(t, l, "the rest is kept", func() bool { return c.Kept() == len(" and kept") })
	on(t, l, func() {
		same(t, got, []byte("first"))
		c.Unread(nil)
		c.Unread(got)
		got, consume = nil, 1<<20
		c.Again()
	})
	if _, err := peer.Write([]byte(" and later")); err != nil {
		t.Fatal(err)
	}
	want := []byte("first and kept and later")
	eventuallyOn(t, l, "all has come", func() bool { return len(got) == len(want) })
	same(t, got, want)
}
