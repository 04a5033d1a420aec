//go:build !linux

package cluster

import (
	"errors"
	"os/exec"
	"strconv"
	"strings"
)

// childrenOf asks ps, which systems without /proc have.
func childrenOf(parent int) ([]process, error) {
	out, err := exec.Command("ps", "-axww", "-o", "pid=,ppid=,command=").Output()
	if err != nil {
		return nil, withStderr(err)
	}
	var found []process
	for line := range strings.Lines(string(out)) {
		pid, rest := number(line)
		ppid, rest := number(rest)
		if pid > 0 && ppid == parent {
			found = append(found, process{pid: pid, parent: ppid, title: strings.TrimSpace(rest)})
		}
	}
	return found, nil
}

// number cuts the leading number off a line of ps.
func number(s string) (int, string) {
	first, rest, _ := strings.Cut(strings.TrimLeft(s, " "), " ")
	n, err := strconv.Atoi(first)
	if err != nil {
		return -1, rest
	}
	return n, rest
}

// processesIn lists the processes with dir as their working folder. lsof ends
// with 1 if there is none.
func processesIn(dir string) ([]int, error) {
	out, err := exec.Command("lsof", "-a", "-d", "cwd", "-t", "--", dir).Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return nil, err
	}
	var found []int
	for line := range strings.Lines(string(out)) {
		if pid, err := strconv.Atoi(strings.TrimSpace(line)); err == nil {
			found = append(found, pid)
		}
	}
	return found, nil
}
