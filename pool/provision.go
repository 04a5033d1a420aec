package pool

import (
	"context"
	"net"
	"slices"
	"time"

	"pgweir/wire"
)

// slots is how many processes of PostgreSQL's the pool accounts for.
func (p *Pool) slots() int { return p.opening + p.idle + p.lent + p.closing + p.listening() }

// limit is how many it may: with the reserve, if somebody has waited long.
func (p *Pool) limit(now time.Duration) int {
	s := &p.settings
	if s.Reserve > 0 && s.ReserveTimeout > 0 && p.line.head != nil && now-p.line.head.since >= s.ReserveTimeout {
		return s.Size + s.Reserve
	}
	return s.Size
}

// provision opens backends for those who wait, as far as the server, size and
// budget allow, and makes room if idle backends of another variant take it up. The
// listening backend comes first.
func (p *Pool) provision() {
	now := time.Since(p.epoch)
	var evict *Backend
	starved := false
	p.mu.Lock()
	if p.Halted() {
		p.mu.Unlock()
		return
	}
	if p.place.wanted && !p.closed {
		evict, starved = p.takePlace(now)
	}
	blocked := false
	if p.hosts.refuses(now) == nil && evict == nil && !starved {
		evict, starved, blocked = p.openForLine(now)
	}
	if p.unfilled {
		blocked = p.fillToMin(now) || blocked
	}
	if !blocked && len(p.queued) > 0 {
		p.budget.servers.content(p)
	}
	if evict != nil || starved {
		p.madeRoom = now
	}
	p.mu.Unlock()
	if evict != nil {
		p.host.Evict(evict)
	}
	if starved {
		go p.budget.divide(now, p.epoch)
	}
}

// openForLine begins logins for those in the line, but for whom one will do that is under
// way and that nobody counts on. If there is no room for one, evict or another pool has to
// make it; blocked tells that the server has to.
func (p *Pool) openForLine(now time.Duration) (evict *Backend, starved, blocked bool) {
	for _, v := range p.variants {
		v.left = v.spare
	}
	for w := p.line.head; w != nil && !p.closed; w = w.next {
		switch {
		case w.opening != nil:
			continue
		case w.fresh == nil && w.Variant.left > 0:
			w.Variant.left--
			continue
		}
		switch p.enter(now, p.limit(now)) {
		case entryBlocked:
			return nil, false, true
		case entryFull:
			if p.closing == 0 && p.mayMakeRoom(now) {
				evict = p.otherIdle(w)
			}
			return evict, false, false
		case entryStarved:
			if p.mayMakeRoom(now) {
				evict = p.otherIdle(w)
				starved = evict == nil
			}
			return evict, starved, false
		}
		p.madeRoom = 0
		o := &opening{params: w.Variant.params, welcome: plainKey}
		if w.fresh != nil {
			o.params, o.welcome = w.fresh.params, w.fresh.welcome
		}
		p.begins(w.Variant, o)
		p.line.expect(w, o)
	}
	return nil, false, false
}

// enter takes what a login needs if limit leaves a slot.
func (p *Pool) enter(now time.Duration, limit int) entry {
	return p.budget.servers.enter(p, now, func() entry {
		switch {
		case p.slots()+p.promised() >= limit:
			return entryFull
		case !p.budget.take(p, &p.settings, now):
			return entryStarved
		}
		return entryMade
	})
}

// begins begins a login that has entered.
func (p *Pool) begins(v *Variant, o *opening) {
	o.admission, o.variant = p.entered, v
	o.settings, o.settings.Address = p.settings, o.host.Address
	o.stamp, o.candidates, o.vacations = p.generation, p.candidates(), p.vacations
	p.opening++
	v.spare++
	v.backends++
	go p.open(v, o)
}

// otherIdle takes out the backend that has been idle longest among those that
// are of no use to w.
func (p *Pool) otherIdle(w *Waiter) *Backend {
	return p.leaveOldest(func(v *Variant) bool { return v != w.Variant || w.fresh != nil })
}

// opening is one backend that is being opened.
type opening struct {
	admission
	variant *Variant
	params  []wire.Param
	welcome string // the key under which the server's answer is kept
	// w counts on it, or nobody does; guarded by the pool's lock. Who counts
	// on an opening has none opened on their account besides.
	w *Waiter
	// What held when the login began; it is counted at that server.
	settings   Settings
	stamp      int
	candidates []wire.Credentials
	vacations  uint64

	b      *Backend // once it has logged in
	failed net.Conn // if it has not, and the server has still to close it
}

// openingKey is where the constructor's context has the opening.
type openingKey struct{}

// open opens one backend; a slot and its budget are taken.
func (p *Pool) open(v *Variant, o *opening) {
	res, err := v.puddle.Acquire(context.WithValue(context.Background(), openingKey{}, o))
	now := time.Since(p.epoch)
	others := p.budget.servers.end(p, &o.settings.Address, err, o.admission, now)
	if err != nil {
		p.failed(err, o, now)
		wake(others) // before the server has closed its end
		p.outlastFailed(o)
		p.slotFreed()
		return
	}
	o.b.res = res
	p.mu.Lock()
	p.opening--
	o.host.opening--
	p.lent++ // to nobody yet
	v.moved = now
	o.host.failure = failure{}
	p.kills = 0
	over := p.outage.ends(now)
	p.logins++
	if w := o.w; w != nil {
		// Whoever is first in the line gets it, be it w or not; then w counts
		// on what is being opened for them.
		p.line.cut(w)
		if first := v.first(); first != nil && first != w && first.opening != nil && w.Variant == v && w.fresh == nil {
			theirs := first.opening
			p.line.cut(first)
			p.line.expect(w, theirs)
		}
	}
	v.spare--
	evict := o.b.dead || p.unfit(o.b, now)
	if evict {
		p.leave(o.b)
	} else {
		p.release(o.b, now)
	}
	// In the same breath as the count: who counted on it must not be seen
	// waiting with nothing opened for them, or one too many is opened.
	granted := p.dispatch(v)
	p.mu.Unlock()
	if evict {
		p.host.Evict(o.b)
	}
	for _, g := range granted {
		g.w.Taker.Grant(g.b)
	}
	if over {
		p.host.Reached(p)
	}
	p.provision()
	wake(others)
}

// construct is the puddle's constructor.
func (p *Pool) construct(ctx context.Context, v *Variant) (*Backend, error) {
	o := ctx.Value(openingKey{}).(*opening)
	b, failed, err := p.logIn(o.settings, o.candidates, o.params)
	if err != nil {
		o.failed = failed
		return nil, err
	}
	b.ID, b.pool, b.variant, b.stamp = p.ids(), p, v, o.stamp
	b.Opened = time.Now()
	b.opened, b.younger = time.Since(p.epoch), maxYounger*p.budget.servers.chance()
	b.Worker = p.waitsAt(v, o)
	w := &Welcome{Params: slices.Clone(b.Params), Vars: b.Vars, Begun: b.Begun} // from now on b.Params is the host's
	if err := p.host.Adopt(b); err != nil {
		o.failed = b.Conn
		return nil, err
	}
	p.learn(v, o.welcome, b, w, o.vacations)
	o.b = b
	return b, nil
}

// waitsAt is the worker of who will probably get what is being opened: of the first in
// the line who can do with it, or of who counts on it.
func (p *Pool) waitsAt(v *Variant, o *opening) int32 {
	p.mu.Lock()
	defer p.mu.Unlock()
	first := v.first()
	switch {
	case first != nil:
		return first.Worker
	case o.w != nil:
		return o.w.Worker
	}
	return NoWorker
}

// grant is a backend that has just been lent to somebody in the line.
type grant struct {
	w *Waiter
	b *Backend
}

// dispatch lends idle backends to those who wait for them, and takes those out
// of the line; they have still to be told.
func (p *Pool) dispatch(v *Variant) (granted []grant) {
	for v.idle > 0 && v.queued > 0 {
		w := v.first()
		b := p.takeIdle(w)
		p.line.remove(w)
		granted = append(granted, grant{w, b})
	}
	return granted
}

// maxKilled is how many logins in a row may be killed before that counts as the
// server's refusal.
const maxKilled = 10

// killed tells whether a login failed because somebody has ended just this
// process (pg_terminate_backend): that says nothing about the next one. A
// server that is being shut down says something else to that.
func (p *Pool) killed(code string) bool {
	if code != wire.CodeAdminShutdown {
		return false
	}
	p.kills++
	return p.kills <= maxKilled
}

// outdated tells whether a login has found no such database, but had begun before
// the pool left that (Vacate): PostgreSQL had it wait for DROP DATABASE, and the
// next one may find a database of the same name.
func (p *Pool) outdated(code string, o *opening, now time.Duration) bool {
	return code == wire.CodeInvalidCatalogName && (o.vacations != p.vacations || p.vacates(now))
}

// failed says why no backend could be opened to those whom it concerns: to the
// one for whom it was to be, if it could not do with any other, and to all if
// there is no backend left that they could wait for. All wait for another login
// after one that was killed, that went to a database which is being left, or that
// has failed for what may pass by itself or may be otherwise at another host.
func (p *Pool) failed(err error, o *opening, now time.Duration) {
	var refused []Taker
	e, kind := asError(err), troubleOf(err)
	p.mu.Lock()
	p.opening--
	o.host.opening--
	o.variant.backends--
	p.closing++ // until outlastFailed
	again := p.Halted() || p.killed(e.Code) || p.outdated(e.Code, o, now)
	all := concernsAll(e.Code, o.params)
	pause := all && !again && kind != troubleAway && o.host.failure.note(e, kind, now, p.settings.LoginRetry, p.budget.servers.chance())
	if all && !again {
		p.hosts.turnFrom(o.host)
	}
	if pause {
		time.AfterFunc(o.host.failure.until-now, p.provision)
	}
	nowhere := p.hosts.refuses(now) != nil
	begins := pause && nowhere && kind == troublePasses && p.outage.begins(e.Code, now)
	several := len(p.hosts.all) > 1
	elsewhere := all && several && p.hosts.dooms(now) == nil
	w := o.w
	if w != nil {
		p.line.cut(w)
	}
	o.variant.spare--
	for q := p.line.head; q != nil && !again && !elsewhere && kind == troubleLasts; {
		next := q.next
		if q == w && (q.fresh != nil || !all) || all && p.usable() == 0 {
			p.line.remove(q)
			refused = append(refused, q.Taker)
		}
		q = next
	}
	var evict *Backend
	if w != nil && w.inLine && e.Code == wire.CodeTooManyConnections {
		// The room may be taken up by what is of no use to w.
		evict = p.otherIdle(w)
	}
	p.mu.Unlock()
	if evict != nil {
		p.host.Evict(evict)
	}
	if pause && refusesUser(e) {
		p.host.Refused(p, e)
	}
	if begins {
		p.host.Unreached(p, e)
	}
	for _, t := range refused {
		t.Refuse(e)
	}
	if several {
		p.provision() // another host has nothing to do with how this one closes the connection
	}
}

// refusesUser tells whether the server has refused who logs in. An answer that it
// could not be given is no refusal of its own.
func refusesUser(e *wire.Error) bool {
	return (e.Code == wire.CodeInvalidPassword || e.Code == wire.CodeInvalidAuthorization) && e.Hint != hintLacking
}

// outlastFailed gives the slot of an opening that failed back, when the server
// has closed its end; or after some time, for there may be no server at all.
func (p *Pool) outlastFailed(o *opening) {
	if o.failed != nil {
		outlast(o.failed, time.Now().Add(p.Settings().ConnectTimeout))
	}
	p.mu.Lock()
	p.closing--
	p.mu.Unlock()
}

// slotFreed gives the budget back and lets those try who may wait for it, those
// first who have been refused.
func (p *Pool) slotFreed() {
	starved := p.budget.give(p)
	for _, q := range starved {
		q.provision()
	}
	p.provision()
	p.forgotten()
}

// destruct is the puddle's destructor: it waits until PostgreSQL's process has
// gone, which closes its end last. The socket's own time-outs (Dial) see to
// it that a host that is gone does not hold a slot for ever.
func (p *Pool) destruct(b *Backend) {
	if b.Conn != nil {
		outlast(b.Conn, time.Time{})
	}
	p.mu.Lock()
	p.closing--
	b.variant.backends--
	p.mu.Unlock()
	p.slotFreed()
}
