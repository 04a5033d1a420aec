package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"pgweir/census"
	"pgweir/config"
)

// generateTime bounds all that is asked of the server.
const generateTime = 30 * time.Second

// generation is what `pgweir generate` was asked for.
type generation struct {
	dsn          string
	out          string // "": stdout
	authFile     string // "": none is written
	force        bool
	withPassword bool // the DSN's own stands in what is written
}

// newGenerateCmd is `pgweir generate`: a first config.toml from a running server.
func newGenerateCmd() *cobra.Command {
	var g generation
	cmd := &cobra.Command{
		Use:   "generate --dsn DSN",
		Short: "Write a first config.toml from a running PostgreSQL",
		Long: `Write a first config.toml from a running PostgreSQL, to stdout or to a file.

It has the server's databases, pools of a size for which its max_connections has room,
and how clients can log in; comments say why. What it needs to let users in is asked
for: --auth-file writes their secrets from pg_authid, which takes a superuser, into a
file; --with-password writes down the password of the DSN, so that the role of the DSN
can log in and, if it is a superuser, asks PostgreSQL for everybody else's secret.
Both files can be read by nobody else. Without either, nobody but the console's own
user can log in until you add users; the comments say how.

The password of the DSN may stand in PGPASSWORD or in ~/.pgpass, so that it is not in
the list of processes.`,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			ctx, cancel := context.WithTimeout(ctx, generateTime)
			defer cancel()
			return g.run(ctx, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&g.dsn, "dsn", "", "how to reach the server, as libpq takes it")
	flags.StringVarP(&g.out, "output", "o", "", "the file to write (default: stdout)")
	flags.StringVar(&g.authFile, "auth-file", "", "a file to write the secrets of the roles to, from pg_authid")
	flags.BoolVar(&g.withPassword, "with-password", false, "write the password of the DSN into the configuration")
	flags.BoolVar(&g.force, "force", false, "overwrite files that are there")
	if err := cmd.MarkFlagRequired("dsn"); err != nil {
		panic(err)
	}
	return cmd
}

func (g *generation) run(ctx context.Context, stdout, stderr io.Writer) error {
	c, err := pgx.ParseConfig(g.dsn)
	if err != nil {
		return fmt.Errorf("--dsn: %w", err)
	}
	if err := checkDSN("--dsn", g.dsn); err != nil {
		return err
	}
	if err := g.refuse(c); err != nil {
		return err
	}
	census.ReachAbstract(&c.Config)
	s, err := readServer(ctx, c, g.authFile != "")
	if err != nil {
		return err
	}
	if g.withPassword {
		s.password = c.Password
	}
	if g.authFile != "" {
		if s.authFile, err = filepath.Abs(g.authFile); err != nil {
			return err
		}
		if err := writePrivate(authFileText(s.secrets), g.authFile, g.force, nil); err != nil {
			return err
		}
	}
	text := s.configText(time.Now())
	if err := writePrivate(text, g.out, g.force, stdout); err != nil {
		return err
	}
	var problems config.Problems
	if _, err := config.Parse(g.out, text); errors.As(err, &problems) {
		fmt.Fprintln(stderr, "warning: pgweir would not start with it here:")
		fmt.Fprintln(stderr, problems)
	}
	return nil
}

// refuse is what would come to nothing, before the server is asked.
func (g *generation) refuse(c *pgx.ConnConfig) error {
	if g.withPassword && c.Password == "" {
		return errors.New("--with-password: the DSN has no password")
	}
	for _, f := range c.Fallbacks {
		if f.Port != c.Port {
			return errors.New("--dsn: its hosts have several ports; those of a database have one")
		}
	}
	for _, path := range []string{g.out, g.authFile} {
		if _, err := os.Stat(path); path != "" && err == nil && !g.force {
			return fmt.Errorf("%s is there already; --force overwrites it", path)
		}
	}
	if g.authFile != "" && sameFile(g.authFile, g.out) || g.authFile != "" && g.authFile == g.out {
		return errors.New("--auth-file and --output are the same file")
	}
	return nil
}
