package console

import (
	"time"

	"pgweir/status"
)

// stats is a row of SHOW STATS: one database with the counters of its pools.
type stats struct {
	database        string
	total, averages status.Totals
}

// A counter is one counter of SHOW STATS. PgBouncer names it in four ways.
type counter struct {
	total    string // in SHOW STATS, after "total_"; in STATS_TOTALS as below
	avg      string // in SHOW STATS, after "avg_"
	plain    string // in SHOW STATS_TOTALS
	averages string // in SHOW STATS_AVERAGES
	totals   string // in SHOW TOTALS, after "total_" and "avg_"
	of       func(*status.Totals) int64
}

// Bytes are bytes, times are microseconds.
var counters = []counter{
	same("server_assignment_count", func(t *status.Totals) int64 { return t.ServerAssignments }),
	same("xact_count", func(t *status.Totals) int64 { return t.Transactions }),
	same("query_count", func(t *status.Totals) int64 { return t.Queries }),
	{"received", "recv", "bytes_received", "bytes_received", "client_bytes", func(t *status.Totals) int64 { return t.Received }},
	{"sent", "sent", "bytes_sent", "bytes_sent", "server_bytes", func(t *status.Totals) int64 { return t.Sent }},
	same("xact_time", func(t *status.Totals) int64 { return t.TransactionTime.Microseconds() }),
	same("query_time", func(t *status.Totals) int64 { return t.QueryTime.Microseconds() }),
	same("wait_time", func(t *status.Totals) int64 { return t.WaitTime.Microseconds() }),
	late("client_parse_count", "ps_client_parse_count", func(t *status.Totals) int64 { return t.ClientParses }),
	late("server_parse_count", "ps_server_parse_count", func(t *status.Totals) int64 { return t.ServerParses }),
	late("bind_count", "ps_bind_count", func(t *status.Totals) int64 { return t.Binds }),
	late("client_login_count", "client_login_count", func(t *status.Totals) int64 { return t.ClientLogins }),
}

// pgbouncerCounters are those of PgBouncer 1.25; client_login_count came after it.
var pgbouncerCounters = counters[: len(counters)-1 : len(counters)-1]

func same(name string, of func(*status.Totals) int64) counter {
	return counter{name, name, name, name, name, of}
}

// late is a counter that came to PgBouncer in later years: SHOW STATS_AVERAGES
// puts avg_ before these and before no others.
func late(name, totals string, of func(*status.Totals) int64) counter {
	return counter{name, name, name, "avg_" + name, totals, of}
}

var (
	statsTable         = statsOf(counters)
	statsTotalsTable   = statsTotalsOf(counters)
	statsAveragesTable = statsAveragesOf(counters)

	pgbouncerStats         = statsOf(pgbouncerCounters)
	pgbouncerStatsTotals   = statsTotalsOf(pgbouncerCounters)
	pgbouncerStatsAverages = statsAveragesOf(pgbouncerCounters)
)

func statsOf(list []counter) view[stats] {
	return view[stats]{rows: statsRows, columns: append(
		statsColumns(list, func(c counter) string { return "total_" + c.total }, statsTotal),
		statsColumns(list, func(c counter) string { return "avg_" + c.avg }, statsAverage)[1:]...)}
}

func statsTotalsOf(list []counter) view[stats] {
	return view[stats]{rows: statsRows,
		columns: statsColumns(list, func(c counter) string { return c.plain }, statsTotal)}
}

func statsAveragesOf(list []counter) view[stats] {
	return view[stats]{rows: statsRows,
		columns: statsColumns(list, func(c counter) string { return c.averages }, statsAverage)}
}

func statsTotal(s *stats) *status.Totals   { return &s.total }
func statsAverage(s *stats) *status.Totals { return &s.averages }

func statsColumns(list []counter, name func(counter) string, part func(*stats) *status.Totals) []column[stats] {
	columns := []column[stats]{text("database", func(s *stats) string { return s.database })}
	for _, c := range list {
		columns = append(columns, numeric(name(c), func(s *stats) int64 { return c.of(part(s)) }))
	}
	return columns
}

// statsRows adds up the pools of each database; they stand together.
func statsRows(s *status.Snapshot) []stats {
	var rows []stats
	for start := 0; start < len(s.Pools); {
		end := start + 1
		for end < len(s.Pools) && s.Pools[end].Database == s.Pools[start].Database {
			end++
		}
		rows = append(rows, sumStats(s.Pools[start].Database, s.Pools[start:end]))
		start = end
	}
	return rows
}

// sumStats adds up pools. Rates add; a mean time is the mean of the pools',
// weighted by how often each counts.
func sumStats(database string, pools []status.Pool) stats {
	sum := stats{database: database}
	var transactions, queries, waits mean
	for i := range pools {
		p := &pools[i]
		sum.total.Add(&p.Totals)
		sum.averages.Add(&p.Averages)
		transactions.add(p.Averages.TransactionTime, p.Averages.Transactions)
		queries.add(p.Averages.QueryTime, p.Averages.Queries)
		waits.add(p.Averages.WaitTime, p.Averages.Waits())
	}
	sum.averages.TransactionTime = transactions.value()
	sum.averages.QueryTime = queries.value()
	sum.averages.WaitTime = waits.value()
	return sum
}

// mean is a weighted mean of durations.
type mean struct{ sum, weight float64 }

// add counts d as often as it happened in a second. What happens less than once
// a second has a rate of 0 and a time all the same: it counts once.
func (m *mean) add(d time.Duration, rate int64) {
	if rate == 0 && d > 0 {
		rate = 1
	}
	m.sum += float64(d) * float64(rate)
	m.weight += float64(rate)
}

func (m *mean) value() time.Duration {
	if m.weight == 0 {
		return 0
	}
	return time.Duration(m.sum / m.weight)
}

// named is a row of SHOW TOTALS.
type named struct {
	name  string
	value int64
}

var (
	totalsTable     = totalsOf(counters)
	pgbouncerTotals = totalsOf(pgbouncerCounters)
)

func totalsOf(list []counter) view[named] {
	return view[named]{
		rows: func(s *status.Snapshot) []named {
			all := sumStats("", s.Pools)
			all.total.Add(&s.Past)
			var rows []named
			for _, c := range list {
				rows = append(rows, named{"total_" + c.totals, c.of(&all.total)})
			}
			for _, c := range list {
				rows = append(rows, named{"avg_" + c.totals, c.of(&all.averages)})
			}
			return rows
		},
		columns: []column[named]{
			text("name", func(n *named) string { return n.name }),
			numeric("value", func(n *named) int64 { return n.value }),
		},
	}
}
