package status

import "time"

// Census is every process of one server at one moment.
type Census struct {
	At         time.Time
	Server     CensusServer
	Postmaster Postmaster
	// Processes are in the order of their tree: the postmaster first if it can
	// be seen, background processes, then client backends by pid.
	Processes []Process
	// Findings are what is wrong, the gravest first.
	Findings []Finding
	// Limits are what the server can give; nil if it could not be asked.
	Limits *ServerLimits
}

// CensusServer is the server that was looked at.
type CensusServer struct {
	Version string // as server_version, "15.18"; "" if unknown
	Host    string // address and port, "10.0.0.1:5432", or the socket's path
	Where   Whereabouts
	Standby bool // it is in recovery
}

// Local tells whether its processes are this machine's, and were read from the process
// table.
func (s *CensusServer) Local() bool { return s.Where == Here }

// Whereabouts are where a server's processes are.
type Whereabouts uint8

const (
	Unlocated Whereabouts = iota // nothing has shown it yet
	Elsewhere                    // out of sight: on another machine, or in another container
	Here                         // in this machine's process table
)

// Postmaster is the parent of all the server's processes.
type Postmaster struct {
	PID   int // 0 if unknown
	Alive bool
}

// Process is one process of PostgreSQL's.
type Process struct {
	PID                         int
	Parent                      int           // as the process table has it; 0 if unknown
	Kind                        string        // PostgreSQL's backend_type, "postmaster" or "logger"; "" if the server does not tell
	Role                        string        // what such a process does, in one line
	User, Database, Application string        // of client backends; "" for none or unknown
	State                       string        // as pg_stat_activity.state; with Stopped: "stopped"
	Wait                        string        // "Type: event", as "Client: ClientRead"; "" for none or unknown
	Since                       time.Time     // when it came into this state, else when it began; zero if unknown
	CPU                         time.Duration // it has used, in user and system mode; -1 if unknown
	Memory                      int64         // it holds for itself, in bytes, page tables included; -1 if unknown
	Ours                        bool          // it is one of this pgweir's backends
	Client                      *Holder       // who holds it now; nil if nobody, or if it is not ours
	Query                       string        // the statement under way, or the last, its first 200 bytes; "" if unknown
}

// Holder is a client of pgweir's that holds a backend.
type Holder struct {
	ID   uint64
	Addr string // address and port, or "unix"
	Pin  string // why it keeps the backend: reasons with commas between; "" if it does not
}

// Severity says how grave a finding is.
type Severity string

// The severities, the gravest last.
const (
	Info     Severity = "info"
	Warning  Severity = "warning"
	Critical Severity = "critical" // clients are not served, or soon will not be
)

// Itself is what stands in a server's place where a finding is about pgweir itself.
const Itself = "pgweir"

// The IDs of findings about pgweir itself.
const (
	CertificateExpiry = "certificate_expiry" // a certificate has expired, or soon will
	PoolsTooLarge     = "pools_too_large"    // the pools can ask for more than their server gives
	LoginsRefused     = "logins_refused"     // PostgreSQL gives a pool no backends
	PoolStarved       = "pool_starved"       // a cap that pools share keeps clients waiting
	ClientsWait       = "clients_wait"       // clients have waited for LongWait
	WaitsFailed       = "waits_failed"       // waits have ended without a backend
	LongQuery         = "long_query"         // a query has been running for long
)

// OwnFindingIDs are all of them.
var OwnFindingIDs = []string{CertificateExpiry, PoolsTooLarge, LoginsRefused, PoolStarved, ClientsWait, WaitsFailed, LongQuery}

// Finding is something that is wrong, by name. As JSON it is as in /census and /pools.
type Finding struct {
	ID       string    `json:"id"` // of package health's IDs, or of OwnFindingIDs
	Severity Severity  `json:"severity"`
	Text     string    `json:"text"`   // what it is and what it means, in a sentence
	Advice   string    `json:"advice"` // what to do
	Since    time.Time `json:"since"`  // first seen
	Down     bool      `json:"-"`      // clients cannot be served because of it
}

// ServerLimits are what bounds the number of a server's client backends.
type ServerLimits struct {
	MaxConnections    int
	SuperuserReserved int
	Reserved          int // reserved_connections, from version 16 on
	// Others are the client backends that are not this pgweir's.
	Others    int
	Roles     map[string]int // rolconnlimit of those that have one
	Databases map[string]int // datconnlimit of those that have one
}

// Backend is one of this pgweir's backends, as a census wants to know it.
type Backend struct {
	Host   string // as CensusServer.Host
	PID    int
	Client *Holder // nil if nobody holds it
}
