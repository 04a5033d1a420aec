package config

// generalLimits bound clients, and divide backends among pools.
var generalLimits = []setting[Config]{
	{group: "Listening", at: func(c *Config) any { return &c.MaxClientConnPerAddress },
		spec: spec{name: "max_client_conn_per_address", kind: kindInt, def: int64(0), min: 0, max: 1000000,
			doc: "How many clients from one address (IPv6: one /64) may be connected; a further one is refused with SQLSTATE 53300. Behind proxy_protocol_networks it is the client's own address. Clients over Unix sockets, and the console's, are not counted. 0: no limit."}},
	{group: "Listening", at: func(c *Config) any { return &c.MaxDBClientConnections },
		spec: spec{name: "max_db_client_connections", kind: kindInt, def: int64(0), min: 0, max: 1000000,
			doc: "How many clients of one database may be connected, by the name that they ask for; a further one is refused with SQLSTATE 53300. 0: no limit."}},
	{group: "Listening", at: func(c *Config) any { return &c.MaxUserClientConnections },
		spec: spec{name: "max_user_client_connections", kind: kindInt, def: int64(0), min: 0, max: 1000000,
			doc: "How many clients that log in as one user may be connected, to whichever database; a further one is refused with SQLSTATE 53300. 0: no limit."}},
	{group: "Pools", at: func(c *Config) any { return &c.MaxServerConn },
		spec: spec{name: "max_server_conn", kind: kindInt, def: int64(0), min: 0, max: maxBackends,
			doc: "How many backends all pools may have together, of all databases, users and servers; those that listen, are opened or are closed count, those of replication connections do not. 0: no limit."}},
	{group: "Pools", at: func(c *Config) any { return &c.PoolWeight },
		spec: spec{name: "pool_weight", kind: kindInt, def: int64(1), min: 1, max: 1000,
			doc: "What part of a cap a pool is due when max_db_connections, max_user_connections or max_server_conn is not enough for all: as many times more than another as its weight is greater, if it wants as many."}},
	{group: "Pools", at: func(c *Config) any { return &c.MaxWaiting },
		spec: spec{name: "max_waiting", kind: kindInt, def: int64(0), min: 0, max: 1000000,
			doc: "How many clients may wait for a backend of a pool, those not counted for whom one is being opened; a further one gets an error at once (53300), and stays connected. 0: no limit."}},
	{group: "Timeouts", at: func(c *Config) any { return &c.QueryWaitNotify },
		spec: spec{name: "query_wait_notify", kind: kindDuration, def: "5s", min: 0, max: maxDuration,
			doc: "How long a client waits for a backend until it is told that it does, by a NOTICE. 0: it is not told."}},
}

// limitsOfDatabases are those of a [databases.NAME].
var limitsOfDatabases = []setting[Database]{
	{at: func(d *Database) any { return &d.MaxDBClientConnections },
		spec: spec{name: "max_db_client_connections", kind: kindInt, min: 0, max: 1000000,
			doc: "As the general one, for this database. 0: no limit here, whatever the general one says."}},
	{at: func(d *Database) any { return &d.PoolWeight },
		spec: spec{name: "pool_weight", kind: kindInt, min: 1, max: 1000,
			doc: "As the general one, for each pool of this database."}},
	{at: func(d *Database) any { return &d.MaxWaiting },
		spec: spec{name: "max_waiting", kind: kindInt, min: 0, max: 1000000,
			doc: "As the general one, for each pool of this database. 0: no limit here."}},
}

// limitsOfUsers are those of a [users.NAME].
var limitsOfUsers = []setting[User]{
	{at: func(u *User) any { return &u.MaxUserClientConnections },
		spec: spec{name: "max_user_client_connections", kind: kindInt, min: 0, max: 1000000,
			doc: "As the general one, for this user. 0: no limit here, whatever the general one says."}},
	{at: func(u *User) any { return &u.ReservePoolSize },
		spec: spec{name: "reserve_pool_size", kind: kindInt, min: 0, max: maxBackends,
			doc: "As the general one, for each of this user's pools; it comes before the database's."}},
	{at: func(u *User) any { return &u.PoolWeight },
		spec: spec{name: "pool_weight", kind: kindInt, min: 1, max: 1000,
			doc: "As the general one, for each of this user's pools; it comes before the database's."}},
	{at: func(u *User) any { return &u.MaxWaiting },
		spec: spec{name: "max_waiting", kind: kindInt, min: 0, max: 1000000,
			doc: "As the general one, for each of this user's pools; it comes before the database's. 0: no limit here."}},
}
