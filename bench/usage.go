package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// usage is what the kernel has accounted to the threads of a process so far, by
// their ids.
type usage map[string]threadUsage

type threadUsage struct {
	cpu       time.Duration
	voluntary uint64 // context switches in which the thread waits
}

// usageOf reads it. schedstat counts nanoseconds; where the kernel has none, stat
// counts ticks. A thread that ends meanwhile is left out.
func usageOf(pid int) (usage, error) {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	if err != nil {
		return nil, err
	}
	all := usage{}
	for _, dir := range tasks {
		var t threadUsage
		t.cpu, err = threadTime(dir)
		if err == nil {
			t.voluntary, err = fromFile(filepath.Join(dir, "status"), parseVoluntary)
		}
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue
		}
		if err != nil {
			return nil, err
		}
		all[filepath.Base(dir)] = t
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("process %d is not there", pid)
	}
	return all, nil
}

func threadTime(dir string) (time.Duration, error) {
	t, err := fromFile(filepath.Join(dir, "schedstat"), parseSchedstat)
	if errors.Is(err, os.ErrNotExist) {
		t, err = fromFile(filepath.Join(dir, "stat"), func(s string) (time.Duration, error) { return parseStat([]byte(s)) })
	}
	return t, err
}

// fromFile reads a value from a file.
func fromFile[T any](path string, parse func(string) (T, error)) (value T, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return value, err
	}
	if value, err = parse(string(text)); err != nil {
		return value, fmt.Errorf("%s: %w", path, err)
	}
	return value, nil
}

// parseSchedstat reads the first field of /proc/PID/task/TID/schedstat, the time on
// a CPU in nanoseconds.
func parseSchedstat(text string) (time.Duration, error) {
	first, _, found := strings.Cut(strings.TrimSpace(text), " ")
	if !found {
		return 0, errors.New("too short")
	}
	n, err := strconv.ParseInt(first, 10, 64)
	return time.Duration(n), err
}

// parseVoluntary reads voluntary_ctxt_switches of /proc/PID/task/TID/status.
func parseVoluntary(text string) (uint64, error) {
	for line := range strings.Lines(text) {
		if value, found := strings.CutPrefix(line, "voluntary_ctxt_switches:"); found {
			return strconv.ParseUint(strings.TrimSpace(value), 10, 64)
		}
	}
	return 0, errors.New("no voluntary_ctxt_switches")
}

// since is what has come to it, all threads together. One that is new counts from 0.
func (u usage) since(before usage) threadUsage {
	var sum threadUsage
	for id, now := range u {
		sum.cpu += now.cpu - before[id].cpu
		sum.voluntary += now.voluntary - before[id].voluntary
	}
	return sum
}

// span is a time in which something is measured.
type span struct {
	pid    int
	before usage
	driver time.Duration
}

// begin begins a span.
func (p *pooler) begin() (s *span, err error) {
	s = &span{pid: p.process.PID()}
	if s.before, err = usageOf(s.pid); err != nil {
		return nil, err
	}
	s.driver, err = driverTime()
	return s, err
}

// end gives what n things have cost since: the values of cpu, switches and driver.
func (s *span) end(n int) (measure, error) {
	driver, err := driverTime()
	if err != nil {
		return nil, err
	}
	now, err := usageOf(s.pid)
	if err != nil {
		return nil, err
	}
	sum := now.since(s.before)
	return measure{perUnit(sum.cpu, n), float64(sum.voluntary) / float64(n), perUnit(driver-s.driver, n)}, nil
}

// driverTime is the CPU of this process, and of those of its children that have
// ended: in a span these are pgbench and psql.
func driverTime() (sum time.Duration, err error) {
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var r syscall.Rusage
		if err := syscall.Getrusage(who, &r); err != nil {
			return 0, err
		}
		sum += time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	return sum, nil
}

// perUnit is the CPU of each of n things in µs.
func perUnit(cpu time.Duration, n int) float64 {
	return float64(cpu) / float64(time.Microsecond) / float64(n)
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
