package pool

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
)

// TestALoginThatHangsAtTheOldAddressKeepsNobodyFromTheNewOne: the server's name has moved
// while it was under way, and how it ends says nothing of the new server.
func TestALoginThatHangsAtTheOldAddressKeepsNobodyFromTheNewOne(t *testing.T) {
	h, s := newHost(t), serve(t)
	var dials atomic.Int32
	hangs := make(chan struct{})
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		switch dials.Add(1) {
		case 1:
			return nil, errors.New("refused")
		case 2:
			close(hangs)
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return new(net.Dialer).DialContext(ctx, network, addr)
	}
	p := h.dialing(dial, "db", "u", s, nil)
	k := h.taker(p)
	k.ask(p, nil)
	<-hangs
	p.Retire(nil, nil) // the name has moved: from now on a dial works
	b := k.wait()
	eventually(t, "the old login has ended", func() bool { return p.Counts().Opening == 0 })
	if p.Away() {
		t.Error("the server is taken for absent")
	}
	h.giveBack(b)
}
