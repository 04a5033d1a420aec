// Command bench measures pgweir side by side with other poolers: the same work
// through each in turn, in front of the same throwaway PostgreSQL, with the same
// pool size. `make bench` runs it.
//
// It knows poolers as programs with configuration files, and their cost as the
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
	"syscall"
)

func main() {
	opts, err := parseOptions(os.Args[1:], os.Getenv, os.Stderr)
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
	err = run(ctx, opts, os.Stdout)
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

// run measures all works and shows the tables on out as they come. What was
// measured before an error or an interrupt is in the results' folder.
func run(ctx context.Context, opts options, out io.Writer) (err error) {
	if runtime.GOOS != "linux" {
		return errors.New("the figures come from /proc and the clients use epoll: this needs Linux")
	}
	report := &report{}
	if opts.out != "" {
		keep, err := openResults(opts.out)
		if err != nil {
			return err
		}
		report.keep = keep
		defer func() { err = errors.Join(err, keep.close(report)) }()
	}
	if len(opts.works) > 0 {
		if err := measureAll(ctx, opts, report, out); err != nil {
			return err
		}
	}
	failed := report.failure()
	// By now nothing else of ours runs that could disturb them.
	if opts.packages {
		text, err := packageBenchmarks(ctx, out)
		if ctx.Err() != nil {
			return err
		}
		report.packages = text
		failed = errors.Join(failed, err)
	}
	return failed
}
