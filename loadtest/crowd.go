package loadtest

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// loginsAtOnce bounds how many clients are logging in at the same time.
	loginsAtOnce = 64
	// loginDeadline is for one login, unless the address has connect_timeout.
	loginDeadline = 30 * time.Second
	// stopPatience is how long transactions under way get to end by themselves.
	stopPatience = 2 * time.Second
	// cancelsAtOnce bounds how many cancel requests are under way.
	cancelsAtOnce = 16
)

var (
	// errCrowded is what a client gets that had better try alone.
	errCrowded = errors.New("another client was turned away")
	// errFull is what clients get that need not try.
	errFull = errors.New("the server lets no more clients in")
)

// prepared is a statement as it is prepared.
type prepared struct {
	name, sql string
	order     []variable
}

// gauge is a number that goes up and down, with its highest.
type gauge struct{ now, highest atomic.Int64 }

func (g *gauge) up() {
	n := g.now.Add(1)
	for {
		high := g.highest.Load()
		if n <= high || g.highest.CompareAndSwap(high, n) {
			return
		}
	}
}

func (g *gauge) down() { g.now.Add(-1) }

// Refusal is that some clients were not let in, because there are as many as
// the server or the pooler allows.
type Refusal struct {
	Code, Text string // of the first who was turned away
}

// crowd is a number of clients that run a workload until stop.
type crowd struct {
	config   *pgconn.Config
	work     *workload
	prepared []prepared // nil: the simple protocol
	clients  int
	ramp     time.Duration
	seed     uint64

	connects *recorder
	// The times of transactions that began before measuring did, and of the others.
	early, measured *recorder
	window          atomic.Pointer[recorder] // that of the transactions which begin now
	errors          tally
	most            gauge                   // clients that are connected
	in, out         atomic.Int64            // clients that have had an answer; that never will
	crowded         atomic.Bool             // one was turned away; try alone
	alone           sync.Mutex              // held by who does
	refusal         atomic.Pointer[Refusal] // nobody else need try

	members      []client
	running      sync.WaitGroup
	logins       chan struct{}   // a place for each login under way
	loginContext context.Context // ends with abandon
	abandon      context.CancelFunc
	enough       chan struct{} // closed: end after the current transaction
}

// startCrowd starts the clients.
func startCrowd(config *pgconn.Config, work *workload, o *Options) *crowd {
	config = config.Copy()
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = loginDeadline
	}
	c := &crowd{
		config: config, work: work, clients: o.Clients, ramp: o.Ramp, seed: o.Seed,
		connects: newRecorder(), early: newRecorder(), measured: newRecorder(),
		members: make([]client, o.Clients),
		logins:  make(chan struct{}, loginsAtOnce),
		enough:  make(chan struct{}),
	}
	c.window.Store(c.early)
	if o.Prepared {
		for i, s := range work.statements {
			sql, order := s.parameters()
			c.prepared = append(c.prepared, prepared{"loadtest_" + strconv.Itoa(i+1), sql, order})
		}
	}
	c.loginContext, c.abandon = context.WithCancel(context.Background())
	for i := range c.members {
		m := &c.members[i]
		m.crowd, m.number = c, i
		c.running.Go(m.live)
	}
	return c
}

// over tells whether it is enough.
func (c *crowd) over() bool {
	select {
	case <-c.enough:
		return true
	default:
		return false
	}
}

// measure begins to measure: transactions that begin from now on.
func (c *crowd) measure() { c.window.Store(c.measured) }

// settled tells whether every client has had an answer, or is out for good.
func (c *crowd) settled() bool { return c.in.Load()+c.out.Load() >= int64(c.clients) }

// stop lets the transactions under way end, breaks off those that take too
// long, and returns when every client has closed its connection. It gives the
// number of those that were broken off.
func (c *crowd) stop() (brokenOff int) {
	close(c.enough)
	c.abandon()
	gone := make(chan struct{})
	go func() {
		c.running.Wait()
		close(gone)
	}()
	select {
	case <-gone:
		return 0
	case <-time.After(stopPatience):
	}
	brokenOff = c.breakOff()
	<-gone
	return brokenOff
}

// breakOff cancels what still runs. A server notices that a client has left
// only when it has something to tell it; without a cancel request, its backend
// would go on, and be counted among those of the next phase.
func (c *crowd) breakOff() (n int) {
	places := make(chan struct{}, cancelsAtOnce)
	var asking sync.WaitGroup
	for i := range c.members {
		conn := c.members[i].conn.Load()
		if conn == nil {
			continue
		}
		n++
		asking.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			ctx, cancel := context.WithTimeout(context.Background(), stopPatience)
			defer cancel()
			_ = conn.CancelRequest(ctx)
			// Whatever became of that, its client waits no longer.
			_ = conn.Conn().SetDeadline(time.Now().Add(stopPatience))
		})
	}
	asking.Wait()
	return n
}
