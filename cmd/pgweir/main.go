// Command pgweir is a connection pooler for PostgreSQL. This is the only place
// that assembles the parts; there is one file for each subcommand.
package main

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is pgweir's own; the release build may set it.
var version = "0.1.0"

func main() {
	becomeDaemon()
	if isPgBouncer(os.Args[0]) {
		os.Exit(runPgBouncer(os.Args[1:], os.Stdout, os.Stderr))
	}
	root := &cobra.Command{
		Use:           "pgweir",
		Short:         "A connection pooler for PostgreSQL: thousands of clients on a few backends",
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(newServeCmd(), newCheckCmd(), newImportCmd(), newDemoCmd(), newCensusCmd(), newLoadtestCmd(), newTopCmd(),
		newHealthCmd(), newGenerateCmd(), newVersionCmd())
	if err := root.Execute(); err != nil {
		if !errors.Is(err, errCheckFailed) {
			fmt.Fprintln(os.Stderr, "pgweir:", err)
		}
		os.Exit(1)
	}
}

func newVersionCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) {
			line := "pgweir " + version
			if info, ok := debug.ReadBuildInfo(); ok {
				line += " (" + info.GoVersion + ")"
			}
			fmt.Fprintln(cmd.OutOrStdout(), line)
		},
	}
}
