package pool

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"pgweir/wire"

	"github.com/jackc/puddle/v2"
)

// puddleSize is the size of each variant's puddle: none that would ever bind,
// because all variants of a pool share the pool's own size, which may change.
const puddleSize = 1 << 20

// Settings of a pool; all may change at a reload.
type Settings struct {
	Size           int // pool_size
	MinSize        int // min_pool_size
	Reserve        int // reserve_pool_size
	ReserveTimeout time.Duration
	QueryWait      time.Duration // query_wait_timeout; 0 for ever
	CancelWait     time.Duration // cancel_wait_timeout; 0 for ever
	IdleTimeout    time.Duration // server_idle_timeout; 0 for never
	Lifetime       time.Duration // server_lifetime; 0: each backend serves one lease
	ConnectTimeout time.Duration // server_connect_timeout
	LoginRetry     time.Duration // server_login_retry
	MaxDatabase    int           // max_db_connections; 0 for no cap
	MaxUser        int           // max_user_connections; 0 for no cap
	MaxServer      int           // max_server_conn, of all pools; 0 for no cap
	Weight         int           // pool_weight: of its share where a cap is not enough for all; 0 is 1
	MaxWaiting     int           // max_waiting; 0 for no limit
	QueryNotify    time.Duration // query_wait_notify; 0 for never
	Kept           bool          // MinSize is kept when there are no clients
	MaxReplicas    int           // max_replication_connections, of all pools; 0 for no cap
	// MaxDatabaseReplicas is the same of the database.
	MaxDatabaseReplicas int
	// Address is where the server listens: of several hosts the first, and in a login's
	// copy the one that it has chosen. Others are the other hosts, in their order.
	Address     Address
	Others      []Address
	Balancing   Balancing // load_balance_hosts
	DBName      string    // the database's name on the server
	Sharing     Sharing
	Credentials wire.Credentials
	// Next serve when the server refuses Credentials: for the time in which a
	// password is changed.
	Next []wire.Credentials
	// Renews names what gives Credentials anew from time to time, without that a
	// backend that was opened with the old ones is worth less; "" for nothing.
	Renews string
	// Renew gives others in place of Credentials that the server has refused, false
	// if there are none. It may wait. nil: there never are.
	Renew          func() (wire.Credentials, bool)
	AuthMethods    AuthMethods    // server_auth_methods
	ChannelBinding ChannelBinding // server_channel_binding
	Protocol       uint32         // server_max_protocol_version, as wire.Protocol32; 0 is 3.0
}

// Pool lends the backends of one database and user.
type Pool struct {
	Database, User string // as clients name them

	host      Host
	transport transport
	dials     dials
	budget    *Budget
	epoch     time.Time
	ids       func() uint64

	listener *Listener

	cancelsWaiting, cancelsActive atomic.Int32

	// queued are the servers whose turn the pool waits for: any of them will do. It is
	// written under mu and servers.mu both. listens are those that its listening backend
	// waits for, under servers.mu alone.
	queued  []*attendance
	listens []*attendance
	entered admission // its last at a server

	lending atomic.Uint32 // a lending; written under mu

	// mu guards all below. It is held for short, on the path of every lease; no call
	// out of the package is made under it, but to park or claim a backend (Return,
	// Contended).
	mu         sync.Mutex
	settings   Settings
	learned    wire.Credentials // by clients' logins; serves where settings has none
	worked     wire.Credentials // the last that the server took; they are tried first
	generation int              // of the settings that make older backends unfit
	variants   map[string]*Variant
	answers    map[string]answers // by Variant.key
	standby    string             // in_hot_standby, as the answers say it; "" if it has not been heard since they were forgotten
	factsAt    time.Duration      // when it was, and default_transaction_read_only
	doubted    bool               // they may be others now
	line       line

	opening, closing, lent, idle int
	replicas                     int   // outside of the pool, opening and closing ones too
	leaving                      int   // among the lent
	place                        place // the listening backend's
	hosts                        hostList
	outage                       outage
	kills                        int           // logins in a row that were killed
	olderUntil                   time.Duration // until then the server is asked for protocol 3.0; see loginAsSpoken
	unfilled                     bool          // fillToMin has not opened all
	closed                       bool
	vacated                      time.Duration // until then the database is left when no client uses the pool; see Vacate
	vacations                    uint64        // calls of Vacate
	owes                         int           // backends that are given up for other pools when they come back; see Budget.divide
	owesUntil                    time.Duration
	madeRoom                     time.Duration // when a backend was put out for another's sake; 0 once a slot has been taken since
	logins, shed                 int64
}

// Variant is a set of startup parameters that backends cannot change.
type Variant struct {
	key      string
	params   []wire.Param
	puddle   *puddle.Pool[*Backend]
	stacks   []*stack      // of idle backends, by worker
	idle     int           // on them
	backends int           // open, opening and closing
	clients  int           // that use it; see Forget
	waiting  int           // in the line
	spare    int           // being opened, and nobody counts on it
	left     int           // of these, for whom nobody in the line has been found yet; within openForLine
	queues   []*queue      // of those of the line who wait for a backend that is there, by worker
	queued   int           // in them
	moved    time.Duration // when a backend last came back, or was opened
	welcomes map[string]*Welcome
	carried  []wire.Param // see Pool.Carried
	carries  bool
}

// Welcome is what the server says to a client's startup parameters.
type Welcome struct {
	Params []wire.Param // all ParameterStatus messages, in order
	Vars   *wire.Vars
	Begun  Begun

	at   *hostEntry // that has said it; nil if it is made of others
	last *Welcome   // what named made of it the last time; most clients share their name
}

// New makes a pool. It opens nothing before somebody waits. Times are counted
// from the epoch, and ids numbers backends.
func New(database, user string, host Host, dial Dial, secure Secure, budget *Budget, epoch time.Time, ids func() uint64, s Settings) *Pool {
	p := &Pool{
		Database: database, User: user, host: host,
		budget: budget, epoch: epoch, ids: ids, settings: s, variants: map[string]*Variant{}, answers: map[string]answers{},
	}
	p.hosts.follow(&s)
	p.hosts.left = false
	p.transport = transport{p.dials.of(dial), secure}
	p.listener = newListener(p)
	budget.servers.begin(epoch)
	budget.mu.Lock()
	budget.account(p)
	budget.mu.Unlock()
	return p
}

// Set puts new settings in force. Backends that are connected to another
// server, or as another user, or with a password that may be good no longer, or by
// a login that other rules hold for, or for clients that share them in another way,
// are closed: the idle ones now, the others when they come back. Of several hosts, those
// that stay keep theirs.
func (p *Pool) Set(s Settings) {
	p.mu.Lock()
	var evict []*Backend
	revoked := p.settings.revokedBy(&s) || s.Credentials.User != p.settings.Credentials.User
	if revoked {
		p.learned = wire.Credentials{}
	}
	stays := p.hosts.follow(&s)
	switch {
	case revoked || !stays || s.DBName != p.settings.DBName ||
		s.Sharing != p.settings.Sharing || s.AuthMethods != p.settings.AuthMethods || s.ChannelBinding != p.settings.ChannelBinding:
		evict = p.outdate()
	case p.hosts.left:
		evict = p.leaveIdle(p.hosts.strays)
	}
	if before := &p.settings; s.MaxDatabase != before.MaxDatabase || s.MaxUser != before.MaxUser || s.MaxServer != before.MaxServer {
		p.budget.balance.beyond.Store(true) // perhaps: Upkeep has it found out
	}
	p.settings = s
	p.hosts.forgive()
	p.olderUntil = 0
	p.mu.Unlock()
	p.begin(evict)
}

// outdate makes all backends unfit, under the lock; those that are idle are returned
// for begin.
func (p *Pool) outdate() (evict []*Backend) {
	p.generation++
	p.hosts.left = false
	p.forgetAnswers()
	return p.leaveIdle(anyBackend)
}

// begin goes on after outdate, or after settings that leave the backends as they are.
func (p *Pool) begin(evict []*Backend) {
	for _, b := range evict {
		p.host.Evict(b)
	}
	p.provision()
	p.listener.retry()
}

// Settings in force.
func (p *Pool) Settings() Settings {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.settings
}

// Variant finds the variant for a client's startup parameters, and what the
// server says to them, if that is known; if not, Lease has to be told. The
// variant is kept until Forget.
func (p *Pool) Variant(params []wire.Param) (*Variant, *Welcome) {
	fixed, wish, key := split(params)
	p.mu.Lock()
	defer p.mu.Unlock()
	v := p.variant(key, fixed)
	v.clients++
	return v, v.welcome(wish)
}

// Forget ends a client's use of a variant, as Variant began it.
func (p *Pool) Forget(v *Variant) {
	p.mu.Lock()
	defer p.mu.Unlock()
	v.clients--
}

// sweep removes the variants that no client and no backend has.
func (p *Pool) sweep() {
	for key, v := range p.variants {
		if v.clients == 0 && v.backends == 0 && v.waiting == 0 {
			delete(p.variants, key)
		}
	}
}

// Welcome is what the server says to startup parameters of this variant, nil
// if that is not known.
func (p *Pool) Welcome(v *Variant, params []wire.Param) *Welcome {
	_, wish, _ := split(params)
	p.mu.Lock()
	defer p.mu.Unlock()
	return v.welcome(wish)
}

// variant finds or makes the variant of a key.
func (p *Pool) variant(key string, fixed []wire.Param) *Variant {
	v := p.variants[key]
	if v == nil {
		v = &Variant{key: key, params: fixed, welcomes: map[string]*Welcome{}}
		if a, ok := p.answers[key]; ok {
			v.welcomes, v.carried, v.carries = a.welcomes, a.carried, a.carries
		}
		pd, err := puddle.NewPool(&puddle.Config[*Backend]{
			Constructor: func(ctx context.Context) (*Backend, error) { return p.construct(ctx, v) },
			Destructor:  p.destruct,
			MaxSize:     puddleSize,
		})
		if err != nil {
			panic("bug: " + err.Error())
		}
		v.puddle = pd
		p.variants[key] = v
	}
	return v
}

// split tells the parameters in wire.Vars from the others. The key names the
// others.
func split(params []wire.Param) (fixed []wire.Param, wish wire.Vars, key string) {
	var b strings.Builder
	wish[wire.VarApplicationName] = noName
	for _, q := range params {
		if i := wire.VarIndex([]byte(q.Name)); i >= 0 {
			wish[i] = q.Value
		} else {
			fixed = append(fixed, q)
		}
	}
	slices.SortStableFunc(fixed, func(a, b wire.Param) int { return strings.Compare(a.Name, b.Name) })
	for _, q := range fixed {
		b.WriteString(q.Name)
		b.WriteByte(0)
		b.WriteString(q.Value)
		b.WriteByte(0)
	}
	return fixed, wish, b.String()
}
