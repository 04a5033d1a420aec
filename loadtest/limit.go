package loadtest

import "syscall"

// raiseFileLimit tries to make need open files possible, and says how many are.
func raiseFileLimit(need uint64) (uint64, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, err
	}
	if limit.Cur >= need {
		return limit.Cur, nil
	}
	// Only root may raise the hard limit; others get what it allows.
	for _, highest := range []uint64{max(need, limit.Max), limit.Max} {
		if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: highest, Max: highest}) == nil {
			return highest, nil
		}
	}
	return limit.Cur, nil
}
