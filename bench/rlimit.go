package main

import "syscall"

// fileLimit leaves each process room for maxClient descriptors and its own.
const fileLimit = 65_536

// raiseFileLimit asks for n descriptors, or as many as may be had, and returns how
// many there are now; the children inherit them.
func raiseFileLimit(n uint64) uint64 {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	before := limit
	limit.Cur, limit.Max = max(n, limit.Max), max(n, limit.Max) // root may raise the hard limit too
	if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit) == nil {
		return limit.Cur
	}
	limit.Cur, limit.Max = before.Max, before.Max
	if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit) == nil {
		return limit.Cur
	}
	return before.Cur
}
