package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"pgweir/top"
)

// newTopCmd is `pgweir top`.
func newTopCmd() *cobra.Command {
	o := top.Options{Out: os.Stdout}
	var access httpAccess
	var interval string
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Watch PostgreSQL's processes, clients and pools, as top does; sort, filter, kill clients",
		Long: `Shows, refreshed every 2 seconds, what a running pgweir saves, the processes of
its PostgreSQL servers, its pools, and what is wrong; h lists the keys.

The running pgweir is asked over HTTP: at --url, else at http_listen of the
configuration (-c, or config.toml if there is one), else at
` + usualHTTP + `. The configuration also tells its certificate and, as far as they can be
read, its tokens; beside --url that is what --ca-file and --token-file are for.
Clients are listed and killed through its console:

  pgweir top --console "host=127.0.0.1 port=6432 dbname=pgweir user=ADMIN"

where ADMIN is one of admin_users. The password may stand in PGPASSWORD or in
~/.pgpass, so that it is not in the list of processes.

Where there is no terminal (or one that is "dumb"), one plain table is printed.
CPU% needs two readings, and is "-" in the first: pgweir top -b -n 2 -d 5`,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			flags := cmd.Flags()
			var err error
			if o.Interval, err = top.ParseInterval(interval); err != nil {
				return fmt.Errorf("--interval: %w", err)
			}
			o.Batch = o.Batch || flags.Changed("iterations")
			if err := checkDSN("--console", o.Console); err != nil {
				return err
			}
			access.configGiven = flags.Changed("config")
			if err := access.find(); err != nil {
				return err
			}
			o.URL, o.Token, o.TLS = access.url, access.token, access.tls
			return top.Run(cmd.Context(), o)
		},
	}
	flags := cmd.Flags()
	access.flags(cmd)
	flags.StringVar(&o.Console, "console", "", "how to reach its console, as libpq takes it")
	flags.StringVarP(&interval, "interval", "d", "2s", "time between refreshes: seconds, or a duration as 1m")
	flags.StringVar(&o.View, "view", top.Views()[0], "what to show first: "+strings.Join(top.Views(), ", "))
	flags.BoolVarP(&o.Batch, "batch", "b", false, "print plain tables, on a terminal too")
	flags.IntVarP(&o.Iterations, "iterations", "n", 1, "how many plain tables to print, 0 for no end; implies --batch")
	return cmd
}
