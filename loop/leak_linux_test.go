package loop

import (
	"crypto/tls"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func TestStopLeavesNoDescriptorAndNoGoroutine(t *testing.T) {
	pair(t) // so that the runtime's own poller is there already
	before := descriptors(t)
	ignore := goleak.IgnoreCurrent()
	t.Run("everything", func(t *testing.T) {
		a, b := start(t, Options{}), start(t, Options{})
		for _, kind := range pairs {
			fd, peer := kind.make(t)
			c := attach(t, a, fd, echo())
			write(t, peer, pattern(1000))
			same(t, read(t, peer, 1000), pattern(1000))
			on(t, a, c.Park)
			claim(t, b, c)
		}
		c, peer := secured(t, a, false, tls.VersionTLS13, echo(), nil)
		write(t, peer, []byte("x"))
		read(t, peer, 1)
		c2, _ := secured(t, a, true, tls.VersionTLS13, echo(), nil)
		on(t, a, func() {
			c.Close()
			conn, err := c2.Detach()
			if err != nil {
				t.Error(err)
				return
			}
			conn.Close()
		})
		fd, at := listen(t, "tcp", "127.0.0.1:0")
		on(t, a, func() {
			ln, err := a.Listen(fd, nil, nil)
			if err != nil {
				t.Error(err)
				return
			}
			ln.Close()
		})
		refusesAll(t, at)
	})
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors before, %d afterwards", before, after)
	}
	if err := goleak.Find(ignore); err != nil {
		t.Error(err)
	}
}

func TestGiveUpAfterBindsTCPAndLeavesUnixSocketsAlone(t *testing.T) {
	l := start(t, Options{})
	for _, kind := range pairs {
		fd, _ := kind.make(t)
		attach(t, l, fd, echo())
		GiveUpAfter(fd, 3*time.Second)
		ms, err := unix.GetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT)
		if kind.name == "tcp" && (err != nil || ms != 3000) {
			t.Errorf("TCP_USER_TIMEOUT is %d ms, %v", ms, err)
		}
	}
}
