package proxy

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pgweir/pool"
	"pgweir/wire"
)

// TestAPlaceIsLentAsIfItWereNew: what is left of another's wait would be the next one's,
// as that it has been told that it waits.
func TestAPlaceIsLentAsIfItWereNew(t *testing.T) {
	var w waiters
	p := w.lend()
	*p = pool.Waiter{Taker: &client{}, Variant: &pool.Variant{}, Settings: 1, Worker: 1, Login: true}
	w.back(p)
	if again := w.lend(); again != p || *again != (pool.Waiter{}) {
		t.Errorf("%p is lent after %p: %+v", again, p, again)
	}
	if w.lend() == p {
		t.Error("it is lent twice")
	}
}

// TestAClientThatWasRefusedHasNoPlace: it may be idle for hours then.
func TestAClientThatWasRefusedHasNoPlace(t *testing.T) {
	p := servingFor(t, backends(t))
	query := wire.AppendQuery(nil, "select 1")
	fd := loginAndAsk(t, p, query)
	defer unix.Close(fd)
	if err := p.Pause(t.Context(), "", func(string) {}); err != nil {
		t.Fatal(err)
	}
	c := p.clients.all()[0]
	place := func() (has bool) {
		c.do(func() { has = c.wait != nil })
		return has
	}
	for why, refuse := range map[string]func(){"canceled": c.cancelWait, "refused": func() {
		c.pool.pool.Leave(c.wait)
		c.Refuse(errCanceled)
	}} {
		if _, err := unix.Write(fd, query); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(patience); !place(); {
			if time.Now().After(deadline) {
				t.Fatal("it does not wait")
			}
		}
		c.do(refuse)
		tells(t, fd, nil) // of the error
		if place() {
			t.Errorf("%s, it has a place in the waiting line still", why)
		}
	}
	if err := p.Resume(""); err != nil {
		t.Fatal(err)
	}
	tells(t, fd, query)
	var free []*pool.Waiter
	p.workers[0].do(func() { free = p.workers[0].waiters.free })
	if len(free) != 1 {
		t.Errorf("the worker has %d places to lend, want 1", len(free))
	}
}
