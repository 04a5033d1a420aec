package console

import (
	"slices"
	"time"

	"pgweir/status"
)

// A field is the name and type of a column.
type field struct {
	name string
	oid  uint32
}

// A result is the rows of one SHOW. row(i, j) is the value of column j in row i.
type result struct {
	rows int
	cell func(row, column int) value
}

// A table is what one SHOW gives, known before any figure is read: Describe
// asks for the fields alone.
type table interface {
	fields() []field
	detail() status.Detail
	read(*status.Snapshot) result
}

// A column is one column of a table whose rows are made from R.
type column[R any] struct {
	field
	value func(*R) value
}

// view is a table: where its rows come from, and its columns in their order.
type view[R any] struct {
	needs   status.Detail
	rows    func(*status.Snapshot) []R
	columns []column[R]
}

func (v view[R]) detail() status.Detail { return v.needs }

func (v view[R]) fields() []field {
	out := make([]field, len(v.columns))
	for i := range v.columns {
		out[i] = v.columns[i].field
	}
	return out
}

func (v view[R]) read(s *status.Snapshot) result {
	var rows []R
	if v.rows != nil {
		rows = v.rows(s)
	}
	return result{
		rows: len(rows),
		cell: func(row, column int) value { return v.columns[column].value(&rows[row]) },
	}
}

func text[R any](name string, get func(*R) string) column[R] {
	return column[R]{field{name, oidText}, func(r *R) value { return value{text: get(r)} }}
}

// textOrNull is text, and NULL where there is none.
func textOrNull[R any](name string, get func(*R) string) column[R] {
	return column[R]{field{name, oidText}, func(r *R) value {
		s := get(r)
		return value{text: s, null: s == ""}
	}}
}

func int4[R any](name string, get func(*R) int) column[R] {
	return column[R]{field{name, oidInt4}, func(r *R) value { return value{number: int64(get(r))} }}
}

// int4OrNull is int4, and NULL for what is not above 0: unknown.
func int4OrNull[R any](name string, get func(*R) int) column[R] {
	return column[R]{field{name, oidInt4}, func(r *R) value {
		n := get(r)
		return value{number: int64(n), null: n <= 0}
	}}
}

func int8[R any](name string, get func(*R) int64) column[R] {
	return column[R]{field{name, oidInt8}, func(r *R) value { return value{number: get(r)} }}
}

// int8OrNull is int8, and NULL for what is below 0: unknown.
func int8OrNull[R any](name string, get func(*R) int64) column[R] {
	return column[R]{field{name, oidInt8}, func(r *R) value {
		n := get(r)
		return value{number: n, null: n < 0}
	}}
}

func float8[R any](name string, get func(*R) float64) column[R] {
	return column[R]{field{name, oidFloat8}, func(r *R) value { return value{real: get(r)} }}
}

// float8OrNull is float8, and NULL for what is below 0: unknown.
func float8OrNull[R any](name string, get func(*R) float64) column[R] {
	return column[R]{field{name, oidFloat8}, func(r *R) value {
		n := get(r)
		return value{real: n, null: n < 0}
	}}
}

// secondsOrUnknown is a duration for float8OrNull, which is below 0 if it is unknown.
func secondsOrUnknown(d time.Duration) float64 {
	if d < 0 {
		return -1
	}
	return d.Seconds()
}

func numeric[R any](name string, get func(*R) int64) column[R] {
	return column[R]{field{name, oidNumeric}, func(r *R) value { return value{number: get(r)} }}
}

// none is a column of a table that has no rows here.
func none(name string, oid uint32) column[struct{}] {
	return column[struct{}]{field{name, oid}, func(*struct{}) value { return value{null: true} }}
}

// with is the table with these columns.
func (v view[R]) with(columns []column[R]) view[R] {
	v.columns = columns
	return v
}

// upTo is the table without the columns behind the one of this name, which are ours.
func (v view[R]) upTo(name string) view[R] {
	last := slices.IndexFunc(v.columns, func(c column[R]) bool { return c.name == name })
	v.columns = v.columns[: last+1 : last+1]
	return v
}

// of is the table with rows that come from elsewhere.
func (v view[R]) of(rows func(*status.Snapshot) []R) view[R] {
	v.rows = rows
	return v
}

// tables are the tables of SHOW by name, in the order of SHOW HELP; there is what
// PgBouncer has in the place of one, nil if it is the same or PgBouncer has none.
var tables = []struct {
	name         string
	table, there table
}{
	{"pools", poolsTable, poolsTable.upTo("load_balance_hosts")},
	{"clients", clientsTable, pgbouncerClients},
	{"servers", serversTable, pgbouncerServers},
	{"sockets", socketsTable, pgbouncerSockets},
	{"active_sockets", activeSocketsTable, pgbouncerActiveSockets},
	{"stats", statsTable, pgbouncerStats},
	{"stats_totals", statsTotalsTable, pgbouncerStatsTotals},
	{"stats_averages", statsAveragesTable, pgbouncerStatsAverages},
	{"totals", totalsTable, pgbouncerTotals},
	{"savings", savingsTable, nil},
	{"pins", pinsTable, nil},
	{"leaks", leaksTable, nil},
	{"evidence", evidenceTable, nil},
	{"shapes", shapesTable, nil},
	{"listeners", listenersTable, nil},
	{"processes", processesTable, nil},
	{"findings", findingsTable, nil},
	{"databases", databasesTable, pgbouncerDatabases},
	{"users", usersTable, pgbouncerUsers},
	{"auth_query", authQueryTable, nil},
	{"logins", loginsTable, nil},
	{"lists", listsTable, pgbouncerLists},
	{"config", configTable, pgbouncerConfig},
	{"certificates", certificatesTable, nil},
	{"version", ours.versionTable(), pgbouncers.versionTable()},
	{"state", stateTable, pgbouncerState},
	{"mem", memTable, pgbouncerMem},
	{"fds", fdsTable, nil},
	{"dns_hosts", dnsHostsTable, nil},
	{"dns_zones", dnsZonesTable, nil},
	{"peers", peersTable, nil},
	{"peer_pools", peerPoolsTable, nil},
}
