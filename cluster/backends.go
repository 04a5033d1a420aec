package cluster

import (
	"fmt"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// process is one row of the process table.
type process struct {
	pid, parent int
	title       string // the arguments, joined with blanks
}

// BackendPIDs lists the client backends as the process table has them, with no
// help of PostgreSQL: the postmaster's children whose title is that of a
// backend. A process that was just forked, and has not yet read who its client
// is, has no such title.
func (c *Cluster) BackendPIDs() ([]int, error) {
	children, err := childrenOf(c.PID())
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, p := range children {
		if isClientBackend(p.title) {
			pids = append(pids, p.pid)
		}
	}
	return pids, nil
}

// backendTitle matches "postgres: [cluster_name: ]user db host(port) state",
// with [local] for a Unix socket. User and database may hold blanks.
var backendTitle = regexp.MustCompile(`^postgres: .+ .+ (\[local\]|\S+\(\d+\))( |$)`)

// isClientBackend tells a backend's title from a background process's, which
// names no peer, and from a walsender's, which does.
func isClientBackend(title string) bool {
	return backendTitle.MatchString(title) &&
		!strings.HasPrefix(title, "postgres: walsender ") && !strings.Contains(title, ": walsender ")
}

// endProcessesIn waits until no process has the data folder as its working
// folder, which is what all of PostgreSQL's have; whoever is still there after
// grace is killed.
func endProcessesIn(data string, grace time.Duration) error {
	patience := time.Now().Add(grace)
	deadline := patience.Add(10 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		pids, err := processesIn(data)
		if err != nil || len(pids) == 0 {
			return err
		}
		if now := time.Now(); now.After(deadline) {
			return fmt.Errorf("processes %v of PostgreSQL do not end", pids)
		} else if !now.Before(patience) {
			for _, pid := range pids {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		<-tick.C
	}
}
