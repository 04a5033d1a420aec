package pool

import (
	"time"

	"pgweir/wire"
)

// Lease lends an idle backend, or puts w in the waiting line and is nil: then
// w.Taker hears of it. now is the time since the epoch. If the server has just
// refused a login for what waiting does not help, and there is no backend at all,
// the reason comes at once.
//
// If params are not nil, a backend is opened with these startup parameters, so
// that Variant knows the server's answer to them afterwards.
func (p *Pool) Lease(w *Waiter, params []wire.Param, now time.Duration) (*Backend, *wire.Error) {
	return p.lease(w, params, now, false)
}

// Relet is Lease for w whose backend has gone before it was of any use to w:
// so w has had its turn already, and is first in the line.
func (p *Pool) Relet(w *Waiter, params []wire.Param, now time.Duration) (*Backend, *wire.Error) {
	return p.lease(w, params, now, true)
}

func (p *Pool) lease(w *Waiter, params []wire.Param, now time.Duration, first bool) (*Backend, *wire.Error) {
	p.mu.Lock()
	v := w.Variant
	if p.closed {
		p.mu.Unlock()
		return nil, errDrained
	}
	if params == nil && v.idle > 0 && (first || v.queued == 0) {
		b := p.takeIdle(w)
		p.mu.Unlock()
		return b, nil
	}
	if e := p.hosts.dooms(now); e != nil && p.usable() == 0 {
		p.mu.Unlock()
		return nil, e
	}
	if !first {
		if e := p.sheds(); e != nil {
			p.mu.Unlock()
			return nil, e
		}
		w.told = false
	}
	if params != nil {
		_, wish, _ := split(params)
		w.fresh = &fresh{params, wishKey(wish)}
	}
	if first {
		p.line.pushFront(w, now)
	} else {
		p.line.push(w, now)
	}
	full := p.idle <= 0 && p.settings.Reserve == 0 && p.slots() >= p.settings.Size
	p.mu.Unlock()
	if !full {
		p.provision()
	}
	return nil, nil
}

// Leave takes w out of the waiting line; it is false if w is in none, because
// a backend or a refusal is on its way to it.
func (p *Pool) Leave(w *Waiter) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !w.inLine {
		return false
	}
	p.line.remove(w)
	return true
}

// Return ends the lease of a backend that is clean. If somebody waits for it,
// it is lent to them at once and they are returned; else it is idle, and park
// is called before anybody else can take it.
func (p *Pool) Return(b *Backend, now time.Duration, park func()) *Waiter {
	p.mu.Lock()
	w, evict := p.whither(b, now)
	switch {
	case evict:
		p.mu.Unlock()
		park()
		p.host.Evict(b)
		return nil
	case w != nil:
		p.line.remove(w)
		p.mu.Unlock()
		return w
	}
	park()
	p.release(b, now)
	p.mu.Unlock()
	return nil
}

// whither tells where a backend goes that has come back: to w, or out of the
// pool, or else to the idle ones.
func (p *Pool) whither(b *Backend, now time.Duration) (w *Waiter, evict bool) {
	b.variant.moved = now
	if p.owes > 0 && p.paysBack(now) || p.unfit(b, now) {
		p.leave(b)
		return nil, true
	}
	if w := p.nextFor(b, now); w != nil {
		return w, false
	}
	if p.line.head == nil || !p.needsPlace(p.line.head, now) {
		return nil, false
	}
	p.madeRoom = now
	p.leave(b)
	return nil, true
}

// leave notes that b is about to be discarded: until then it counts as lent,
// but is no use to anybody.
func (p *Pool) leave(b *Backend) {
	if !b.leaving {
		b.leaving = true
		p.leaving++
	}
}

// needsPlace tells whether a backend has to be closed for w to get one. While
// one is being closed, or if the server would not have w now, it is no use.
func (p *Pool) needsPlace(w *Waiter, now time.Duration) bool {
	return w.opening == nil && p.closing == 0 && p.mayMakeRoom(now) && p.mayLogIn(now)
}

// mayMakeRoom tells whether no backend is on its way out already to make room.
// It may have been lost on the way, so that is not believed for ever.
func (p *Pool) mayMakeRoom(now time.Duration) bool {
	return p.madeRoom == 0 || now-p.madeRoom > overtake
}

// unfit tells whether a backend should not be lent again.
func (p *Pool) unfit(b *Backend, now time.Duration) bool { return p.over(b, now) || p.crowded(now) }

// over tells whether it is just this one that should not.
func (p *Pool) over(b *Backend, now time.Duration) bool {
	return p.closed || p.Halted() || b.stamp != p.generation || p.hosts.strays(b) || p.vacates(now) || b.outlived(p.settings.Lifetime, now)
}

// nextFor is who gets a backend that has come back. If nobody waits for one of its
// variant, but somebody for another, it is nil, and b has to make room.
func (p *Pool) nextFor(b *Backend, now time.Duration) *Waiter {
	v, head := b.variant, p.line.head
	if head == nil {
		return nil
	}
	theirs := head.Variant != v || head.fresh != nil
	if theirs && p.needsPlace(head, now) && !p.mayOvertake(head, v, now) {
		return nil
	}
	return v.next(b.Worker, now)
}

// Contended puts w back into the line, in front, because claim, which makes
// the backend that was lent to it w's own, is false: just now its owner is
// being told something about it. When that is over, Checked or Lost says so.
// If another backend has become idle meanwhile, w is granted that one instead.
// It is true if the claim has succeeded after all.
func (p *Pool) Contended(w *Waiter, b *Backend, now time.Duration, claim func() bool) bool {
	p.mu.Lock()
	dead := b.dead
	if !dead && claim() {
		p.mu.Unlock()
		return true
	}
	closed := p.closed
	var other *Backend
	if !closed && w.Variant.idle > 0 {
		other = p.takeIdle(w)
	} else if !closed {
		p.line.pushFront(w, now)
	}
	if dead {
		p.leave(b)
	} else {
		b.contended = true
	}
	p.mu.Unlock()
	if dead {
		p.host.Evict(b)
	}
	switch {
	case closed:
		w.Taker.Refuse(errDrained)
	case other != nil:
		w.Taker.Grant(other)
	}
	return false
}

// Checked says that something has come for an idle backend, and that it is
// well and parked again.
func (p *Pool) Checked(b *Backend, now time.Duration) {
	p.mu.Lock()
	if !b.contended {
		p.mu.Unlock()
		return
	}
	b.contended = false
	w, evict := p.whither(b, now)
	switch {
	case evict:
		p.mu.Unlock()
		p.host.Evict(b)
	case w != nil:
		p.line.remove(w)
		p.mu.Unlock()
		w.Taker.Grant(b)
	default:
		p.release(b, now)
		p.mu.Unlock()
	}
}

// Lost says that an idle backend has gone. The caller owns it and has to
// Discard it if Lost is true; else somebody has just been lent it, and hears
// from Contended.
func (p *Pool) Lost(b *Backend) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if b.contended {
		b.contended = false
		p.leave(b)
		return true
	}
	if p.takeOut(b) {
		return true
	}
	b.dead = true
	return false
}

// Discard ends a lease, and the backend. b.Conn is the connection again, on
// which the caller has said Terminate, if it could; busy tells that it may be
// still working, so that it has to be told to stop.
func (p *Pool) Discard(b *Backend, busy bool) {
	if b.replica {
		p.discardReplica(b, busy)
		return
	}
	p.mu.Lock()
	if b.leaving {
		b.leaving = false
		p.leaving--
	}
	p.lent--
	p.closing++
	p.mu.Unlock()
	if busy {
		go func() {
			p.stopWork(b)
			b.res.Destroy()
		}()
		return
	}
	b.res.Destroy() // calls destruct on a goroutine of its own
}
