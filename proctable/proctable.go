// Package proctable reads the system's process table: who is whose child, what
// state a process is in, the time it has used and the memory that it holds for
// itself. It works on Linux, from /proc; elsewhere every question is answered
// with errors.ErrUnsupported, which means that nothing is known.
//
// It must not know what the processes do: PostgreSQL is none of its concern.
//
// A process that has ended, or never was, is fs.ErrNotExist; one that we may
// not look into is fs.ErrPermission.
package proctable

import (
	"slices"
	"time"
)

// Process is one row of the process table.
type Process struct {
	PID    int
	Parent int    // 0 for what the kernel started, or if the parent is out of sight
	Name   string // of the program, its first 15 bytes
	// State is the letter of proc(5): R runs, S sleeps, D waits for a device,
	// T is stopped by a signal, t by a debugger, Z has ended and its parent has
	// not noticed yet.
	State byte
	// CPU is what it has used, in user and system mode, to 10 ms.
	CPU time.Duration
	// Birth is when it began, in ticks of 10 ms after the system's start. PIDs
	// are used again; a PID with its Birth stands for one process only.
	Birth uint64
}

// Memory is what a process holds for itself, in bytes: the pages that it has
// written to and shares with nobody, and its page tables, which no resident
// size holds. (A resident size counts shared buffers once for every process.)
type Memory struct {
	Bytes int64
	// Estimated: we may not see which pages are shared, so anonymous memory
	// stands in for the dirty private pages.
	Estimated bool
}

// Children are the children of a process in order of their PIDs.
func Children(pid int) ([]Process, error) {
	pids, err := childPIDs(pid)
	if err != nil {
		return nil, err
	}
	slices.Sort(pids)
	var found []Process
	for _, child := range slices.Compact(pids) {
		// It may have ended meanwhile, and its number may be somebody else's.
		if p, err := Read(child); err == nil && p.Parent == pid {
			found = append(found, p)
		}
	}
	return found, nil
}
