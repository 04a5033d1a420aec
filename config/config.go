// Package config reads config.toml into an immutable value.
//
// It knows every setting: its name, type, default, range and meaning (one table
// in settings.go drives parsing, hints, SHOW CONFIG and the documentation), and
// how a database's and a user's own settings override the general ones. It
// knows nothing of what the settings do: no protocol, no pool, no socket, no
// format of the auth_file, and it imports nothing of ours.
//
// Bad input gives Problems: all that is wrong at once, each with file and line.
package config

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io/fs"
	"net/netip"
	"time"
)

// Config is one configuration file, read and checked. It is never changed after
// Load or Parse returned it: a reload makes a new one. The fields bear the
// settings' names; settings.go says what each means. A duration of 0 is "off"
// or "at once", as the setting's description says.
type Config struct {
	Path string // as given to Load or Parse

	ListenAddr          []string // addresses and names; "0.0.0.0" is every IPv4 address, "::" every IPv6 one, "*" both; none: no TCP
	ListenPort          int      // 0: any free port
	ListenBacklog       int
	UnixSocketDir       string // "": no Unix socket; "@name": an abstract one (SocketPath)
	UnixSocketMode      fs.FileMode
	MaxClientConn       int
	MaxLogins           int // at a time; over Unix sockets as many again
	MaxLoginsPerAddress int // 0: no more than its share of MaxLogins
	// How many clients there may be; 0: no limit. The console's are not counted.
	MaxClientConnPerAddress, MaxDBClientConnections, MaxUserClientConnections int
	Workers                                                                   int    // event loops; 0: as many as the load needs ("auto")
	IOEngine                                                                  string // "auto", "epoll" or "io_uring"

	ProxyProtocolNetworks []string       // as they are written
	ProxyProtocolFrom     []netip.Prefix // what that means; IPv4-mapped ones are IPv4

	AuthType     string // "trust", "password", "plain", "md5", "scram-sha-256", "cert", "peer", "ldap", "hba" or "any"
	AuthFile     string // its path, absolute or from the current folder; "": none
	AuthFileData []byte // the auth_file's bytes as read with this configuration; nil if none is named
	// AuthHBAFile and AuthIdentFile are paths, as AuthFile; who puts the
	// configuration in force reads them, with what they include.
	AuthHBAFile   string
	AuthIdentFile string

	// AuthLDAPOptions is in the syntax of a line of AuthHBAFile; it may hold a
	// password. "" without AuthType "ldap".
	AuthLDAPOptions Secret
	LDAPTLSCAFile   string

	// How the secrets of users who are not known here are asked for;
	// AuthQueryFor answers for a given database.
	AuthUser             string // "": they are not
	AuthQuery            string
	AuthDBName           string        // of Databases; "": the one that the client asks for
	AuthQueryTTL         time.Duration // 0: every login asks
	LoginFailureDelay    time.Duration // 0: none
	LoginFailureDelayMax time.Duration
	AuthQueryStale       time.Duration // 0: no answer serves when it is older than AuthQueryTTL

	AdminUsers []string
	StatsUsers []string
	// PasswordCommandTTL is how long what a password_command gives serves; 0: until
	// PostgreSQL refuses it. PasswordCommandTimeout is how long one may run; never 0.
	PasswordCommandTTL, PasswordCommandTimeout time.Duration
	// ServerAuthMethods are some of "trust", "password", "md5", "scram-sha-256"
	// and "scram-sha-256-plus"; never none.
	ServerAuthMethods []string
	// ServerMaxProtocolVersion is "3.0", "3.2" or "latest".
	ServerMaxProtocolVersion string

	// Defaults for all pools; PoolModeFor and the like answer for a given one.
	PoolMode           string // "session", "transaction" or "statement"
	DefaultPoolSize    int
	MinPoolSize        int
	ReservePoolSize    int
	ReservePoolTimeout time.Duration
	MaxDBConnections   int // 0: no limit
	MaxUserConnections int // 0: no limit
	MaxServerConn      int // 0: no limit
	PoolWeight         int
	MaxWaiting         int // 0: no limit
	// MaxReplicationConnections are in no pool; 0: no limit.
	MaxReplicationConnections int
	PoolIdleTimeout           time.Duration // 0: never
	ServerResetQuery          string        // "": none

	// What becomes of session state in transaction and statement mode.
	SessionState          string  // "track", "pin" or "off"
	Listen                string  // "share", "pin" or "reject"
	MaxPreparedStatements int     // on one backend; 0: named statements are not tracked
	MaxPinned             int     // backends of a pool; 0: no bound
	LeakCheck             float64 // a share, from 0 (never) to 1 (always)

	// What is seen of the servers' processes.
	CensusInterval time.Duration // 0: nothing
	CensusUser     string        // "": nobody asks the servers, and only the process table is read
	CensusPassword Secret
	CensusDatabase string

	// IgnoreStartupParameters are the startup parameters that are dropped, in lower case.
	IgnoreStartupParameters []string
	ApplicationNameAddHost  bool

	// QueryTimeout and the three behind it end a client; 0: never.
	QueryTimeout, TransactionTimeout, IdleTransactionTimeout, ClientIdleTimeout time.Duration

	QueryWaitTimeout     time.Duration // 0: never
	QueryWaitNotify      time.Duration // 0: never
	CancelWaitTimeout    time.Duration // 0: never
	ClientLoginTimeout   time.Duration // 0: never
	ClientMessageTimeout time.Duration // 0: never
	ServerIdleTimeout    time.Duration // 0: never
	ServerLifetime       time.Duration // 0: a backend serves one lease only
	ServerConnectTimeout time.Duration // never 0
	ServerLoginRetry     time.Duration // 0: no pause
	SuspendTimeout       time.Duration // 0: never
	ShutdownTimeout      time.Duration // 0: transactions are not waited for

	DNSMaxTTL      time.Duration // 0: each login to a server looks its name up
	ResolvConf     string        // its path, as AuthFile; "": the system's own
	ResolvConfData []byte        // the file's bytes as read with this configuration; nil if none is named

	TCPKeepAlive   bool
	TCPKeepIdle    time.Duration // 0: the system's
	TCPKeepIntvl   time.Duration // 0: the system's
	TCPKeepCnt     int           // 0: the system's
	TCPUserTimeout time.Duration // 0: the system's

	TCPDeferAccept  bool
	TCPSocketBuffer int // bytes; 0: the system's

	ClientTLSSSLMode  string // "disable", "allow", "prefer", "require", "verify-ca" or "verify-full"
	ClientTLSKeyFile  string
	ClientTLSCertFile string
	ClientTLSCAFile   string
	ServerTLSSSLMode  string // "disable", "allow", "prefer", "require", "verify-ca" or "verify-full"
	ServerTLSCAFile   string
	ServerTLSCertFile string
	ServerTLSKeyFile  string

	ServerTLSNegotiation string // "postgres" or "direct"

	// As they are written; ClientTLSOffer and ServerTLSOffer are what they mean.
	ClientTLSProtocols, ServerTLSProtocols []string
	ClientTLSCiphers, ServerTLSCiphers     string
	ClientTLS13Ciphers, ServerTLS13Ciphers string

	ClientTLSOffer, ServerTLSOffer TLSOffer

	ServerChannelBinding string // "disable", "prefer" or "require"

	// What the files above held when this configuration was read; nil if none
	// is named. With ServerTLSRoots or LDAPTLSRoots nil, the system's roots are meant; with
	// ClientTLSRoots nil, clients are not asked for a certificate.
	ClientTLSCertificate *tls.Certificate
	ClientTLSRoots       *x509.CertPool
	ServerTLSCertificate *tls.Certificate
	ServerTLSRoots       *x509.CertPool
	LDAPTLSRoots         *x509.CertPool

	HTTPListen         string   // host:port; "": no HTTP
	HTTPHosts          []string // names, or "*" for any
	HTTPTLSCertFile    string
	HTTPTLSKeyFile     string
	HTTPTLSCAFile      string
	HTTPTokenFile      string
	HTTPAdminTokenFile string
	HTTPInsecure       bool
	httpLine           int // where http_listen stands; 0 if it does not

	// WatchConfig: the files of the configuration are read again when they change.
	WatchConfig bool

	LogLevel          string // "debug", "info", "warn" or "error"
	LogFormat         string // "text" or "json"
	LogConnections    bool
	LogDisconnections bool
	// LogMinDurationQuery and LogMinDurationWait: 0 for no lines at all.
	LogMinDurationQuery, LogMinDurationWait time.Duration
	LogQueryText                            int           // bytes; 0: none
	StatsPeriod                             time.Duration // never 0

	Databases map[string]*Database // by the name that clients ask for; "*" is the fallback
	Users     map[string]*User

	lines  lineIndex
	tree   *treeOf // what it was read from
	strays []Problem
	// holdsSecret: a secret that opens a door stands in the file itself.
	holdsSecret bool
}

// Database is one [databases.NAME]. Pointers are nil, and strings empty, where
// the general setting holds.
type Database struct {
	Name   string // as clients ask for it
	Host   string // as it is written, perhaps several with commas between; Servers are what it means
	Port   int
	DBName string // on the server; in the entry "*" it is empty until Config.Database fills it in
	User   string // the user that all backends log in as; "": the client's own
	// LoadBalanceHosts is "round-robin" or "disable".
	LoadBalanceHosts string
	// Passwords are for User.
	Passwords

	AuthUser   string
	AuthQuery  string
	AuthDBName string

	PoolSize               *int
	MinPoolSize            *int
	ReservePoolSize        *int
	PoolMode               string
	MaxDBConnections       *int // 0: no limit
	MaxDBClientConnections *int // 0: no limit
	PoolWeight             *int
	MaxWaiting             *int // 0: no limit
	ServerLifetime         *time.Duration

	Timeouts

	MaxReplicationConnections *int   // 0: no limit of its own
	ServerMaxProtocolVersion  string // "3.0", "3.2" or "latest"

	SessionState          string
	Listen                string
	MaxPreparedStatements *int // 0: not tracked
	MaxPinned             *int // 0: no bound
	LeakCheck             *float64
}

// User is one [users.NAME]. Pointers are nil, and strings empty, where the
// database's or the general setting holds.
type User struct {
	Name string
	// Passwords are plain, "md5…" or "SCRAM-SHA-256$…".
	Passwords

	PoolMode                 string
	PoolSize                 *int
	MaxUserConnections       *int // 0: no limit
	MaxUserClientConnections *int // 0: no limit
	ReservePoolSize          *int
	PoolWeight               *int
	MaxWaiting               *int // 0: no limit
	Timeouts
	ServerLifetime *time.Duration

	SessionState string
	Listen       string
	MaxPinned    *int // 0: no bound
}

// Fault is what is wrong with the value of the setting at a path, such as "users",
// "alice", "password", where only its reader can tell.
func (c *Config) Fault(err error, path ...string) Problem {
	at := c.lines.at(path)
	return Problem{File: cmp.Or(at.File, c.Path), Line: at.Line, Text: fmt.Sprintf("%s: %v", dotted(path), err)}
}

// IsConsole reports whether name is the admin console's: a client that asks for
// this database gets the console, and no [databases.NAME] may bear it.
func IsConsole(name string) bool { return name == "pgweir" || name == "pgbouncer" }
