package main

import (
	"context"
	"os"
	"time"
)

const (
	bulkBatch    = 10 // copies of each psql
	bulkDeadline = time.Minute
)

// bulk copies the accounts out, 10 MB each time, at least as long as other works
// run.
func bulk(ctx context.Context, b *bench, p *pooler) (measure, error) {
	args := []string{"-X", "-q", "-v", "ON_ERROR_STOP=1", "-o", os.DevNull, "-d", p.access.conninfo()}
	for range bulkBatch {
		args = append(args, "-c", "copy (select * from pgbench_accounts) to stdout")
	}
	s, err := p.begin()
	if err != nil {
		return nil, err
	}
	start := time.Now()
	copies := 0
	for copies == 0 || time.Since(start) < b.duration {
		if _, err := command(ctx, bulkDeadline, nil, b.tools.psql, args...); err != nil {
			return nil, err
		}
		copies += bulkBatch
	}
	elapsed := time.Since(start)
	costs, err := s.end(copies)
	return append(measure{float64(copies) / elapsed.Seconds()}, costs...), err
}
