package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// packagesWork is no work of a pooler: the Go benchmarks of the packages.
const packagesWork = "packages"

// packageBenchmarks runs the Go benchmarks of the packages on the hot path,
// from the module's root, and returns what they print.
func packageBenchmarks(ctx context.Context, out io.Writer) (_ string, err error) {
	// An interrupted go command leaves what it built behind, so that it gets a
	// folder of ours to build in.
	dir, err := os.MkdirTemp("", "pgweir-bench-")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.Setenv("GOTMPDIR", dir); err != nil {
		return "", err
	}
	fmt.Fprintln(out, "\nGo benchmarks of the packages:")
	return command(ctx, 15*time.Minute, out, "go", "test", "-run=NONE", "-bench=.", "-benchtime=300ms",
		"./wire", "./session", "./loop", "./pool")
}
