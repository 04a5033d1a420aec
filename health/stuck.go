package health

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"pgweir/status"
)

// Wait events have a type. From PostgreSQL 14 to 18, a background process that
// has nothing to do waits for one of type Activity (CheckpointerMain,
// WalWriterMain, BgWriterMain or from 17 BgwriterMain, ArchiverMain,
// RecoveryWalStream, ...), one that is to go slowly for one of type Timeout
// (CheckpointWriteDelay, RecoveryRetrieveRetryInterval), and one that listens
// to another server for one of type Client. None of these is ever stuck.
var restful = []string{"Activity", "Client", "Timeout"}

// calm are waits of other types that may last, because somebody wants it so.
var calm = []string{"IPC: RecoveryPause", "IPC: WalReceiverWaitStart"}

// commands are waits for a program of the operator's, which may take longer.
var commands = []string{"IPC: ArchiveCommand", "IPC: RestoreCommand", "IPC: RecoveryEndCommand", "IPC: ArchiveCleanupCommand"}

// diligent are the background processes that never should wait for long.
var diligent = []string{"checkpointer", "walwriter", "background writer", "archiver", "walreceiver", "startup"}

// stuckIn says what a process is stuck in and since when, "" if it is not.
func (j *Judge) stuckIn(w watch, at time.Time) (what string, since time.Time) {
	const readings = 3
	if w.state == 'Z' && w.states >= 2 && background(w.kind) {
		return "dead without its postmaster taking note", w.stateSince
	}
	if w.state == 'D' && w.states >= readings && w.cpu >= 0 {
		return "held in the kernel (state D), mostly by a disk or a file system that does not answer", w.stateSince
	}
	event := strings.SplitN(w.wait, ": ", 2)
	if w.waits < readings || len(event) != 2 || !slices.Contains(diligent, w.kind) ||
		slices.Contains(restful, event[0]) || slices.Contains(calm, w.wait) {
		return "", time.Time{}
	}
	limit := j.limits.Stuck
	switch {
	case slices.Contains(commands, w.wait):
		limit = j.limits.StuckLong
	case w.cpu < 0 && event[0] == "IO":
		// Without its CPU time, one long write looks like many short ones.
		return "", time.Time{}
	case w.cpu < 0:
		limit = j.limits.StuckLong
	}
	if at.Sub(w.since) < limit {
		return "", time.Time{}
	}
	if slices.Contains(commands, w.wait) {
		return "waiting for its command to end (" + w.wait + ")", w.since
	}
	return "waiting for " + w.wait, w.since
}

// stuck finds processes that make no headway.
func (j *Judge) stuck(r *reading, pids []int) {
	var items, kinds []string
	severity := status.Warning
	first := 0
	for _, pid := range pids {
		w := j.watched[pid]
		what, since := j.stuckIn(w, r.at)
		if what == "" {
			continue
		}
		items = append(items, fmt.Sprintf("%s has made no headway for %s, %s", named(r, pid, w), lasting(r.ago(since)), what))
		if w.state == 'Z' {
			continue
		}
		if first == 0 {
			first = pid
		}
		kinds = append(kinds, w.kind)
		if severityOf(w.kind) == status.Critical && r.ago(since) >= j.limits.StuckLong {
			severity = status.Critical
		}
	}
	if len(items) == 0 {
		if len(r.Census.Processes) == 0 {
			r.cannotTell(processStuck)
		}
		return
	}
	advice := "Look into the server's log and at what it waits for"
	switch {
	case first == 0:
		advice = fmt.Sprintf("The postmaster does not do its work: look at its state (ps -o stat,wchan -p %d)", r.Census.Postmaster.PID)
	case r.OSStates != nil:
		advice += fmt.Sprintf(" (cat /proc/%d/stack as root), at its disk, and at the kernel's messages (dmesg)", first)
	}
	r.find(processStuck, severity, upper(list(items))+consequences(kinds)+".", advice+".")
}

// background tells a server's own processes from those that serve somebody.
func background(kind string) bool {
	switch kind {
	case "", "postmaster", "client backend", "walsender", "parallel worker", "standalone backend":
		return false
	}
	return true
}
