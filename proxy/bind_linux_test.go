package proxy

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pgweir/loop"
)

func TestClientsHaveTheirOptionsFromTheFirstMomentOn(t *testing.T) {
	opened, errs := bindAll([]candidate{{"a", netip.MustParseAddr("127.0.0.1")}}, 0, loop.KeepAlive{On: true, Idle: 7 * time.Second})
	defer closeAll(opened)
	if errs[0] != nil {
		t.Fatal(errs[0])
	}
	client, err := net.Dial("tcp", opened[0].Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	listening, err := loop.TakeListener(opened[0])
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(listening)
	// Not by net.Listener, which sets options of its own.
	if err := unix.SetNonblock(listening, false); err != nil {
		t.Fatal(err)
	}
	fd, _, err := unix.Accept(listening)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	var got [3]int
	for i, of := range [3][3]int{{fd, unix.IPPROTO_TCP, unix.TCP_NODELAY}, {fd, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE}, {listening, unix.SOL_SOCKET, unix.SO_PROTOCOL}} {
		if got[i], err = unix.GetsockoptInt(of[0], of[1], of[2]); err != nil {
			t.Error(err)
		}
	}
	want := [3]int{1, 7, unix.IPPROTO_TCP} // not IPPROTO_MPTCP
	if got != want {
		t.Errorf("TCP_NODELAY, TCP_KEEPIDLE and the listener's protocol are %v, want %v", got, want)
	}
}
