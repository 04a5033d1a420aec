// Package sizing judges whether the pools fit their server and their clients:
// the sum of what they may open against what the server can give, and for each
// pool whether it should be larger or smaller. It knows the configuration's
// sums, PostgreSQL's limits and the last hour's figures. It must not know where
// these come from: it does no I/O and reads no clock.
package sizing

import (
	"fmt"
	"slices"
	"strings"

	"pgweir/config"
	"pgweir/status"
)

// Given is how many backends ordinary roles can have together on a server, and
// that with the sum written out.
func Given(l *status.ServerLimits) (int, string) {
	sum := fmt.Sprintf("max_connections %d − superuser_reserved_connections %d − reserved_connections %d",
		l.MaxConnections, l.SuperuserReserved, l.Reserved)
	n := l.MaxConnections - l.SuperuserReserved - l.Reserved
	if l.Others > 0 {
		n -= l.Others
		sum += fmt.Sprintf(" − %d of others", l.Others)
	}
	return max(0, n), sum
}

// Excess lists, in sentences, where the pools can open more than the server
// gives: in all, by role and by database. None means that they fit.
func Excess(d *config.Demand, l *status.ServerLimits) []string {
	var out []string
	if given, sum := Given(l); d.Total > given {
		out = append(out, fmt.Sprintf("the pools can open %d backends, but it gives %d (%s)", d.Total, given, sum))
	}
	for _, over := range exceeding(d.OfUsers(), l.Roles) {
		out = append(out, fmt.Sprintf("the pools of user %q can open %d backends, but the role has CONNECTION LIMIT %d", over.name, over.demand, over.limit))
	}
	for _, over := range exceeding(d.OfDatabases(), l.Databases) {
		out = append(out, fmt.Sprintf("the pools of database %q can open %d backends, but it has CONNECTION LIMIT %d", over.name, over.demand, over.limit))
	}
	return out
}

type excess struct {
	name          string
	demand, limit int
}

// exceeding is where demand is above the limit of the same name, in order of names.
func exceeding(demand, limits map[string]int) []excess {
	var out []excess
	for name, limit := range limits {
		if demand[name] > limit {
			out = append(out, excess{name, demand[name], limit})
		}
	}
	slices.SortFunc(out, func(a, b excess) int { return strings.Compare(a.name, b.name) })
	return out
}

// Sum is what the pools may ask of one server beside what it gives. Without
// limits, nothing is known of the latter.
func Sum(server string, d *config.Demand, l *status.ServerLimits) status.SizingSum {
	out := status.SizingSum{Server: server, Usable: -1, Wanted: d.Total, Fits: true}
	text := fmt.Sprintf("The pools can open %d backends (%s)", d.Total, strings.Join(d.Terms(), "; "))
	if d.Open {
		text += ", and more where a database or user that is not named gets a pool of its own"
	}
	besides := " Besides, any number of replication connections"
	if d.Replication > 0 {
		besides = fmt.Sprintf(" Besides, up to %d replication connections", d.Replication)
	}
	besides += ", for which PostgreSQL has room of its own (max_wal_senders)."
	if l == nil {
		out.Text = text + ". What the server gives is not known." + besides
		return out
	}
	given, sum := Given(l)
	out.Usable = given
	text += fmt.Sprintf("; the server gives %d (%s).", given, sum)
	over := Excess(d, l)
	out.Fits = len(over) == 0
	for _, sentence := range over {
		text += " Too many: " + sentence + "."
	}
	out.Text = text + besides
	return out
}
