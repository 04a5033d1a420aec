package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"pgweir/cluster/child"
)

// StopMode is how a server is asked to stop, in pg_ctl's words.
type StopMode uint8

const (
	// Fast rolls transactions back, disconnects the clients and writes a
	// checkpoint.
	Fast StopMode = iota
	// Immediate ends at once; the next start recovers from the log.
	Immediate
)

var (
	errClosed    = errors.New("cluster: closed")
	errPortTaken = errors.New("the port is taken")
)

// Stop stops the server and returns when it and its backends are gone. A
// server that does not run is no error.
func (c *Cluster) Stop(mode StopMode) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stopLocked(mode)
}

func (c *Cluster) stopLocked(mode StopMode) error {
	if c.mu.closed {
		return errClosed
	}
	sig := syscall.SIGINT
	if mode == Immediate {
		sig = syscall.SIGQUIT
	}
	if err := c.mu.postmaster.Stop(sig, stopDeadline); err != nil {
		return errors.Join(err, endProcessesIn(c.data, 0))
	}
	return nil
}

// Kill is the crash: SIGKILL for the postmaster. Its backends notice by
// themselves and end, a busy one is killed after a moment; when Kill returns
// none is left and the server can be started again.
func (c *Cluster) Kill() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.closed {
		return errClosed
	}
	if err := c.mu.postmaster.Signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-c.mu.postmaster.Done()
	return endProcessesIn(c.data, orphanGrace)
}

// Restart stops the server (fast) if it runs and starts it on the same port.
func (c *Cluster) Restart() error {
	c.mu.Lock()
	err := c.stopLocked(Fast)
	c.mu.Unlock()
	if err != nil {
		return err
	}
	if err := endProcessesIn(c.data, orphanGrace); err != nil {
		return err
	}
	return c.launch(context.Background())
}

// Log is the end of the server's log, at most 64 KB of it.
func (c *Cluster) Log() string { return c.logFrom(0) }

// logFrom is the log from an offset on, cut to its last 64 KB. A log that
// cannot be read is empty: it only ever explains another error.
func (c *Cluster) logFrom(offset int64) string {
	const most = 64 << 10
	f, err := os.Open(c.logPath())
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return ""
	}
	offset = max(offset, info.Size()-most)
	data, err := io.ReadAll(io.NewSectionReader(f, offset, most))
	if err != nil {
		return ""
	}
	return string(data)
}

func (c *Cluster) logPath() string { return filepath.Join(c.Dir, "postgres.log") }

// launch starts the postmaster and waits until it says that it accepts.
func (c *Cluster) launch(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.closed {
		return errClosed
	}
	logFile, err := os.OpenFile(c.logPath(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = logFile.Close() }()
	before, err := logFile.Stat()
	if err != nil {
		return err
	}
	cmd := c.command("postgres", "-D", c.data, "-p", strconv.Itoa(c.Port))
	cmd.Stdout, cmd.Stderr = logFile, logFile
	// SIGQUIT is PostgreSQL's immediate shutdown: if we die, it takes its
	// backends with it.
	p, err := child.Start(cmd, syscall.SIGQUIT)
	if err != nil {
		return c.explain(err)
	}
	c.mu.postmaster = p
	ctx, cancel := context.WithTimeout(ctx, startDeadline)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !c.accepting(p.PID()) {
		select {
		case <-p.Done():
			log := c.logFrom(before.Size())
			if strings.Contains(log, "could not create any TCP/IP sockets") {
				return fmt.Errorf("%w: %d", errPortTaken, c.Port)
			}
			return fmt.Errorf("PostgreSQL did not start: %w\n%s", p.Err(), strings.TrimSpace(log))
		case <-ctx.Done():
			_ = p.Stop(syscall.SIGQUIT, orphanGrace)
			return fmt.Errorf("PostgreSQL did not start: %w", ctx.Err())
		case <-tick.C:
		}
	}
	return nil
}

// accepting reads what pg_ctl reads too: the first line of postmaster.pid is
// the postmaster's pid, the eighth its state.
func (c *Cluster) accepting(pid int) bool {
	data, err := os.ReadFile(filepath.Join(c.data, "postmaster.pid"))
	if err != nil {
		return false
	}
	lines := bytes.Split(data, []byte("\n"))
	return len(lines) >= 8 && string(lines[0]) == strconv.Itoa(pid) &&
		string(bytes.TrimSpace(lines[7])) == "ready"
}

// command prepares one of PostgreSQL's programs to run as the owner. The
// caller's PG… variables must not reach it.
func (c *Cluster) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(c.Programs.Path(name), args...)
	cmd.Dir = c.Dir
	cmd.SysProcAttr = c.owner.attr()
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "PG") && !strings.HasPrefix(kv, "LC_") && !strings.HasPrefix(kv, "LANG") {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	cmd.Env = append(cmd.Env, "LC_ALL=C", "TZ=UTC")
	// A backend writes its title over its arguments and environment. Where the
	// environment is almost empty the titles, by which BackendPIDs tells the
	// backends, would be cut short.
	cmd.Env = append(cmd.Env, "TITLE_SPACE="+strings.Repeat("-", 256))
	return cmd
}
