package main

import "context"

// work is one thing that is measured through every pooler.
type work struct {
	name    string
	title   string // in a few words, for the tables
	each    string // what figures are of: a transaction, a query
	figures []figure
	setup   setup
	clients int // that need descriptors in this process and in the pooler; 0 is few
	most    int // rounds at most, where they hardly differ; 0 is no limit
	// kinds tells which poolers can do it; nil is all.
	kinds func(*kind) bool
	// cold: each round has a fresh pooler, and there is no warm-up.
	cold bool
	// special: only somebody who names it, or all works, measures it.
	special bool
	run     func(context.Context, *bench, *pooler) (measure, error)
}

// figure is what a work measures.
type figure struct {
	key   string // in rounds.jsonl
	head  string // of its column
	ratio bool   // poolers are compared by it
}

// measure is a round: a value for each figure of the work.
type measure []float64

// The figures that most works have. Switches are those context switches in which a
// thread of the pooler waits. The driver is what makes the load: this process, and
// pgbench or psql.
var (
	rate     = figure{"rate_per_s", "rate/s", true}
	cpu      = figure{"cpu_us", "CPU µs", true}
	switches = figure{"switches", "switches", false}
	driver   = figure{"driver_us", "driver µs", false}

	throughput = []figure{rate, cpu, switches, driver}
	crowding   = []figure{
		rate, cpu, switches, driver,
		{"p50_ms", "p50 ms", true}, {"p99_ms", "p99 ms", true}, {"max_ms", "max ms", false},
		{"spread", "p99/p50", false}, {"queries_least", "least", false}, {"queries_most", "most", false}, {"fairness", "least/most", false},
	}
	size = []figure{{"bytes_per_client", "bytes", true}}
)

// crowdPool is the backends for crowds, which are active clients.
const crowdPool = 40

var (
	plain  = setup{}
	scram  = setup{scram: true}
	secure = setup{tls: true}
	both   = setup{scram: true, tls: true}
	forty  = setup{pool: crowdPool}
)

// works is the table of all works, in the order in which they are measured.
func works() []work {
	return []work{
		{name: "simple1", title: "pgbench -S, 1 client", each: "transaction", figures: throughput, run: pgbench("-S", "-M", "simple", "-c", "1")},
		{name: "simple32", title: "pgbench -S, 32 clients", each: "transaction", figures: throughput, run: pgbench("-S", "-M", "simple", "-c", "32")},
		{name: "extended32", title: "pgbench -S, 32 clients, extended protocol", each: "transaction", figures: throughput, run: pgbench("-S", "-M", "extended", "-c", "32")},
		{name: "prepared32", title: "pgbench -S, 32 clients, named prepared statements", each: "transaction", figures: throughput, run: pgbench("-S", "-M", "prepared", "-c", "32")},
		{name: "pipeline", title: "100 queries a batch, 8 clients", each: "batch", figures: throughput, run: pipeline},
		{name: "bulk", title: "COPY of 100,000 rows out, 1 client", each: "copy", figures: throughput, run: bulk},
		{name: "tls32", title: "pgbench -S, 32 clients, over TLS", each: "transaction", figures: throughput, setup: secure, run: pgbench("-S", "-M", "simple", "-c", "32")},
		{name: "connect", title: "login by trust, query, good-bye; 16 clients", each: "login", figures: throughput, setup: plain, run: connect(true)},
		{name: "connect-scram", title: "login by SCRAM-SHA-256, query, good-bye; 16 clients", each: "login", figures: throughput, setup: scram, run: connect(true)},
		{name: "connect-tls", title: "login by SCRAM-SHA-256 over TLS, query, good-bye; 16 clients", each: "login", figures: throughput, setup: both, run: connect(true)},
		{name: "crowd40", title: "40 clients, a pool of 40", each: "query", figures: crowding, setup: forty, run: crowdOf(40)},
		{name: "crowd120", title: "120 clients, a pool of 40", each: "query", figures: crowding, setup: forty, run: crowdOf(120)},
		{name: "crowd1000", title: "1,000 active clients, a pool of 40", each: "query", figures: crowding, setup: forty, clients: 1_000, run: crowdOf(1_000)},
		{name: "crowd10000", title: "10,000 active clients, a pool of 40", each: "query", figures: crowding, setup: forty, clients: 10_000, run: crowdOf(10_000)},
		{name: "idle", title: "10,000 clients that have run a query", each: "client", figures: size, setup: plain, clients: idleClients, most: 3, cold: true, run: idle},
		{name: "idle-tls", title: "10,000 clients over TLS that have run a query", each: "client", figures: size, setup: secure, clients: idleClients, most: 3, cold: true, run: idle},

		{name: "login", title: "login by trust and nothing else, 16 clients", each: "login", figures: throughput, special: true, run: connect(false)},
		{name: "scram", title: "login by SCRAM-SHA-256 and nothing else, 16 clients", each: "login", figures: throughput, setup: scram, special: true, run: connect(false)},
		{name: "storm", title: "queries of 16 clients while 2,000 log in by SCRAM-SHA-256", each: "login", figures: storming, setup: scram, clients: 2 * stormClients, special: true, run: storm},
		fairWork("fair2", twoPools),
		fairWork("fair5", fivePools),
		fairWork("fair10", tenPools),
	}
}

func workNames() []string {
	var names []string
	for _, w := range works() {
		names = append(names, w.name)
	}
	return append(names, packagesWork)
}

func workNamed(name string) (work, bool) {
	for _, w := range works() {
		if w.name == name {
			return w, true
		}
	}
	return work{}, false
}

// firstSpecial is the first work that is not among the usual ones.
func firstSpecial() string {
	for _, w := range works() {
		if w.special {
			return w.name
		}
	}
	return packagesWork
}
