// Command bench measures pgweir side by side with PgBouncer, where there is
// one: the same work through each in turn, on the same throwaway PostgreSQL,
// with the same pool size, over Unix sockets. `make bench` runs it.
//
// It knows poolers as programs with a configuration file, and their cost as the
// kernel accounts it. It must not know how pgweir works: it imports nothing of
// ours but the packages that start throwaway servers and child processes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"pgweir/cluster"
)

const (
	poolSize  = 20
	maxClient = 20_000
	database  = "bench"
	// fileLimit leaves each process room for maxClient descriptors and its own.
	fileLimit = 65_536
)

type options struct {
	rounds    int
	seconds   int
	works     []work
	packages  bool // the Go benchmarks too
	markdown  bool
	pgweir    string
	pgbouncer string
	pgBin     string
}

func main() {
	opts, err := parseOptions(os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
	// However often Ctrl-C is pressed, what was started is cleared away first.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	// A reader that goes away (bench | head) must not end us half-way either.
	// Ignoring the signal would make the children ignore it too.
	pipe := make(chan os.Signal, 1)
	signal.Notify(pipe, syscall.SIGPIPE)
	err = run(ctx, opts)
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(os.Stderr, "bench: interrupted")
		// What could not be cleared away is joined to it.
		if err != nil && err.Error() != context.Canceled.Error() {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
		os.Exit(130)
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func parseOptions(args []string, usage io.Writer) (options, error) {
	var opts options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(usage)
	flags.IntVar(&opts.rounds, "rounds", 5, "how often each work is measured; figures are medians")
	flags.IntVar(&opts.seconds, "seconds", 3, "how long a work runs in a round")
	names := flags.String("work", strings.Join(workNames(), ","), "which works, in this order")
	flags.BoolVar(&opts.markdown, "markdown", false, "print the result as Markdown to stdout; the rest then goes to stderr")
	flags.StringVar(&opts.pgweir, "pgweir", "bin/pgweir", "the pgweir to measure")
	flags.StringVar(&opts.pgbouncer, "pgbouncer", "", "the PgBouncer to measure it by (default: in PATH or /usr/sbin)")
	flags.StringVar(&opts.pgBin, "pg-bin", "", "folder of PostgreSQL's programs (default: look for it)")
	if err := flags.Parse(args); err != nil {
		return opts, err
	}
	switch {
	case flags.NArg() > 0:
		return opts, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case opts.rounds < 1 || opts.rounds > 1000:
		return opts, fmt.Errorf("-rounds: %d is out of range (1 to 1000)", opts.rounds)
	case opts.seconds < 1 || opts.seconds > 3600:
		return opts, fmt.Errorf("-seconds: %d is out of range (1 to 3600)", opts.seconds)
	}
	for name := range strings.SplitSeq(*names, ",") {
		if name == packagesWork {
			opts.packages = true
			continue
		}
		w, ok := workNamed(name)
		if !ok {
			return opts, fmt.Errorf("-work: there is no %q; there are %s", name, strings.Join(workNames(), ", "))
		}
		opts.works = append(opts.works, w)
	}
	return opts, nil
}

func run(ctx context.Context, opts options) error {
	if runtime.GOOS != "linux" {
		return errors.New("the figures come from /proc and the clients use epoll: this needs Linux")
	}
	out := io.Writer(os.Stdout)
	if opts.markdown {
		out = os.Stderr
	}
	report := &report{rounds: opts.rounds, seconds: opts.seconds}
	var failed error
	if len(opts.works) > 0 {
		if err := measureAll(ctx, opts, report, out); err != nil {
			return err
		}
		failed = report.failure()
	}
	// By now nothing else of ours runs that could disturb them.
	if opts.packages {
		text, err := packageBenchmarks(ctx, out)
		if ctx.Err() != nil {
			return err
		}
		report.packages = text
		failed = errors.Join(failed, err)
	}
	if opts.markdown {
		if _, err := io.WriteString(os.Stdout, report.markdown()); err != nil {
			return err
		}
	}
	return failed
}

// measureAll starts PostgreSQL and the poolers, measures, and stops them again,
// whatever happens.
func measureAll(ctx context.Context, opts options, report *report, out io.Writer) (err error) {
	raiseFileLimit(fileLimit)
	programs, err := cluster.Find(opts.pgBin)
	if err != nil {
		return err
	}
	tools, err := findTools(programs)
	if err != nil {
		return err
	}
	poolers, err := findPoolers(ctx, opts)
	if err != nil {
		return err
	}
	report.describe(programs, poolers)
	fmt.Fprint(out, report.heading())

	db, err := cluster.Start(ctx, programs, cluster.Options{Settings: map[string]string{
		"max_connections": "300",
		"shared_buffers":  "256MB",
		// A vacuum in the background would fall into one pooler's turn.
		"autovacuum": "off",
	}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := tools.fill(ctx, db); err != nil {
		return err
	}
	b := &bench{db: db, tools: tools, poolers: poolers, duration: time.Duration(opts.seconds) * time.Second}
	defer func() { err = errors.Join(err, b.stop()) }()
	for _, p := range poolers {
		if err := p.start(ctx, db); err != nil {
			return err
		}
	}
	fmt.Fprint(out, report.tableHead())
	for _, w := range opts.works {
		result, err := b.measure(ctx, w, opts.rounds)
		if err != nil {
			return err
		}
		report.results = append(report.results, result)
		fmt.Fprint(out, report.tableRows(result))
	}
	return nil
}

// raiseFileLimit asks for n descriptors, or as many as may be had; the children
// inherit them. Where too few come of it, the work that needs them says so.
func raiseFileLimit(n uint64) {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return
	}
	most := limit.Max
	limit.Cur, limit.Max = max(n, most), max(n, most) // root may raise the hard limit too
	if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		limit.Cur, limit.Max = most, most
		_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
	}
}
