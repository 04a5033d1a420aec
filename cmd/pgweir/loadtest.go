package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"pgweir/loadtest"
)

const loadtestLong = `Lets clients run the same transactions, first straight to PostgreSQL (--direct),
then through a pooler (--pooled), and counts backends and their memory meanwhile,
by PostgreSQL's own account and, on the same machine, by the process table. With
only one of the two addresses, only that is measured. What stands behind the
pooled address may be any pooler; its own memory is not counted.

An address is in libpq's form, "host=db port=6432 dbname=app user=me", or a URL.

Clients connect over the time of --ramp; measuring begins when all of them are
in. If the server allows fewer, it goes on with those, and says so. Between two
transactions a client thinks for --think, or up to half of that more or less.

Workloads:
  select1       select 1 (the default)
  select-only   a lookup by primary key in the tables that pgbench -i makes
  tpcb-like     pgbench's own transaction of seven statements, in these tables
  idle          select 1 now and then: --think is 1s unless it is given

With --script a file of SQL is run in their place. It is one transaction, and is
sent as one simple query. In it, outside of quotes and comments, :client is the
client's number, from 1 on, and :random a number from 0 to 99999, which is the
same in all of a transaction.

Ctrl-C ends the test early; what was measured is shown.`

// newLoadtestCmd is `pgweir loadtest`.
func newLoadtestCmd() *cobra.Command {
	opts := loadtest.Options{Clients: 200, Duration: 10 * time.Second, Ramp: 2 * time.Second, Progress: os.Stderr}
	var script, protocol, html string
	var asJSON bool
	cmd := &cobra.Command{
		Use:           "loadtest --direct DSN --pooled DSN",
		Short:         "Measure what a pool saves: the same clients first direct, then pooled",
		Long:          loadtestLong,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch protocol {
			case "simple", "prepared":
				opts.Prepared = protocol == "prepared"
			default:
				return fmt.Errorf("protocol: there are simple and prepared, not %q", protocol)
			}
			if cmd.Flags().Changed("script") {
				if cmd.Flags().Changed("workload") {
					return errors.New("--script and --workload: only one of them can be run")
				}
				text, err := os.ReadFile(script)
				if err != nil {
					return fmt.Errorf("--script: %w", err)
				}
				opts.Script, opts.ScriptName = string(text), script
			}
			for _, address := range []string{"direct", "pooled"} {
				if f := cmd.Flags().Lookup(address); f.Changed && strings.TrimSpace(f.Value.String()) == "" {
					return fmt.Errorf("--%s: the address is empty", address)
				} else if err := checkDSN("--"+address, f.Value.String()); err != nil {
					return err
				}
			}
			if !cmd.Flags().Changed("seed") {
				opts.Seed = rand.Uint64N(math.MaxUint32)
			}
			return runLoadtest(cmd, opts, html, asJSON)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&opts.Direct, "direct", "", "address of PostgreSQL")
	flags.StringVar(&opts.Pooled, "pooled", "", "address of the pooler")
	flags.IntVar(&opts.Clients, "clients", opts.Clients, "how many clients")
	flags.Var((*duration)(&opts.Duration), "duration", "how long is measured, for each address")
	flags.Var((*duration)(&opts.Ramp), "ramp", "over what time the clients connect")
	flags.Var((*duration)(&opts.Think), "think", "pause of a client before each transaction, on average")
	flags.StringVar(&opts.Workload, "workload", "", "what each client does: "+strings.Join(loadtest.Workloads(), ", "))
	flags.StringVar(&script, "script", "", "file of SQL that each client runs instead")
	flags.StringVar(&protocol, "protocol", "simple", "simple, or prepared: statements are prepared once by each client")
	flags.Uint64Var(&opts.Seed, "seed", 0, "makes the pauses and random numbers; default: another each time")
	flags.BoolVar(&asJSON, "json", false, "write the figures as JSON")
	flags.StringVar(&html, "html", "", "write a report with plots to this file")
	return cmd
}

// runLoadtest runs the test and writes what it has measured, even if it could
// not be run to its end.
func runLoadtest(cmd *cobra.Command, opts loadtest.Options, html string, asJSON bool) (err error) {
	var report *reportFile
	if html != "" {
		// Before the test: afterwards it would be a pity.
		if report, err = openReport(html); err != nil {
			return fmt.Errorf("--html: %w", err)
		}
		defer func() { err = errors.Join(err, report.close()) }()
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	go func() {
		<-ctx.Done()
		stop() // a second Ctrl-C ends the program as usual
	}()
	result, err := loadtest.Run(ctx, opts)
	if result == nil || result.Direct == nil && result.Pooled == nil {
		return cmp.Or(err, errors.New("interrupted before anything was measured"))
	}
	out := cmd.OutOrStdout()
	if asJSON {
		err = errors.Join(err, json.NewEncoder(out).Encode(result))
	} else {
		err = errors.Join(err, result.WriteText(out))
	}
	if report != nil {
		err = errors.Join(err, report.write(result))
	}
	return err
}

// reportFile is a file that is opened before there is anything to write.
type reportFile struct {
	file    *os.File
	created bool
	written bool
}

func openReport(path string) (*reportFile, error) {
	_, err := os.Stat(path)
	created := errors.Is(err, os.ErrNotExist)
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	return &reportFile{file: file, created: created}, nil
}

func (r *reportFile) write(result *loadtest.Result) error {
	if info, err := r.file.Stat(); err == nil && info.Mode().IsRegular() {
		if err := r.file.Truncate(0); err != nil {
			return fmt.Errorf("--html: %w", err)
		}
	}
	r.written = true
	if err := result.WriteHTML(r.file); err != nil {
		return fmt.Errorf("--html: %w", err)
	}
	return nil
}

// close leaves no empty file behind if there was none.
func (r *reportFile) close() error {
	err := r.file.Close()
	if r.created && !r.written {
		err = errors.Join(err, os.Remove(r.file.Name()))
	}
	return err
}

// duration is a flag's value: "10s", "500ms", or a number of seconds.
type duration time.Duration

func (d *duration) String() string { return time.Duration(*d).String() }

func (d *duration) Type() string { return "duration" }

func (d *duration) Set(text string) error {
	if n, err := strconv.ParseFloat(text, 64); err == nil {
		// What an int64 cannot hold is out of range anyway.
		if math.IsNaN(n) || math.Abs(n) > 1e9 {
			return fmt.Errorf("%q is out of range", text)
		}
		*d = duration(n * float64(time.Second))
		return nil
	}
	parsed, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf(`%q is no duration; "10s" is one, and so is "500ms"`, text)
	}
	*d = duration(parsed)
	return nil
}
