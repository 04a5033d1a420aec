package health

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"pgweir/amount"
	"pgweir/status"
)

// The limits of what pgweir finds of its own pools, beside status.LongWait.
const (
	longQuery     = time.Minute      // from when on a query is worth a word
	veryLongQuery = 10 * time.Minute // from when on it is a warning
	// failedFor is how long it is told that waits have failed.
	failedFor = time.Minute
)

// PoolJudge remembers of the pools what it takes to tell what lasts. It is for one
// goroutine at a time.
type PoolJudge struct {
	since  map[string]time.Time    // by ID
	failed map[string]int64        // waits that had failed at the last reading, by pool
	lost   map[string]*failedWaits // by pool
}

// failedWaits are waits of a pool that have failed not long ago.
type failedWaits struct {
	n    int64
	last time.Time
}

// NewPoolJudge makes one that knows nothing yet.
func NewPoolJudge() *PoolJudge {
	return &PoolJudge{since: map[string]time.Time{}, failed: map[string]int64{}, lost: map[string]*failedWaits{}}
}

// Judge takes the next reading, with what the pools may ask of each server, and says what
// is wrong with the pools, at most one finding for each of status.OwnFindingIDs. A finding
// keeps its Since as long as it lasts.
func (j *PoolJudge) Judge(s *status.Snapshot, sums []status.SizingSum) []status.Finding {
	all := pools(s)
	var found []status.Finding
	for _, f := range []func([]*status.Pool) (status.Finding, bool){
		tooLarge(sums), refused, starved, waitsLong, j.waitsFailed(s.At), queriesLong,
	} {
		if f, ok := f(all); ok {
			found = append(found, f)
		}
	}
	since := map[string]time.Time{}
	for i := range found {
		f := &found[i]
		f.Since = s.At
		if before, ok := j.since[f.ID]; ok {
			f.Since = before
		}
		since[f.ID] = f.Since
	}
	j.since = since
	return found
}

// pools are those of databases; the console's have no backends.
func pools(s *status.Snapshot) (out []*status.Pool) {
	for i := range s.Pools {
		if !s.Pools[i].IsConsole() {
			out = append(out, &s.Pools[i])
		}
	}
	return out
}

// those describes the pools of which something is true, the first few by name.
func those(all []*status.Pool, is func(*status.Pool) bool, about func(*status.Pool) string) string {
	var items []string
	for _, p := range all {
		if is(p) {
			items = append(items, poolName(p)+" ("+about(p)+")")
		}
	}
	return list(items)
}

func poolName(p *status.Pool) string { return p.User + "@" + p.Database }

// tooLarge finds servers that give less than the pools can ask for.
func tooLarge(sums []status.SizingSum) func([]*status.Pool) (status.Finding, bool) {
	return func([]*status.Pool) (status.Finding, bool) {
		var items []string
		for _, sum := range sums {
			if !sum.Fits {
				items = append(items, "at "+sum.Server+": "+sum.Text)
			}
		}
		return status.Finding{
			ID: status.PoolsTooLarge, Severity: status.Warning,
			Text:   strings.Join(items, " "),
			Advice: "Make pools smaller, set max_db_connections or max_server_conn, or raise max_connections.",
		}, len(items) > 0
	}
}

// refused finds pools that PostgreSQL lets nobody into. It is grave where clients wait
// and there is no backend.
func refused(all []*status.Pool) (status.Finding, bool) {
	severity := status.Warning
	text := those(all, func(p *status.Pool) bool {
		if p.Refusal == "" {
			return false
		}
		if p.ClientsWaiting > 0 && p.ServersActive+p.ServersIdle == 0 {
			severity = status.Critical
		}
		return true
	}, func(p *status.Pool) string { return p.Refusal })
	return status.Finding{
		ID: status.LoginsRefused, Severity: severity,
		Text:   "PostgreSQL gives no backends: " + text + ".",
		Advice: "If it says that it is starting or not there, it is tried again until it works. If it refuses who logs in, compare the secrets of pgweir and PostgreSQL.",
	}, text != ""
}

// starved finds pools whose clients wait though the pool is not full, since a cap that it
// shares with others is.
func starved(all []*status.Pool) (status.Finding, bool) {
	text := those(all, isStarved, func(p *status.Pool) string {
		return fmt.Sprintf("%d of %s, the first of %s waits for %s", p.Backends(), amount.Plural(p.Size, "backend"),
			amount.Plural(p.ClientsWaiting, "client"), lasting(p.MaxWait))
	})
	return status.Finding{
		ID: status.PoolStarved, Severity: status.Warning,
		Text:   "A cap that pools share keeps clients waiting: " + text + ".",
		Advice: "Raise max_db_connections, max_user_connections or max_server_conn, or give the pool more weight (pool_weight).",
	}, text != ""
}

func isStarved(p *status.Pool) bool {
	return p.MaxWait >= status.LongWait && p.Backends() < p.Size && p.ServersLogin == 0 && p.Refusal == "" && !p.Paused
}

// waitsLong finds pools whose clients wait for long for another reason.
func waitsLong(all []*status.Pool) (status.Finding, bool) {
	text := those(all, func(p *status.Pool) bool {
		return p.MaxWait >= status.LongWait && !isStarved(p) && p.Refusal == "" && !p.Paused
	}, func(p *status.Pool) string {
		about := fmt.Sprintf("the first of %s for %s, with %d of %s at work", amount.Plural(p.ClientsWaiting, "client"),
			lasting(p.MaxWait), p.ServersActive, amount.Plural(p.Size, "backend"))
		if p.Pinned > 0 {
			about += fmt.Sprintf(", %d of them pinned", p.Pinned)
		}
		return about
	})
	return status.Finding{
		ID: status.ClientsWait, Severity: status.Warning,
		Text:   "Clients wait for a backend: " + text + ".",
		Advice: "SHOW PINS and SHOW SERVERS say who keeps the backends. If all of them are at work, raise the pool's size, or make transactions shorter.",
	}, text != ""
}

// waitsFailed finds pools whose clients were refused a backend within the last minute:
// for they had waited too long, or too many were waiting.
func (j *PoolJudge) waitsFailed(now time.Time) func([]*status.Pool) (status.Finding, bool) {
	return func(all []*status.Pool) (status.Finding, bool) {
		failed := make(map[string]int64, len(all))
		var items []string
		for _, p := range all {
			key, n := poolName(p), p.Totals.WaitsTimedOut+p.Totals.Shed
			failed[key] = n
			if before, ok := j.failed[key]; ok && n > before {
				l := j.lost[key]
				if l == nil {
					l = new(failedWaits)
					j.lost[key] = l
				}
				l.n, l.last = l.n+n-before, now
			}
			if l := j.lost[key]; l != nil && now.Sub(l.last) < failedFor {
				items = append(items, fmt.Sprintf("%s (%s)", key, amount.Plural(l.n, "time")))
			} else {
				delete(j.lost, key)
			}
		}
		j.failed = failed
		for key := range j.lost {
			if _, ok := failed[key]; !ok {
				delete(j.lost, key)
			}
		}
		return status.Finding{
			ID: status.WaitsFailed, Severity: status.Warning,
			Text:   "Clients were refused a backend, since they had waited for query_wait_timeout, or since max_waiting others were waiting: " + list(items) + ".",
			Advice: "Raise the pool's size, or find out what keeps its backends (SHOW PINS, SHOW SERVERS).",
		}, len(items) > 0
	}
}

// queriesLong finds pools in which a query has been running for long.
func queriesLong(all []*status.Pool) (status.Finding, bool) {
	severity := status.Info
	slow := slices.DeleteFunc(slices.Clone(all), func(p *status.Pool) bool { return p.OldestQuery < longQuery })
	text := those(slow, func(p *status.Pool) bool {
		if p.OldestQuery >= veryLongQuery {
			severity = status.Warning
		}
		return true
	}, func(p *status.Pool) string { return "for " + lasting(p.OldestQuery) })
	return status.Finding{
		ID: status.LongQuery, Severity: severity,
		Text:   "A query has been running for long: " + text + ".",
		Advice: "SHOW CLIENTS has who asked for it, pg_stat_activity what it is. query_timeout bounds queries.",
	}, text != ""
}
