package proxy

import (
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"pgweir/auth"
	"pgweir/config"
	"pgweir/pool"
	"pgweir/session"
	"pgweir/status"
	"pgweir/wire"
)

// poolKey names a pool: the database as clients name it, and the user that its
// backends log in as.
type poolKey struct{ database, user string }

// clientPool is a pool with what the proxy knows of its clients.
type clientPool struct {
	key    poolKey
	number int        // how many came to be before it
	pool   *pool.Pool // nil for the console's
	shared *session.Shared
	// Guarded by Proxy.mu.
	catalog *catalog
	holders int       // clients that have it, those that are logging in among them
	taken   uint64    // how often it was given to a client
	unused  time.Time // since when it has no holders; zero while it has
	leaks   leaks
	conf    atomic.Pointer[session.Config]
	stats   []*poolStats // by worker, whose thread they belong to
	asked   askedSecret
	clients atomic.Int64
	memory  atomic.Int64 // what its backends hold, in bytes; -1 for unknown
	// estimated: memory comes from less than the kernel knows.
	estimated atomic.Bool

	peak    peaks
	history history // guarded by Proxy.mu
	// The keeper's own.
	before   status.Totals // at the start of the stats period
	averages status.Totals
}

// poolStats are counted by one worker.
type poolStats struct {
	totals status.Totals
	waits  [13]uint64 // len(status.WaitBounds) + 1
	// By duration, as status.DurationBounds says.
	transactions, queries [numDurations]uint64
	// As in status.Pool.
	replays, questions int64
	_                  [64]byte // keeps two workers' counters out of one cache line
}

const numDurations = 18 // len(status.DurationBounds) + 1

var durationBounds = func() (bounds [numDurations]time.Duration) {
	for i, s := range status.DurationBounds {
		bounds[i] = time.Duration(s * float64(time.Second))
	}
	bounds[numDurations-1] = math.MaxInt64
	return bounds
}()

// durationBucket is where a duration is counted. Most are short, so the search
// begins there.
func durationBucket(d time.Duration) int {
	i := 0
	for d > durationBounds[i] {
		i++
	}
	return i
}

func (p *Proxy) newClientPool(key poolKey) *clientPool {
	cp := &clientPool{key: key, number: p.mu.made}
	p.mu.made++
	for range p.workers {
		cp.stats = append(cp.stats, new(poolStats))
	}
	cp.memory.Store(-1)
	p.mu.pools[key] = cp
	p.mu.order = append(p.mu.order, cp)
	return cp
}

// poolFor finds or makes the pool for a client that has proven to be user. quitPool
// gives it back.
func (p *Proxy) poolFor(database, user string) (*clientPool, *wire.Error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.rules.Load() // under the lock: a reload puts new ones in force in the pools that there are
	db, ok := r.config.Database(database)
	if !ok {
		return nil, wire.Fatalf(wire.CodeInvalidCatalogName, "database \"%s\" does not exist", database)
	}
	key := poolKey{database, db.PoolUser(user)}
	cp := p.mu.pools[key]
	if cp == nil {
		cp = p.makePool(key, db, r)
	}
	cp.holders++
	cp.taken++
	return cp, nil
}

// quitPool ends a client's use of a pool, as poolFor began it.
func (p *Proxy) quitPool(cp *clientPool) {
	p.mu.Lock()
	cp.holders--
	p.mu.Unlock()
}

// makePool makes a pool, under the lock.
func (p *Proxy) makePool(key poolKey, db *config.Database, r *rules) *clientPool {
	cp := p.newClientPool(key)
	cp.shared = new(session.Shared)
	s := poolSettings(r, db, key.user)
	cp.catalog = p.mu.catalogs.take(catalogKeyOf(&s), nil)
	cp.conf.Store(sessionConfig(r.config, db, cp, key.user, p))
	cp.pool = pool.New(key.database, key.user, p, p.Dial, secure, p.budget, p.started, p.nextID, s)
	if p.restraint.Load().pauses(key.database) {
		cp.pool.Pause()
	}
	return cp
}

// openMinimums makes the pools that keep backends for clients who have not come yet:
// those of databases with a user of their own and a min_pool_size.
func (p *Proxy) openMinimums() {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.rules.Load()
	for name, db := range r.config.Databases {
		key := poolKey{name, db.User}
		if name != "*" && db.User != "" && r.config.MinPoolSizeFor(db, db.User) > 0 && p.mu.pools[key] == nil {
			p.makePool(key, db, r)
		}
	}
}

// entered counts a client that has logged in.
func (cp *clientPool) entered(w *worker) {
	cp.clients.Add(1)
	cp.stats[w.index].totals.ClientLogins++
}

// sessionConfig is for the clients of a pool that logs in as user.
func sessionConfig(c *config.Config, db *config.Database, cp *clientPool, user string, p *Proxy) *session.Config {
	s := &session.Config{
		ResetQuery: c.ServerResetQuery, Shared: cp.shared, Catalog: &cp.catalog.Catalog, User: user,
		Signal:      func(sig session.Signal) bool { return p.signal(cp, sig) },
		Waiting:     func() bool { return cp.pool.Waiting() || cp.pool.Halted() },
		Listening:   func() bool { return cp.pool.Listener().Connected() },
		MaxPrepared: c.MaxPreparedStatementsFor(db), MaxPinned: c.MaxPinnedFor(db, user), LeakCheck: c.LeakCheckFor(db),
		Recalls: len(db.Servers()) == 1,
	}
	switch c.PoolModeFor(db, user) {
	case "transaction":
		s.Mode = session.TransactionMode
	case "statement":
		s.Mode = session.StatementMode
	}
	if s.Mode == session.SessionMode {
		return s
	}
	switch c.SessionStateFor(db, user) {
	case "track":
		s.State = session.StateTrack
	case "pin":
		s.State = session.StatePin
	}
	switch c.ListenFor(db, user) {
	case "pin":
		s.Listen = session.ListenPin
	case "reject":
		s.Listen = session.ListenReject
	default:
		if c.PoolSizeFor(db, user) < 2 {
			s.Listen = session.ListenPin // there is no room for one that listens
		}
	}
	return s
}

func poolSettings(r *rules, db *config.Database, user string) pool.Settings {
	c := r.config
	s := pool.Settings{
		Size: c.PoolSizeFor(db, user), MinSize: c.MinPoolSizeFor(db, user), Reserve: c.ReservePoolSizeFor(db, user), Kept: db.User == user,
		ReserveTimeout: c.ReservePoolTimeout, QueryWait: c.QueryWaitTimeoutFor(db, user), CancelWait: c.CancelWaitTimeout,
		IdleTimeout: c.ServerIdleTimeoutFor(db, user), Lifetime: c.ServerLifetimeFor(db, user),
		ConnectTimeout: c.ServerConnectTimeout, LoginRetry: c.ServerLoginRetry,
		MaxDatabase: c.MaxDBConnectionsFor(db), MaxUser: c.MaxUserConnectionsFor(user),
		MaxServer: c.MaxServerConn, Weight: c.PoolWeightFor(db, user), MaxWaiting: c.MaxWaitingFor(db, user), QueryNotify: c.QueryWaitNotify,
		MaxReplicas: c.MaxReplicationConnections, MaxDatabaseReplicas: c.MaxReplicationConnectionsFor(db),
		DBName: db.DBName, Sharing: sharing(c.PoolModeFor(db, user), c.SessionStateFor(db, user)),
		AuthMethods:    pool.AuthMethodsOf(c.ServerAuthMethods),
		ChannelBinding: pool.ChannelBinding(c.ServerChannelBinding),
		Protocol:       c.ServerMaxProtocolVersionFor(db),
	}
	s.Address, s.Others = poolAddresses(db.Servers(), ServerTLS(c))
	if db.LoadBalanceHosts == "disable" {
		s.Balancing = pool.Staying
	}
	r.setCredentials(&s, db, user)
	return s
}

// poolAddresses are where servers are reached: the first one, and the others.
func poolAddresses(servers []config.Server, tls pool.TLS) (first pool.Address, others []pool.Address) {
	var all []pool.Address
	for _, s := range servers {
		network, addr := s.Address()
		host, _, _ := net.SplitHostPort(addr)
		all = append(all, pool.Address{Network: network, Addr: addr, Host: host, TLS: tls})
	}
	return all[0], all[1:]
}

// addressesOf are those of all hosts of a pool.
func addressesOf(p *pool.Pool) []pool.Address {
	s := p.Settings()
	return s.Addresses()
}

// setCredentials says how a pool logs in as user: with the database's own password,
// else with what is known of the user.
func (r *rules) setCredentials(s *pool.Settings, db *config.Database, user string) {
	s.Credentials = wire.Credentials{User: user}
	given := &db.Passwords
	var all []wire.Credentials
	if db.User == user && given.Given() {
		for _, password := range []config.Secret{given.Password, given.PasswordNext} {
			if password != "" {
				all = append(all, wire.Credentials{User: user, Password: string(password)})
			}
		}
	} else {
		for _, secret := range r.users.Secrets(user) {
			all = append(all, secret.Credentials(user))
		}
		given = &config.Passwords{}
		if u := r.config.Users[user]; u != nil {
			given = &u.Passwords
		}
	}
	if len(all) > 0 {
		s.Credentials, s.Next = all[0], all[1:]
	}
	source, ok := r.config.Source(given)
	if !ok {
		return
	}
	key, refused := source.Key(), given.Password
	if source.File == "" {
		s.Renews = key
	}
	s.Renew = func() (wire.Credentials, bool) {
		text, ok := r.secrets.Renew(key, refused)
		if !ok {
			return wire.Credentials{}, false
		}
		if given == &db.Passwords {
			return wire.Credentials{User: user, Password: string(text)}, true
		}
		secret, err := auth.ParseSecret(string(text))
		return secret.Credentials(user), err == nil
	}
}

// ServerTLS is how connections to servers are encrypted.
func ServerTLS(c *config.Config) pool.TLS {
	return pool.TLS{
		Mode: pool.TLSMode(c.ServerTLSSSLMode),
		CA:   c.ServerTLSCAFile, Cert: c.ServerTLSCertFile, KeyFile: c.ServerTLSKeyFile,
		Direct: c.ServerTLSNegotiation == "direct",
		Min:    c.ServerTLSOffer.Min, Max: c.ServerTLSOffer.Max, Suites: pool.Suites(c.ServerTLSOffer.Suites),
	}
}

// sharing is how clients share backends in a pool mode, with a session_state.
func sharing(mode, state string) pool.Sharing {
	switch {
	case mode == "session":
		return pool.SharedNever
	case state == "track":
		return pool.SharedCarrying
	case state == "pin":
		return pool.SharedAsking
	}
	return pool.SharedBlindly
}

// pools are all pools, in the order in which they came to be.
func (p *Proxy) pools() []*clientPool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]*clientPool(nil), p.mu.order...)
}

// vacate has the pools leave the databases that a statement of the client's
// needs for itself. A pool with clients stays, as they would directly.
func (c *client) vacate(w *worker, databases []string) {
	for _, cp := range w.proxy.pools() {
		if cp.pool != nil && sameServer(cp.pool, c.pool.pool) && slices.Contains(databases, cp.pool.Settings().DBName) {
			cp.pool.Vacate()
			cp.conf.Load().Catalog.Changed() // another may come to bear its name
		}
	}
	s := c.pool.pool.Settings()
	w.proxy.asker.Vacate(s.At(), databases)
}

// isLocal tells whether a server's processes are this machine's.
func isLocal(a pool.Address) bool {
	if a.Network == "unix" {
		return true
	}
	host := strings.Trim(a.Host, "[]")
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// splitAddress is a server's address as the console shows it.
func splitAddress(a pool.Address) (string, int) {
	if a.Network == "unix" {
		_, port, _ := strings.Cut(a.Addr, ".s.PGSQL.")
		n, _ := strconv.Atoi(port)
		return "unix", n
	}
	host, port, _ := net.SplitHostPort(a.Addr)
	n, _ := strconv.Atoi(port)
	return host, n
}
