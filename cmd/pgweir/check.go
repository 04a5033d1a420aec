package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"pgweir/authquery"
	"pgweir/config"
	"pgweir/loop"
	"pgweir/passwords"
	"pgweir/proxy"
	"pgweir/sizing"
	"pgweir/status"
)

// newCheckCmd is `pgweir check`: it validates a configuration, and compares
// what its pools can open with what the servers have to give.
func newCheckCmd() *cobra.Command {
	var path string
	var who client
	cmd := &cobra.Command{
		Use:   "check [pgbouncer.ini]",
		Short: "Validate a configuration, and compare its pools with what the servers have",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			path, err := configPath(cmd, path, args)
			if err != nil {
				fmt.Fprintln(cmd.OutOrStdout(), err)
				return errCheckFailed
			}
			ck := checker{out: cmd.OutOrStdout(), ask: askServer, tryQuery: authquery.Try, askRoles: authquery.Roles, taken: portTaken, ioUring: loop.IOUring.Usable}
			// A command that a password comes from ends with us, which Ctrl-C does not reach.
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
			defer stop()
			if cmd.Flags().Changed("as") {
				return ck.explain(ctx, path, who)
			}
			for _, flag := range []string{"database", "from", "tls", "replication"} {
				if cmd.Flags().Changed(flag) {
					fmt.Fprintf(ck.out, "--%s says more of a client: name it with --as USER\n", flag)
					return errCheckFailed
				}
			}
			return ck.run(ctx, path)
		},
		// Problems are printed here, one on a line.
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	flags := cmd.Flags()
	flags.StringVarP(&path, "config", "c", "config.toml", "the configuration file")
	flags.StringVar(&who.user, "as", "", "say instead how a client of this user is let in, and by which line of auth_hba_file")
	flags.StringVar(&who.database, "database", "", "beside --as: the database that it asks for (default: as the user)")
	flags.StringVar(&who.from, "from", "local", `beside --as: its address, or "local" for a Unix socket`)
	flags.BoolVar(&who.tls, "tls", false, "beside --as: it uses TLS")
	flags.BoolVar(&who.replication, "replication", false, "beside --as: it asks for physical replication")
	return cmd
}

// errCheckFailed says only that: the problems have been printed.
var errCheckFailed = errors.New("the configuration has problems")

// errInterrupted is that a signal has ended the check.
var errInterrupted = errors.New("interrupted")

type checker struct {
	out io.Writer
	ask func(context.Context, serverLogin) (status.ServerLimits, error)
	// tryQuery asks for a user's secret.
	tryQuery func(context.Context, authquery.Source, passwords.List, string) error
	// askRoles asks for the roles that a user is a member of.
	askRoles func(context.Context, authquery.Source, passwords.List, string) (map[string]bool, error)
	// taken tells whether somebody listens on an address; nil: that is not looked at.
	taken func(netip.AddrPort) bool
	// ioUring tells why io_uring cannot be used, nil if it can; nil: that is not looked at.
	ioUring func() error
}

// run reads the configuration and prints its problems (the error is then
// errCheckFailed), or "ok" with a summary and the warnings.
func (ck *checker) run(ctx context.Context, path string) error {
	c, loaded, err := readDraft(path)
	if err != nil {
		return ck.fails(append([]error{err}, faultsOfFiles(c)...))
	}
	c, failures := withSecrets(ctx, c)
	if ctx.Err() != nil {
		return errInterrupted
	}
	users, userErr := knownUsers(c)
	access, accessErr := proxy.NewAccess(c)
	reach := findHTTPReach(ctx, c)
	deaf, err := proxy.TryListen(c)
	engine, engineErr := ck.engineLine(c)
	if err := ck.fails([]error{userErr, accessErr, reach.refused, err, engineErr}); err != nil {
		return err
	}
	fmt.Fprintf(ck.out, "%s: ok\n%s", path, engine)
	writeSummary(ck.out, c, len(users))
	ck.ofPgBouncer(loaded)
	for _, p := range c.Strays() {
		fmt.Fprintf(ck.out, "warning: %v\n", p)
	}
	ck.ports(c)
	ck.consoleUsers(c, access, users)
	reach.warn(ck.out, c)
	for _, text := range deaf {
		fmt.Fprintf(ck.out, "warning: listen_addr: %s\n", text)
	}
	for _, text := range append(failures, proxy.Exposed(c, access)...) {
		fmt.Fprintf(ck.out, "warning: %s\n", text)
	}
	for _, f := range c.CertificateFiles() {
		ck.expiry(f, time.Now())
	}
	for _, d := range c.Demand(sorted(users)) {
		ck.server(ctx, c, &d, users)
	}
	ck.authQueries(ctx, c)
	access.TryDirectories(ctx, func(from string, err error) {
		fmt.Fprintf(ck.out, "warning: %s: nobody can log in by LDAP: %v\n", from, err)
	})
	return nil
}

// fails prints the errors that there are. It is errCheckFailed if there are any.
func (ck *checker) fails(errs []error) (failed error) {
	for _, err := range errs {
		if err != nil {
			fmt.Fprintln(ck.out, err)
			failed = errCheckFailed
		}
	}
	return failed
}

// faultsOfFiles are those of the files about users that a configuration names which has
// faults of its own. It may be nil.
func faultsOfFiles(c *config.Config) []error {
	if c == nil {
		return nil
	}
	_, userErr := knownUsers(c)
	if c.AuthType == "hba" && c.AuthHBAFile == "" || c.AuthType == "ldap" && c.AuthLDAPOptions == "" {
		return []error{userErr} // of which the configuration's own faults tell
	}
	_, accessErr := proxy.NewAccess(c)
	return []error{userErr, accessErr}
}

// expiry warns of a file of certificates that will soon be no longer good.
func (ck *checker) expiry(f config.CertificateFile, now time.Time) {
	e, err := f.Expiry(now)
	if err != nil {
		fmt.Fprintf(ck.out, "warning: %v\n", err)
		return
	}
	if text := e.Warning(now); text != "" {
		fmt.Fprintf(ck.out, "warning: %s\n", text)
	}
}

// knownUsers is everybody who can log in, with the secret ("" if none is known).
func knownUsers(c *config.Config) (map[string]string, error) {
	entries, err := proxy.AuthEntries(c)
	if err != nil {
		return nil, err
	}
	users := map[string]string{}
	for name := range c.Users {
		users[name] = ""
	}
	for _, e := range entries {
		users[e.Name] = e.Secret
	}
	return users, nil
}

// passwordsOf are those with which pgweir may log in as a user, as proxy.Passwords.
func passwordsOf(c *config.Config, user string) (out passwords.List) {
	entries, _ := proxy.AuthEntries(c) // what is wrong in them is told elsewhere
	for _, e := range entries {
		if e.Name != user {
			continue
		}
		out.Known = nil // the last entry counts
		for _, text := range []string{e.Secret, e.Next} {
			if text != "" && isPlain(text) {
				out.Known = append(out.Known, text)
			}
		}
	}
	return out
}

func sorted(users map[string]string) []string {
	names := make([]string, 0, len(users))
	for name := range users {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func writeSummary(out io.Writer, c *config.Config, users int) {
	var listens []string
	for _, addr := range c.ListenAddr {
		listens = append(listens, addr+" port "+strconv.Itoa(c.ListenPort))
	}
	if c.UnixSocketDir != "" {
		listens = append(listens, config.SocketPath(c.UnixSocketDir, c.ListenPort))
	}
	if len(listens) == 0 {
		listens = append(listens, "nothing: no client can connect (listen_addr and unix_socket_dir are empty)")
	}
	fmt.Fprintf(out, "listens on: %s\n", strings.Join(listens, ", "))
	if c.HTTPListen != "" {
		fmt.Fprintf(out, "HTTP on: %s\n", c.HTTPListen)
	}
	fmt.Fprintf(out, "clients: at most %d, auth_type %s, users known: %d\n", c.MaxClientConn, c.AuthType, users)

	if len(c.Databases) == 0 {
		fmt.Fprintln(out, "warning: no [databases.NAME]: clients can reach the console only")
		return
	}
	fmt.Fprintln(out, "databases:")
	names := make([]string, 0, len(c.Databases))
	for name := range c.Databases {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		db := c.Databases[name]
		target := db.DBName
		if target == "" {
			target = "the name asked for"
		}
		pools := "a pool for each user"
		if db.User != "" {
			pools = "one pool, user " + db.User
		}
		fmt.Fprintf(out, "  %s: %s on %s, %s mode, size %d, %s\n",
			name, target, db.At(), c.PoolModeFor(db, db.User), c.PoolSizeFor(db, db.User), pools)
	}
}

// serverName is a server as messages name it.
func serverName(host string, port int) string {
	_, address := config.Server{Host: host, Port: port}.Address()
	return address
}

// server compares what one server's pools can open with what it has, and
// prints the result.
func (ck *checker) server(ctx context.Context, c *config.Config, d *config.Demand, users map[string]string) {
	name := serverName(d.Host, d.Port)
	fmt.Fprintf(ck.out, "server %s: the pools can open %d backends\n", name, d.Total)
	for _, term := range d.Terms() {
		fmt.Fprintf(ck.out, "  %s\n", term)
	}
	if d.Open {
		fmt.Fprintln(ck.out, "  and more where a database or user that is not named here gets a pool of its own")
	}
	limits, err := ck.serverLimits(ctx, c, d, users)
	if err != nil {
		fmt.Fprintf(ck.out, "warning: server %s: not compared with its max_connections: %s\n", name, err)
		return
	}
	for _, warning := range sizing.Excess(d, &limits) {
		fmt.Fprintf(ck.out, "warning: server %s: %s\n", name, warning)
	}
}
