package main

import (
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

const (
	readyDeadline = 30 * time.Second
	stopDeadline  = 10 * time.Second
)

// pooler is one of the programs that are compared.
type pooler struct {
	name     string
	kind     *kind
	program  string
	version  string
	settings []setting // of a variant of pgweir

	access  access // of its clients; each start has another port
	dir     string // of its files
	process *child.Process
}

// start starts the pooler as a work needs it, and returns when a client has run a
// query.
func (p *pooler) start(ctx context.Context, g *ground, s setup) error {
	port, err := cluster.FreePort()
	if err != nil {
		return err
	}
	p.dir = filepath.Join(g.db.Dir, "pooler-"+p.name)
	p.access = access{port: port, user: g.db.Superuser}
	c := &conf{
		dir: p.dir, socketDir: g.db.SocketDir, unix: g.unix, port: port, server: g.db.Port, user: g.db.Superuser,
		pool: s.pool, fair: s.fair, settings: p.settings, version: p.version,
	}
	if c.pool == 0 {
		c.pool = poolSize
	}
	if g.unix {
		p.access.dir = g.db.SocketDir
	}
	if s.scram {
		c.secret, p.access.keys = g.keys.secret, g.keys
	}
	if s.tls {
		c.cert, c.key, p.access.tls = g.cert, g.key, g.tls
	}
	if err := p.writeFiles(c); err != nil {
		return err
	}
	if err := p.launch(); err != nil {
		return fmt.Errorf("starting %s: %w", p.name, err)
	}
	return p.waitReady(ctx)
}

func (p *pooler) writeFiles(c *conf) error {
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		return err
	}
	for name, text := range p.kind.files(c) {
		if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (p *pooler) launch() error {
	owner, err := ownerOf(filepath.Dir(p.dir))
	if err != nil {
		return err
	}
	log, err := os.Create(p.logPath())
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(p.program, p.kind.args(p.dir)...)
	cmd.Dir, cmd.Env = p.dir, slices.Concat(environment(), p.kind.env)
	cmd.Stdout, cmd.Stderr = log, log
	if p.kind.asOwner && os.Geteuid() == 0 {
		if err := os.Chown(p.dir, int(owner.Uid), int(owner.Gid)); err != nil {
			return err
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: owner}
	}
	p.process, err = child.Start(cmd, syscall.SIGKILL)
	return err
}

func (p *pooler) logPath() string { return filepath.Join(p.dir, "log") }

// ownerOf is the user that a folder belongs to.
func ownerOf(dir string) (*syscall.Credential, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return nil, err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil, fmt.Errorf("the owner of %s is not known", dir)
	}
	return &syscall.Credential{Uid: stat.Uid, Gid: stat.Gid}, nil
}

func (p *pooler) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyDeadline)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		c, err := p.access.dial()
		if err == nil {
			err = c.ask()
			c.leave()
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

// stop ends the pooler, if it runs; its clients are gone by now. SIGTERM is the
// immediate end of a PgBouncer before 1.23, and since then that after the last
// client.
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
func (p *pooler) restart(ctx context.Context, g *ground, s setup) error {
	if err := p.stop(); err != nil {
		return err
	}
	return p.start(ctx, g, s)
}
