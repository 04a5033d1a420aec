package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit of the times in /proc, USER_HZ (proc(5)): a hundredth of a
// second on every machine that Linux and Go run on.
const clockTick = 10 * time.Millisecond

// parseStat reads utime and stime, fields 14 and 15 of /proc/PID/task/TID/stat. The
// second field is the program's name in parentheses and may hold anything.
func parseStat(stat []byte) (time.Duration, error) {
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return 0, errors.New("/proc/PID/task/TID/stat is too short")
	}
	var sum uint64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseUint(string(field), 10, 63)
		if err != nil {
			return 0, fmt.Errorf("/proc/PID/task/TID/stat: %w", err)
		}
		sum += n
	}
	return time.Duration(sum) * clockTick, nil
}

// residentSize is a process's RSS in bytes. It is taken from smaps_rollup,
// which walks the pages: the counters in /proc/PID/status lag behind by some
// hundred KB on recent kernels.
func residentSize(pid int) (int64, error) {
	return fromFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid), parseRollup)
}

// parseRollup reads the line "Rss: N kB" of /proc/PID/smaps_rollup, in bytes.
func parseRollup(rollup string) (int64, error) {
	for line := range strings.Lines(rollup) {
		fields := strings.Fields(line)
		if len(fields) == 3 && fields[0] == "Rss:" && fields[2] == "kB" {
			n, err := strconv.ParseInt(fields[1], 10, 53)
			return n << 10, err
		}
	}
	return 0, errors.New("/proc/PID/smaps_rollup has no Rss")
}

const (
	settleInterval = time.Second
	settleDeadline = 30 * time.Second
	// settled is by how many bytes two readings may differ and agree: 6 for
	// each of 10,000 clients.
	settled = 64 << 10
)

// settledSize waits until two readings of a process's RSS agree.
func settledSize(ctx context.Context, pid int) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, settleDeadline)
	defer cancel()
	last, err := residentSize(pid)
	if err != nil {
		return 0, err
	}
	ticker := time.NewTicker(settleInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("the pooler's memory does not settle: %w", ctx.Err())
		case <-ticker.C:
		}
		size, err := residentSize(pid)
		if err != nil {
			return 0, err
		}
		if d := size - last; d >= -settled && d <= settled {
			return size, nil
		}
		last = size
	}
}

// machine is a line about where this runs: CPU, cores, kernel.
func machine(cores int) string {
	model, kernel := "unknown CPU", "unknown kernel"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		model = cpuModel(string(text), model)
	}
	if text, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		kernel = "Linux " + strings.TrimSpace(string(text))
	}
	return fmt.Sprintf("%s, %d cores, %s", model, cores, kernel)
}

// cpuModel is the first "model name" of /proc/cpuinfo, which not every
// architecture has.
func cpuModel(cpuinfo, unknown string) string {
	for line := range strings.Lines(cpuinfo) {
		key, value, found := strings.Cut(line, ":")
		if found && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return unknown
}
