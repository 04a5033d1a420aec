package proxy

import (
	"time"

	"pgweir/session"
)

// More loops are not free: batches get smaller, and wake-ups cross the cores.
// So clients are packed on as few as the load needs. Another loop is taken
// into use only when the busiest has been busy for most of a second; then
// half of its clients move over, each when it is at rest.

const (
	busyShare  = 0.85
	busyPeriod = time.Second
)

// balancer remembers how long each loop has slept.
type balancer struct {
	at    time.Time
	slept []time.Duration
}

// place chooses the loop for a new client: the one with the fewest of those
// that are in use.
func (p *Proxy) place() *worker {
	best := p.workers[0]
	for _, w := range p.workers[1:p.used.Load()] {
		if w.loop.Len() < best.loop.Len() {
			best = w
		}
	}
	return best
}

// stir has every other client that is at rest move on to the next loop.
func (p *Proxy) stir() {
	for i, w := range p.workers {
		if to := p.workers[(i+1)%len(p.workers)]; to != w {
			w.post(func() { w.move(to) })
		}
	}
}

// balance takes another loop into use if that is called for.
func (p *Proxy) balance(b *balancer, now time.Time) {
	if int(p.used.Load()) == len(p.workers) || now.Sub(b.at) < busyPeriod {
		return
	}
	period := now.Sub(b.at)
	first := b.slept == nil
	if first {
		b.slept = make([]time.Duration, len(p.workers))
	}
	b.at = now
	var busiest *worker
	most := busyShare
	for i, w := range p.workers {
		slept := w.loop.Slept()
		share := 1 - float64(slept-b.slept[i])/float64(period)
		b.slept[i] = slept
		if !first && i < int(p.used.Load()) && share > most {
			busiest, most = w, share
		}
	}
	if busiest == nil {
		return
	}
	to := p.workers[p.used.Add(1)-1]
	p.log.Info("taking another event loop into use", "loops", p.used.Load(), "busy", most)
	busiest.post(func() { busiest.move(to) })
}

// move sends every other client that is at rest to another loop.
func (w *worker) move(to *worker) {
	if w.proxy.draining.Load() {
		return
	}
	take := false
	for _, c := range w.proxy.clients.all() {
		if c.worker.Load() != w || c.state != clientOpen || c.login != nil || c.atConsole() ||
			c.pool.pool == nil || c.sess.Phase() != session.Idle || c.conn.Kept() > 0 || c.conn.Congested() {
			continue
		}
		if take = !take; !take {
			continue
		}
		c.state = clientAway
		c.conn.Remove()
		c.worker.Store(to)
		to.post(c.arrive)
	}
}

// arrive puts a client on the loop that it has moved to.
func (c *client) arrive() {
	w := c.worker.Load()
	c.state = clientOpen
	if err := w.loop.Add(&c.conn); err != nil {
		w.proxy.log.Error("a client cannot be served any more", "client", c.id, "err", err)
		c.leave()
	}
	c.readMail()
}
