package proxy

import (
	"context"
	"time"

	"pgweir/status"
)

const (
	keepEvery = 200 * time.Millisecond
	// Reading what a backend holds has the kernel walk its page tables, which
	// takes milliseconds if the server's shared buffers are large.
	memoryEvery = 10 * time.Second
)

// peaks are the highest counts seen, by the keeper or in a snapshot. Proxy.mu guards them.
type peaks struct {
	clients, backends, saved int
}

// raise takes counts of now into account.
func (p *peaks) raise(clients, backends int) {
	p.clients = max(p.clients, clients)
	p.backends = max(p.backends, backends)
	p.saved = max(p.saved, clients-backends)
}

// keep does what time asks for: the pools' upkeep, peaks, averages, and the
// measuring of backends. It is off the path of every query.
func (p *Proxy) keep(ctx context.Context) {
	tick := time.NewTicker(keepEvery)
	defer tick.Stop()
	var b balancer
	var memory, period, digested, sampled, found, retired time.Time
	period, p.upkept = time.Now(), time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			p.upkeep()
			p.watchNames()
			if now.Sub(digested) >= digestEvery {
				p.digestsDue()
				p.tellOfCatalogs()
				digested = now
			}
			if now.Sub(retired) >= retireEvery {
				p.retire(now)
				retired = now
			}
			p.notePeaks()
			if now.Sub(sampled) >= sampleEvery {
				p.sample()
				sampled = now
			}
			if now.Sub(found) >= findEvery {
				p.find(now)
				found = now
			}
			p.balance(&b, now)
			if restless {
				p.stir()
			}
			p.probe(now)
			if length := now.Sub(period); length >= p.Config().StatsPeriod {
				p.average(length)
				period = now
			}
			if now.Sub(memory) >= memoryEvery || p.unmeasured() && now.Sub(memory) >= time.Second {
				p.measure()
				memory = now
			}
		}
	}
}

// upkeep is that of the pools. While nothing is read, nothing is anybody's delay.
func (p *Proxy) upkeep() {
	passed := time.Since(p.upkept)
	p.upkept = time.Now()
	suspended := p.restraint.Load().mode == modeSuspended
	for _, cp := range p.pools() {
		switch {
		case cp.pool == nil:
		case suspended:
			cp.pool.Excuse(passed)
		default:
			cp.pool.Upkeep(int(cp.clients.Load()))
		}
	}
}

// digestEvery is how often it is looked whether the objects of a database have
// changed: by the next client whose lease ends (session.Catalog).
const digestEvery = time.Second

// digestsDue says that it is time for that.
func (p *Proxy) digestsDue() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.mu.catalogs {
		c.Due()
	}
}

func (p *Proxy) notePeaks() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clients, backends := 0, 0
	for _, cp := range p.mu.order {
		if cp.pool == nil {
			continue
		}
		c := cp.pool.Counts()
		n, k := int(cp.clients.Load()), c.Opening+c.Idle+c.Lent+c.Closing+c.Listening+c.Replicas
		cp.peak.raise(n, k)
		clients += n
		backends += k
	}
	p.peak.raise(clients, backends)
}

// average works out the averages of the stats period that ends now.
func (p *Proxy) average(length time.Duration) {
	for cp, now := range p.totals() {
		b := cp.before
		cp.before = now
		perSecond := func(n int64) int64 { return int64(float64(n) / length.Seconds()) }
		mean := func(d time.Duration, n int64) time.Duration {
			if n <= 0 {
				return 0
			}
			return d / time.Duration(n)
		}
		a := status.Totals{
			ServerAssignments: perSecond(now.ServerAssignments - b.ServerAssignments),
			Transactions:      perSecond(now.Transactions - b.Transactions),
			Queries:           perSecond(now.Queries - b.Queries),
			Received:          perSecond(now.Received - b.Received),
			Sent:              perSecond(now.Sent - b.Sent),
			TransactionTime:   mean(now.TransactionTime-b.TransactionTime, now.Transactions-b.Transactions),
			QueryTime:         mean(now.QueryTime-b.QueryTime, now.Queries-b.Queries),
			WaitTime:          mean(now.WaitTime-b.WaitTime, now.Waits()-b.Waits()),
			WaitsTimedOut:     perSecond(now.WaitsTimedOut - b.WaitsTimedOut),
			WaitsCanceled:     perSecond(now.WaitsCanceled - b.WaitsCanceled),
			WaitsLeft:         perSecond(now.WaitsLeft - b.WaitsLeft),
			WaitsRefused:      perSecond(now.WaitsRefused - b.WaitsRefused),
			ClientParses:      perSecond(now.ClientParses - b.ClientParses),
			ServerParses:      perSecond(now.ServerParses - b.ServerParses),
			Binds:             perSecond(now.Binds - b.Binds),
			ClientLogins:      perSecond(now.ClientLogins - b.ClientLogins),
			ServerLogins:      perSecond(now.ServerLogins - b.ServerLogins),
			Errors:            perSecond(now.Errors - b.Errors),
		}
		p.mu.Lock()
		cp.averages = a
		p.mu.Unlock()
	}
}

// totals adds up the workers' counters of every pool.
func (p *Proxy) totals() map[*clientPool]status.Totals { return p.totalsOf(p.pools()) }

func (p *Proxy) totalsOf(pools []*clientPool) map[*clientPool]status.Totals {
	out := make(map[*clientPool]status.Totals, len(pools))
	for _, w := range p.workers {
		w.do(func() {
			for _, cp := range pools {
				t := out[cp]
				t.Add(&cp.stats[w.index].totals)
				out[cp] = t
			}
		})
	}
	return out
}
