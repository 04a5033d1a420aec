package health

import (
	"fmt"

	"pgweir/status"
)

// archiver judges whether WAL can be archived: the last attempt has failed.
func (j *Judge) archiver(r *reading) {
	if !r.answered {
		r.cannotTell(archiverFailing)
		return
	}
	a := r.Archiver
	if a == nil || a.LastFailed.IsZero() || !a.LastFailed.After(a.LastArchived) {
		return
	}
	severity := status.Warning
	if first, ok := j.since[archiverFailing]; ok && r.at.Sub(first) >= j.limits.ArchiverBad {
		severity = status.Critical
	}
	last := "none has been archived yet"
	if !a.LastArchived.IsZero() {
		last = fmt.Sprintf("the last success was %s ago", lasting(r.ago(a.LastArchived)))
	}
	r.find(archiverFailing, severity,
		fmt.Sprintf("WAL cannot be archived: the last attempt, with %s %s ago, has failed (failures so far: %d), and %s. WAL is kept until it works, and may fill the disk.",
			a.LastFailedWAL, lasting(r.ago(a.LastFailed)), a.Failed, last),
		"The server's log has what archive_command or archive_library said. Set right what it writes to, or the command itself (then SELECT pg_reload_conf();).")
}
