package loop

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
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
	before := options(t, fd)
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
	if after := options(t, fd); after != before {
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

// TestDetachLeavesTheOptionsOfItsSocketAlone, or clients of the console would have Go's
// keepalives in place of the configuration's.
func TestDetachLeavesTheOptionsOfItsSocketAlone(t *testing.T) {
	l := start(t, Options{})
	fd, _ := tcpPair(t)
	if err := (KeepAlive{On: true, Idle: 7 * time.Second, Interval: 3 * time.Second, Count: 2}).Tune(fd); err != nil {
		t.Fatal(err)
	}
	before := options(t, fd)
	c := attach(t, l, fd, echo())
	var conn net.Conn
	on(t, l, func() {
		var err error
		if conn, err = c.Detach(); err != nil {
			t.Error(err)
		}
	})
	own(t, conn)
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		if after := options(t, int(fd)); after != before {
			t.Errorf("the options were %v, and are %v", before, after)
		}
	})
}

// options are those of a socket that PassOn passes on.
func options(t *testing.T, fd int) (values [6]int) {
	t.Helper()
	for i, o := range inherited {
		var err error
		if values[i], err = unix.GetsockoptInt(fd, o.level, o.option); err != nil {
			t.Fatal(o.name, err)
		}
	}
	return values
}
