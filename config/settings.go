package config

import "time"

// spec is what a setting is, wherever it stands.
type spec struct {
	name    string
	also    string // another name for it, PgBouncer's; "" if there is none
	kind    kind
	def     any   // as TOML gives it; nil in a table where "unset" is the default
	min     int64 // for numbers, fractions and durations (nanoseconds), inclusive
	max     int64
	choices []string
	doc     string // one line of the documentation
}

// setting is a spec and its place in a T: Config, Database or User.
type setting[T any] struct {
	spec
	group   string       // of the documentation; top-level settings only
	restart bool         // a change takes effect at a restart only
	secret  bool         // its value is not to be shown
	at      func(*T) any // a pointer to its field
}

const (
	maxBackends = 262143 // the largest max_connections that PostgreSQL accepts
	maxDuration = int64(365 * 24 * time.Hour)
	maxPrepared = 100000
	// maxKeepSeconds is the kernel's bound (MAX_TCP_KEEPIDLE, MAX_TCP_KEEPINTVL).
	maxKeepSeconds  = int64(32767 * time.Second)
	maxSocketBuffer = 1 << 30
)

var (
	poolModes      = []string{"session", "transaction", "statement"}
	sessionStates  = []string{"track", "pin", "off"}
	listenWays     = []string{"share", "pin", "reject"}
	clientSSLModes = []string{"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}
	serverSSLModes = []string{"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}
	serverMethods  = []string{"trust", "password", "md5", "scram-sha-256", "scram-sha-256-plus"}
	serverBindings = []string{"disable", "prefer", "require"}
	negotiations   = []string{"postgres", "direct"}
	protocols      = []string{"3.0", "3.2", "latest"}
)

// defaultAuthQuery is PgBouncer's, with all names in full.
const defaultAuthQuery = "SELECT rolname, CASE WHEN rolvaliduntil OPERATOR(pg_catalog.<) pg_catalog.now() THEN NULL ELSE rolpassword END FROM pg_catalog.pg_authid WHERE rolname OPERATOR(pg_catalog.=) $1 AND rolcanlogin"

// settings are those at the top level, in the order of the documentation.
var settings = []setting[Config]{
	{group: "Listening", restart: true, at: func(c *Config) any { return &c.ListenAddr },
		spec: spec{name: "listen_addr", kind: kindList, def: "127.0.0.1",
			doc: `The addresses or names on which clients are accepted. "0.0.0.0" is every IPv4 address, "::" every IPv6 address, "*" both; a name is all its addresses; an empty list is no TCP.`}},
	{group: "Listening", restart: true, at: func(c *Config) any { return &c.ListenPort },
		spec: spec{name: "listen_port", kind: kindInt, def: int64(6432), min: 0, max: 65535,
			doc: "The port of every address, and the number in the Unix socket's name. 0 is any free port."}},
	{group: "Listening", restart: true, at: func(c *Config) any { return &c.ListenBacklog },
		spec: spec{name: "listen_backlog", kind: kindInt, def: int64(4096), min: 1, max: 65535,
			doc: "How many connections the kernel holds until they are accepted; it may have a lower limit of its own."}},
	{group: "Listening", restart: true, at: func(c *Config) any { return &c.UnixSocketDir },
		spec: spec{name: "unix_socket_dir", kind: kindPath, def: "/tmp",
			doc: `The folder of the Unix socket (.s.PGSQL.<port>). "@name" is an abstract one (Linux); "" is no Unix socket.`}},
	{group: "Listening", restart: true, at: func(c *Config) any { return &c.UnixSocketMode },
		spec: spec{name: "unix_socket_mode", kind: kindMode, def: "0777",
			doc: "The file mode of the Unix socket: who may connect through it."}},
	{group: "Listening", restart: true, at: func(c *Config) any { return &c.HTTPListen },
		spec: spec{name: "http_listen", kind: kindText, def: "127.0.0.1:9127",
			doc: `The address and port of the status page, the metrics and the health checks. "" is none.`}},
	{group: "Listening", at: func(c *Config) any { return &c.ProxyProtocolNetworks },
		spec: spec{name: "proxy_protocol_networks", kind: kindList, def: "",
			doc: "The addresses and networks of proxies that say with the PROXY protocol, version 1 or 2, where a connection comes from. Every connection over TCP from there must begin with its header; from elsewhere none is believed."}},
	{group: "Listening", at: func(c *Config) any { return &c.MaxClientConn },
		spec: spec{name: "max_client_conn", kind: kindInt, def: int64(10000), min: 1, max: 1000000,
			doc: "How many clients may be connected; a further one is refused with SQLSTATE 53300, unless it is for the console."}},
	{group: "Listening", at: func(c *Config) any { return &c.MaxLogins },
		spec: spec{name: "max_logins", kind: kindInt, def: int64(1000), min: 2, max: 1000000,
			doc: "How many clients over TCP may be logging in at a time; those beyond wait their turn, unread. One address has at most as many as there could be more: alone half of them. Over Unix sockets there may be as many again."}},
	{group: "Listening", at: func(c *Config) any { return &c.MaxLoginsPerAddress },
		spec: spec{name: "max_logins_per_address", kind: kindInt, def: int64(0), min: 0, max: 1000000,
			doc: "How many clients from one address (IPv6: one /64) may be logging in at a time; those beyond wait their turn. 0: no more than its share of max_logins. Unix sockets are not limited by it."}},
	{group: "Listening", restart: true, at: func(c *Config) any { return &c.Workers },
		spec: spec{name: "workers", kind: kindWorkers, def: "auto", min: 1, max: 256,
			doc: `How many event loops serve the clients. "auto" takes as few as the load needs.`}},

	{group: "Authentication", at: func(c *Config) any { return &c.AuthType },
		spec: spec{name: "auth_type", kind: kindChoice, def: "md5",
			choices: []string{"trust", "password", "plain", "md5", "scram-sha-256", "cert", "peer", "hba", "any"},
			doc:     `How clients prove who they are. "plain" is "password"; "md5" uses SCRAM for a user whose secret is SCRAM; "trust" asks for nothing and takes every name, as in PostgreSQL's pg_hba.conf: whether there is such a user the server says; "cert" takes the common name of the client's certificate, "peer" the operating system user at the other end of a Unix socket, and either must be the user; "hba" is what the lines of auth_hba_file say; "any" is "trust" where every client is an administrator of the console too, and every database needs a user of its own.`}},
	{group: "Authentication", at: func(c *Config) any { return &c.AuthFile },
		spec: spec{name: "auth_file", kind: kindPath, def: "",
			doc: "A file of users and secrets in PgBouncer's format, read besides [users.NAME]."}},
	{group: "Authentication", at: func(c *Config) any { return &c.AuthHBAFile },
		spec: spec{name: "auth_hba_file", kind: kindPath, def: "",
			doc: `The file in the syntax of PostgreSQL's pg_hba.conf that says, with auth_type = "hba", how which client proves who it is.`}},
	{group: "Authentication", at: func(c *Config) any { return &c.AuthIdentFile },
		spec: spec{name: "auth_ident_file", kind: kindPath, def: "",
			doc: "The file in the syntax of PostgreSQL's pg_ident.conf with the maps that lines of auth_hba_file name (map=)."}},
	{group: "Authentication", at: func(c *Config) any { return &c.AuthUser },
		spec: spec{name: "auth_user", kind: kindText, def: "",
			doc: "The role that asks PostgreSQL for the secret of a user who stands neither in [users.NAME] with a password nor in auth_file (auth_query). Not set: nobody asks. Its own password is the one known from there, in clear text, unless the server asks it for none."}},
	{group: "Authentication", at: func(c *Config) any { return &c.AuthQuery },
		spec: spec{name: "auth_query", kind: kindText, def: defaultAuthQuery,
			doc: "What auth_user asks. $1 is the user's name; the answer is a row of the name and the secret, or NULL or no row for a user who may not log in."}},
	{group: "Authentication", at: func(c *Config) any { return &c.AuthDBName },
		spec: spec{name: "auth_dbname", kind: kindText, def: "",
			doc: `The database, by its name in [databases] (or by "*"), that auth_user asks in. Not set: the one that the client asks for; users of the console are then not asked about.`}},
	{group: "Authentication", at: func(c *Config) any { return &c.AuthQueryTTL },
		spec: spec{name: "auth_query_ttl", kind: kindDuration, def: "30s", min: 0, max: maxDuration,
			doc: "How long an answer to auth_query serves, also that there is no such user. After a wrong password the next login asks anew, once a second for a user. 0: every login asks."}},
	{group: "Authentication", at: func(c *Config) any { return &c.AuthQueryStale },
		spec: spec{name: "auth_query_stale", kind: kindDuration, def: "300s", min: 0, max: maxDuration,
			doc: "How old an answer to auth_query may be at most while PostgreSQL cannot be asked; users without one are then refused with 08006. 0: none serves longer than auth_query_ttl."}},
	{group: "Authentication", at: func(c *Config) any { return &c.LoginFailureDelay },
		spec: spec{name: "login_failure_delay", kind: kindDuration, def: "0.1s", min: 0, max: int64(time.Hour),
			doc: "How soon after a wrong password the next one of the same user from the same address is judged, once five were wrong; twice as long after each further one. 0: at once, always."}},
	{group: "Authentication", at: func(c *Config) any { return &c.LoginFailureDelayMax },
		spec: spec{name: "login_failure_delay_max", kind: kindDuration, def: "5s", min: 0, max: int64(time.Hour),
			doc: "What login_failure_delay grows to at most."}},
	{group: "Authentication", at: func(c *Config) any { return &c.AdminUsers },
		spec: spec{name: "admin_users", kind: kindList, def: "",
			doc: "The users who may do everything on the console."}},
	{group: "Authentication", at: func(c *Config) any { return &c.StatsUsers },
		spec: spec{name: "stats_users", kind: kindList, def: "",
			doc: "The users who may read on the console."}},
	{group: "Authentication", at: func(c *Config) any { return &c.ServerAuthMethods },
		spec: spec{name: "server_auth_methods", kind: kindChoices, def: "trust, password, md5, scram-sha-256", choices: serverMethods,
			doc: `The ways in which pgweir logs in to PostgreSQL; a server that asks for another is refused, as by libpq's require_auth. "trust" is a server that asks for nothing (also peer and cert); "scram-sha-256" is SCRAM with or without channel binding, "scram-sha-256-plus" only with it.`}},
	{group: "Authentication", at: func(c *Config) any { return &c.ServerMaxProtocolVersion },
		spec: spec{name: "server_max_protocol_version", kind: kindChoice, def: "latest", choices: protocols,
			doc: `The newest version of the protocol that PostgreSQL is asked for, as libpq's max_protocol_version; "latest" is 3.2. From 3.2 on (PostgreSQL 18) the keys of cancel requests are long. A server that knows an older one says so, and that one is spoken; with one that hangs up instead, or refuses the login, 3.0 is tried.`}},

	{group: "Pools", at: func(c *Config) any { return &c.PoolMode },
		spec: spec{name: "pool_mode", kind: kindChoice, def: "session", choices: poolModes,
			doc: "When a backend returns to its pool: as the client leaves, at the end of each transaction, or after each statement."}},
	{group: "Pools", at: func(c *Config) any { return &c.DefaultPoolSize },
		spec: spec{name: "default_pool_size", kind: kindInt, def: int64(20), min: 1, max: maxBackends,
			doc: "How many backends a pool (one database and one user) may have."}},
	{group: "Pools", at: func(c *Config) any { return &c.MinPoolSize },
		spec: spec{name: "min_pool_size", kind: kindInt, def: int64(0), min: 0, max: maxBackends,
			doc: "How many backends a pool keeps open; a smaller pool size caps it."}},
	{group: "Pools", at: func(c *Config) any { return &c.ReservePoolSize },
		spec: spec{name: "reserve_pool_size", kind: kindInt, def: int64(0), min: 0, max: maxBackends,
			doc: "How many backends a pool may open beyond its size when a client has waited for reserve_pool_timeout."}},
	{group: "Pools", at: func(c *Config) any { return &c.ReservePoolTimeout },
		spec: spec{name: "reserve_pool_timeout", kind: kindDuration, def: "5s", min: 0, max: maxDuration,
			doc: "How long a client waits before the reserve is used. 0: the reserve is not used."}},
	{group: "Pools", at: func(c *Config) any { return &c.MaxDBConnections },
		spec: spec{name: "max_db_connections", kind: kindInt, def: int64(0), min: 0, max: maxBackends,
			doc: "How many backends all pools of one database may have together. 0: no limit."}},
	{group: "Pools", at: func(c *Config) any { return &c.MaxUserConnections },
		spec: spec{name: "max_user_connections", kind: kindInt, def: int64(0), min: 0, max: maxBackends,
			doc: "How many backends all pools of one user may have together. 0: no limit."}},
	{group: "Pools", at: func(c *Config) any { return &c.MaxReplicationConnections },
		spec: spec{name: "max_replication_connections", kind: kindInt, def: int64(10), min: 0, max: maxBackends,
			doc: "How many replication connections (replication=true, replication=database) there may be in all; a further one is refused with SQLSTATE 53300. They have backends of their own, which count in no pool and under no other cap. 0: no limit but PostgreSQL's max_wal_senders."}},
	{group: "Pools", at: func(c *Config) any { return &c.ServerResetQuery },
		spec: spec{name: "server_reset_query", kind: kindText, def: "DISCARD ALL",
			doc: `What is run on a backend that a client of session mode has left. "" is nothing.`}},
	{group: "Pools", at: func(c *Config) any { return &c.IgnoreStartupParameters },
		spec: spec{name: "ignore_startup_parameters", kind: kindList, def: "",
			doc: "Startup parameters of clients that are dropped instead of being passed on."}},
	{group: "Pools", at: func(c *Config) any { return &c.ApplicationNameAddHost },
		spec: spec{name: "application_name_add_host", kind: kindBool, def: false,
			doc: "Add the client's address and port to the application_name that its session begins with."}},

	{group: "Session state", at: func(c *Config) any { return &c.SessionState },
		spec: spec{name: "session_state", kind: kindChoice, def: "track", choices: sessionStates,
			doc: `What becomes of what a client leaves behind on its backend. "track": settings follow the client to whichever backend it gets, and with other state it keeps its backend until that is gone (a pin); "pin": nothing is replayed, any state pins. With either, a backend goes to another client only after PostgreSQL has said what is left in it, or if all that ran is proven to leave nothing (SHOW EVIDENCE). "off": nothing is watched, as in PgBouncer.`}},
	{group: "Session state", at: func(c *Config) any { return &c.Listen },
		spec: spec{name: "listen", kind: kindChoice, def: "share", choices: listenWays,
			doc: `What LISTEN does. "share": one listening backend of the pool hears for all its clients, which hold none; "pin": the client keeps its backend as long as it listens; "reject": LISTEN is an error.`}},
	{group: "Session state", at: func(c *Config) any { return &c.MaxPreparedStatements },
		spec: spec{name: "max_prepared_statements", kind: kindInt, def: int64(200), min: 0, max: maxPrepared,
			doc: "How many named prepared statements of the protocol a backend holds; beyond that, the one least recently used makes room. 0: they are not tracked, and naming one is an error."}},
	{group: "Session state", at: func(c *Config) any { return &c.MaxPinned },
		spec: spec{name: "max_pinned", kind: kindInt, def: int64(0), min: 0, max: maxBackends,
			doc: "How many backends of a pool may be pinned at once. 0: no bound but the pool's size."}},
	{group: "Session state", at: func(c *Config) any { return &c.LeakCheck },
		spec: spec{name: "leak_check", kind: kindFraction, def: float64(0), min: 0, max: 1,
			doc: "At what share of the returns after which nothing would be asked, because all that ran is proven to leave nothing behind, the backend is asked all the same; what that finds is a leak. 0: never; 1: always."}},

	{group: "Timeouts", at: func(c *Config) any { return &c.QueryWaitTimeout },
		spec: spec{name: "query_wait_timeout", kind: kindDuration, def: "120s", min: 0, max: maxDuration,
			doc: "How long a client may wait for a backend. 0: for ever."}},
	{group: "Timeouts", at: func(c *Config) any { return &c.CancelWaitTimeout },
		spec: spec{name: "cancel_wait_timeout", kind: kindDuration, def: "10s", min: 0, max: maxDuration,
			doc: "How long a cancel request may wait until it is passed on to PostgreSQL, which is done for 16 backends of a server at a time; then it is dropped. 0: for ever."}},
	{group: "Timeouts", at: func(c *Config) any { return &c.ClientLoginTimeout },
		spec: spec{name: "client_login_timeout", kind: kindDuration, def: "60s", min: 0, max: maxDuration,
			doc: "How long a client may take to log in, from its connection to its proof of who it is. 0: for ever."}},
	{group: "Timeouts", at: func(c *Config) any { return &c.ClientMessageTimeout },
		spec: spec{name: "client_message_timeout", kind: kindDuration, def: "30s", min: 0, max: maxDuration,
			doc: "How long a message that does not fit a client's buffer may stall half-way, holding a backend. 0: for ever."}},
	{group: "Timeouts", at: func(c *Config) any { return &c.ServerIdleTimeout },
		spec: spec{name: "server_idle_timeout", kind: kindDuration, def: "600s", min: 0, max: maxDuration,
			doc: "How long a backend may be idle before it is closed. 0: for ever."}},
	{group: "Timeouts", at: func(c *Config) any { return &c.PoolIdleTimeout },
		spec: spec{name: "pool_idle_timeout", also: "autodb_idle_timeout", kind: kindDuration, def: "3600s", min: 0, max: maxDuration,
			doc: `How long a database that has no table of its own here, only [databases."*"], may have no clients before its pools go, with their backends, figures and history. 0: for ever. PgBouncer's name, autodb_idle_timeout, is accepted too.`}},
	{group: "Timeouts", at: func(c *Config) any { return &c.ServerLifetime },
		spec: spec{name: "server_lifetime", kind: kindDuration, def: "3600s", min: 0, max: maxDuration,
			doc: "How old a backend may be when it is given back; an older one is closed. 0: every backend is used once."}},
	{group: "Timeouts", at: func(c *Config) any { return &c.ServerConnectTimeout },
		spec: spec{name: "server_connect_timeout", kind: kindDuration, def: "15s", min: int64(10 * time.Millisecond), max: maxDuration,
			doc: "How long it may take to connect and log in to PostgreSQL."}},
	{group: "Timeouts", at: func(c *Config) any { return &c.ServerLoginRetry },
		spec: spec{name: "server_login_retry", kind: kindDuration, def: "15s", min: 0, max: maxDuration,
			doc: "How long to wait after a login to PostgreSQL failed before the next try; clients that come in between get the reason at once."}},
	{group: "Timeouts", at: func(c *Config) any { return &c.ShutdownTimeout },
		spec: spec{name: "shutdown_timeout", kind: kindDuration, def: "30s", min: 0, max: maxDuration,
			doc: "How long SIGTERM lets transactions finish. 0: not at all."}},

	{group: "TCP", at: func(c *Config) any { return &c.TCPKeepAlive },
		spec: spec{name: "tcp_keepalive", kind: kindBool, def: true,
			doc: "Probe connections at rest, of clients and to PostgreSQL, so that a peer that has gone without a word is found."}},
	{group: "TCP", at: func(c *Config) any { return &c.TCPKeepIdle },
		spec: spec{name: "tcp_keepidle", kind: kindDuration, def: "60s", min: 0, max: maxKeepSeconds,
			doc: "How long a connection is at rest before it is probed, in whole seconds. 0: as the system does."}},
	{group: "TCP", at: func(c *Config) any { return &c.TCPKeepIntvl },
		spec: spec{name: "tcp_keepintvl", kind: kindDuration, def: "15s", min: 0, max: maxKeepSeconds,
			doc: "How long after a probe without an answer the next one is sent, in whole seconds. 0: as the system does."}},
	{group: "TCP", at: func(c *Config) any { return &c.TCPKeepCnt },
		spec: spec{name: "tcp_keepcnt", kind: kindInt, def: int64(4), min: 0, max: 127,
			doc: "How many probes without an answer end the connection. 0: as the system does."}},
	{group: "TCP", at: func(c *Config) any { return &c.TCPUserTimeout },
		spec: spec{name: "tcp_user_timeout", kind: kindDuration, def: "0s", min: 0, max: int64(time.Hour),
			doc: "How long bytes may be sent and not taken before the kernel ends the connection; a bare number is seconds, in PgBouncer milliseconds. 0: as the system does."}},
	{group: "TCP", at: func(c *Config) any { return &c.TCPDeferAccept },
		spec: spec{name: "tcp_defer_accept", kind: kindBool, def: false,
			doc: "Accept a connection only when the client has sent something (Linux: TCP_DEFER_ACCEPT, for 45 seconds)."}},
	{group: "TCP", at: func(c *Config) any { return &c.TCPSocketBuffer },
		spec: spec{name: "tcp_socket_buffer", kind: kindInt, def: int64(0), min: 0, max: maxSocketBuffer,
			doc: "How many bytes the kernel buffers for a connection in each direction (SO_SNDBUF, SO_RCVBUF). 0: as the system does."}},

	{group: "TLS", at: func(c *Config) any { return &c.ClientTLSSSLMode },
		spec: spec{name: "client_tls_sslmode", kind: kindChoice, def: "disable", choices: clientSSLModes,
			doc: `TLS with clients: refused, used when asked for ("allow" and "prefer"), or demanded; with "verify-ca" and "verify-full", a certificate of the client's too, which client_tls_ca_file's authorities have signed. When key and certificate are set and this is not, it is "prefer".`}},
	{group: "TLS", at: func(c *Config) any { return &c.ClientTLSKeyFile },
		spec: spec{name: "client_tls_key_file", kind: kindPath, def: "",
			doc: "The private key shown to clients (PEM)."}},
	{group: "TLS", at: func(c *Config) any { return &c.ClientTLSCertFile },
		spec: spec{name: "client_tls_cert_file", kind: kindPath, def: "",
			doc: "The certificate shown to clients, with its chain (PEM)."}},
	{group: "TLS", at: func(c *Config) any { return &c.ClientTLSCAFile },
		spec: spec{name: "client_tls_ca_file", kind: kindPath, def: "",
			doc: "The root certificates of clients (PEM). Set, clients are asked for a certificate, and one that they show must be good; whether they need one say client_tls_sslmode, auth_type and the lines of auth_hba_file."}},
	{group: "TLS", at: func(c *Config) any { return &c.ClientTLSProtocols },
		spec: spec{name: "client_tls_protocols", kind: kindList, def: "secure",
			doc: `The versions of TLS with clients: "tlsv1.2", "tlsv1.3"; "secure" and "all" are both of them. Older ones are not spoken.`}},
	{group: "TLS", at: func(c *Config) any { return &c.ClientTLSCiphers },
		spec: spec{name: "client_tls_ciphers", kind: kindText, def: "default",
			doc: `The cipher suites of TLS 1.2 with clients, by OpenSSL's or Go's names with colons between; "default", "secure", "fast", "normal" and "all" are those that Go has by itself.`}},
	{group: "TLS", at: func(c *Config) any { return &c.ClientTLS13Ciphers },
		spec: spec{name: "client_tls13_ciphers", kind: kindText, def: "",
			doc: `The cipher suites of TLS 1.3 with clients. They cannot be chosen: "" and the names of all three are accepted, anything else is refused.`}},
	{group: "TLS", at: func(c *Config) any { return &c.ServerTLSSSLMode },
		spec: spec{name: "server_tls_sslmode", kind: kindChoice, def: "prefer", choices: serverSSLModes,
			doc: "TLS with PostgreSQL over TCP, as libpq's sslmode."}},
	{group: "TLS", at: func(c *Config) any { return &c.ServerTLSCAFile },
		spec: spec{name: "server_tls_ca_file", kind: kindPath, def: "",
			doc: "The root certificates for verify-ca and verify-full (PEM). Not set: the system's."}},
	{group: "TLS", at: func(c *Config) any { return &c.ServerTLSCertFile },
		spec: spec{name: "server_tls_cert_file", kind: kindPath, def: "",
			doc: "The certificate shown to PostgreSQL (PEM)."}},
	{group: "TLS", at: func(c *Config) any { return &c.ServerTLSKeyFile },
		spec: spec{name: "server_tls_key_file", kind: kindPath, def: "",
			doc: "The private key that belongs to it (PEM)."}},
	{group: "TLS", at: func(c *Config) any { return &c.ServerTLSNegotiation },
		spec: spec{name: "server_tls_negotiation", kind: kindChoice, def: "postgres", choices: negotiations,
			doc: `How TLS with PostgreSQL begins, as libpq's sslnegotiation: "postgres" asks for it first; "direct" begins at once, which saves a round trip and needs PostgreSQL 17 and a server_tls_sslmode of "require" or more.`}},
	{group: "TLS", at: func(c *Config) any { return &c.ServerTLSProtocols },
		spec: spec{name: "server_tls_protocols", kind: kindList, def: "secure",
			doc: "As client_tls_protocols, with PostgreSQL."}},
	{group: "TLS", at: func(c *Config) any { return &c.ServerTLSCiphers },
		spec: spec{name: "server_tls_ciphers", kind: kindText, def: "default",
			doc: "As client_tls_ciphers, with PostgreSQL."}},
	{group: "TLS", at: func(c *Config) any { return &c.ServerTLS13Ciphers },
		spec: spec{name: "server_tls13_ciphers", kind: kindText, def: "",
			doc: "As client_tls13_ciphers, with PostgreSQL."}},
	{group: "TLS", at: func(c *Config) any { return &c.ServerChannelBinding },
		spec: spec{name: "server_channel_binding", kind: kindChoice, def: "prefer", choices: serverBindings,
			doc: `Whether a SCRAM login to PostgreSQL is bound to its certificate, as libpq's channel_binding. "prefer": over TLS, if the server offers it; "require": no other login is made, so neither over a Unix socket.`}},

	{group: "Census", at: func(c *Config) any { return &c.CensusInterval },
		spec: spec{name: "census_interval", kind: kindDuration, def: "5s", min: 0, max: maxDuration,
			doc: "How often the processes of the servers are looked at. 0: never."}},
	{group: "Census", at: func(c *Config) any { return &c.CensusUser },
		spec: spec{name: "census_user", kind: kindText, def: "",
			doc: "The role that asks the servers about their processes, over one connection to each besides the pools' own; it should be a member of pg_monitor. Not set: nobody asks, and of servers on this machine the process table is read."}},
	{group: "Census", secret: true, at: func(c *Config) any { return &c.CensusPassword },
		spec: spec{name: "census_password", kind: kindText, def: "",
			doc: "The password for census_user. Not set: the one known from [users.NAME] or auth_file."}},
	{group: "Census", at: func(c *Config) any { return &c.CensusDatabase },
		spec: spec{name: "census_database", kind: kindText, def: "postgres",
			doc: "The database that census_user connects to."}},

	{group: "Logs and statistics", at: func(c *Config) any { return &c.LogLevel },
		spec: spec{name: "log_level", kind: kindChoice, def: "info", choices: []string{"debug", "info", "warn", "error"},
			doc: "The least serious messages that are logged."}},
	{group: "Logs and statistics", restart: true, at: func(c *Config) any { return &c.LogFormat },
		spec: spec{name: "log_format", kind: kindChoice, def: "text", choices: []string{"text", "json"},
			doc: "The form of the log's lines."}},
	{group: "Logs and statistics", at: func(c *Config) any { return &c.LogConnections },
		spec: spec{name: "log_connections", kind: kindBool, def: true,
			doc: "Log a line for each login of a client."}},
	{group: "Logs and statistics", at: func(c *Config) any { return &c.LogDisconnections },
		spec: spec{name: "log_disconnections", kind: kindBool, def: true,
			doc: "Log a line when a client leaves, with the reason."}},
	{group: "Logs and statistics", at: func(c *Config) any { return &c.StatsPeriod },
		spec: spec{name: "stats_period", kind: kindDuration, def: "60s", min: int64(time.Second), max: maxDuration,
			doc: "The period over which averages are taken."}},
}

// databaseSettings are those of a [databases.NAME].
var databaseSettings = []setting[Database]{
	{at: func(d *Database) any { return &d.Host },
		spec: spec{name: "host", kind: kindText, def: "",
			doc: `A name, an address, a socket folder beginning with "/", or "@name" for an abstract socket (Linux). Not set: PostgreSQL's usual socket folder (/var/run/postgresql if it exists, else /tmp).`}},
	{at: func(d *Database) any { return &d.Port },
		spec: spec{name: "port", kind: kindInt, def: int64(5432), min: 1, max: 65535,
			doc: "PostgreSQL's port."}},
	{at: func(d *Database) any { return &d.DBName },
		spec: spec{name: "dbname", kind: kindText, def: "",
			doc: `The database's name on the server. Not set: NAME; for "*" the name that the client asked for.`}},
	{at: func(d *Database) any { return &d.User },
		spec: spec{name: "user", kind: kindText, def: "",
			doc: "The user that every backend logs in as, so that there is one pool. Not set: the client's own, and a pool for each."}},
	{at: func(d *Database) any { return &d.Password },
		spec: spec{name: "password", kind: kindText, def: "",
			doc: "The password for user. Not set: the one known from [users.NAME] or auth_file."}},
	{at: func(d *Database) any { return &d.AuthUser },
		spec: spec{name: "auth_user", kind: kindText, def: "",
			doc: "As the general one, for clients of this database."}},
	{at: func(d *Database) any { return &d.AuthQuery },
		spec: spec{name: "auth_query", kind: kindText, def: "",
			doc: "As the general one, for clients of this database."}},
	{at: func(d *Database) any { return &d.AuthDBName },
		spec: spec{name: "auth_dbname", kind: kindText, def: "",
			doc: "As the general one, for clients of this database."}},
	{at: func(d *Database) any { return &d.PoolSize },
		spec: spec{name: "pool_size", kind: kindInt, min: 1, max: maxBackends,
			doc: "As default_pool_size, for this database."}},
	{at: func(d *Database) any { return &d.MinPoolSize },
		spec: spec{name: "min_pool_size", kind: kindInt, min: 0, max: maxBackends,
			doc: "As the general one, for this database."}},
	{at: func(d *Database) any { return &d.ReservePoolSize },
		spec: spec{name: "reserve_pool_size", kind: kindInt, min: 0, max: maxBackends,
			doc: "As the general one, for this database."}},
	{at: func(d *Database) any { return &d.PoolMode },
		spec: spec{name: "pool_mode", kind: kindChoice, choices: poolModes,
			doc: "As the general one, for this database."}},
	{at: func(d *Database) any { return &d.MaxDBConnections },
		spec: spec{name: "max_db_connections", kind: kindInt, min: 0, max: maxBackends,
			doc: "As the general one, for this database. 0: no limit here, whatever the general one says."}},
	{at: func(d *Database) any { return &d.MaxReplicationConnections },
		spec: spec{name: "max_replication_connections", kind: kindInt, min: 0, max: maxBackends,
			doc: "How many replication connections there may be to this database, besides the general limit on all. 0, or not set: as many as that allows."}},
	{at: func(d *Database) any { return &d.ServerLifetime },
		spec: spec{name: "server_lifetime", kind: kindDuration, min: 0, max: maxDuration,
			doc: "As the general one, for this database."}},
	{at: func(d *Database) any { return &d.ServerMaxProtocolVersion },
		spec: spec{name: "server_max_protocol_version", kind: kindChoice, choices: protocols,
			doc: "As the general one, for this database."}},
	{at: func(d *Database) any { return &d.SessionState },
		spec: spec{name: "session_state", kind: kindChoice, choices: sessionStates,
			doc: "As the general one, for this database."}},
	{at: func(d *Database) any { return &d.Listen },
		spec: spec{name: "listen", kind: kindChoice, choices: listenWays,
			doc: "As the general one, for this database."}},
	{at: func(d *Database) any { return &d.MaxPreparedStatements },
		spec: spec{name: "max_prepared_statements", kind: kindInt, min: 0, max: maxPrepared,
			doc: "As the general one, for this database."}},
	{at: func(d *Database) any { return &d.MaxPinned },
		spec: spec{name: "max_pinned", kind: kindInt, min: 0, max: maxBackends,
			doc: "As the general one, for this database. 0: no bound here, whatever the general one says."}},
	{at: func(d *Database) any { return &d.LeakCheck },
		spec: spec{name: "leak_check", kind: kindFraction, min: 0, max: 1,
			doc: "As the general one, for this database."}},
}

// userSettings are those of a [users.NAME].
var userSettings = []setting[User]{
	{at: func(u *User) any { return &u.Password },
		spec: spec{name: "password", kind: kindText, def: "",
			doc: `What the user must know: the password itself, "md5…" or "SCRAM-SHA-256$…". It comes before the auth_file's.`}},
	{at: func(u *User) any { return &u.PoolMode },
		spec: spec{name: "pool_mode", kind: kindChoice, choices: poolModes,
			doc: "As the general one, for this user; it comes before the database's."}},
	{at: func(u *User) any { return &u.PoolSize },
		spec: spec{name: "pool_size", kind: kindInt, min: 1, max: maxBackends,
			doc: "As default_pool_size, for this user's pools; it comes before the database's."}},
	{at: func(u *User) any { return &u.MaxUserConnections },
		spec: spec{name: "max_user_connections", kind: kindInt, min: 0, max: maxBackends,
			doc: "As the general one, for this user. 0: no limit here, whatever the general one says."}},
	{at: func(u *User) any { return &u.SessionState },
		spec: spec{name: "session_state", kind: kindChoice, choices: sessionStates,
			doc: "As the general one, for this user; it comes before the database's."}},
	{at: func(u *User) any { return &u.Listen },
		spec: spec{name: "listen", kind: kindChoice, choices: listenWays,
			doc: "As the general one, for this user; it comes before the database's."}},
	{at: func(u *User) any { return &u.MaxPinned },
		spec: spec{name: "max_pinned", kind: kindInt, min: 0, max: maxBackends,
			doc: "As the general one, for each of this user's pools; it comes before the database's. 0: no bound here."}},
}

// Row is one setting as SHOW CONFIG shows it; values are as one would write
// them, without quotes.
type Row struct {
	Key, Value, Default string
	Changeable          bool // takes effect at a reload, without a restart
}

// Settings lists every top-level setting, in the order of the documentation.
func (c *Config) Settings() []Row {
	rows := make([]Row, len(settings))
	for i := range settings {
		s := &settings[i]
		def, err := s.parse(s.def)
		if err != nil {
			panic("bug: the default of " + s.name + ": " + err.Error())
		}
		rows[i] = Row{
			Key:        s.name,
			Value:      s.format(load(s.at(c))),
			Default:    s.format(def),
			Changeable: !s.restart,
		}
		if s.secret && rows[i].Value != rows[i].Default {
			rows[i].Value = "********"
		}
	}
	return rows
}
