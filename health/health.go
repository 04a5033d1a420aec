// Package health finds what is wrong with a server from what the census has
// read of it, now and before. It knows PostgreSQL's processes and what their
// states mean, and words each finding for an operator. It must not know where
// the figures come from: it does no I/O, starts no goroutine and reads no
// clock.
package health

import (
	"time"

	"pgweir/status"
)

// Evidence is what there is to judge one server by, at one moment.
type Evidence struct {
	// Census is what was read; its Findings are empty. If the server could not
	// be asked, it has what the process table tells, or nothing.
	Census *status.Census
	// Err is why the server could not be asked, or nil; Code is the SQLSTATE in
	// that, "" if the server said nothing. Asked is false if nobody tried, for
	// want of a login.
	Err   error
	Code  string
	Asked bool
	// Reaches tells whether the server's port or socket accepts a connection.
	Reaches bool
	// Privileged tells that the role that asked sees all of pg_stat_activity.
	Privileged bool
	// Role is who asked.
	Role string
	// Started is pg_postmaster_start_time(); zero if unknown.
	Started time.Time
	// Autovacuum is the setting, "on" or "off"; "" if unknown.
	Autovacuum string
	// Archiver is nil if it is off or unknown.
	Archiver *Archiver
	// Blocked are the processes that wait for a lock.
	Blocked []Blocked
	// Holding are the backends whose snapshots keep dead rows from vacuum.
	Holding []Holding
	// OSStates are the process table's state letters (proc(5): R, S, D, T, Z)
	// by pid; nil if the server is not local.
	OSStates map[int]byte
}

// Archiver is pg_stat_archiver.
type Archiver struct {
	Archived, Failed         int64
	LastArchived, LastFailed time.Time
	LastFailedWAL            string
}

// Blocked is a process that waits for a lock.
type Blocked struct {
	PID   int
	By    []int  // pg_blocking_pids
	Lock  string // what it waits for, as "relation public.orders" or "transactionid 1234"
	Since time.Time
}

// Holding is a backend in a transaction that keeps dead rows from vacuum.
type Holding struct {
	PID   int
	Age   int64     // age(backend_xmin or backend_xid), in transactions
	Begun time.Time // its transaction
	Idle  bool      // in transaction
}
