package loop

import (
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestConnectionsBeginWithWhatTheirListenerPassesOn reads it from a connection that has
// only been accepted, and beside it from a new socket that Tune has been called for.
func TestConnectionsBeginWithWhatTheirListenerPassesOn(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		fd, at := listening(t, address)
		for _, k := range []KeepAlive{
			{true, time.Minute, 15 * time.Second, 4, 30 * time.Second},
			{On: true},
			{true, 2 * time.Second, time.Second, 1, time.Second},
			{On: true, Count: 3},
			{},
		} {
			if err := k.PassOn(fd); err != nil {
				t.Errorf("%+v: %v", k, err)
			}
			tuned, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
			if err != nil {
				t.Fatal(err)
			}
			if err := k.Tune(tuned); err != nil {
				t.Errorf("%+v: %v", k, err)
			}
			accepted := acceptOne(t, fd, at)
			for _, o := range inherited {
				got, err := unix.GetsockoptInt(accepted, o.level, o.option)
				want, err2 := unix.GetsockoptInt(tuned, o.level, o.option)
				if got != want || err != nil || err2 != nil {
					t.Errorf("%s, %+v: %s is %d (%v), want %d (%v)", address, k, o.name, got, err, want, err2)
				}
			}
			unix.Close(accepted)
			unix.Close(tuned)
		}
	}
}

// listening is a socket that listens, and where.
func listening(t *testing.T, address string) (fd int, at string) {
	t.Helper()
	var sockets net.ListenConfig
	sockets.SetMultipathTCP(false)
	listener, err := sockets.Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	at = listener.Addr().String()
	if fd, err = TakeListener(listener); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd, at
}

// acceptOne accepts a connection that comes to a listening socket.
func acceptOne(t *testing.T, fd int, address string) int {
	t.Helper()
	peer, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	own(t, peer)
	accepted := -1
	eventually(t, "the connection can be accepted", func() bool {
		accepted, _, err = accept(fd)
		return err == nil
	})
	return accepted
}

func TestWhatIsRefusedIsSaidAndTheRestPassedOn(t *testing.T) {
	fd, at := listening(t, "127.0.0.1:0")
	if err := (KeepAlive{On: true, Idle: time.Minute, Count: 1 << 20}).PassOn(fd); err == nil {
		t.Error("a count that the system refuses is no error")
	}
	accepted := acceptOne(t, fd, at)
	defer unix.Close(accepted)
	if idle, err := unix.GetsockoptInt(accepted, unix.IPPROTO_TCP, optionKeepIdle); idle != 60 || err != nil {
		t.Errorf("tcp_keepidle is %d, %v", idle, err)
	}
}
