package proxy

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"pgweir/config"
	"pgweir/session"
	"pgweir/status"
)

// Snapshot reads everything that is to be told. Each loop is asked on its own
// thread for what belongs to it; with status.Counts that is little.
func (p *Proxy) Snapshot(d status.Detail) *status.Snapshot {
	s := &status.Snapshot{At: time.Now(), Started: p.started, Version: p.opts.Version}
	r := p.rules.Load()
	pools, past := p.poolsAndPast()
	s.Past = past
	at := map[*clientPool]int{}
	for i, cp := range pools {
		s.Pools = append(s.Pools, p.poolStatus(cp))
		at[cp] = i
	}
	var clients []*client
	var servers []*server
	connected := int(p.clients.count.Load())
	if d == status.Full {
		clients, servers = p.clients.all(), p.servers.list()
		connected = len(clients)
	}
	for _, w := range p.workers {
		w.do(func() {
			w.addEngine(&s.Engine)
			w.addStats(pools, s)
			w.countServers(s, at)
			w.countPins(s, at)
			if d == status.Full {
				w.listClients(clients, s)
				w.listServers(servers, s)
			}
		})
	}
	p.finishEngine(&s.Engine)
	for i := range s.Pools {
		accumulate(&s.Pools[i])
	}
	if d == status.Full {
		for _, cp := range pools {
			cp.listState(s)
		}
	}
	if d == status.WithEvidence || d == status.WithShapes {
		for i, cp := range pools {
			s.Pools[i].Evidence = cp.evidence()
		}
	}
	if d == status.WithShapes {
		for _, cp := range pools {
			s.Shapes = cp.listShapes(s.Shapes)
		}
	}
	p.fillDatabases(s, r.config)
	p.fillUsers(s, r, d)
	p.fillSavings(s, pools)
	for _, row := range r.config.Settings() {
		s.Config = append(s.Config, status.Setting(row))
	}
	s.Mode = p.restraint.Load().mode.status()
	s.AuthQuery = p.authQuery()
	s.Logins = p.loginStatus(d == status.Full)
	s.Traces = p.traces.status()
	p.fillDNSHosts(s)
	s.Lists = p.countLists(s, r, connected)
	sortLists(s)
	s.Censuses = p.Censuses()
	p.fillCertificates(s)
	p.fillFindings(s)
	s.Ready, s.NotReady = p.ready(pools)
	return s
}

// accumulate makes of a pool's counts what Prometheus has for buckets: each has
// those below it in it.
func accumulate(q *status.Pool) {
	for _, counts := range [][]uint64{q.Waits, q.TransactionTimes, q.QueryTimes} {
		for k := 1; k < len(counts); k++ {
			counts[k] += counts[k-1]
		}
	}
}

// countLists counts what the lists have, and all clients and users, listed or not.
func (p *Proxy) countLists(s *status.Snapshot, r *rules, clients int) status.Lists {
	n := status.Lists{
		Databases: len(s.Databases), Users: r.users.Count(), Pools: len(s.Pools),
		UsedClients: clients, LoginClients: int(p.clients.login.Load()),
		DNSNames: len(s.DNSHosts), DNSQueries: p.names.Running(),
	}
	for _, q := range s.Pools {
		n.FreeServers += q.ServersIdle
		n.UsedServers += q.Backends() - q.ServersIdle
	}
	for _, u := range s.Users {
		if !r.users.Knows(u.Name) {
			n.Users++
		}
	}
	return n
}

// sortLists puts the lists in the order in which they are shown.
func sortLists(s *status.Snapshot) {
	slices.SortFunc(s.Pools, func(a, b status.Pool) int {
		return cmp.Or(cmp.Compare(a.Database, b.Database), cmp.Compare(a.User, b.User))
	})
	slices.SortFunc(s.Clients, func(a, b status.Client) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(s.Pins, func(a, b status.Pin) int { return a.Since.Compare(b.Since) })
	slices.SortFunc(s.Leaks, func(a, b status.Leak) int { return cmp.Or(b.At.Compare(a.At), cmp.Compare(a.Statement, b.Statement)) })
	slices.SortFunc(s.Servers, func(a, b status.Server) int { return cmp.Compare(a.ID, b.ID) })
}

func (p *Proxy) poolStatus(cp *clientPool) status.Pool {
	out := status.Pool{
		Database: cp.key.database, User: cp.key.user, Number: cp.number,
		Mode:             cp.conf.Load().Mode.String(),
		Waits:            make([]uint64, len(status.WaitBounds)+1),
		TransactionTimes: make([]uint64, numDurations),
		QueryTimes:       make([]uint64, numDurations),
	}
	p.mu.Lock()
	out.Averages = cp.averages
	p.mu.Unlock()
	out.ClientsActive = int(cp.clients.Load())
	out.BackendMemory = cp.memory.Load()
	cp.fillState(&out)
	if cp.pool == nil {
		return out
	}
	c := cp.pool.Counts()
	out.Paused = cp.pool.Halted()
	settings := cp.pool.Settings()
	out.Size = settings.Size
	if len(settings.Others) > 0 {
		out.LoadBalanceHosts, out.Hosts = settings.Balancing.String(), hostsStatus(cp.pool)
	}
	in := min(c.Waiting-c.WaitingLogins, out.ClientsActive)
	out.ClientsWaiting = in + c.WaitingLogins
	out.ClientsActive -= in
	out.ClientsActiveCancel, out.ClientsWaitingCancel = c.CancelsActive, c.CancelsWaiting
	out.ServersActiveCancel = c.CancelsActive
	out.ServersActive, out.ServersIdle = c.Lent, c.Idle
	out.Replicating = c.Replicas
	out.ServersLogin, out.ServersClosing = c.Opening, c.Closing
	out.MaxWait = c.MaxWait
	if c.Refusing != nil {
		out.Refusal = c.Refusing.Message
	}
	out.Totals.ServerLogins, out.Totals.Shed = c.Logins, c.Shed
	return out
}

func addCounts(sum, counts []uint64) {
	for i, n := range counts {
		sum[i] += n
	}
}

// addStats adds what this loop has counted of each pool.
func (w *worker) addStats(pools []*clientPool, s *status.Snapshot) {
	for i, cp := range pools {
		st, q := cp.stats[w.index], &s.Pools[i]
		q.Totals.Add(&st.totals)
		q.Replays += st.replays
		q.Questions += st.questions
		addCounts(q.Waits, st.waits[:])
		addCounts(q.TransactionTimes, st.transactions[:])
		addCounts(q.QueryTimes, st.queries[:])
	}
}

// countServers tells leased backends apart by what they are doing.
func (w *worker) countServers(s *status.Snapshot, at map[*clientPool]int) {
	for _, b := range w.leased {
		c := w.holder(b)
		if c == nil || c.pool == nil || c.sess.Phase() != session.Resetting {
			continue
		}
		i, ok := at[c.pool]
		if !ok {
			continue // it came to be meanwhile
		}
		q := &s.Pools[i]
		q.ServersTested++
		q.ServersActive = max(0, q.ServersActive-1)
	}
}

// countPins counts why clients keep their backends, and for how long they have waited for
// an answer.
func (w *worker) countPins(s *status.Snapshot, at map[*clientPool]int) {
	for _, b := range w.leased {
		if c := w.holder(b); c != nil && c.pool != nil && c.login == nil { // at the login there is no session yet
			r, _ := c.sess.Pins()
			i, ok := at[c.pool]
			if !ok {
				continue
			}
			q := &s.Pools[i]
			if c.replication == replicationNone && c.sess.Owes() {
				q.OldestQuery = max(q.OldestQuery, w.now()-max(c.asked, b.clocks.answered))
			}
			for _, name := range r.Names() {
				q.PinnedBy[name]++
			}
			if r != 0 && c.extra != nil {
				q.OldestPin = max(q.OldestPin, w.now()-c.extra.pinSince)
			}
		}
	}
}

func (w *worker) listClients(clients []*client, s *status.Snapshot) {
	p := w.proxy
	port := p.Config().ListenPort
	for _, c := range clients {
		if c.worker.Load() != w || c.state == clientAway || c.state == clientClosed {
			continue
		}
		row := status.Client{Conn: status.Conn{
			ID: c.id, User: c.userName(), State: "active", Addr: c.peer.addr(), Port: int(c.peer.port),
			ConnectTime: p.started.Add(c.since),
		}}
		row.LocalAddr, row.LocalPort = c.localEnd(port)
		if c.pool != nil {
			row.Database = c.pool.key.database
		}
		switch {
		case c.login != nil:
			row.State = "login"
			row.User, row.Database = c.login.ask.user, c.login.ask.database
		case c.sess.Phase() == session.Waiting && c.server == nil:
			row.State = "waiting"
			row.Wait = w.now() - c.asked
		}
		if c.login == nil {
			row.ApplicationName = c.sess.Vars()[0]
			row.Prepared = c.sess.Prepared()
			row.Settings = fingerprint(c.sess.Settings())
			if pin := c.pinStatus(w, &row); pin != nil {
				row.Pin = strings.Join(pin.Reasons, ",")
				s.Pins = append(s.Pins, *pin)
			}
		}
		if c.asked > 0 {
			row.RequestTime = p.started.Add(c.asked)
		}
		if c.server != nil {
			row.Link = c.server.b.ID
		}
		if t := c.conn.TLS(); t != nil {
			row.TLS = t.Describe()
		}
		row.Replication = c.replication.String()
		row.CloseNeeded = c.extra != nil && c.extra.parting
		s.Clients = append(s.Clients, row)
	}
}

func (w *worker) listServers(servers []*server, s *status.Snapshot) {
	p := w.proxy
	for _, b := range servers {
		if b.conn.Loop() != w.loop {
			continue
		}
		pool := b.b.Pool()
		a := b.b.Address
		row := status.Server{Conn: status.Conn{
			ID: b.b.ID, User: pool.User, Database: pool.Database, State: "idle",
			ConnectTime: b.b.Opened, RemotePID: int(b.b.PID), TLS: b.b.TLS, Replication: "none",
			CloseNeeded: b.b.Outdated(),
		}}
		row.Addr, row.Port = splitAddress(a)
		row.LocalAddr, row.LocalPort = consoleAddr(b.b.Local, p.Config().ListenPort)
		row.Prepared, row.Settings = b.carries(w)
		switch c := w.holder(b); {
		case c != nil && c.login != nil:
			row.State, row.Link = "active", c.id
		case c != nil:
			row.State, row.Link = "active", c.id
			row.Replication = c.replication.String()
			row.ApplicationName = c.sess.Vars()[0]
			row.RequestTime = p.started.Add(c.asked)
			if r, _ := c.sess.Pins(); r != 0 {
				row.Pin = strings.Join(r.Names(), ",")
			}
			if c.sess.Phase() == session.Resetting {
				row.State = "tested"
			}
		case !w.loop.Has(&b.conn): // idle
		case b.quarantined && b.beingCanceled():
			row.State = "being_canceled"
		case b.quarantined:
			row.State = "tested"
		}
		s.Servers = append(s.Servers, row)
	}
}

// carries is what is shown of the statements and settings on a backend that
// this loop watches. One that is parked any loop may claim just now.
func (s *server) carries(w *worker) (prepared int, settings string) {
	if w.loop.Has(&s.conn) {
		return s.link.Prepared(), fingerprint(s.link.Settings())
	}
	return int(s.parked.prepared.Load()), shortened(s.parked.settings.Load())
}

func (p *Proxy) fillDatabases(s *status.Snapshot, c *config.Config) {
	names := map[string]bool{}
	for name := range c.Databases {
		if name != "*" {
			names[name] = true
		}
	}
	clients, _ := p.counts.read()
	for _, q := range s.Pools {
		if !config.IsConsole(q.Database) {
			names[q.Database] = true
		}
	}
	restraint := p.restraint.Load()
	for _, held := range []map[string]bool{restraint.paused, restraint.disabled} {
		for name := range held {
			names[name] = true // though it may have no pool
		}
	}
	for name := range names {
		db, ok := c.Database(name)
		if !ok {
			continue
		}
		user := db.User
		s.Databases = append(s.Databases, status.Database{
			Name: name, Host: db.Host, LoadBalanceHosts: db.LoadBalanceHostsShown(), Port: db.Port, Database: db.DBName, ForceUser: user,
			PoolSize: c.PoolSizeFor(db, user), MinPoolSize: c.MinPoolSizeFor(db, user),
			ReservePool: c.ReservePoolSizeFor(db, user), ServerLifetime: c.ServerLifetimeFor(db, user),
			PoolMode: db.PoolMode, MaxConnections: c.MaxDBConnectionsFor(db),
			Connections: p.budget.Database(name),
			MaxClients:  c.MaxDBClientConnectionsFor(db), Clients: clients[name],
			Paused: restraint.pauses(name), Disabled: restraint.disabled[name],
		})
	}
	slices.SortFunc(s.Databases, func(a, b status.Database) int { return cmp.Compare(a.Name, b.Name) })
}

// fillUsers lists those of the configuration and those with a pool; with status.Full
// also those of the auth_file, of whom there may be many.
func (p *Proxy) fillUsers(s *status.Snapshot, r *rules, d status.Detail) {
	c := r.config
	_, clients := p.counts.read()
	if d == status.Full {
		for _, name := range r.users.Names() {
			clients[name] += 0
		}
	}
	for name := range c.Users {
		clients[name] += 0
	}
	for _, q := range s.Pools {
		if !config.IsConsole(q.Database) {
			clients[q.User] += 0
		}
	}
	for name, n := range clients {
		u := status.User{
			Name: name, Clients: n, Connections: p.budget.User(name),
			MaxConnections: c.MaxUserConnectionsFor(name), MaxClients: c.MaxUserClientConnectionsFor(name),
		}
		if set := c.Users[name]; set != nil {
			u.PoolMode = set.PoolMode
			if set.PoolSize != nil {
				u.PoolSize = *set.PoolSize
			}
			u.ReservePool = set.ReservePoolSize
		}
		s.Users = append(s.Users, u)
	}
	slices.SortFunc(s.Users, func(a, b status.User) int { return cmp.Compare(a.Name, b.Name) })
}

func (p *Proxy) fillSavings(s *status.Snapshot, pools []*clientPool) {
	v := &s.Savings
	v.BackendMemory, v.MemorySaved, v.MemorySource = -1, -1, "unknown"
	v.ClientLogins, v.ServerLogins = s.Past.ClientLogins, s.Past.ServerLogins
	var memory int64
	measured, estimated := 0, false
	for i := range s.Pools {
		q, cp := &s.Pools[i], pools[i]
		if cp.pool == nil {
			continue
		}
		v.Clients += q.Clients()
		v.Backends += q.Backends()
		v.ClientLogins += q.Totals.ClientLogins
		v.ServerLogins += q.Totals.ServerLogins
		if open := q.Backends() - q.ServersLogin - q.ServersClosing; q.BackendMemory >= 0 && open > 0 {
			memory += q.BackendMemory
			measured += open
			estimated = estimated || cp.estimated.Load()
		}
	}
	v.Saved = max(0, v.Clients-v.Backends)
	if v.Backends > 0 {
		v.Ratio = float64(v.Clients) / float64(v.Backends)
	}
	if measured > 0 {
		v.BackendMemory = memory / int64(measured)
		v.MemorySaved = v.BackendMemory * int64(v.Saved)
		v.MemorySource = "measured"
		if estimated {
			v.MemorySource = "estimated"
		}
	}
	p.fillPeaks(s, pools)
}

// fillPeaks is about counts that are filled in: no peak is below what there is now, nor
// below what an earlier snapshot has shown.
func (p *Proxy) fillPeaks(s *status.Snapshot, pools []*clientPool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, cp := range pools {
		q := &s.Pools[i]
		if cp.pool != nil {
			cp.peak.raise(q.Clients(), q.Backends())
		}
		q.ClientsPeak, q.BackendsPeak, q.SavedPeak = cp.peak.clients, cp.peak.backends, cp.peak.saved
	}
	v := &s.Savings
	p.peak.raise(v.Clients, v.Backends)
	v.Peak.Clients, v.Peak.Backends, v.Peak.Saved = p.peak.clients, p.peak.backends, p.peak.saved
}
