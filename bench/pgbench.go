package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// pgbench runs pgbench by time, in whole seconds.
func pgbench(args ...string) func(context.Context, *bench, *pooler) (measure, error) {
	return func(ctx context.Context, b *bench, p *pooler) (measure, error) {
		seconds := int(math.Ceil(b.duration.Seconds()))
		all := append([]string{"-n", "-T", strconv.Itoa(seconds)}, args...)
		s, err := p.begin()
		if err != nil {
			return nil, err
		}
		out, err := command(ctx, time.Duration(seconds)*time.Second+time.Minute, nil, b.tools.pgbench, append(all, p.access.conninfo())...)
		if err != nil {
			return nil, err
		}
		r, err := parsePgbench(out)
		if err != nil {
			return nil, err
		}
		costs, err := s.end(r.transactions)
		return append(measure{r.rate}, costs...), err
	}
}

// pipeline runs batches of a hundred queries.
func pipeline(ctx context.Context, b *bench, p *pooler) (measure, error) {
	script := filepath.Join(b.db.Dir, "pipeline.sql")
	text := "\\startpipeline\n" + strings.Repeat("select 1;\n", 100) + "\\endpipeline\n"
	if err := os.WriteFile(script, []byte(text), 0o644); err != nil {
		return nil, err
	}
	return pgbench("-M", "extended", "-c", "8", "-f", script)(ctx, b, p)
}

// pgbenchResult is what pgbench measured.
type pgbenchResult struct {
	transactions int
	rate         float64 // a second; with -C including the logins
}

var (
	processedLine = regexp.MustCompile(`(?m)^number of transactions actually processed: (\d+)`)
	failedLine    = regexp.MustCompile(`(?m)^number of failed transactions: (\d+)`)
	rateLine      = regexp.MustCompile(`(?m)^tps = ([0-9.]+) \((?:without initial connection time|including reconnection times)\)`)
)

// parsePgbench reads the report of pgbench 14 or later, after a run by time.
func parsePgbench(text string) (pgbenchResult, error) {
	var r pgbenchResult
	processed, rate := processedLine.FindStringSubmatch(text), rateLine.FindStringSubmatch(text)
	if processed == nil || rate == nil {
		return r, errors.New("pgbench's report lacks its transactions or its rate")
	}
	// pgbench 14 does not count failures: a client that meets an error ends.
	if failed := failedLine.FindStringSubmatch(text); failed != nil && failed[1] != "0" {
		return r, fmt.Errorf("pgbench: %s transactions failed", failed[1])
	}
	var err error
	if r.transactions, err = strconv.Atoi(processed[1]); err != nil {
		return r, err
	}
	if r.transactions == 0 {
		return r, errors.New("pgbench ran no transaction")
	}
	r.rate, err = strconv.ParseFloat(rate[1], 64)
	return r, err
}
