package proxy

import (
	"sync"

	"pgweir/config"
	"pgweir/session"
	"pgweir/throttle"
	"pgweir/wire"
)

// clientCounts counts the clients of each database, user and address: from when they
// have shown who they are, so that nobody takes up another's places with a name alone,
// to their end. How many may be on their way until then is throttle's matter. The
// console's clients do not count.
type clientCounts struct {
	mu               sync.Mutex
	databases, users map[string]int
	addresses        map[throttle.Addr]int
}

func newClientCounts() *clientCounts {
	return &clientCounts{databases: map[string]int{}, users: map[string]int{}, addresses: map[throttle.Addr]int{}}
}

// admit counts a client, or says which limit is reached. Who comes over a Unix socket
// has no address.
func (n *clientCounts) admit(database, user string, from throttle.Addr, db *config.Database, c *config.Config) *wire.Error {
	n.mu.Lock()
	defer n.mu.Unlock()
	full := func(most, now int) bool { return most > 0 && now >= most }
	switch {
	case full(c.MaxDBClientConnectionsFor(db), n.databases[database]):
		return tooManyClients("max_db_client_connections")
	case full(c.MaxUserClientConnectionsFor(user), n.users[user]):
		return tooManyClients("max_user_client_connections")
	case !from.Local() && full(c.MaxClientConnPerAddress, n.addresses[from]):
		return tooManyClients("max_client_conn_per_address")
	}
	n.databases[database]++
	n.users[user]++
	if !from.Local() {
		n.addresses[from]++
	}
	return nil
}

// tooManyClients is worded as PgBouncer's.
func tooManyClients(setting string) *wire.Error {
	return wire.Fatalf(wire.CodeTooManyConnections, "client connections exceeded (%s)", setting)
}

// leave undoes admit.
func (n *clientCounts) leave(database, user string, from throttle.Addr) {
	n.mu.Lock()
	defer n.mu.Unlock()
	uncount(n.databases, database)
	uncount(n.users, user)
	if !from.Local() {
		uncount(n.addresses, from)
	}
}

// uncount counts one less; a name that nothing is counted for is forgotten.
func uncount[K comparable](counts map[K]int, name K) {
	if counts[name]--; counts[name] == 0 {
		delete(counts, name)
	}
}

// read copies the counts by database and by user.
func (n *clientCounts) read() (databases, users map[string]int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	databases, users = map[string]int{}, map[string]int{}
	for name, k := range n.databases {
		databases[name] = k
	}
	for name, k := range n.users {
		users[name] = k
	}
	return databases, users
}

// counted has the client count under the limits of clients; false if one is reached,
// and it has been told.
func (l *login) counted() bool {
	c, p := l.c, l.c.worker.Load().proxy
	conf := p.Config()
	db, ok := conf.Database(l.ask.database)
	if !ok { // a reload has just removed it
		l.fail(wire.Fatalf(wire.CodeInvalidCatalogName, "database \"%s\" does not exist", l.ask.database))
		return false
	}
	if e := p.counts.admit(l.ask.database, l.ask.user, c.address(), db, conf); e != nil {
		l.fail(e)
		return false
	}
	c.counted = true
	return true
}

// uncount ends what counted has begun.
func (c *client) uncount() {
	if c.counted {
		c.counted = false
		c.worker.Load().proxy.counts.leave(c.pool.key.database, c.user.Value(), c.address())
	}
}

var waitNotice = wire.AppendNotice(nil, &wire.Error{
	Severity: "NOTICE", Code: wire.CodeSuccess, Message: "no backend is free yet; the query waits for one",
})

// Waits is pool.Patient: the client is told that it waits.
func (c *client) Waits() {
	c.post(func() {
		waits := c.state == clientOpen && c.login == nil && c.server == nil && c.sess.Phase() == session.Waiting
		if !waits || c.sess.MidAnswer() {
			return
		}
		c.pool.stats[c.worker.Load().index].totals.Sent += int64(len(waitNotice))
		c.conn.Send(waitNotice)
	})
}
