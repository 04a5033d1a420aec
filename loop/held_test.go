package loop

import "testing"

// TestWhatAClosedConnectionHasKeptIsNobodyElses, though the next one is lent where it
// was noted.
func TestWhatAClosedConnectionHasKeptIsNobodyElses(t *testing.T) {
	l := start(t, Options{})
	keeps := &handler{received: func(*Conn, []byte) int { return 0 }}
	fd, peer := pair(t)
	first := attach(t, l, fd, keeps)
	write(t, peer, []byte("secret"))
	eventuallyOn(t, l, "it is kept", func() bool { return first.Kept() == 6 })
	on(t, l, func() {
		for !first.Congested() {
			first.Send(pattern(1 << 20))
			first.Flush()
		}
		first.Close()
	})
	fd, peer = pair(t)
	second := attach(t, l, fd, keeps)
	write(t, peer, []byte("x"))
	eventuallyOn(t, l, "it is kept", func() bool { return second.Kept() > 0 })
	on(t, l, func() {
		if string(second.in) != "x" || second.Unsent() != 0 {
			t.Errorf("it has kept %q, and is to send %d bytes", second.in, second.Unsent())
		}
		second.Send([]byte("answer"))
	})
	same(t, read(t, peer, 6), []byte("answer"))
}
