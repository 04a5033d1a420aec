package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"pgweir/cluster"
	"pgweir/cluster/child"
)

const (
	role     = "demo"
	database = "demo"
	accounts = 10_000 // rows of the table that the clients use

	configName = "config.toml"
	logName    = "pgweir.log"

	readyDeadline = 15 * time.Second
	// drainTime is what pgweir gets to end by itself; its clients are gone
	// by then.
	drainTime = 5 * time.Second
)

// dsn is the URL of the demo's database, on PostgreSQL's port or pgweir's.
func dsn(port int) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.User(role),
		Host:     net.JoinHostPort("127.0.0.1", strconv.Itoa(port)),
		Path:     "/" + database,
		RawQuery: "sslmode=disable&connect_timeout=30&application_name=pgweir+demo+client",
	}
	return u.String()
}

// fill makes the role, the database and the table.
func fill(ctx context.Context, db *cluster.Cluster) error {
	for _, step := range []struct {
		db  string
		sql []string
	}{
		{"postgres", []string{"create role " + role + " login", "create database " + database + " owner " + role}},
		{database, []string{
			fmt.Sprintf("create table accounts (id int primary key, balance bigint not null) with (fillfactor = 80);"+
				"insert into accounts select n, 1000 from generate_series(1, %d) as n;"+
				"alter table accounts owner to %s", accounts, role),
			"vacuum analyze accounts",
		}},
	} {
		conn, err := pgx.Connect(ctx, db.DSN(step.db))
		if err != nil {
			return err
		}
		for _, sql := range step.sql {
			if _, err = conn.PgConn().Exec(ctx, sql).ReadAll(); err != nil {
				break
			}
		}
		if err = errors.Join(err, conn.Close(ctx)); err != nil {
			return fmt.Errorf("filling the demo's database: %w", err)
		}
	}
	return nil
}

// weir is the pgweir that is shown: a process of its own, with its
// configuration and its log in the cluster's folder.
type weir struct {
	db             *cluster.Cluster
	clients        int
	port, httpPort int
	process        *child.Process
}

// startWeir starts `pgweir serve` and returns when a client can log in.
func startWeir(ctx context.Context, opts Options, db *cluster.Cluster) (*weir, error) {
	w := &weir{db: db, clients: opts.Clients}
	var err error
	if w.port, err = cluster.FreePort(); err != nil {
		return nil, err
	}
	for w.httpPort = w.port; w.httpPort == w.port; {
		if w.httpPort, err = cluster.FreePort(); err != nil {
			return nil, err
		}
	}
	config := filepath.Join(db.Dir, configName)
	if err := os.WriteFile(config, []byte(w.config(opts, "")), 0o600); err != nil {
		return nil, err
	}
	log, err := os.OpenFile(filepath.Join(db.Dir, logName), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(opts.Program, "serve", "-c", config)
	cmd.Stdout, cmd.Stderr = log, log
	// There is nothing to save if we die: its clients are ours.
	if w.process, err = child.Start(cmd, syscall.SIGKILL); err != nil {
		return nil, fmt.Errorf("starting pgweir: %w", err)
	}
	if err := w.waitReady(ctx); err != nil {
		return nil, errors.Join(err, w.stop())
	}
	return w, nil
}

// takeCensuses has pgweir show the server's processes from now on.
func (w *weir) takeCensuses(opts Options) error {
	text := w.config(opts, "census_user = \"postgres\"\ncensus_interval = \"1s\"\n")
	if err := os.WriteFile(filepath.Join(w.db.Dir, configName), []byte(text), 0o600); err != nil {
		return err
	}
	return syscall.Kill(w.process.PID(), syscall.SIGHUP)
}

// config is the configuration, with more lines for its top.
func (w *weir) config(opts Options, more string) string {
	return fmt.Sprintf(`# The configuration of pgweir demo.
listen_addr = "127.0.0.1"
listen_port = %d
unix_socket_dir = ""
http_listen = "127.0.0.1:%d"
auth_type = "trust"
admin_users = ["%s"]
pool_mode = "transaction"
default_pool_size = %d
max_client_conn = %d
log_connections = false
log_disconnections = false
shutdown_timeout = "3s"
%s
[databases.%s]
host = "127.0.0.1"
port = %d
pool_size = %d

[users.%s]
`, w.port, w.httpPort, role, opts.Pool, opts.Clients+100, more, database, w.db.Port, opts.Pool, role)
}

func (w *weir) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyDeadline)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := pgconn.Connect(ctx, dsn(w.port))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-w.process.Done():
			return w.died()
		case <-ctx.Done():
			return fmt.Errorf("pgweir does not accept clients: %w\n%s", err, w.logTail())
		case <-tick.C:
		}
	}
}

// died explains the end of a pgweir that should be running.
func (w *weir) died() error {
	how := "with exit code 0"
	if err := w.process.Err(); err != nil {
		how = err.Error()
	}
	return fmt.Errorf("pgweir ended (%s)\n%s", how, w.logTail())
}

// logTail is the end of pgweir's log, or nothing if it cannot be read: it only
// explains another error.
func (w *weir) logTail() string {
	const most = 4 << 10
	f, err := os.Open(filepath.Join(w.db.Dir, logName))
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return ""
	}
	data, err := io.ReadAll(io.NewSectionReader(f, max(0, info.Size()-most), most))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}

func (w *weir) stop() error {
	if err := w.process.Stop(syscall.SIGTERM, drainTime); err != nil {
		return fmt.Errorf("pgweir: %w", err)
	}
	return nil
}
