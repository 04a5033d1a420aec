package loadtest

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"pgweir/spelling"
)

// workload is what a client does in each of its transactions: statements, one
// after the other.
type workload struct {
	name       string
	statements []statement
	// pause is the mean time to think if none is asked for.
	pause time.Duration
	// pgbench: it needs the tables that `pgbench -i` makes, whose number of
	// branches is the scale.
	pgbench bool
	scale   int64
}

// builtin is a workload that has a name.
type builtin struct {
	name    string
	sql     []string // each goes out by itself, as pgbench does it
	pause   time.Duration
	pgbench bool
}

var builtins = []builtin{
	{name: "select1", sql: []string{"select 1"}},
	{name: "select-only", pgbench: true, sql: []string{"select abalance from pgbench_accounts where aid = :aid"}},
	{name: "tpcb-like", pgbench: true, sql: []string{
		"begin",
		"update pgbench_accounts set abalance = abalance + :delta where aid = :aid",
		"select abalance from pgbench_accounts where aid = :aid",
		"update pgbench_tellers set tbalance = tbalance + :delta where tid = :tid",
		"update pgbench_branches set bbalance = bbalance + :delta where bid = :bid",
		"insert into pgbench_history (tid, bid, aid, delta, mtime) values (:tid, :bid, :aid, :delta, current_timestamp)",
		"end",
	}},
	// Clients that are connected and rarely want anything.
	{name: "idle", sql: []string{"select 1"}, pause: time.Second},
}

// Workloads are the names of the built-in workloads.
func Workloads() []string {
	var names []string
	for _, b := range builtins {
		names = append(names, b.name)
	}
	return names
}

// What a scale of 1 has, in pgbench's tables.
const (
	accountsPerBranch = 100_000
	tellersPerBranch  = 10
	mostDelta         = 5_000
)

// makeWorkload is the workload that the options ask for.
func makeWorkload(o *Options) (*workload, error) {
	if o.Script != "" || o.ScriptName != "" {
		statements, err := readScript(o.Script, scriptVariables, o.Prepared)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", cmp.Or(o.ScriptName, "script"), err)
		}
		return &workload{name: cmp.Or(o.ScriptName, "script"), statements: statements, pause: o.Think}, nil
	}
	name := cmp.Or(o.Workload, builtins[0].name)
	for _, b := range builtins {
		if b.name != name {
			continue
		}
		w := &workload{name: name, pgbench: b.pgbench, pause: cmp.Or(o.Think, b.pause)}
		for _, sql := range b.sql {
			statements, err := readScript(sql, pgbenchVariables, false)
			if err != nil {
				return nil, fmt.Errorf("bug: workload %s: %w", name, err)
			}
			w.statements = append(w.statements, statements...)
		}
		return w, nil
	}
	text := fmt.Sprintf("unknown workload %q", name)
	if near := nearest(name, Workloads()); near != "" {
		return nil, fmt.Errorf("%s; did you mean %q?", text, near)
	}
	return nil, fmt.Errorf("%s; there are %s", text, strings.Join(Workloads(), ", "))
}

// draw gives the variables new values for the next transaction.
func (w *workload) draw(random *rand.Rand, v *values) {
	if !w.pgbench {
		v[varRandom] = random.Int64N(randomMost + 1)
		return
	}
	v[varAid] = 1 + random.Int64N(accountsPerBranch*w.scale)
	v[varBid] = 1 + random.Int64N(w.scale)
	v[varTid] = 1 + random.Int64N(tellersPerBranch*w.scale)
	v[varDelta] = random.Int64N(2*mostDelta+1) - mostDelta
}

// think is how long a client pauses before its next transaction.
func (w *workload) think(random *rand.Rand) time.Duration {
	if w.pause == 0 {
		return 0
	}
	return w.pause/2 + time.Duration(random.Int64N(int64(w.pause)+1))
}

// nearest is the one of names that name is most likely a slip of, "" if none
// is near.
func nearest(name string, names []string) string {
	best, bestDistance := "", 4
	for _, candidate := range names {
		if d := spelling.Distance(strings.ToLower(name), candidate); d < bestDistance && d < len(candidate)/2+1 {
			best, bestDistance = candidate, d
		}
	}
	return best
}
