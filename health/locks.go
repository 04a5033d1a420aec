package health

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"pgweir/status"
)

// maxChain is how many processes of a chain of waits are named before its last.
const maxChain = 4

// lockWait is one wait for a lock: when it began by the server's word, zero if
// it has none, and when it was first seen.
type lockWait struct{ began, seen time.Time }

func (w lockWait) since() time.Time {
	if w.began.IsZero() {
		return w.seen
	}
	return w.began
}

// queue is who waits for whom, by pid.
type queue map[int]Blocked

// next is whom a process waits for. Of several, one that does not wait itself
// comes first: it is what the others are waiting for. ok is false if it waits
// for nobody.
func (q queue) next(pid int) (blocker int, ok bool) {
	by := slices.Clone(q[pid].By)
	if len(by) == 0 {
		return 0, false
	}
	slices.Sort(by)
	for _, pid := range by {
		if _, waits := q[pid]; !waits {
			return pid, true
		}
	}
	return by[0], true
}

// chain is the waiter and everyone that it waits for, one after the other, to
// the one that waits for nobody. In a deadlock nobody does; then circle is true
// and the last is the one before the first that comes again.
func (q queue) chain(pid int) (pids []int, circle bool) {
	seen := map[int]bool{}
	for {
		pids, seen[pid] = append(pids, pid), true
		next, ok := q.next(pid)
		switch {
		case !ok:
			return pids, false
		case seen[next]:
			return pids, true
		}
		pid = next
	}
}

// locks judges who waits for a lock for too long, and who is to blame.
func (j *Judge) locks(r *reading) {
	if !r.answered {
		r.cannotTell(lockQueue)
		j.blocked = nil
		return
	}
	q := queue{}
	waits := map[int]lockWait{}
	var waiters []int
	var longest time.Duration
	for _, b := range r.Blocked {
		if _, twice := q[b.PID]; twice || b.PID == 0 {
			continue
		}
		q[b.PID] = b
		w, before := j.blocked[b.PID]
		if !before || !w.began.Equal(b.Since) {
			before, w = false, lockWait{began: b.Since, seen: r.at}
		}
		waits[b.PID] = w
		if wait := r.ago(w.since()); before || wait >= j.limits.LockWait {
			waiters = append(waiters, b.PID)
			longest = max(longest, wait)
		}
	}
	j.blocked = waits
	if len(waiters) == 0 {
		return
	}
	slices.Sort(waiters)
	severity := status.Warning
	if longest > j.limits.LockGrave {
		severity = status.Critical
	}
	var items []string
	for _, pid := range waiters[:min(most, len(waiters))] {
		items = append(items, r.waits(q, pid, r.ago(waits[pid].since())))
	}
	text := strings.Join(items, "; ")
	if more := len(waiters) - len(items); more > 0 {
		text += fmt.Sprintf("; and %d more wait", more)
	}
	r.find(lockQueue, severity, upper(text)+".", r.unlock(q, waiters))
}

// waits says for what a process waits, and behind whom, to the root.
func (r *reading) waits(q queue, pid int, wait time.Duration) string {
	pids, circle := q.chain(pid)
	var b strings.Builder
	fmt.Fprintf(&b, "%s waits %s for %s", r.who(pid), lasting(wait), lockName(q[pid]))
	skip := len(pids) > maxChain+1 // those from there on, but for the last
	for i, blocker := range pids[1:] {
		waiting, waits := q[blocker]
		switch last := i+2 == len(pids); {
		case skip && i+2 > maxChain && !last:
			continue
		case skip && last:
			fmt.Fprintf(&b, ", and so on, to %s", r.who(blocker, r.doing(blocker)))
			continue
		case waits && waiting.Lock == q[pids[i]].Lock:
			b.WriteString(" behind ")
		default:
			b.WriteString(" held by ")
		}
		if !waits {
			b.WriteString(r.who(blocker, r.doing(blocker)))
			continue
		}
		fmt.Fprintf(&b, "%s, which waits for %s", r.who(blocker), lockName(waiting))
	}
	if circle {
		b.WriteString(", in a circle, which PostgreSQL breaks after deadlock_timeout")
	}
	return b.String()
}

func lockName(b Blocked) string {
	if b.Lock == "" {
		return "a lock"
	}
	return b.Lock
}

// doing is the state of a process that holds a lock.
func (r *reading) doing(pid int) string {
	if p := r.byPID[pid]; p != nil {
		return p.State
	}
	return ""
}

// unlock advises how to end the queue, at its roots.
func (r *reading) unlock(q queue, waiters []int) string {
	var roots []int
	prepared := false
	for _, pid := range waiters {
		pids, circle := q.chain(pid)
		switch root := pids[len(pids)-1]; {
		case circle || root == pid:
		case root == 0:
			prepared = true
		case !slices.Contains(roots, root):
			roots = append(roots, root)
		}
	}
	slices.Sort(roots)
	var out []string
	if len(roots) > 0 {
		var ends []string
		for _, root := range roots {
			ends = append(ends, strings.TrimSuffix(r.end(root), ";"))
		}
		out = append(out, "Let the holder finish its transaction, or end it: "+list(ends)+".")
	}
	if prepared {
		out = append(out, "Find the prepared transaction (SELECT gid, prepared, owner, database FROM pg_prepared_xacts;) and end it: COMMIT PREPARED 'gid' or ROLLBACK PREPARED 'gid'.")
	}
	if len(out) == 0 {
		return "See SELECT * FROM pg_locks WHERE NOT granted;"
	}
	return strings.Join(out, " ")
}
