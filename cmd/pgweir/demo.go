package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"pgweir/demo"
)

// newDemoCmd is `pgweir demo`.
func newDemoCmd() *cobra.Command {
	opts := demo.Options{Out: os.Stdout}
	seconds := 5
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show on a throwaway PostgreSQL how many backends pgweir saves",
		Long: `Starts a throwaway PostgreSQL and a pgweir in front of it, lets clients run
queries straight and then through pgweir, and counts backends and their memory
meanwhile, by PostgreSQL's own account and by the process table.

Then everything stays up for a look around, until Ctrl-C clears it away.`,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			program, err := os.Executable()
			if err != nil {
				return fmt.Errorf("finding pgweir's own program: %w", err)
			}
			opts.Program = program
			opts.Phase = time.Duration(seconds) * time.Second
			// Whatever asks us to end, the cluster is cleared away first: a
			// second Ctrl-C does not cut that short. A closed pipe behind
			// stdout (SIGPIPE) is no reason to end at all.
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
			defer stop()
			pipe := make(chan os.Signal, 1)
			signal.Notify(pipe, syscall.SIGPIPE)
			defer signal.Stop(pipe)
			return demo.Run(ctx, opts)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&opts.PGBin, "pg-bin", "", "folder of PostgreSQL's programs (initdb, postgres); default: look for it")
	flags.BoolVar(&opts.Once, "once", false, "end after the comparison; exit code 1 if the pool was exceeded or a client met an error")
	flags.IntVar(&opts.Clients, "clients", 200, "how many clients")
	flags.IntVar(&opts.Pool, "pool", 10, "pgweir's pool size")
	flags.IntVar(&seconds, "seconds", seconds, "how long each of the two measurements takes")
	return cmd
}
