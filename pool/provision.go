package pool

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"pgweir/wire"
)

// failure is what stood in the way of the last login to the server.
type failure struct {
	err   *wire.Error
	until time.Duration // no login is tried before
	delay time.Duration // the last pause
}

const (
	firstPause = 100 * time.Millisecond
	// restPause bounds the pause after a failure that says that the server is
	// not there, or not yet: trying again costs little, and it may be back soon.
	restPause = time.Second
)

// refuses is the reason why no backend can be had now, if there is one.
func (f *failure) refuses(now time.Duration) *wire.Error {
	if now < f.until {
		return f.err
	}
	return nil
}

// note notes another failure.
func (f *failure) note(e *wire.Error, now, retry time.Duration) {
	f.err = e
	f.delay = max(firstPause, 2*f.delay)
	if absent(e.Code) {
		f.delay = min(f.delay, restPause)
	}
	f.delay = min(f.delay, max(retry, time.Millisecond))
	f.until = now + f.delay
}

// absent tells the codes of a server that is not there or has no room.
func absent(code string) bool {
	return strings.HasPrefix(code, "08") || strings.HasPrefix(code, "57") || strings.HasPrefix(code, "53")
}

// concernsAll tells whether an error says something about the server, the
// database or the user, and not only about one client's startup parameters.
func concernsAll(code string) bool {
	return !strings.HasPrefix(code, "22") && code != "42704" && code != "42602" && code != wire.CodeInsufficientPrivilege
}

// slots is how many processes of PostgreSQL's the pool accounts for.
func (p *Pool) slots() int { return p.opening + p.idle + p.lent + p.closing }

// limit is how many it may: with the reserve, if somebody has waited long.
func (p *Pool) limit(now time.Duration) int {
	s := &p.settings
	if s.Reserve > 0 && p.line.head != nil && now-p.line.head.since >= s.ReserveTimeout {
		return s.Size + s.Reserve
	}
	return s.Size
}

// provision opens backends for those who wait, as far as size and budget
// allow, and makes room if idle backends of another variant take it up.
func (p *Pool) provision() {
	now := time.Since(p.epoch)
	var evict *Backend
	starved := false
	p.mu.Lock()
	if p.failure.refuses(now) == nil {
		for w := p.line.head; w != nil && !p.closed; w = w.next {
			if w.opening {
				continue
			}
			if p.slots() >= p.limit(now) {
				if p.closing == 0 {
					evict = p.otherIdle(w.Variant)
				}
				break
			}
			if !p.budget.take(p, p.settings.MaxDatabase, p.settings.MaxUser) {
				evict = p.otherIdle(w.Variant)
				starved = evict == nil
				break
			}
			w.opening = true
			p.opening++
			go p.open(w.Variant, w.fresh, w.welcome, w, w.number)
		}
	}
	p.mu.Unlock()
	if evict != nil {
		p.host.Evict(evict)
	}
	if starved {
		go p.budget.makeRoom(p)
	}
}

// otherIdle takes the backend that has been idle longest out of a variant
// other than v, or out of v itself if it is of no use there.
func (p *Pool) otherIdle(v *Variant) *Backend {
	var victim *Backend
	for _, o := range p.variants {
		if o.idle == 0 || o == v && p.line.head != nil && p.line.head.fresh == nil {
			continue
		}
		for _, b := range p.takeAllIdle(o) {
			if victim == nil || o == v {
				if victim != nil {
					p.putBack(victim)
				}
				victim = b
			} else {
				p.putBack(b)
			}
		}
	}
	return victim
}

type openParams struct{}

// open opens one backend; a slot and its budget are taken. w waited for it
// when its wait had that number.
func (p *Pool) open(v *Variant, fresh []wire.Param, welcome string, w *Waiter, number uint64) {
	params := fresh
	if params == nil {
		params = v.params
		welcome = wishKey(wire.Vars{})
	}
	ctx := context.WithValue(context.Background(), openParams{}, opening{params, welcome})
	err := v.puddle.CreateResource(ctx)
	now := time.Since(p.epoch)
	if err == nil {
		p.mu.Lock()
		p.opening--
		p.idle++
		v.idle++
		p.failure = failure{}
		p.logins++
		unwanted := p.closed
		p.mu.Unlock()
		p.dispatch(v)
		if unwanted {
			p.Drain()
		}
		return
	}
	var e *wire.Error
	if !errors.As(err, &e) {
		e = wire.Fatalf(wire.CodeCannotConnect, "%s", err)
	}
	p.failed(e, w, number, now)
	p.slotFreed()
}

type opening struct {
	params  []wire.Param
	welcome string
}

// construct is the puddle's constructor.
func (p *Pool) construct(ctx context.Context, v *Variant) (*Backend, error) {
	o := ctx.Value(openParams{}).(opening)
	p.mu.Lock()
	s, stamp := p.settings, p.generation
	p.mu.Unlock()
	b, err := login(&s, o.params, p.secure)
	if err != nil {
		return nil, err
	}
	b.ID, b.pool, b.variant, b.stamp = p.ids(), p, v, stamp
	b.Opened = time.Now()
	b.expires = time.Since(p.epoch) + s.Lifetime
	if err := p.host.Adopt(b); err != nil {
		b.Conn.Close()
		return nil, err
	}
	p.learn(v, o.welcome, b)
	return b, nil
}

// dispatch lends idle backends to those who wait for them.
func (p *Pool) dispatch(v *Variant) {
	for {
		p.mu.Lock()
		var w *Waiter
		for q := p.line.head; q != nil && v.idle > 0; q = q.next {
			if q.Variant == v && q.fresh == nil {
				w = q
				break
			}
		}
		if w == nil {
			p.mu.Unlock()
			return
		}
		b := p.takeIdle(v)
		p.line.remove(w)
		p.mu.Unlock()
		w.Taker.Grant(b)
	}
}

// failed says why no backend could be opened to those whom it concerns: to the
// one for whom it was to be, if it could not do with any other, and to all if
// there is no backend left that they could wait for.
func (p *Pool) failed(e *wire.Error, w *Waiter, number uint64, now time.Duration) {
	var refused []Taker
	p.mu.Lock()
	p.opening--
	if concernsAll(e.Code) {
		p.failure.note(e, now, p.settings.LoginRetry)
		time.AfterFunc(p.failure.delay, p.provision)
	}
	for q := p.line.head; q != nil; {
		next := q.next
		mine := q == w && q.number == number
		if mine {
			q.opening = false
		}
		if mine && (q.fresh != nil || !concernsAll(e.Code)) ||
			concernsAll(e.Code) && p.opening+p.lent+p.idle == 0 {
			p.line.remove(q)
			refused = append(refused, q.Taker)
		}
		q = next
	}
	p.mu.Unlock()
	for _, t := range refused {
		t.Refuse(e)
	}
}

// slotFreed gives the budget back and lets those try who may wait for it.
func (p *Pool) slotFreed() {
	starved := p.budget.give(p)
	p.provision()
	for _, q := range starved {
		q.provision()
	}
}

// destruct is the puddle's destructor: it waits until PostgreSQL's process has
// gone, which closes its end last. The socket's own time-outs (dial.go) see to
// it that a host that is gone does not hold a slot for ever.
func (p *Pool) destruct(b *Backend) {
	if b.Conn != nil {
		b.Conn.SetDeadline(time.Time{})
		io.Copy(io.Discard, b.Conn)
		b.Conn.Close()
	}
	p.mu.Lock()
	p.closing--
	p.mu.Unlock()
	p.slotFreed()
}
