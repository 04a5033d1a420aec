package proxy

import (
	"strings"

	"pgweir/proctable"
)

// processMemory is what a backend holds for itself, in bytes; it is a guess if
// the rights do not suffice to see which of its pages are shared. It is false
// if there is no such process of PostgreSQL's.
func processMemory(pid int) (bytes int64, guess, ok bool) {
	p, err := proctable.Read(pid)
	if err != nil || !strings.HasPrefix(p.Name, "postgres") {
		return 0, false, false
	}
	m, err := proctable.MemoryOf(pid)
	return m.Bytes, m.Estimated, err == nil
}
