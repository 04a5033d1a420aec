package loop

import (
	"errors"
	"io"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestACopyLeavesTheOptionsOfItsSocketAlone, or every client would lose its keepalives by
// a TLS handshake.
func TestACopyLeavesTheOptionsOfItsSocketAlone(t *testing.T) {
	fd, peer := tcpPair(t)
	defer unix.Close(fd)
	k := KeepAlive{On: true, Idle: 7 * time.Second, Interval: 3 * time.Second, Count: 2, UserTimeout: 9 * time.Second}
	if err := k.Tune(fd); err != nil {
		t.Fatal(err)
	}
	options := func() (values [6]int) {
		for i, o := range inherited {
			var err error
			if values[i], err = unix.GetsockoptInt(fd, o.level, o.option); err != nil {
				t.Fatal(o.name, err)
			}
		}
		return values
	}
	before := options()
	conn, err := DupConn(fd)
	if err != nil {
		t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(patience))
	write(t, peer, []byte("question"))
	same(t, read(t, conn, 8), []byte("question"))
	write(t, conn, []byte("answer"))
	same(t, read(t, peer, 6), []byte("answer"))
	conn.SetReadDeadline(time.Now())
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a read beyond its deadline: %v", err)
	}
	conn.Close()
	if after := options(); after != before {
		t.Errorf("the options were %v, and are %v", before, after)
	}
	write(t, peer, []byte("more"))
	eventually(t, "the descriptor itself is open", func() bool { return sysReadable(fd) })
	peer.Close()
	if conn, err = DupConn(fd); err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if all, err := io.ReadAll(conn); string(all) != "more" || err != nil {
		t.Errorf("%q, %v", all, err)
	}
}
