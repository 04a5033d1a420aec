package loop

import (
	"fmt"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestAListenerGoesOnWhenTheRingFails: whoever comes next would wait for ever.
func TestAListenerGoesOnWhenTheRingFails(t *testing.T) {
	for _, why := range []error{syscall.EFAULT, syscall.EBADR} {
		t.Run(fmt.Sprint(why), func(t *testing.T) {
			l := ringLoop(t, Options{})
			if l == nil {
				return
			}
			fd, at := listen(t, "tcp", "127.0.0.1:0")
			on(t, l, func() {
				n, err := l.Listen(fd, func(fd int, _ unix.Sockaddr) { unix.Close(fd) }, func(err error) { t.Error(err) })
				if err != nil {
					t.Error(err)
				}
				t.Cleanup(func() { on(t, l, n.Close) })
			})
			isAccepted(t, at)
			breakRing(t, l, why)
			isAccepted(t, at)
		})
	}
}
