package health

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"pgweir/status"
)

// transactions judges what keeps dead rows from vacuum: who is idle in a
// transaction, and who has been at work in one for very long.
func (j *Judge) transactions(r *reading) {
	if !r.answered {
		r.cannotTell(idleInTransaction, vacuumHeld)
		return
	}
	var idle, running []Holding
	for _, h := range r.Holding {
		switch {
		case h.Begun.IsZero():
		case h.Idle && r.ago(h.Begun) > j.limits.Idle:
			idle = append(idle, h)
		case !h.Idle && r.ago(h.Begun) > j.limits.Running:
			running = append(running, h)
		}
	}
	if len(idle) > 0 {
		first := r.holders(idle)
		r.find(idleInTransaction, status.Warning,
			fmt.Sprintf("Idle in a transaction: %s. Meanwhile vacuum cannot remove dead rows, and locks are held.", list(r.held(idle))),
			fmt.Sprintf("Let the application commit, or end it: %s.%s", r.end(first), r.timeout(first)))
	}
	if len(running) > 0 {
		first := r.holders(running)
		r.find(vacuumHeld, status.Info,
			fmt.Sprintf("A transaction at work has been open for long: %s. Meanwhile vacuum cannot remove dead rows.", list(r.held(running))),
			fmt.Sprintf("Let it finish if it is wanted; otherwise SELECT pg_cancel_backend(%d);", first))
	}
}

// holders sorts them by pid and gives the first.
func (r *reading) holders(of []Holding) int {
	slices.SortStableFunc(of, func(a, b Holding) int { return cmp.Compare(a.PID, b.PID) })
	return of[0].PID
}

// held says of each who it is, for how long, and what it keeps.
func (r *reading) held(of []Holding) []string {
	var out []string
	for _, h := range of {
		application := ""
		if p := r.byPID[h.PID]; p != nil && p.Client != nil && p.User != "" {
			application = p.User
			if p.Database != "" {
				application += "@" + p.Database
			}
			if p.Application != "" {
				application += ", " + p.Application
			}
		}
		text := fmt.Sprintf("%s for %s", r.who(h.PID, application), lasting(r.ago(h.Begun)))
		if h.Age > 0 {
			text += fmt.Sprintf(", dead rows of the last %d transactions", h.Age)
		}
		out = append(out, text)
	}
	return out
}

// timeout is how to keep the role of a backend from idling in transactions.
func (r *reading) timeout(pid int) string {
	p := r.byPID[pid]
	if p == nil || p.User == "" {
		return " For the future, set idle_in_transaction_session_timeout."
	}
	return fmt.Sprintf(" For the future: ALTER ROLE %s SET idle_in_transaction_session_timeout = '%d s';",
		identifier(p.User), time.Minute/time.Second)
}
