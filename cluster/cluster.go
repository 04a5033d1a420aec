// Package cluster finds PostgreSQL's programs and runs throwaway clusters with
// them: made in a temporary folder, reachable on 127.0.0.1 and a Unix socket,
// unsafe on purpose (no fsync, trust), and gone without a trace at Close. The
// demo and the integration tests stand on it.
//
// It knows processes, folders and ports. It does not speak PostgreSQL's
// protocol and knows nothing of pgweir.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"pgweir/cluster/child"
)

// Options shape a cluster; the zero value is a usable one.
type Options struct {
	// Settings are lines of postgresql.conf, unquoted; they win over the
	// cluster's own.
	Settings map[string]string
	// HBA are the lines of pg_hba.conf; none means trust for everybody.
	HBA []string
	// Files are written into the data folder before the first start, readable
	// for the server only: certificates, keys. The key is the name.
	Files map[string][]byte
	// Backup is a folder with a base backup to begin with a copy of, instead of an
	// empty cluster; Superuser and Locale are its own then. "" is none.
	Backup string
	// Superuser is the bootstrap role; default "postgres".
	Superuser string
	// Locale is initdb's --locale; default "C". The encoding is always UTF8,
	// messages are always English.
	Locale string
	// Port on 127.0.0.1; 0 picks a free one.
	Port int
}

// Cluster is a running PostgreSQL, or one that was stopped and can be started
// again, until Close. Its methods may be called from any goroutine.
type Cluster struct {
	Programs  Programs
	Superuser string
	Port      int
	// Dir is the temporary folder that Close deletes; others may put their
	// files there too. It belongs to the user that PostgreSQL runs as.
	Dir string
	// SocketDir holds the Unix socket, .s.PGSQL.<Port>.
	SocketDir string

	data  string
	owner *owner // nil: PostgreSQL runs as ourselves

	mu struct {
		sync.Mutex
		postmaster *child.Process // the last one that was started; nil before
		closed     bool
	}
}

const (
	initdbDeadline = 2 * time.Minute
	startDeadline  = time.Minute
	stopDeadline   = 30 * time.Second
	// orphanGrace is how long processes whose postmaster was killed may take
	// to notice it by themselves.
	orphanGrace = 2 * time.Second
)

// Start makes a cluster and starts it; when it returns, connections are
// accepted. If ctx ends before, everything that was begun is undone. ctx has
// no influence later.
func Start(ctx context.Context, programs Programs, opts Options) (_ *Cluster, err error) {
	c := &Cluster{Programs: programs, Superuser: opts.Superuser, Port: opts.Port}
	if c.Superuser == "" {
		c.Superuser = "postgres"
	}
	if c.owner, err = unprivileged(); err != nil {
		return nil, err
	}
	if c.Dir, err = makeFolder(c.owner); err != nil {
		return nil, err
	}
	c.SocketDir, c.data = c.Dir, filepath.Join(c.Dir, "data")
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	if opts.Backup != "" {
		err = c.restore(opts.Backup)
	} else {
		err = c.initdb(ctx, opts.Locale)
	}
	if err != nil {
		return nil, err
	}
	if err := c.configure(opts); err != nil {
		return nil, err
	}
	// Between picking a port and binding it somebody else may take it.
	for attempt := 1; ; attempt++ {
		if opts.Port == 0 {
			if c.Port, err = FreePort(); err != nil {
				return nil, err
			}
		}
		err = c.launch(ctx)
		if opts.Port != 0 || attempt == 5 || !errors.Is(err, errPortTaken) {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

// DSN is the URL of a database of this cluster, over TCP, as the superuser.
func (c *Cluster) DSN(db string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.User(c.Superuser),
		Host:     net.JoinHostPort("127.0.0.1", strconv.Itoa(c.Port)),
		Path:     "/" + db,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// PID is the postmaster's process id, of the last one if it does not run now.
func (c *Cluster) PID() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.postmaster == nil {
		return 0
	}
	return c.mu.postmaster.PID()
}

// Done is closed when the postmaster, or the last one if none runs now, has
// ended.
func (c *Cluster) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.postmaster.Done()
}

// Reload makes the server read its configuration again.
func (c *Cluster) Reload() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.postmaster.Signal(syscall.SIGHUP)
}

// WriteFile writes a file of the data folder, such as pg_hba.conf, with the
// owner and mode that PostgreSQL asks for.
func (c *Cluster) WriteFile(name string, data []byte) error {
	path := filepath.Join(c.data, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return err
	}
	return c.owner.chown(path)
}

// Close stops the server without ceremony and deletes the folder. It may be
// called at any time, and again.
func (c *Cluster) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.closed {
		return nil
	}
	c.mu.closed = true
	var err error
	if c.mu.postmaster != nil {
		err = c.mu.postmaster.Stop(syscall.SIGQUIT, stopDeadline)
	}
	// A killed postmaster (or initdb) leaves processes and a segment of shared
	// memory; after a clean end both calls find nothing.
	err = errors.Join(err, endProcessesIn(c.data, 0), removeSharedMemory(c.data))
	if rmErr := os.RemoveAll(c.Dir); rmErr != nil {
		return errors.Join(err, fmt.Errorf("the folder %s stays behind: %w", c.Dir, rmErr))
	}
	return err
}
