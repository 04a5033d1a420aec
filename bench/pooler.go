package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"pgweir/cluster"
	"pgweir/cluster/child"
)

const (
	// firstPort numbers the poolers' Unix sockets, which stand beside
	// PostgreSQL's; no pooler listens on TCP.
	firstPort     = 6432
	readyDeadline = 15 * time.Second
	stopDeadline  = 10 * time.Second
)

// pooler is one of the programs that are compared.
type pooler struct {
	name    string
	version string
	program string
	args    []string // before the configuration file
	// config is the text of the configuration file. files, by their name, are
	// others that it needs; both lie in the cluster's folder.
	config func(db *cluster.Cluster, port int) string
	files  map[string]string
	// asOwner: it runs as PostgreSQL's user, since it refuses to be root.
	asOwner bool

	dir     string     // of its socket and its files
	user    string     // that its clients log in as
	port    int        // of its socket; another one at each start
	scram   *scramKeys // its clients log in by SCRAM; nil: without a password
	fair    *fairTest  // its clients are that test's; nil: there is no cap
	process *child.Process
}

// findPoolers lists PgBouncer, the yardstick, if there is one, and pgweir.
func findPoolers(ctx context.Context, opts options) ([]*pooler, error) {
	program, err := filepath.Abs(opts.pgweir)
	if err != nil {
		return nil, err
	}
	weir := &pooler{name: "pgweir", program: program, args: []string{"serve", "-c"}, config: weirConfig}
	if weir.version, err = versionOf(ctx, program, "version"); err != nil {
		return nil, fmt.Errorf("%w (scripts/bench builds it)", err)
	}
	program, err = findPgBouncer(opts.pgbouncer)
	if err != nil || program == "" {
		return []*pooler{weir}, err
	}
	bouncer := &pooler{name: "pgbouncer", program: program, config: bouncerConfig, asOwner: true}
	if bouncer.version, err = versionOf(ctx, program, "--version"); err != nil {
		return nil, err
	}
	return []*pooler{bouncer, weir}, nil
}

// findPgBouncer is the given program, or the one that is installed, or "".
func findPgBouncer(given string) (string, error) {
	if given != "" {
		path, err := exec.LookPath(given)
		if err != nil {
			return "", fmt.Errorf("-pgbouncer: %w", err)
		}
		return filepath.Abs(path)
	}
	// Debian's folder of daemons is not in every user's PATH.
	for _, name := range []string{"pgbouncer", "/usr/sbin/pgbouncer"} {
		if path, err := exec.LookPath(name); err == nil {
			return filepath.Abs(path)
		}
	}
	return "", nil
}

// versionOf is the first line of what a program says of itself.
func versionOf(ctx context.Context, program, arg string) (string, error) {
	out, err := command(ctx, time.Minute, nil, program, arg)
	if err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(out, "\n")
	return strings.TrimSpace(line), nil
}

func weirConfig(db *cluster.Cluster, port int) string {
	return fmt.Sprintf(`listen_addr = []
listen_port = %d
unix_socket_dir = "%s"
http_listen = ""
auth_type = "trust"
pool_mode = "transaction"
default_pool_size = %d
max_client_conn = %d
log_connections = false
log_disconnections = false
shutdown_timeout = "3s"

[databases.%s]
host = "%s"
port = %d

[users."%s"]
`, port, db.SocketDir, poolSize, maxClient, database, db.SocketDir, db.Port, db.Superuser)
}

func bouncerConfig(db *cluster.Cluster, port int) string {
	return fmt.Sprintf(`[databases]
%s = host=%s port=%d
[pgbouncer]
listen_addr =
listen_port = %d
unix_socket_dir = %s
auth_type = trust
auth_file = %s
pool_mode = transaction
default_pool_size = %d
max_client_conn = %d
log_connections = 0
log_disconnections = 0
`, database, db.SocketDir, db.Port, port, db.SocketDir,
		filepath.Join(db.Dir, usersFile), poolSize, maxClient)
}

const usersFile = "pgbouncer-users.txt"

// start starts the pooler and returns when a client has run a query.
func (p *pooler) start(ctx context.Context, db *cluster.Cluster) error {
	p.dir, p.user = db.SocketDir, db.Superuser
	for p.port = max(p.port, firstPort); p.socketExists(); p.port++ {
	}
	if p.asOwner {
		p.files = map[string]string{usersFile: fmt.Sprintf("\"%s\" \"\"\n", db.Superuser)}
	}
	text := p.config(db, p.port)
	if p.scram != nil {
		text = p.asksForSCRAM(text)
	}
	if p.fair != nil {
		text = p.shares(text, db)
	}
	config := filepath.Join(p.dir, p.name+".conf")
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		return err
	}
	for name, text := range p.files {
		if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	log, err := os.Create(p.logPath())
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(p.program, append(p.args, config)...)
	cmd.Dir, cmd.Env = p.dir, environment()
	cmd.Stdout, cmd.Stderr = log, log
	if p.asOwner && os.Geteuid() == 0 {
		if cmd.SysProcAttr, err = ownerOf(p.dir); err != nil {
			return err
		}
	}
	process, err := child.Start(cmd, syscall.SIGKILL)
	if err != nil {
		return fmt.Errorf("starting %s: %w", p.name, err)
	}
	p.process = process
	return p.waitReady(ctx)
}

// asksForSCRAM is a configuration, and the file of users besides, with SCRAM in place of
// trust.
func (p *pooler) asksForSCRAM(config string) string {
	if p.asOwner {
		p.files[usersFile] = fmt.Sprintf("\"%s\" \"%s\"\n", p.user, p.scram.secret)
		return strings.Replace(config, "auth_type = trust", "auth_type = scram-sha-256", 1)
	}
	return strings.Replace(config, `auth_type = "trust"`, `auth_type = "scram-sha-256"`, 1) + fmt.Sprintf("password = %q\n", p.scram.secret)
}

func (p *pooler) socketExists() bool {
	_, err := os.Lstat(p.address())
	return err == nil
}

func (p *pooler) address() string { return fmt.Sprintf("%s/.s.PGSQL.%d", p.dir, p.port) }

func (p *pooler) logPath() string { return filepath.Join(p.dir, p.name+".log") }

// ownerOf makes a program run as the user that a folder belongs to.
func ownerOf(dir string) (*syscall.SysProcAttr, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return nil, err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil, fmt.Errorf("the owner of %s is not known", dir)
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: stat.Uid, Gid: stat.Gid}}, nil
}

func (p *pooler) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyDeadline)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		c, err := p.dial()
		if err == nil {
			err = c.ask()
			c.close()
		}
		if err == nil {
			return nil
		}
		select {
		case <-p.process.Done():
			return p.died()
		case <-ctx.Done():
			return fmt.Errorf("%s does not serve: %w\n%s", p.name, errors.Join(ctx.Err(), err), p.logTail())
		case <-tick.C:
		}
	}
}

// alive is nil, or the explanation of the end of a pooler that should run.
func (p *pooler) alive() error {
	select {
	case <-p.process.Done():
		return p.died()
	default:
		return nil
	}
}

func (p *pooler) died() error {
	how := "exit code 0"
	if err := p.process.Err(); err != nil {
		how = err.Error()
	}
	return fmt.Errorf("%s ended (%s)\n%s", p.name, how, p.logTail())
}

// logTail is the end of the pooler's log, or nothing if it cannot be read: it
// only explains another error.
func (p *pooler) logTail() string {
	const most = 2 << 10
	f, err := os.Open(p.logPath())
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

// stop ends the pooler; its clients are gone by now. SIGTERM is the immediate
// end of a PgBouncer before 1.23, and since then that after the last client.
func (p *pooler) stop() error {
	if p.process == nil {
		return nil
	}
	if err := p.process.Stop(syscall.SIGTERM, stopDeadline); err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	return nil
}

// restart makes a fresh process of it.
func (p *pooler) restart(ctx context.Context, db *cluster.Cluster) error {
	if err := p.stop(); err != nil {
		return err
	}
	return p.start(ctx, db)
}
