package pgbouncer

import "pgweir/config"

const (
	noLimit     = 262143 // the largest number of backends that config takes
	maxDuration = 365 * 24 * 3600
)

var (
	poolModes = []string{"session", "transaction", "statement"}
	sslModes  = []string{"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}
)

const (
	noAuthUser     = "Has no effect without auth_user, in PgBouncer neither."
	clientsCounted = "Clients count once they have shown who they are, and the error has 53300 in place of 08P01. The console's do not count."
	noSuchSize     = "0 is no limit, which is written as 262143."
	builtIn        = "Go lets nobody choose."
	oneProcess     = "One pgweir uses all processors, and a second one cannot listen on the same port."
	serviceOwn     = "With a config.toml it is the service manager's."
	toSyslog       = "The log goes to stderr or to logfile; the service manager passes it on to syslog."
	noCheckQuery   = "A backend that has gone is noticed at once by the loop that watches it, so none is asked before it is used."
	inPipe         = "pgweir's buffers are its own; a client has one as long as it needs it."
)

// general are the settings of [pgbouncer], in alphabetical order, as SHOW CONFIG has them.
var general = []setting{
	{name: "admin_users", kind: kindList},
	{name: "application_name_add_host", kind: kindFlag, def: "0", note: "Not for replication connections, whose name synchronous_standby_names has."},
	{name: "auth_dbname", note: "Without auth_user it has no effect there, and is an error in a config.toml."},
	{name: "auth_file", kind: kindPath, note: "A file that cannot be read stops the start."},
	{name: "auth_hba_file", kind: kindPath, note: "Read only with auth_type = hba, as there. A line that is wrong stops the start; in PgBouncer it is left out."},
	{name: "auth_ident_file", kind: kindPath, note: "Read only with auth_type = hba, as there."},
	{name: "auth_ldap_options", secret: true, note: "Read only with auth_type = ldap, as there."},
	{name: "auth_query", note: "The default is the same, with all names in full. The connection is read only, with auth_user's own search_path. A row of another name than the user's is nobody's. Answers serve for auth_query_ttl, and for auth_query_stale while PostgreSQL cannot be asked; they come over one connection besides the pools."},
	{name: "auth_type", kind: kindChoice, def: "md5", choices: []string{"any", "trust", "plain", "md5", "cert", "hba", "ldap", "pam", "scram-sha-256"},
		note: "pam is refused, as it needs a C library; ldap asks an LDAP server, as its modules often do. With trust the name need not be in the auth_file; with any, clients may read on the console, and only admin_users may do more."},
	{name: "auth_user", note: "Its password must be in the auth_file in clear text, unless the server asks for none."},
	{name: "autodb_idle_timeout", kind: kindSeconds, def: "3600", fate: renamed, to: "pool_idle_timeout", most: maxDuration, note: "The old name is accepted in a config.toml too. It counts from the last client's end, open backends or not."},
	{name: "cancel_wait_timeout", kind: kindSeconds, def: "10", most: maxDuration},
	{name: "client_idle_timeout", kind: kindSeconds, def: "0", most: maxDuration, note: "SQLSTATE 57P05. A client that listens is not idle, and as there one that holds a backend is not ended."},
	{name: "client_login_timeout", kind: kindSeconds, def: "60", most: maxDuration},
	{name: "client_tls13_ciphers", note: "Not read with client_tls_sslmode = disable, as there. " + builtIn + " Empty, or the names of all three suites of TLS 1.3, is accepted."},
	{name: "client_tls_ca_file", kind: kindPath, note: "Not read with client_tls_sslmode = disable, as there."},
	{name: "client_tls_cert_file", kind: kindPath, note: "Not read with client_tls_sslmode = disable, as there. A changed file is taken by itself."},
	{name: "client_tls_ciphers", def: "default", note: "Not read with client_tls_sslmode = disable, as there. Names of suites, OpenSSL's or Go's, with colons between. default, secure, fast, normal and all are Go's own choice. Classes and operators (HIGH:!aNULL), and suites that Go counts as insecure, are refused."},
	{name: "client_tls_dheparams", def: "auto", fate: ignored, note: "None is needed: key exchange without elliptic curves (DHE) is not offered, as with none."},
	{name: "client_tls_ecdhcurve", def: "auto", fate: ignored, note: "None is needed: client and pgweir agree on one of X25519, P-256, P-384 and P-521, or on one of these with ML-KEM, as with auto."},
	{name: "client_tls_key_file", kind: kindPath, note: "Not read with client_tls_sslmode = disable, as there."},
	{name: "client_tls_protocols", def: "secure", note: "Not read with client_tls_sslmode = disable, as there. tlsv1.0 and tlsv1.1 are refused; all and legacy are TLS 1.2 and 1.3."},
	{name: "client_tls_sslmode", kind: kindChoice, def: "disable", choices: sslModes, note: "A client without a certificate is told so by an error, not by a failed handshake. In a config.toml it is prefer by itself when key and certificate are set."},
	{name: "conffile", kind: kindPath, fate: process, note: "The file that a RELOAD reads. " + serviceOwn},
	{name: "default_pool_size", kind: kindNumber, def: "20", none: noLimit, most: noLimit, note: noSuchSize},
	{name: "disable_pqexec", kind: kindFlag, def: "0", fate: refused, note: "pgweir has no way to forbid the simple protocol."},
	{name: "dns_max_ttl", kind: kindSeconds, def: "15", most: maxDuration, note: "The time to live of the records themselves does not count. With 0 a name is looked up at each login to PostgreSQL, and open backends stay."},
	{name: "dns_nxdomain_ttl", kind: kindSeconds, def: "15", fate: ignored, note: "A name without an answer is looked up again at the next login to PostgreSQL, whose pauses are server_login_retry's."},
	{name: "dns_zone_check_period", kind: kindSeconds, def: "0", fate: ignored, note: "A changed name is found after dns_max_ttl."},
	{name: "idle_transaction_timeout", kind: kindSeconds, def: "0", most: maxDuration, note: "The connection ends, as there; the client gets 25P03, in PgBouncer 08P01."},
	{name: "ignore_startup_parameters", kind: kindList, note: "Not needed for extra_float_digits, options, search_path and the like: startup parameters take effect. What is listed is dropped, in options too; with options listed, the settings that PgBouncer follows stay."},
	{name: "job_name", def: "pgbouncer", fate: ignored, note: "It names a service of Windows and the lines of the log."},
	{name: "listen_addr", kind: kindList, written: true},
	{name: "listen_backlog", kind: kindNumber, def: "128", written: true, least: 1, most: 65535},
	{name: "listen_port", kind: kindNumber, def: "6432"},
	{name: "log_connections", kind: kindFlag, def: "1"},
	{name: "log_disconnections", kind: kindFlag, def: "1"},
	{name: "log_pooler_errors", kind: kindFlag, def: "1", fate: ignored, note: "Why a client leaves is a line of log_disconnections; what pgweir refuses is counted in the metrics."},
	{name: "log_stats", kind: kindFlag, def: "1", anyway: "0", fate: ignored, note: "Figures are on the console and over HTTP, not in the log."},
	{name: "logfile", kind: kindPath, fate: process, note: "Opened anew at SIGHUP and RELOAD, by another name too. " + serviceOwn},
	{name: "max_client_conn", kind: kindNumber, def: "100", written: true, most: 1000000, note: "There are 40 connections more for the console, and none else; in PgBouncer whoever asks for it is exempt."},
	{name: "max_db_client_connections", kind: kindNumber, def: "0", most: 1000000, note: clientsCounted},
	{name: "max_db_connections", kind: kindNumber, def: "0", most: noLimit},
	{name: "max_packet_size", kind: kindNumber, def: "2147483647", fate: ignored, note: "Messages have limits by their kind, PostgreSQL's own where it has some."},
	{name: "max_prepared_statements", kind: kindNumber, def: "200", most: 100000},
	{name: "max_user_client_connections", kind: kindNumber, def: "0", most: 1000000, note: clientsCounted},
	{name: "max_user_connections", kind: kindNumber, def: "0", most: noLimit},
	{name: "min_pool_size", kind: kindNumber, def: "0", most: noLimit, note: "More than the pool's size is written as that, which caps it there too."},
	{name: "peer_id", kind: kindNumber, def: "0", fate: ignored, note: "Cancel requests are not passed on to another pgweir. " + oneProcess},
	{name: "pidfile", kind: kindPath, fate: process, note: serviceOwn},
	{name: "pkt_buf", kind: kindNumber, def: "4096", fate: ignored, note: inPipe},
	{name: "pool_mode", kind: kindChoice, def: "session", choices: poolModes},
	{name: "query_timeout", kind: kindSeconds, def: "0", most: maxDuration, note: "The query is canceled and the connection ends, as there; the client gets 57014, in PgBouncer 08P01. The wait for a backend does not count: that is query_wait_timeout."},
	{name: "query_wait_notify", kind: kindNumber, def: "5", inSeconds: true, most: maxDuration, note: "The NOTICE has another text."},
	{name: "query_wait_timeout", kind: kindSeconds, def: "120", most: maxDuration, note: "The client gets an ERROR (53300) and stays; only at its login it is refused. In PgBouncer it is disconnected."},
	{name: "reserve_pool_size", kind: kindNumber, def: "0", most: noLimit},
	{name: "reserve_pool_timeout", kind: kindSeconds, def: "5", most: maxDuration},
	{name: "resolv_conf", kind: kindPath, note: "For the names in host. nameserver (also as [address]:port), search and ndots are read; names in /etc/hosts come first."},
	{name: "sbuf_loopcnt", kind: kindNumber, def: "5", fate: ignored, note: "A client with a big result gives way to others by itself."},
	{name: "scram_iterations", kind: kindNumber, def: "4096", fate: ignored, note: "For SCRAM secrets that are made of passwords in clear text; pgweir makes them as PostgreSQL does by default, with 4096. Secrets in the auth_file have their own."},
	{name: "server_check_delay", kind: kindSeconds, def: "30", fate: ignored, note: noCheckQuery},
	{name: "server_check_query", def: "<empty>", fate: ignored, note: noCheckQuery},
	{name: "server_connect_timeout", kind: kindSeconds, def: "15", none: maxDuration, most: maxDuration},
	{name: "server_fast_close", kind: kindFlag, def: "0", fate: ignored, note: "A session keeps its backend to its end when settings change."},
	{name: "server_idle_timeout", kind: kindSeconds, def: "600", most: maxDuration},
	{name: "server_lifetime", kind: kindSeconds, def: "3600", most: maxDuration, note: "Each backend has up to a tenth less, where PgBouncer closes one at a time."},
	{name: "server_login_retry", kind: kindSeconds, def: "15", most: maxDuration, note: "The longest pause: it begins with 100 ms and doubles, up to 1 s while the server is away or has no room. Meanwhile clients wait (query_wait_timeout), where PgBouncer refuses those that come; a refused user or database is told at once."},
	{name: "server_reset_query", def: "DISCARD ALL", note: "In session mode, as there."},
	{name: "server_reset_query_always", kind: kindFlag, def: "0", fate: ignored, note: "Session state follows its client in transaction mode, and none is left to the next (session_state)."},
	{name: "server_round_robin", kind: kindFlag, def: "0", fate: ignored, note: "The backend that was used last is used next, of those that the client's event loop had last."},
	{name: "server_tls13_ciphers", note: "Not read with server_tls_sslmode = disable, as there. Else as client_tls13_ciphers."},
	{name: "server_tls_ca_file", kind: kindPath, note: "Not read with server_tls_sslmode = disable, as there."},
	{name: "server_tls_cert_file", kind: kindPath, note: "Not read with server_tls_sslmode = disable, as there. A changed file is taken by itself."},
	{name: "server_tls_ciphers", def: "default", note: "Not read with server_tls_sslmode = disable, as there. Else as client_tls_ciphers."},
	{name: "server_tls_key_file", kind: kindPath, note: "Not read with server_tls_sslmode = disable, as there."},
	{name: "server_tls_protocols", def: "secure", note: "Not read with server_tls_sslmode = disable, as there. Else as client_tls_protocols."},
	{name: "server_tls_sslmode", kind: kindChoice, def: "prefer", choices: sslModes},
	{name: "service_name", def: "pgbouncer", fate: refused, note: "PgBouncer knows it on Windows only."},
	{name: "so_reuseport", kind: kindFlag, def: "0", fate: ignored, note: oneProcess},
	{name: "stats_period", kind: kindNumber, def: "60", inSeconds: true, least: 1, most: maxDuration},
	{name: "stats_users", kind: kindList},
	{name: "suspend_timeout", kind: kindSeconds, def: "10", most: maxDuration, note: "SUSPEND is given up then; PgBouncer closes the connections that hold it up. Online restarts (-R) are not there."},
	{name: "syslog", kind: kindFlag, def: "0", fate: ignored, note: toSyslog},
	{name: "syslog_facility", def: "daemon", fate: ignored, note: toSyslog},
	{name: "syslog_ident", def: "pgbouncer", fate: ignored, note: toSyslog},
	{name: "tcp_defer_accept", kind: kindFlag, def: "1", written: true, note: "The default is 1 on Linux only, elsewhere 0."},
	{name: "tcp_keepalive", kind: kindFlag, def: "1"},
	{name: "tcp_keepcnt", kind: kindNumber, def: "0", written: true, most: 127, note: "0 is the system's. pgweir's own defaults of the three find a host that has gone after two minutes."},
	{name: "tcp_keepidle", kind: kindNumber, def: "0", written: true, inSeconds: true, most: 32767, note: "As tcp_keepcnt."},
	{name: "tcp_keepintvl", kind: kindNumber, def: "0", written: true, inSeconds: true, most: 32767, note: "As tcp_keepcnt."},
	{name: "tcp_socket_buffer", kind: kindNumber, def: "0", most: 1 << 30},
	{name: "tcp_user_timeout", kind: kindNumber, def: "0", milli: true, most: 3600000, note: "Milliseconds there; in a config.toml a duration, of which a bare number is seconds."},
	{name: "track_extra_parameters", kind: kindList, def: "IntervalStyle", fate: ignored, note: "Every setting that a client makes follows it (session_state)."},
	{name: "transaction_timeout", kind: kindSeconds, def: "0", most: maxDuration, note: "The connection ends, as there; the client gets 25P04, in PgBouncer 08P01. The wait for a backend does not count."},
	{name: "unix_socket_dir", kind: kindPath, def: "/tmp", note: "Databases without a host are reached there too, as there; if it is not set, in /var/run/postgresql, which is Debian's default, or else in /tmp."},
	{name: "unix_socket_group", fate: ignored, note: "The socket has the group that pgweir runs with (systemd: Group=)."},
	{name: "unix_socket_mode", kind: kindMode, def: "0777"},
	{name: "user", fate: process, note: serviceOwn},
	{name: "verbose", kind: kindNumber, def: "0", fate: renamed, to: "log_level", note: "0 is info, anything more is debug."},
}

// databases are the words of a connection string in [databases].
var databases = []setting{
	{name: "application_name", fate: ignored, note: "Clients have their own names, and pgweir's one for its own connections."},
	{name: "auth_dbname", note: "Without auth_user it has no effect there, and is an error in a config.toml."},
	{name: "auth_query"},
	{name: "auth_user"},
	{name: "client_encoding", fate: refused, note: "ALTER DATABASE ... SET client_encoding, or of the role, does it."},
	{name: "connect_query", fate: refused, note: "ALTER DATABASE ... SET, or of the role, does what most are for."},
	{name: "datestyle", fate: refused, note: "ALTER DATABASE ... SET datestyle, or of the role, does it."},
	{name: "dbname", note: "The name that the client asks for is the default of the entry * too."},
	{name: "host", note: "Several, with commas between, too. An empty entry among them is refused."},
	{name: "load_balance_hosts", kind: kindChoice, def: "round-robin", choices: []string{"disable", "round-robin"}, note: "When a host fails, the next one is tried at once, not after server_login_retry, and one that is away is passed over until it is back."},
	{name: "max_db_client_connections", kind: kindLoose, inherits: true, most: 1000000, note: "0 is the general setting there; in a config.toml it is no limit."},
	{name: "max_db_connections", kind: kindLoose, inherits: true, most: noLimit, note: "0 is the general setting there; in a config.toml it is no limit."},
	{name: "min_pool_size", kind: kindLoose, most: noLimit},
	{name: "password", secret: true, note: "Without user it has no effect there, and is an error in a config.toml."},
	{name: "pool_mode", kind: kindChoice, choices: poolModes},
	{name: "pool_size", kind: kindLoose, none: noLimit, most: noLimit, note: noSuchSize},
	{name: "port", kind: kindLoose, def: "5432"},
	{name: "reserve_pool", kind: kindLoose, fate: renamed, to: "reserve_pool_size", most: noLimit, note: "PgBouncer's old name."},
	{name: "reserve_pool_size", kind: kindLoose, most: noLimit},
	{name: "server_lifetime", kind: kindLoose, inherits: true, inSeconds: true, most: maxDuration, note: "0 is the general setting there; in a config.toml every backend is then used once."},
	{name: "timezone", fate: refused, note: "ALTER DATABASE ... SET timezone, or of the role, does it."},
	{name: "user"},
}

// users are the words of a line in [users].
var users = []setting{
	{name: "client_idle_timeout", kind: kindLoose, inherits: true, inSeconds: true, most: maxDuration, note: "0 is the general setting there; in a config.toml it is never."},
	{name: "idle_transaction_timeout", kind: kindLoose, inherits: true, inSeconds: true, most: maxDuration, note: "0 is the general setting there; in a config.toml it is never."},
	{name: "max_user_client_connections", kind: kindLoose, inherits: true, most: 1000000, note: "0 is the general setting there; in a config.toml it is no limit."},
	{name: "max_user_connections", kind: kindLoose, inherits: true, most: noLimit, note: "0 is the general setting there; in a config.toml it is no limit."},
	{name: "pool_mode", kind: kindChoice, choices: poolModes},
	{name: "pool_size", kind: kindLoose, none: noLimit, most: noLimit, note: noSuchSize},
	{name: "query_timeout", kind: kindLoose, inherits: true, inSeconds: true, most: maxDuration, note: "0 is the general setting there; in a config.toml it is never."},
	{name: "reserve_pool_size", kind: kindLoose, most: noLimit},
	{name: "transaction_timeout", kind: kindLoose, inherits: true, inSeconds: true, most: maxDuration, note: "0 is the general setting there; in a config.toml it is never."},
}

const noPeers = "Cancel requests are not passed on to another pgweir."

// peers are the words of a line in [peers].
var peers = []setting{
	{name: "host", fate: ignored, note: noPeers},
	{name: "pool_size", kind: kindLoose, fate: ignored, note: noPeers},
	{name: "port", kind: kindLoose, fate: ignored, note: noPeers},
}

// counterpart tells what a name of PgBouncer's is here, for who writes it into a
// config.toml; "" if there is nothing to say.
func counterpart(table, name string) string {
	for i := range tables {
		if tables[i].table != table {
			continue
		}
		s := find(tables[i].settings, name)
		if s == nil || config.Known(table, s.target()) && s.to == "" {
			return ""
		}
		switch s.fate {
		case renamed:
			return "PgBouncer's name for what is " + s.to + " here. " + s.note
		case process:
			return "PgBouncer's, for the process itself. " + s.note
		case later:
			return "PgBouncer's, and pgweir has none yet. " + s.note
		case ignored, refused:
			return "PgBouncer's, and pgweir has none. " + s.note
		}
	}
	return ""
}
