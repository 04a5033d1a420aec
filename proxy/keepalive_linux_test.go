package proxy

import (
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pgweir/config"
)

func TestSocketsToPostgreSQLHaveTheSettingsInForce(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	p := &Proxy{}
	for _, c := range []config.Config{
		{TCPKeepAlive: true, TCPKeepIdle: time.Minute, TCPKeepIntvl: 15 * time.Second, TCPKeepCnt: 4},
		{TCPKeepAlive: true, TCPKeepIdle: 7 * time.Second, TCPKeepIntvl: 3 * time.Second, TCPKeepCnt: 2, TCPUserTimeout: 9 * time.Second, TCPSocketBuffer: 50000},
	} {
		p.rules.Store(&rules{config: &c, keepAlive: keepAliveOf(&c)})
		conn, err := p.Dial(t.Context(), "tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		raw, err := conn.(*net.TCPConn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		var got [7]int
		raw.Control(func(fd uintptr) {
			for i, option := range [][2]int{{unix.SOL_SOCKET, unix.SO_KEEPALIVE}, {unix.IPPROTO_TCP, unix.TCP_KEEPIDLE}, {unix.IPPROTO_TCP, unix.TCP_KEEPINTVL},
				{unix.IPPROTO_TCP, unix.TCP_KEEPCNT}, {unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT},
				{unix.SOL_SOCKET, unix.SO_SNDBUF}, {unix.SOL_SOCKET, unix.SO_RCVBUF}} {
				if got[i], err = unix.GetsockoptInt(int(fd), option[0], option[1]); err != nil {
					t.Error(err)
				}
			}
		})
		conn.Close()
		buffers := [2]int{got[5], got[6]} // the system's
		if n := c.TCPSocketBuffer; n > 0 {
			buffers = [2]int{2 * n, 2 * n} // socket(7): doubled
		}
		want := [7]int{1, int(c.TCPKeepIdle / time.Second), int(c.TCPKeepIntvl / time.Second), c.TCPKeepCnt, int(c.TCPUserTimeout / time.Millisecond), buffers[0], buffers[1]}
		if got != want {
			t.Errorf("%v, want %v", got, want)
		}
	}
}
