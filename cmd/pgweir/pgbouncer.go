package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"pgweir/config"
	"pgweir/status"
)

// isPgBouncer tells whether the program was called by PgBouncer's name.
func isPgBouncer(name string) bool { return filepath.Base(name) == "pgbouncer" }

// bouncer is a start by PgBouncer's name, with its flags.
type bouncer struct {
	path    string
	daemon  bool
	quiet   bool
	reboot  bool
	user    string
	verbose int
}

const bouncerUsage = `pgweir, called by the name of PgBouncer, reads its configuration and takes its options.

Usage:
  pgbouncer [OPTION]... pgbouncer.ini

  -d, --daemon       go into the background; a pidfile must be set
  -q, --quiet        write no log to stderr, only to the logfile
  -R, --reboot       refused while another is running: connections cannot be taken over
  -u, --user=NAME    become this user of the operating system
  -v, --verbose      log more
  -V, --version      print the version, and end
  -h, --help         print this, and end

As pgweir the program does more: pgweir help, or a link of that name to it.
`

// runPgBouncer is the program under PgBouncer's name. It gives the exit code.
func runPgBouncer(args []string, stdout, stderr io.Writer) int {
	var b bouncer
	var showVersion bool
	cmd := &cobra.Command{
		Use:           "pgbouncer [OPTION]... pgbouncer.ini",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 && !showVersion {
				return fmt.Errorf("it takes one configuration file, and was given %d", len(args))
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if showVersion {
				// Scripts read the first line; SHOW VERSION gives the same.
				fmt.Fprintf(stdout, "PgBouncer %s\npgweir %s, in place of PgBouncer 1.25\n", status.PgBouncerVersion, version)
				return nil
			}
			b.path = args[0]
			return b.run(stderr)
		},
	}
	flags := cmd.Flags()
	flags.BoolVarP(&b.daemon, "daemon", "d", false, "")
	flags.BoolVarP(&b.quiet, "quiet", "q", false, "")
	flags.BoolVarP(&b.reboot, "reboot", "R", false, "")
	flags.StringVarP(&b.user, "user", "u", "", "")
	flags.CountVarP(&b.verbose, "verbose", "v", "")
	flags.BoolVarP(&showVersion, "version", "V", false, "")
	cmd.SetHelpFunc(func(*cobra.Command, []string) { fmt.Fprint(stdout, bouncerUsage) })
	cmd.CompletionOptions.DisableDefaultCmd = true
	cmd.SetArgs(args)
	if err := cmd.Execute(); err != nil {
		fmt.Fprintf(stderr, "pgbouncer: %v\n", err)
		tellParent(err)
		return 1
	}
	return 0
}

func (b *bouncer) run(stderr io.Writer) error {
	from := newSource(b.path)
	from.verbose = b.verbose > 0
	c, err := from.load()
	if err != nil {
		return err
	}
	if b.reboot {
		if err := noOther(c); err != nil {
			return err
		}
	}
	if b.daemon && !isDaemon() {
		err := startDaemon(from.process())
		if err == nil && from.process().LogFile == "" {
			fmt.Fprintln(stderr, "pgbouncer: warning: -d: there is no logfile, so that nobody sees the log")
		}
		return err
	}
	o := serveOptions{from: from, config: c, user: b.user, logs: os.Stderr}
	if b.quiet || b.daemon {
		o.logs = nil
	}
	return serve(o)
}

// noOther refuses an online restart: PgBouncer would have the sockets of the one that
// runs handed over. Where none runs it starts, as PgBouncer does.
func noOther(c *config.Config) error {
	if c.UnixSocketDir == "" {
		return errors.New("-R: cannot be had: there is no unix_socket_dir by which to find the one that runs")
	}
	if path := config.SocketPath(c.UnixSocketDir, c.ListenPort); socketTaken(path) {
		return fmt.Errorf("-R: a program listens on %s, and its connections cannot be taken over; end it with SIGTERM, which lets transactions finish, and start without -R. For changed settings SIGHUP is enough", path)
	}
	return nil
}
