package proxy

import (
	"strings"

	"github.com/prometheus/procfs"
)

// processMemory is what a backend holds for itself, in bytes: dirty pages that
// it shares with nobody, and its page tables, which no resident size holds. If
// the rights do not suffice for the former, its anonymous memory stands in,
// and that is a guess. It is false if there is no such process of PostgreSQL's.
func processMemory(pid int) (bytes int64, guess, ok bool) {
	proc, err := procfs.NewProc(pid)
	if err != nil {
		return 0, false, false
	}
	if comm, err := proc.Comm(); err != nil || !strings.HasPrefix(comm, "postgres") {
		return 0, false, false
	}
	st, err := proc.NewStatus()
	if err != nil {
		return 0, false, false
	}
	if smaps, err := proc.ProcSMapsRollup(); err == nil && smaps.Rss > 0 {
		return int64(smaps.PrivateDirty + st.VmPTE), false, true
	}
	return int64(st.RssAnon + st.VmPTE), true, true
}
