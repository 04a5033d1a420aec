package pool

import (
	"context"
	"net"
	"sync"
	"time"

	"pgweir/wire"
)

// A client that replicates has a backend of its own, outside of the pool: a walsender,
// which nobody else could use, and for which PostgreSQL has room of its own
// (max_wal_senders). In the pool it would take a place for as long as it streams, and
// stand in line for it. So it is opened for one client, counts under caps of its own,
// and ends with its client; nothing else ends it.

// Replicate opens a backend with these startup parameters outside of the pool, and
// grants it to t. It is t's connection as it is: b.Conn has not been given to Host.Adopt.
// An error says that there are too many, or that the pool is drained.
func (p *Pool) Replicate(t Taker, params []wire.Param) *wire.Error {
	p.mu.Lock()
	s, stamp := p.settings, p.generation
	candidates := p.candidates()
	if p.closed {
		p.mu.Unlock()
		return errDrained
	}
	if p.Halted() {
		p.mu.Unlock()
		return p.errPaused()
	}
	if e := p.budget.replicas.admit(p.Database, s.MaxReplicas, s.MaxDatabaseReplicas); e != nil {
		p.mu.Unlock()
		return e
	}
	p.replicas++
	p.mu.Unlock()
	go p.openReplica(t, params, s, candidates, stamp)
	return nil
}

// openReplica logs in for a client that has been admitted.
func (p *Pool) openReplica(t Taker, params []wire.Param, s Settings, candidates []wire.Credentials, stamp int) {
	replicas := &p.budget.replicas
	ctx, cancel := context.WithTimeout(context.Background(), s.ConnectTimeout)
	defer cancel()
	if e := replicas.begin(ctx, p.Database, s.MaxReplicas, s.MaxDatabaseReplicas); e != nil {
		replicas.dismiss(p.Database)
		t.Refuse(e)
		p.replicaGone()
		return
	}
	b, failed, err := p.logInReplica(s, candidates, params)
	if err != nil {
		e := asError(err)
		replicas.dismiss(p.Database)
		t.Refuse(e)
		if refusesUser(e) {
			p.host.Refused(p, e)
		}
		if failed != nil {
			outlast(failed, time.Now().Add(s.ConnectTimeout))
		}
		replicas.end(p.Database)
		p.replicaGone()
		return
	}
	b.ID, b.pool, b.stamp, b.replica = p.ids(), p, stamp, true
	b.Opened, b.opened = time.Now(), time.Since(p.epoch)
	p.mu.Lock()
	p.logins++
	p.mu.Unlock()
	t.Grant(b)
}

// logInReplica logs in at the first of the hosts that lets anybody in, in the order of the
// configuration: what is replicated, such as a slot, is one server's.
func (p *Pool) logInReplica(s Settings, candidates []wire.Credentials, params []wire.Param) (b *Backend, failed net.Conn, err error) {
	all, away := s.Addresses(), p.Away()
	for i, a := range all {
		last := i == len(all)-1
		if !last && !away && p.budget.servers.reason(&a) != nil {
			continue
		}
		s.Address = a
		b, failed, err = p.logIn(s, candidates, params)
		if err == nil || last || troubleOf(err) != troubleAway {
			break
		}
		if failed != nil { // its process counts until it has gone
			outlast(failed, time.Now().Add(s.ConnectTimeout))
		}
	}
	return b, failed, err
}

// Replica tells whether the backend is one that Replicate has opened.
func (b *Backend) Replica() bool { return b.replica }

// discardReplica is Discard for such a backend.
func (p *Pool) discardReplica(b *Backend, busy bool) {
	replicas := &p.budget.replicas
	replicas.dismiss(p.Database)
	go func() {
		if busy {
			p.stopWork(b)
		}
		if b.Conn != nil {
			outlast(b.Conn, time.Time{})
		}
		replicas.end(p.Database)
		p.replicaGone()
	}()
}

// replicaGone uncounts a backend outside of the pool.
func (p *Pool) replicaGone() {
	p.mu.Lock()
	p.replicas--
	p.mu.Unlock()
	p.forgotten()
}

// replicas counts, of all pools, the clients that replicate and the processes of
// PostgreSQL's that are theirs; these outlive them for a moment. A client is refused if
// there are too many clients; one that is admitted waits until there are not too many
// processes, so that who has just left and comes back is let in.
type replicas struct {
	mu     sync.Mutex
	counts map[string]*replicaCount // by database; "" is for all
	waits  chan struct{}            // closed when a process has ended; nil if nobody waits
}

type replicaCount struct{ clients, processes int }

// full tells which of the limits n reaches, by what it is compared with; 0 is no limit.
func (r *replicas) full(database string, most, mostHere int, n func(*replicaCount) int) *wire.Error {
	at := func(name string) int {
		if c := r.counts[name]; c != nil {
			return n(c)
		}
		return 0
	}
	const too = "no more replication connections are allowed"
	switch {
	case most > 0 && at("") >= most:
		return wire.Fatalf(wire.CodeTooManyConnections, too+" (max_replication_connections = %d)", most)
	case mostHere > 0 && at(database) >= mostHere:
		return wire.Fatalf(wire.CodeTooManyConnections, too+" to database \"%s\" (max_replication_connections = %d)", database, mostHere)
	}
	return nil
}

// count counts a client, or a process, more or less.
func (r *replicas) count(database string, clients, processes int) {
	if r.counts == nil {
		r.counts = map[string]*replicaCount{}
	}
	for _, name := range []string{"", database} {
		c := r.counts[name]
		if c == nil {
			c = new(replicaCount)
			r.counts[name] = c
		}
		c.clients += clients
		c.processes += processes
		if *c == (replicaCount{}) {
			delete(r.counts, name)
		}
	}
}

// admit lets a client in.
func (r *replicas) admit(database string, most, mostHere int) *wire.Error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.full(database, most, mostHere, func(c *replicaCount) int { return c.clients }); e != nil {
		return e
	}
	r.count(database, 1, 0)
	return nil
}

// dismiss undoes admit.
func (r *replicas) dismiss(database string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count(database, -1, 0)
}

// begin waits until there may be another process, and counts it.
func (r *replicas) begin(ctx context.Context, database string, most, mostHere int) *wire.Error {
	for {
		r.mu.Lock()
		e := r.full(database, most, mostHere, func(c *replicaCount) int { return c.processes })
		if e == nil {
			r.count(database, 0, 1)
			r.mu.Unlock()
			return nil
		}
		if r.waits == nil {
			r.waits = make(chan struct{})
		}
		ended := r.waits
		r.mu.Unlock()
		select {
		case <-ended:
		case <-ctx.Done():
			return e
		}
	}
}

// end undoes begin.
func (r *replicas) end(database string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count(database, 0, -1)
	if r.waits != nil {
		close(r.waits)
		r.waits = nil
	}
}
