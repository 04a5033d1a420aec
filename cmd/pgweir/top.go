package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"pgweir/config"
	"pgweir/top"
)

// usualHTTP is where a pgweir serves HTTP whose configuration says nothing else.
const usualHTTP = "http://127.0.0.1:9127"

// newTopCmd is `pgweir top`.
func newTopCmd() *cobra.Command {
	o := top.Options{Out: os.Stdout}
	var path, interval string
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Watch PostgreSQL's processes, clients and pools, as top does; sort, filter, kill clients",
		Long: `Shows, refreshed every 2 seconds, what a running pgweir saves, the processes of
its PostgreSQL servers, its pools, and what is wrong; h lists the keys.

The running pgweir is asked over HTTP: at --url, else at http_listen of the
configuration (-c, or config.toml if there is one), else at
` + usualHTTP + `. Clients are listed and killed through its console:

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
			if o.URL == "" {
				if o.URL, err = httpOf(path, flags.Changed("config")); err != nil {
					return err
				}
			}
			return top.Run(cmd.Context(), o)
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&path, "config", "c", "config.toml", "the configuration of the running pgweir, for its http_listen")
	flags.StringVar(&o.URL, "url", "", "where the running pgweir serves HTTP")
	flags.StringVar(&o.Console, "console", "", "how to reach its console, as libpq takes it")
	flags.StringVarP(&interval, "interval", "d", "2s", "time between refreshes: seconds, or a duration as 1m")
	flags.StringVar(&o.View, "view", top.Views()[0], "what to show first: "+strings.Join(top.Views(), ", "))
	flags.BoolVarP(&o.Batch, "batch", "b", false, "print plain tables, on a terminal too")
	flags.IntVarP(&o.Iterations, "iterations", "n", 1, "how many plain tables to print, 0 for no end; implies --batch")
	return cmd
}

// httpOf is where the pgweir with this configuration serves HTTP. The file may
// be missing if nobody has named it.
func httpOf(path string, named bool) (string, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) && !named {
		return usualHTTP, nil
	}
	c, err := config.Load(path)
	if err != nil {
		return "", fmt.Errorf("looking for http_listen (--url goes without): %w", err)
	}
	if c.HTTPListen == "" {
		return "", fmt.Errorf("%s: http_listen is empty: that pgweir serves no HTTP, so there is nothing to ask", path)
	}
	host, port, err := net.SplitHostPort(c.HTTPListen)
	if err != nil {
		return "", fmt.Errorf("%s: http_listen: %w", path, err)
	}
	if port == "0" {
		return "", fmt.Errorf("%s: http_listen is %s, which is any free port; its log says which (\"serving HTTP\"): give that with --url", path, c.HTTPListen)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1" // it listens on every address
		if ip != nil && ip.To4() == nil {
			host = "::1"
		}
	}
	return "http://" + net.JoinHostPort(host, port), nil
}
