package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"pgweir/cluster"
)

// work is one thing that is measured through every pooler.
type work struct {
	name    string
	figures []string // what run measures, with the unit
	run     func(ctx context.Context, b *bench, p *pooler) ([]float64, error)
}

const (
	idleClients  = 10_000
	crowdClients = 1_000
)

// throughput is what most works measure.
var throughput = []string{"transactions/s", "CPU µs/transaction"}

func works() []work {
	return []work{
		{"simple1", throughput, pgbenchWork("-S", "-M", "simple", "-c", "1")},
		{"simple32", throughput, pgbenchWork("-S", "-M", "simple", "-c", "32")},
		{"extended32", throughput, pgbenchWork("-S", "-M", "extended", "-c", "32")},
		{"pipeline", []string{"batches/s", "CPU µs/batch"}, pipeline},
		{"bulk", []string{"copies/s", "CPU µs/copy"}, bulk},
		{"connect", throughput, pgbenchWork("-S", "-C", "-c", "8")},
		{"scram", []string{"logins/s", "CPU µs/login"}, scram},
		{"storm", []string{"logins/s", "p50 ms before", "p99 ms before", "p50 ms meanwhile", "p99 ms meanwhile", "p99 meanwhile/before"}, storm},
		twoPools.work("fair2"),
		fivePools.work("fair5"),
		tenPools.work("fair10"),
		{"idle", []string{"bytes/client"}, idle},
		{"wait1000", []string{"queries/s", "CPU µs/query", "p50 ms", "p99 ms", "max ms", "least queries of a client", "most queries of a client"}, wait},
	}
}

func workNames() []string {
	var names []string
	for _, w := range works() {
		names = append(names, w.name)
	}
	return append(names, packagesWork)
}

func workNamed(name string) (work, bool) {
	for _, w := range works() {
		if w.name == name {
			return w, true
		}
	}
	return work{}, false
}

// bench is what the works need.
type bench struct {
	db       *cluster.Cluster
	tools    tools
	poolers  []*pooler
	duration time.Duration // of a work in a round; whole seconds
}

func (b *bench) stop() error {
	var err error
	for _, p := range b.poolers {
		err = errors.Join(err, p.stop())
	}
	return err
}

// measure runs a work in rounds, in each through every pooler in turn. A work
// that fails through one pooler is not tried through it again; an error is
// returned only where going on makes no sense.
func (b *bench) measure(ctx context.Context, w work, rounds int) (*result, error) {
	r := newResult(w, b.poolers)
	for round := range rounds {
		for i := range b.poolers {
			// Whoever goes first in one round goes last in the next.
			if round%2 == 1 {
				i = len(b.poolers) - 1 - i
			}
			p := b.poolers[i]
			if r.failed[p.name] != nil {
				continue
			}
			values, err := w.run(ctx, b, p)
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if dead := p.alive(); dead != nil {
				return nil, fmt.Errorf("%s: %w", w.name, dead)
			}
			if err != nil {
				r.failed[p.name] = err
				continue
			}
			r.add(p.name, values)
		}
	}
	return r, nil
}

// connection is how PostgreSQL's programs reach a pooler.
func connection(p *pooler) []string {
	return []string{"-h", p.dir, "-p", strconv.Itoa(p.port), "-U", p.user}
}

// pgbenchWork runs pgbench by time.
func pgbenchWork(args ...string) func(context.Context, *bench, *pooler) ([]float64, error) {
	return func(ctx context.Context, b *bench, p *pooler) ([]float64, error) {
		all := append(connection(p), "-n", "-T", fmt.Sprint(int(b.duration.Seconds())))
		all = append(append(all, args...), database)
		before, err := cpuTime(p.process.PID())
		if err != nil {
			return nil, err
		}
		out, err := command(ctx, b.duration+time.Minute, nil, b.tools.pgbench, all...)
		if err != nil {
			return nil, err
		}
		after, err := cpuTime(p.process.PID())
		if err != nil {
			return nil, err
		}
		r, err := parsePgbench(out)
		if err != nil {
			return nil, err
		}
		return []float64{r.rate, perUnit(after-before, r.transactions)}, nil
	}
}

// perUnit is the CPU of each of n things in µs.
func perUnit(cpu time.Duration, n int) float64 {
	return float64(cpu) / float64(time.Microsecond) / float64(n)
}

// pipeline runs batches of a hundred queries.
func pipeline(ctx context.Context, b *bench, p *pooler) ([]float64, error) {
	script := filepath.Join(b.db.Dir, "pipeline.sql")
	text := "\\startpipeline\n" + strings.Repeat("select 1;\n", 100) + "\\endpipeline\n"
	if err := os.WriteFile(script, []byte(text), 0o644); err != nil {
		return nil, err
	}
	return pgbenchWork("-M", "extended", "-c", "8", "-f", script)(ctx, b, p)
}

const (
	bulkBatch = 20
	// bulkTicks of CPU give three digits, since a tick is all that we can see.
	bulkTicks    = 100
	bulkDeadline = time.Minute
)

// bulk copies the accounts out, 10 MB each time, at least as long as other works
// run, and on until the CPU can be told.
func bulk(ctx context.Context, b *bench, p *pooler) ([]float64, error) {
	args := append(connection(p), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-o", os.DevNull, "-d", database)
	for range bulkBatch {
		args = append(args, "-c", "copy (select * from pgbench_accounts) to stdout")
	}
	before, err := cpuTime(p.process.PID())
	if err != nil {
		return nil, err
	}
	start := time.Now()
	for copies := bulkBatch; ; copies += bulkBatch {
		if _, err := command(ctx, bulkDeadline, nil, b.tools.psql, args...); err != nil {
			return nil, err
		}
		elapsed := time.Since(start)
		after, err := cpuTime(p.process.PID())
		if err != nil {
			return nil, err
		}
		if cpu := after - before; elapsed >= b.duration && cpu >= bulkTicks*clockTick || elapsed > bulkDeadline {
			return []float64{float64(copies) / elapsed.Seconds(), perUnit(cpu, copies)}, nil
		}
	}
}

// idle tells what a client costs that has run a query and now does nothing. The
// pooler is a fresh one: memory that it once freed would hide what they take.
func idle(ctx context.Context, b *bench, p *pooler) ([]float64, error) {
	if err := p.restart(ctx, b.db); err != nil {
		return nil, err
	}
	before, err := settledSize(ctx, p.process.PID())
	if err != nil {
		return nil, err
	}
	clients, err := dialMany(ctx, idleClients, p.address(), p.user)
	defer func() { closeAll(clients) }()
	if err != nil {
		return nil, err
	}
	after, err := settledSize(ctx, p.process.PID())
	if err != nil {
		return nil, err
	}
	return []float64{float64(after-before) / idleClients}, nil
}

// wait tells how long a query takes when a thousand clients want the pool.
func wait(ctx context.Context, b *bench, p *pooler) ([]float64, error) {
	clients, err := dialMany(ctx, crowdClients, p.address(), p.user)
	defer func() { closeAll(clients) }()
	if err != nil {
		return nil, err
	}
	var before, after time.Duration
	begin := func() (err error) { before, err = cpuTime(p.process.PID()); return err }
	end := func() (err error) { after, err = cpuTime(p.process.PID()); return err }
	c, err := runCrowd(ctx, clients, b.duration, begin, end)
	if err != nil {
		return nil, err
	}
	if len(c.waits) == 0 {
		return nil, errors.New("no query was answered")
	}
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	return []float64{
		float64(len(c.waits)) / c.elapsed.Seconds(),
		perUnit(after-before, len(c.waits)),
		ms(c.quantile(0.50)), ms(c.quantile(0.99)), ms(c.quantile(1)),
		float64(c.least), float64(c.most),
	}, nil
}
