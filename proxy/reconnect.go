package proxy

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"pgweir/wire"
)

// Reconnect has every backend of a database, or of all, replaced when it is given back:
// the idle ones now, the others at the end of their lease. Clients notice nothing, but for
// those that replicate: their backends last as long as they do, so they are disconnected,
// as in PgBouncer.
func (p *Proxy) Reconnect(database string) error {
	if database != "" {
		if err := p.mayName("reconnect", database); err != nil {
			return err
		}
	}
	for _, cp := range p.poolsOf(database) {
		cp.conf.Load().Catalog.Changed() // the server may be another one
		p.expireName(cp.pool)
		cp.pool.Reconnect()
		s := cp.pool.Settings()
		p.asker.Vacate(s.At(), []string{s.DBName})
	}
	p.each(p.clients.all(), func(c *client) {
		if c.isOf(database) && c.login == nil && c.replication != replicationNone {
			c.shut()
		}
	})
	return nil
}

// WaitClose waits until no backend of a database, or of any, is left that is closed as
// soon as it is given back. It holds nothing up.
func (p *Proxy) WaitClose(ctx context.Context, database string) error {
	if database != "" {
		if err := p.mayName("wait in", database); err != nil {
			return err
		}
	}
	return p.await(ctx, nil, func() (bool, error) { return p.outdated(database) == 0, nil }, func() string {
		return fmt.Sprintf("%d backends that are to be closed", p.outdated(database))
	})
}

// outdated counts such backends.
func (p *Proxy) outdated(database string) (n int) {
	for _, s := range p.servers.list() {
		if (database == "" || s.b.Pool().Database == database) && s.b.Outdated() {
			n++
		}
	}
	for _, cp := range p.poolsOf(database) {
		if cp.pool.ListensOutdated() {
			n++
		}
	}
	return n
}

const (
	// partEvery is how often it is looked which of the clients that are due are at rest.
	partEvery = 50 * time.Millisecond
	// partGrace is for how long after the last one is due that goes on.
	partGrace = time.Minute
)

var errReconnect = func() *wire.Error {
	e := wire.Fatalf(wire.CodeAdminShutdown, "terminating connection due to administrator command")
	e.Detail = "The clients of this pgweir are asked to connect anew."
	return e
}()

// ReconnectClients disconnects the clients of a database, or all, when they are at rest,
// and so has them connect anew, perhaps to another pgweir behind the same load balancer.
// Their turns are spread evenly over a time, in any order. Who has set state in a backend
// that nobody else could have, and who replicates, is left alone as long as that lasts. It
// returns at once, with their number.
func (p *Proxy) ReconnectClients(database string, spread time.Duration) (int, error) {
	if database != "" {
		if err := p.mayName("reconnect clients of", database); err != nil {
			return 0, err
		}
	}
	due := p.choose(p.clients.all(), func(c *client) bool {
		return c.state == clientOpen && c.login == nil && c.isOf(database) && c.replication == replicationNone
	})
	rand.Shuffle(len(due), func(i, j int) { due[i], due[j] = due[j], due[i] })
	go p.partWith(due, database, spread)
	return len(due), nil
}

// called is by what a client is found again, if it is still there: one that has left is not
// kept for its turn.
type called struct {
	pid uint32 // where to look
	id  uint64
}

// choose gives those of some clients of which f says so, each on its loop.
func (p *Proxy) choose(clients []*client, f func(*client) bool) (chosen []called) {
	found := make(chan called, len(clients))
	p.each(clients, func(c *client) {
		if f(c) {
			found <- called{c.pid, c.id}
		}
	})
	for {
		select {
		case c := <-found:
			chosen = append(chosen, c)
		default:
			return chosen
		}
	}
}

// stillHere gives those of the clients that are still there.
func (p *Proxy) stillHere(all []called) (clients []*client) {
	for _, who := range all {
		if c := p.clients.at(who.pid); c != nil && c.id == who.id {
			clients = append(clients, c)
		}
	}
	return clients
}

// partWith disconnects clients, each in its turn.
func (p *Proxy) partWith(clients []called, database string, spread time.Duration) {
	tick := time.NewTicker(partEvery)
	defer tick.Stop()
	begun := time.Now()
	turn, busy := 0, []called(nil)
	for {
		passed := time.Since(begun)
		for turn < len(clients) && spread.Seconds()*float64(turn) <= passed.Seconds()*float64(len(clients)) {
			busy = append(busy, clients[turn])
			turn++
		}
		busy = p.part(busy)
		if over := turn == len(clients); over && len(busy) == 0 || passed > spread+partGrace {
			p.each(p.stillHere(busy), func(c *client) { c.more().parting = false })
			p.log.Info("clients were asked to connect anew", "database", database, "clients", len(clients)-len(busy), "never at rest", len(busy))
			return
		}
		select {
		case <-p.stopped:
			return
		case <-tick.C:
		}
	}
}

// part disconnects those who are at rest, and gives the others.
func (p *Proxy) part(clients []called) (busy []called) {
	return p.choose(p.stillHere(clients), func(c *client) bool {
		switch {
		case c.state != clientOpen:
			return false
		case c.parts():
			c.kill(errReconnect)
			return false
		}
		c.more().parting = true
		return true
	})
}

// parts tells whether a client may be disconnected: it is at rest and, but in session mode,
// has no backend. One that has may keep state there, or is just being asked about it.
func (c *client) parts() bool {
	return c.atRest() && c.conn.Kept() == 0 && (c.server == nil || c.ownBackend)
}
