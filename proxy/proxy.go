package proxy

import (
	"context"
	"crypto/rand"
	"log/slog"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"pgweir/authquery"
	"pgweir/config"
	"pgweir/dns"
	"pgweir/pool"
	"pgweir/secrets"
	"pgweir/status"
	"pgweir/throttle"
)

// Options of a Proxy.
type Options struct {
	// Start is canceled when the program is to end while New still waits for
	// commands that passwords come from; nil: never.
	Start   context.Context
	Version string
	Log     *slog.Logger
	// Console serves a client of the admin console that has logged in.
	Console Console
	// Load reads the configuration again, for Reload.
	Load func() (*config.Config, error)
	// InForce is told of each configuration that Reload or Set has put in force, and
	// tells what of the process itself waits for a restart; nil: nobody is told.
	InForce func(*config.Config) (pending []status.Change)
	// AuthLogins says how a configuration's auth_user logs in to servers; nil: the
	// servers are not asked for users' secrets.
	AuthLogins func(*config.Config) ConnStrings
	// Censuses gives the last census of each server; nil: nobody takes any.
	Censuses func() []*status.Census
	// Tracer is told of queries whose text names a place in a trace; nil: no text is
	// looked at.
	Tracer Tracer
}

// Proxy accepts clients and joins them with backends.
type Proxy struct {
	opts    Options
	log     *slog.Logger
	started time.Time
	secret  [32]byte // makes the long cancel keys
	workers []*worker
	// handshakes bounds clients' TLS handshakes.
	handshakes handshakes
	used       atomic.Int32 // how many of the workers take new clients
	budget     *pool.Budget
	counts     *clientCounts
	// deriving bounds how many logins derive keys at a time: that is processor
	// time, which the loops need.
	deriving gate
	// inquiring bounds how many logins ask the operating system for users at a time.
	inquiring gate
	// directories bounds how many ask LDAP servers.
	directories gate
	traces      *traces // nil if nobody wants any
	peerName    func(uid int) (string, error)
	resolving   *resolver  // of names of clients' addresses
	names       *dns.Names // of servers
	asker       *authquery.Asker
	serial      atomic.Uint64 // numbers clients and backends

	entrance *throttle.Entrance
	failures *throttle.Failures
	notes    *throttle.Notes
	delays   atomic.Int64 // passwords that had to wait until they were judged
	// fileBound is from where on descriptors are kept aside.
	fileBound     int
	acceptFailure atomic.Int64 // when the last one was, since the proxy was made

	clients  registry
	servers  servers
	upkept   time.Time // when upkeep was last called; the keeper's own
	draining atomic.Bool
	awaiting atomic.Bool // no client is accepted any more

	// commanding lets one command change the restraint at a time; it is held for no wait.
	commanding sync.Mutex
	restraint  atomic.Pointer[restraint]
	consoles   consoles

	// secrets are what the files and commands that passwords come from give.
	secrets *secrets.Store
	// base is the configuration in force, without what secrets gives; guarded by
	// applying.
	base    *config.Config
	exposed []string // files with secrets that tellOfExposure has told of; guarded as base is
	// rules are what the configuration says, replaced as a whole.
	rules atomic.Pointer[rules]

	mu struct {
		sync.Mutex
		pools     map[poolKey]*clientPool
		order     []*clientPool // by index
		made      int           // how many pools there have been
		catalogs  catalogs
		past      status.Totals // what pools have counted that are removed
		listeners []*listener
		history   history // of all pools together
	}
	// reloads lets one reload read the configuration, and wait for commands, at a time;
	// applying, taken after it, one reload or change of secrets be put in force.
	reloads, applying sync.Mutex
	peak              peaks
	// measured counts the keeper's measurements of memory.
	measured int
	findings *findings
	// refusals are of logins, by PostgreSQL; cancelFailures of cancel requests; leakLines of what
	// checks have found.
	refusals, cancelFailures, leakLines repeats
	reach                               reach
	// certificates are what keepCertificates has read; nil before that.
	certificates atomic.Pointer[certificates]
	stopped      chan struct{} // closed when the last client and backend have gone
	stop         sync.Once
	keeper       context.CancelFunc
	done         sync.WaitGroup
}

// New prepares a proxy; it listens nowhere yet. It waits for the commands that
// passwords come from, and leaves none behind if it is given up.
func New(c *config.Config, opts Options) (*Proxy, error) {
	p := &Proxy{opts: opts, log: opts.Log, started: time.Now(), budget: pool.NewBudget(), counts: newClientCounts(), stopped: make(chan struct{})}
	rand.Read(p.secret[:])
	p.restraint.Store(new(restraint))
	p.traces = newTraces(opts.Tracer)
	p.mu.pools, p.mu.catalogs = map[poolKey]*clientPool{}, catalogs{}
	p.findings = newFindings()
	p.servers.all, p.servers.open = map[*server]struct{}{}, map[processKey]*server{}
	p.asker = p.newAsker()
	p.fileBound = fileBound()
	p.entrance = throttle.NewEntrance(limitsOf(c))
	p.notes = throttle.NewNotes(maxNotes)
	p.failures = throttle.NewFailures(penaltyOf(c), maxFailures, p.since, func(d time.Duration, f func()) { time.AfterFunc(d, f) })
	p.secrets = secrets.New(p.log, p.renewSecrets)
	sources := c.SecretSources()
	if opts.Start != nil {
		defer context.AfterFunc(opts.Start, p.secrets.Close)()
	}
	set, err := p.secrets.Prepare(sources)
	if err != nil {
		p.secrets.Close()
		return nil, err
	}
	r, err := p.newRules(c, set)
	if err != nil {
		return nil, err
	}
	p.secrets.Commit(set, sources)
	p.base = c
	p.rules.Store(r)
	p.names = p.newNames(r)
	p.tellOfExposure(r)
	n := c.Workers
	used := n
	if n == 0 { // auto
		n, used = max(1, runtime.NumCPU()/2), 1
	}
	// A loop keeps its processor for a while when it has nothing to do, so the
	// other goroutines need one besides.
	runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0), n+1))
	p.deriving = newGate(runtime.GOMAXPROCS(0) - n)
	p.inquiring, p.peerName = newGate(maxInquiries), peerName
	p.directories = newGate(maxDirectory)
	p.resolving = newResolver(namesOf)
	p.handshakes = newHandshakes(n)
	for i := range n {
		w, err := p.newWorker(i)
		if err != nil {
			return nil, err
		}
		p.workers = append(p.workers, w)
	}
	p.used.Store(int32(used))
	return p, nil
}

// Start listens and serves. It returns when everything listens.
func (p *Proxy) Start() error {
	for _, w := range p.workers {
		p.done.Go(w.loop.Run)
	}
	if p.traces != nil {
		go p.traces.run(p.since, p.log) // not waited for at the end for long: spans may not leave
	}
	p.openMinimums()
	ctx, cancel := context.WithCancel(context.Background())
	p.keeper = cancel
	p.done.Go(func() { p.keep(ctx) })
	go p.keepCertificates(ctx) // not waited for at the end: its disk may not answer
	go p.secrets.Keep()        // nor is this
	if err := p.listen(p.rules.Load().config); err != nil {
		p.Close()
		return err
	}
	return nil
}

// Close ends everything at once: listeners, clients, backends, loops.
func (p *Proxy) Close() {
	p.draining.Store(true)
	p.closeListeners()
	p.endClients()
	p.awaitBackends()
	p.asker.Close()
	p.secrets.Close()
	p.keeper()
	p.finish()
	for _, w := range p.workers {
		w.loop.Stop()
	}
	p.done.Wait()
	p.traces.close()
}

// Stopped is closed when a drain has come to its end.
func (p *Proxy) Stopped() <-chan struct{} { return p.stopped }

func (p *Proxy) finish() { p.stop.Do(func() { close(p.stopped) }) }

// since is the time since the proxy was made: the epoch of pools.
func (p *Proxy) since() time.Duration { return time.Since(p.started) }

func (p *Proxy) nextID() uint64 { return p.serial.Add(1) }

// registry holds all clients. Of a client's place in it and a count that makes
// it unlike that of the one who was there before comes the process ID that it
// is told, in the modes in which it has no backend of its own.
type registry struct {
	sync.Mutex
	slots []*client
	turn  uint32
	free  []uint32
	n     int
	count atomic.Int64
	login atomic.Int64
}

func (r *registry) add(c *client) {
	r.Lock()
	defer r.Unlock()
	var slot uint32
	if k := len(r.free); k > 0 {
		slot = r.free[k-1]
		r.free = r.free[:k-1]
		r.slots[slot] = c
	} else {
		slot = uint32(len(r.slots))
		r.slots = append(r.slots, c)
	}
	c.pid = r.nextPID(slot)
	r.n++
	r.count.Store(int64(r.n))
}

// nextPID makes a process ID that stands for the client of a slot. No process
// can have it (Linux' greatest pid_max is 1<<22), so that whoever gives it to
// pg_cancel_backend hits no stranger's.
func (r *registry) nextPID(slot uint32) uint32 {
	for {
		r.turn++
		if pid := r.turn<<slotBits&math.MaxInt32 | slot + 1; pid > 1<<22 {
			return pid
		}
	}
}

// slotBits are enough for max_client_conn's greatest value.
const slotBits = 21

func (r *registry) remove(c *client) {
	r.Lock()
	defer r.Unlock()
	slot := c.pid&(1<<slotBits-1) - 1
	r.slots[slot] = nil
	r.free = append(r.free, slot)
	r.n--
	r.count.Store(int64(r.n))
}

// at is the client of a process ID that we have made.
func (r *registry) at(pid uint32) *client {
	r.Lock()
	defer r.Unlock()
	slot := pid & (1<<slotBits - 1)
	if slot == 0 || int(slot) > len(r.slots) {
		return nil
	}
	if c := r.slots[slot-1]; c != nil && c.pid == pid {
		return c
	}
	return nil
}

func (r *registry) all() []*client {
	r.Lock()
	defer r.Unlock()
	out := make([]*client, 0, r.n)
	for _, c := range r.slots {
		if c != nil {
			out = append(out, c)
		}
	}
	return out
}

// servers holds all backends that are on loops.
type servers struct {
	sync.Mutex
	all  map[*server]struct{}
	open map[processKey]*server // the same
	past map[processKey]uint32  // the notifiers of closed ones; see bury
}

func (r *servers) add(s *server) {
	r.Lock()
	r.all[s] = struct{}{}
	r.open[s.process()] = s
	r.Unlock()
}

func (r *servers) remove(s *server) {
	r.Lock()
	delete(r.all, s)
	if r.open[s.process()] == s { // behind one address there may be several servers
		delete(r.open, s.process())
	}
	r.bury(s)
	r.Unlock()
}

func (r *servers) list() []*server {
	r.Lock()
	defer r.Unlock()
	out := make([]*server, 0, len(r.all))
	for s := range r.all {
		out = append(out, s)
	}
	return out
}

// byPID finds the client that holds the backend of this process ID.
func (r *servers) byPID(pid uint32) (out []*client) {
	r.Lock()
	defer r.Unlock()
	for s := range r.all {
		if c := s.client.Load(); s.b.PID == pid && c != nil {
			out = append(out, c)
		}
	}
	return out
}
