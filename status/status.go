// Package status is the picture that pgweir gives of itself: plain values, and
// nothing that could change them. The console, the HTTP endpoints and the
// metrics all render one Snapshot, so that their numbers cannot disagree.
//
// It knows no protocol, no pool and no socket, and imports nothing of ours;
// whoever owns the facts (package proxy) fills it in.
package status

import "time"

// PgBouncerVersion is the PgBouncer whose place pgweir takes towards tools that ask.
const PgBouncerVersion = "1.25.2"

// Detail says how much of a Snapshot is wanted: the lists of clients, backends
// and what they hold cost their length, and most readers do not need them.
type Detail uint8

const (
	// Counts fills everything but Clients, Servers, Pins, Leaks, Listeners and
	// Shapes, and Pool.Evidence.
	Counts Detail = iota
	// WithEvidence fills Pool.Evidence too, which costs the number of shapes.
	WithEvidence
	// WithShapes fills Pool.Evidence and Shapes too.
	WithShapes
	// Full fills everything but Shapes and Pool.Evidence.
	Full
)

// LongWait is from when on a client has waited for a backend for so long that an operator
// should know of it.
const LongWait = 5 * time.Second

// Snapshot is one consistent reading.
type Snapshot struct {
	At        time.Time // when it was taken
	Started   time.Time // when this process began to serve
	Version   string    // pgweir's own version, "0.1.0"
	Mode      Mode
	Engine    Engine
	Databases []Database
	Users     []User
	Pools     []Pool     // in order of database, then user; the console's own pool is among them
	Past      Totals     // what pools have counted that are no more
	Clients   []Client   // with Full only
	Servers   []Server   // with Full only
	Pins      []Pin      // with Full only
	Leaks     []Leak     // with Full only
	Listeners []Listener // with Full only
	Shapes    []Shape    // with WithShapes only
	AuthQuery AuthQuery
	Logins    Logins
	Traces    Traces
	Lists     Lists
	DNSHosts  []DNSHost // in order of names
	Savings   Savings
	Censuses  []*Census // the last one of each server, in order of Host; none if nobody takes any
	Config    []Setting // in the order of the documentation
	// PgBouncerConfig are the settings that PgBouncer has too, with its names and
	// values, in order of the names. Only the console's snapshots have them.
	PgBouncerConfig []Setting
	// Certificates are the files of certificates that the configuration names, in
	// its order, as far as they could be read.
	Certificates []Certificate
	// Findings are what is wrong with pgweir itself; what is wrong with a server is
	// in its census.
	Findings []Finding
	// Ready tells whether clients can be served; if not, NotReady says why.
	Ready    bool
	NotReady string
}

// Certificate is a file of certificates, and the one in it that counts: of a chain
// the first to expire; of authorities the first that has not expired yet, or the
// last one.
type Certificate struct {
	Setting string // "client_tls_cert_file"
	File    string
	Subject string
	Expires time.Time
}

// PoolHost is one of the hosts of a pool's database.
type PoolHost struct {
	Addr string // host:port, or a socket's path
	Away string // why it is taken for absent, "" if it is not
}

// Pool is one database and user with their backends. Times are as PgBouncer's
// SHOW POOLS has them.
type Pool struct {
	Database, User   string
	Number           int        // how many came to be before it
	Mode             string     // "session", "transaction", "statement"
	Size             int        // pool_size
	LoadBalanceHosts string     // "" unless the database is on several hosts
	Hosts            []PoolHost // nil unless it is

	ClientsActive        int // holding a backend, or idle with nothing asked
	ClientsWaiting       int // asked for a backend and not given one yet
	ClientsActiveCancel  int // cancel requests passed on, not yet answered
	ClientsWaitingCancel int // cancel requests not yet passed on
	ServersActive        int // lent to a client
	ServersActiveCancel  int // connections that carry a cancel request
	ServersBeingCanceled int // held back until a cancel on its way has arrived
	ServersIdle          int
	ServersUsed          int           // waiting for a check before use; pgweir has none
	ServersTested        int           // being reset after use
	ServersLogin         int           // being opened
	ServersClosing       int           // being closed; still a process of PostgreSQL's
	MaxWait              time.Duration // how long the first in the waiting line has waited
	Paused               bool
	Refusal              string        // why PostgreSQL gives it no backends, "" if it does
	OldestQuery          time.Duration // how long the query has been running that has done so longest; 0 for none

	Pinned           int            // backends that a client keeps because of session state; among ServersActive
	PinnedBy         map[string]int // the same by reason, one of PinReasons; a backend counts for each of its own
	Listening        int            // backends that listen for all clients of the pool: 0 or 1; in none of the counts above
	Replicating      int            // backends of clients that replicate, in no pool: open, opening and closing; in none of the counts above
	ListeningClients int            // clients that listen through it
	Replays          int64          // settings put on a backend ahead of a client's message, since the start
	Questions        int64          // times a backend was asked for its session state, since the start
	LeaksFound       int64          // since the start
	Evidence         *Evidence      // WithEvidence and WithShapes only; nil where nothing is watched

	Totals   Totals // since the start
	Averages Totals // per second over the last stats period; durations are per query, transaction or wait
	// Waits is how long clients waited for a backend, got or not: cumulative counts for
	// upper bounds WaitBounds, the last for +Inf.
	Waits []uint64
	// TransactionTimes and QueryTimes are how long transactions and queries took,
	// the wait for a backend not included: cumulative counts for upper bounds
	// DurationBounds, the last for +Inf.
	TransactionTimes, QueryTimes []uint64
	// OldestPin is how long the client has kept its backend that has done so
	// longest; 0 if none does.
	OldestPin time.Duration
	// ClientsPeak, BackendsPeak and SavedPeak are the highest values seen since the start.
	ClientsPeak, BackendsPeak, SavedPeak int
	// BackendMemory is what this pool's backends hold for themselves, in bytes; -1 if unknown.
	BackendMemory int64
}

// PinReasons are the kinds of session state that a client keeps its backend for.
var PinReasons = []string{"advisory lock", "temporary table", "held cursor", "prepared statement",
	"channels", "setting", "library", "sequence", "unknown"}

// WaitBounds are the upper bounds of Pool.Waits, in seconds, without +Inf.
var WaitBounds = []float64{0.0001, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60}

// DurationBounds are the upper bounds of Pool.TransactionTimes and
// Pool.QueryTimes, in seconds, without +Inf.
var DurationBounds = []float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300}

// Clients is how many clients are connected to this pool.
func (p *Pool) Clients() int { return p.ClientsActive + p.ClientsWaiting }

// Backends is how many processes of PostgreSQL's this pool accounts for:
// open, opening and closing.
func (p *Pool) Backends() int {
	return p.ServersActive + p.ServersBeingCanceled + p.ServersIdle + p.ServersUsed +
		p.ServersTested + p.ServersLogin + p.ServersClosing + p.Listening + p.Replicating
}

// Totals are the counters of SHOW STATS, and a few more.
type Totals struct {
	ServerAssignments int64 // times a client was lent a backend, but for a login that gave it back
	Transactions      int64
	Queries           int64
	Received          int64         // bytes from clients
	Sent              int64         // bytes to clients
	TransactionTime   time.Duration // backends spent in transactions, idle in them too
	QueryTime         time.Duration // backends spent working
	WaitTime          time.Duration // clients spent waiting for a backend, whether they got one or not
	WaitsTimedOut     int64         // waits that query_wait_timeout has ended
	WaitsCanceled     int64         // waits that a cancel request has ended
	WaitsLeft         int64         // waits of clients that have gone, or were ended, meanwhile
	WaitsRefused      int64         // waits that ended with an error: of a login to the server, or of pgweir's end
	ClientParses      int64
	ServerParses      int64
	Binds             int64
	ClientLogins      int64
	ServerLogins      int64 // backends opened (not in SHOW STATS; for forks avoided)
	Shed              int64 // clients that max_waiting kept out of the waiting line (metrics only)
	Errors            int64 // ErrorResponse messages passed to clients (metrics only)
}

// Add adds o to t.
func (t *Totals) Add(o *Totals) {
	t.ServerAssignments += o.ServerAssignments
	t.Transactions += o.Transactions
	t.Queries += o.Queries
	t.Received += o.Received
	t.Sent += o.Sent
	t.TransactionTime += o.TransactionTime
	t.QueryTime += o.QueryTime
	t.WaitTime += o.WaitTime
	t.WaitsTimedOut += o.WaitsTimedOut
	t.WaitsCanceled += o.WaitsCanceled
	t.WaitsLeft += o.WaitsLeft
	t.WaitsRefused += o.WaitsRefused
	t.ClientParses += o.ClientParses
	t.ServerParses += o.ServerParses
	t.Binds += o.Binds
	t.ClientLogins += o.ClientLogins
	t.ServerLogins += o.ServerLogins
	t.Shed += o.Shed
	t.Errors += o.Errors
}

// Conn is what SHOW CLIENTS and SHOW SERVERS have in common.
type Conn struct {
	ID              uint64 // never used again; stands in the log too
	User, Database  string
	State           string // clients: active, waiting, active_cancel_req, waiting_cancel_req, login; servers: active, active_cancel, being_canceled, idle, used, tested, login, new, closing
	Addr            string // "unix" for a Unix socket
	Port            int
	LocalAddr       string
	LocalPort       int
	ConnectTime     time.Time
	RequestTime     time.Time     // when the last request began; zero if none
	Wait            time.Duration // clients: how long it has been waiting for a backend
	CloseNeeded     bool
	Link            uint64 // ID of the other side, 0 if none
	RemotePID       int    // servers: PostgreSQL's process; clients on a Unix socket: the peer
	TLS             string // "", or as "TLSv1.3/TLS_AES_128_GCM_SHA256"
	ApplicationName string
	Prepared        int    // prepared statements held
	Settings        string // fingerprint of its session settings, short and in hexadecimal; "" if none is set
	Pin             string // why the client keeps its backend: reasons with commas between; "" if it does not
	Replication     string // "none", "logical" or "physical"
}

// ShownState is the state as SHOW CLIENTS and SHOW SERVERS have it: a connection that is
// active and linked to none is idle (PgBouncer since 1.24).
func (c *Conn) ShownState() string {
	if c.State == "active" && c.Link == 0 {
		return "idle"
	}
	return c.State
}

// Client is a connection of an application to pgweir.
type Client struct{ Conn }

// Server is a connection of pgweir to a backend.
type Server struct{ Conn }

// Mode is what the console has said of all clients, in the words of SHOW STATE.
type Mode string

// Modes.
const (
	Active    Mode = "active"
	Paused    Mode = "paused"    // PAUSE, or KILL, without a database
	Suspended Mode = "suspended" // SUSPEND
)

// Database is one [databases.NAME] in force, or one that came to be through "*".
type Database struct {
	Name             string
	Host             string // "" for PostgreSQL's default socket folder; several have commas between
	LoadBalanceHosts string // "" unless there are several
	Port             int
	Database         string // the name on the server
	ForceUser        string
	PoolSize         int
	MinPoolSize      int
	ReservePool      int
	ServerLifetime   time.Duration
	PoolMode         string // "" unless set for this database
	MaxConnections   int    // max_db_connections; 0 is no limit
	Connections      int    // backends open, opening and closing
	MaxClients       int    // max_db_client_connections; 0 is no limit
	Clients          int    // by the name that they ask for, those that are in and those that wait to be let in for a backend
	Paused           bool
	Disabled         bool
}

// User is one user that pgweir knows: from the configuration, with a pool, or, with
// Full only, from the auth_file. Lists counts all of them.
type User struct {
	Name           string
	PoolSize       int    // 0 unless set for this user
	ReservePool    *int   // nil unless set for this user
	PoolMode       string // "" unless set for this user
	MaxConnections int    // max_user_connections; 0 is no limit
	Connections    int    // backends
	MaxClients     int    // max_user_client_connections; 0 is no limit
	Clients        int    // that log in as this user
}

// Lists are the counts of SHOW LISTS.
type Lists struct {
	Databases, Users, Pools                int
	FreeClients, UsedClients, LoginClients int
	FreeServers, UsedServers               int
	DNSNames, DNSQueries                   int // names of servers that are known, and being looked up
}

// DNSHost is a server's name.
type DNSHost struct {
	Name  string
	TTL   time.Duration // until it is looked up again
	Addrs []string      // none if none have been found
}

// Setting is one row of SHOW CONFIG.
type Setting struct {
	Key, Value, Default string
	Changeable          bool // takes effect at RELOAD, without a restart
}

// Savings is what the pool saves against one backend for each client.
type Savings struct {
	Clients  int
	Backends int
	Saved    int     // Clients − Backends, never below 0
	Ratio    float64 // Clients / Backends; 0 if there are no backends

	Peak struct{ Clients, Backends, Saved int }

	ClientLogins int64 // processes that PostgreSQL would have had to start
	ServerLogins int64 // processes that it did start

	// BackendMemory is what one backend of ours holds for itself, on average, in
	// bytes; MemorySaved is Saved times that. Both are -1 when MemorySource is "unknown".
	BackendMemory int64
	MemorySaved   int64
	MemorySource  string // "measured", "estimated", "unknown"
}
