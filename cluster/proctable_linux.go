package cluster

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// allPIDs lists the processes that there are at this moment.
func allPIDs() ([]int, error) {
	d, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer func() { _ = d.Close() }()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	pids := make([]int, 0, len(names))
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// childrenOf reads /proc. A process that ends while we read is not there.
func childrenOf(parent int) ([]process, error) {
	pids, err := allPIDs()
	if err != nil {
		return nil, err
	}
	var found []process
	for _, pid := range pids {
		dir := filepath.Join("/proc", strconv.Itoa(pid))
		stat, err := os.ReadFile(filepath.Join(dir, "stat"))
		if err != nil || parentIn(stat) != parent {
			continue
		}
		title, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		if err != nil {
			continue
		}
		text := strings.TrimRight(string(bytes.ReplaceAll(title, []byte{0}, []byte{' '})), " ")
		found = append(found, process{pid: pid, parent: parent, title: text})
	}
	return found, nil
}

// parentIn reads the parent from /proc/PID/stat: "pid (name) state ppid …",
// where the name may hold anything, parentheses included (proc_pid_stat(5)).
func parentIn(stat []byte) int {
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 2 {
		return -1
	}
	parent, err := strconv.Atoi(string(fields[1]))
	if err != nil {
		return -1
	}
	return parent
}

// processesIn lists the processes with dir as their working folder; a zombie
// has none.
func processesIn(dir string) ([]int, error) {
	pids, err := allPIDs()
	if err != nil {
		return nil, err
	}
	var found []int
	for _, pid := range pids {
		cwd, err := os.Readlink(filepath.Join("/proc", strconv.Itoa(pid), "cwd"))
		if err == nil && strings.TrimSuffix(cwd, " (deleted)") == dir {
			found = append(found, pid)
		}
	}
	return found, nil
}
