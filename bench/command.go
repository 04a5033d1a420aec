package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"pgweir/cluster"
	"pgweir/cluster/child"
)

// environment is ours without the PG… variables, which would change what
// PostgreSQL's programs do.
func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, "PG") })
}

// command runs a program to its end and returns what it wrote to stdout, and
// also copies it to echo unless that is nil. When ctx ends or the time is up it
// is made to end, with all that it started.
func command(ctx context.Context, limit time.Duration, echo io.Writer, name string, args ...string) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Env = environment()
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if echo != nil {
		cmd.Stdout = io.MultiWriter(&stdout, echo)
	}
	p, err := child.Start(cmd, syscall.SIGKILL)
	if err != nil {
		return "", err
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-p.Done():
	case <-ctx.Done():
		interrupt(p)
		return "", ctx.Err()
	case <-timer.C:
		interrupt(p)
		return "", fmt.Errorf("%s did not end within %v and was stopped", filepath.Base(name), limit)
	}
	if err := p.Err(); err != nil {
		return stdout.String(), fmt.Errorf("%s: %w: %s", filepath.Base(name), err, telling(stderr.String()))
	}
	return stdout.String(), nil
}

// interruptGrace is how long a program may take to clear away after SIGINT.
const interruptGrace = 3 * time.Second

// interrupt does to a program what Ctrl-C in a terminal does, to its whole
// group, and kills those that stay. It returns when none of them is left, or
// those that were killed are not yet reaped by whoever inherited them.
func interrupt(p *child.Process) {
	_ = syscall.Kill(-p.PID(), syscall.SIGINT)
	timer := time.NewTimer(interruptGrace)
	defer timer.Stop()
	select {
	case <-p.Done():
	case <-timer.C:
		p.KillGroup()
		<-p.Done()
	}
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for end := time.Now().Add(interruptGrace); time.Now().Before(end); <-again.C {
		if errors.Is(syscall.Kill(-p.PID(), 0), syscall.ESRCH) {
			return
		}
	}
}

// telling is the line of a program's complaints that says most: the first about an
// error, or else the last.
func telling(text string) string {
	last := ""
	for line := range strings.Lines(strings.TrimSpace(text)) {
		last = strings.TrimSpace(line)
		if strings.Contains(strings.ToLower(last), "error") {
			break
		}
	}
	return last
}

// tools are PostgreSQL's client programs.
type tools struct{ psql, pgbench string }

// findTools prefers the programs beside the server's: what Debian has in PATH
// are wrappers that take a while to find these.
func findTools(programs cluster.Programs) (tools, error) {
	find := func(name string) (string, error) {
		if path, err := exec.LookPath(programs.Path(name)); err == nil {
			return path, nil
		}
		return exec.LookPath(name)
	}
	psql, err := find("psql")
	pgbench, err2 := find("pgbench")
	return tools{psql, pgbench}, errors.Join(err, err2)
}

// fill makes the database, pgbench's tables in it, and the users of the works.
func (t tools) fill(ctx context.Context, db *cluster.Cluster) error {
	where := []string{"-h", db.SocketDir, "-p", fmt.Sprint(db.Port), "-U", db.Superuser}
	ask := append(slices.Clone(where), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", "postgres", "-c", "create database "+database)
	for _, user := range fairUsers() {
		ask = append(ask, "-c", "create role "+user+" login")
	}
	if _, err := command(ctx, time.Minute, nil, t.psql, ask...); err != nil {
		return err
	}
	_, err := command(ctx, 2*time.Minute, nil, t.pgbench, append(where, "-i", "-q", database)...)
	return err
}
