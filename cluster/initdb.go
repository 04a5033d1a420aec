package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"pgweir/cluster/child"
)

// initdb makes the data folder. If ctx ends, it is killed with all that it
// started; the caller clears the rest away.
func (c *Cluster) initdb(ctx context.Context, locale string) error {
	if locale == "" {
		locale = "C"
	}
	var output bytes.Buffer
	cmd := c.command("initdb", "-D", c.data, "-U", c.Superuser, "-A", "trust",
		"--no-sync", "--encoding=UTF8", "--locale="+locale, "--lc-messages=C")
	cmd.Stdout, cmd.Stderr = &output, &output
	p, err := child.Start(cmd, syscall.SIGKILL)
	if err != nil {
		return c.explain(err)
	}
	ctx, cancel := context.WithTimeout(ctx, initdbDeadline)
	defer cancel()
	select {
	case <-ctx.Done():
		p.KillGroup()
		<-p.Done()
		return fmt.Errorf("initdb was stopped: %w", ctx.Err())
	case <-p.Done():
	}
	if err := p.Err(); err != nil {
		return fmt.Errorf("initdb failed: %w\n%s", err, strings.TrimSpace(output.String()))
	}
	return nil
}

// restore copies a base backup.
func (c *Cluster) restore(backup string) error {
	if err := os.CopyFS(c.data, os.DirFS(backup)); err != nil {
		return err
	}
	return filepath.WalkDir(c.data, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		mode := fs.FileMode(0o600)
		if entry.IsDir() {
			mode = 0o700
		}
		if err := os.Chmod(path, mode); err != nil {
			return err
		}
		return c.owner.chown(path)
	})
}

// configure writes the settings, pg_hba.conf and the caller's files.
func (c *Cluster) configure(opts Options) error {
	settings := map[string]string{
		"listen_addresses":        "127.0.0.1",
		"unix_socket_directories": c.SocketDir,
		"fsync":                   "off",
		"full_page_writes":        "off",
		// Segments in the data folder instead of /dev/shm: they go with it,
		// even after kill -9.
		"dynamic_shared_memory_type": "mmap",
	}
	maps.Copy(settings, opts.Settings)
	var conf strings.Builder
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&conf, "%s = '%s'\n", key, quoteSetting(settings[key]))
	}
	// initdb's own file holds what it found out (time zone, locale); the last
	// line of a setting wins.
	own, err := os.ReadFile(filepath.Join(c.data, "postgresql.conf"))
	if err != nil {
		return err
	}
	own = append(append(own, '\n'), conf.String()...)
	if err := c.WriteFile("postgresql.conf", own); err != nil {
		return err
	}
	if len(opts.HBA) > 0 {
		if err := c.WriteFile("pg_hba.conf", []byte(strings.Join(opts.HBA, "\n")+"\n")); err != nil {
			return err
		}
	}
	for name, data := range opts.Files {
		if err := c.WriteFile(name, data); err != nil {
			return err
		}
	}
	return nil
}

func quoteSetting(value string) string {
	return strings.NewReplacer(`'`, `''`, `\`, `\\`, "\n", `\n`).Replace(value)
}

// explain says more of the error that a program which cannot be run gives.
func (c *Cluster) explain(err error) error {
	if c.owner != nil && errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w (PostgreSQL does not run as root; the user %s must be able to run the programs in %s)",
			err, c.owner.name, c.Programs.Dir)
	}
	return err
}
