package config

// generalTimeouts are those that end a client which takes too long.
var generalTimeouts = []setting[Config]{
	{group: "Timeouts", at: func(c *Config) any { return &c.QueryTimeout },
		spec: spec{name: "query_timeout", kind: kindDuration, def: "0s", min: 0, max: maxDuration,
			doc: "How long an answer may take, the wait for a backend not included; then the query is canceled, and the client ended with 57014. 0: for ever."}},
	{group: "Timeouts", at: func(c *Config) any { return &c.TransactionTimeout },
		spec: spec{name: "transaction_timeout", kind: kindDuration, def: "0s", min: 0, max: maxDuration,
			doc: "How long a transaction may take, the wait for a backend not included; then it is rolled back, and the client ended with 25P04. 0: for ever."}},
	{group: "Timeouts", at: func(c *Config) any { return &c.IdleTransactionTimeout },
		spec: spec{name: "idle_transaction_timeout", kind: kindDuration, def: "0s", min: 0, max: maxDuration,
			doc: "How long a client may leave a transaction open without asking for anything; then it is rolled back, and the client ended with 25P03. 0: for ever."}},
	{group: "Timeouts", at: func(c *Config) any { return &c.ClientIdleTimeout },
		spec: spec{name: "client_idle_timeout", kind: kindDuration, def: "0s", min: 0, max: maxDuration,
			doc: "How long a client that holds no backend may ask for nothing; then it is ended with 57P05. One that listens is not idle. 0: for ever."}},
}

// slowLog are the settings of what the log says of queries and waits.
var slowLog = []setting[Config]{
	{group: "Logs and statistics", at: func(c *Config) any { return &c.LogMinDurationQuery },
		spec: spec{name: "log_min_duration_query", kind: kindDuration, def: "0s", min: 0, max: maxDuration,
			doc: "Log a line for each answer that took so long, the wait for a backend not included. 0: none."}},
	{group: "Logs and statistics", at: func(c *Config) any { return &c.LogMinDurationWait },
		spec: spec{name: "log_min_duration_wait", kind: kindDuration, def: "0s", min: 0, max: maxDuration,
			doc: "Log a line for each wait for a backend that took so long. 0: none."}},
	{group: "Logs and statistics", at: func(c *Config) any { return &c.LogQueryText },
		spec: spec{name: "log_query_text", kind: kindInt, def: int64(0), min: 0, max: 65536,
			doc: "How many bytes of the query's text a line of log_min_duration_query has. It may hold secrets. 0: none."}},
}

// timeoutsOf are those of a database, or of a user.
func timeoutsOf[T any](whose string, in func(*T) *Timeouts) []setting[T] {
	doc := "As the general one, for this " + whose + "."
	if whose == "user" {
		doc = "As the general one, for this user; it comes before the database's."
	}
	one := func(name string, at func(*Timeouts) any) setting[T] {
		return setting[T]{at: func(t *T) any { return at(in(t)) },
			spec: spec{name: name, kind: kindDuration, min: 0, max: maxDuration, doc: doc}}
	}
	return []setting[T]{
		one("query_wait_timeout", func(t *Timeouts) any { return &t.QueryWaitTimeout }),
		one("query_timeout", func(t *Timeouts) any { return &t.QueryTimeout }),
		one("transaction_timeout", func(t *Timeouts) any { return &t.TransactionTimeout }),
		one("idle_transaction_timeout", func(t *Timeouts) any { return &t.IdleTransactionTimeout }),
		one("client_idle_timeout", func(t *Timeouts) any { return &t.ClientIdleTimeout }),
		one("server_idle_timeout", func(t *Timeouts) any { return &t.ServerIdleTimeout }),
	}
}

var userLifetime = []setting[User]{
	{at: func(u *User) any { return &u.ServerLifetime },
		spec: spec{name: "server_lifetime", kind: kindDuration, min: 0, max: maxDuration,
			doc: "As the general one, for this user; it comes before the database's."}},
}
