package loop

import (
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestKeepAliveIsReadBackFromTheSocket(t *testing.T) {
	type options struct{ on, idle, interval, count, userTimeout int }
	read := func(fd int) options {
		get := func(level, option int) int {
			n, err := unix.GetsockoptInt(fd, level, option)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		return options{get(unix.SOL_SOCKET, unix.SO_KEEPALIVE), get(unix.IPPROTO_TCP, unix.TCP_KEEPIDLE), get(unix.IPPROTO_TCP, unix.TCP_KEEPINTVL),
			get(unix.IPPROTO_TCP, unix.TCP_KEEPCNT), get(unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT)}
	}
	fd, _ := tcpPair(t)
	defer unix.Close(fd)
	untouched := read(fd)
	system := untouched
	system.on = 1
	for _, c := range []struct {
		name string
		set  KeepAlive
		want options
	}{
		{"off", KeepAlive{Idle: time.Minute, Interval: time.Second, Count: 3}, untouched},
		{"as the system does", KeepAlive{On: true}, system},
		{"all", KeepAlive{true, time.Minute, 15 * time.Second, 4, 30 * time.Second}, options{1, 60, 15, 4, 30000}},
		{"rounded up", KeepAlive{true, 1500 * time.Millisecond, time.Millisecond, 1, time.Microsecond}, options{1, 2, 1, 1, 1}},
	} {
		if err := c.set.Set(fd); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if got := read(fd); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
	if err := (KeepAlive{On: true, Count: 1 << 20}).Set(fd); err == nil {
		t.Error("a count that the system refuses is no error")
	}
}

func TestPatienceIsKnownWhereTheSystemHasNoSay(t *testing.T) {
	k := KeepAlive{On: true, Idle: time.Minute, Interval: 15 * time.Second, Count: 4}
	if got := k.Patience(); got != 2*time.Minute {
		t.Error(got)
	}
	for _, system := range []KeepAlive{{}, {On: true}, {On: true, Idle: 1, Interval: 1}, {On: true, Idle: 1, Count: 1}, {On: true, Interval: 1, Count: 1}, {Idle: 1, Interval: 1, Count: 1}} {
		if got := system.Patience(); got != 0 {
			t.Errorf("%+v: %v", system, got)
		}
	}
}

// deafen has the peer's kernel drop whatever comes, as if its host had gone.
func deafen(t *testing.T, peer net.Conn) {
	t.Helper()
	raw, err := peer.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	drop := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K}}
	if cerr := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &drop[0]})
	}); cerr != nil || err != nil {
		t.Fatal(cerr, err)
	}
}

func TestUnacknowledgedTellsAPeerThatHasGoneFromOneThatDoesNotRead(t *testing.T) {
	fd, _ := tcpPair(t)
	defer unix.Close(fd)
	full := false
	eventually(t, "the peer has room for nothing more, and has acknowledged the rest", func() bool {
		for !full {
			_, err := unix.Write(fd, make([]byte, 1<<16))
			full = err == unix.EAGAIN
		}
		some, _, ok := Unacknowledged(fd)
		return ok && !some
	})

	gone, other := tcpPair(t)
	defer unix.Close(gone)
	deafen(t, other)
	if _, err := unix.Write(gone, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "bytes are under way and nothing is acknowledged", func() bool {
		some, last, ok := Unacknowledged(gone)
		return ok && some && last > 20*time.Millisecond
	})

	unixFD, _ := pair(t)
	defer unix.Close(unixFD)
	if _, _, ok := Unacknowledged(unixFD); ok {
		t.Error("a Unix socket has told of it")
	}
}
