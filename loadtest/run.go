package loadtest

import (
	"context"
	"fmt"
	"io"
	"time"
)

// Run does a load test. When ctx ends, it ends early. It returns all that was
// measured, even with an error, which says that a phase could not be run.
func Run(ctx context.Context, opts Options) (*Result, error) {
	if err := opts.check(); err != nil {
		return nil, err
	}
	work, err := makeWorkload(&opts)
	if err != nil {
		return nil, err
	}
	first, err := parseTarget(direct, opts.Direct)
	if err != nil {
		return nil, err
	}
	second, err := parseTarget(pooled, opts.Pooled)
	if err != nil {
		return nil, err
	}
	if err := enoughFiles(opts.Clients); err != nil {
		return nil, err
	}
	// What can fail at once should not fail after the first phase.
	for _, t := range []*target{first, second} {
		if t == nil {
			continue
		}
		if err := t.knock(ctx); err != nil {
			return nil, err
		}
	}
	out := opts.Progress
	if out == nil {
		out = io.Discard
	}
	test := &test{opts: &opts, work: work, progress: newProgress(out)}
	test.result = &Result{
		Began: time.Now(), Workload: work.name, Prepared: opts.Prepared, Clients: opts.Clients,
		Duration: opts.Duration, Ramp: opts.Ramp, Think: work.pause, Seed: opts.Seed,
	}
	test.progress.line(fmt.Sprintf("workload %s, %s clients, seed %d", work.name, count(int64(opts.Clients)), opts.Seed))
	err = test.run(ctx, first, second)
	if ctx.Err() != nil {
		test.result.Interrupted = true
		err = nil
	}
	return test.result, err
}

// test is a load test under way.
type test struct {
	opts     *Options
	work     *workload
	progress *progress
	result   *Result
	observer *observer // of the direct phase, which goes on through the pooled one
}

// run does the direct phase, then the pooled one; either may be missing.
func (t *test) run(ctx context.Context, first, second *target) error {
	if first != nil {
		conn, err := first.connect(ctx, observerName)
		if err != nil {
			return err
		}
		if t.observer, err = newObserver(ctx, first, conn); err != nil {
			return err
		}
		defer func() { t.observer.close() }()
		if err := first.ready(ctx, t.observer.conn, t.work); err != nil {
			return err
		}
		before, err := t.observer.count(ctx)
		if err != nil {
			return first.fault(err)
		}
		t.result.Direct = t.phase(ctx, first, t.observer)
		if second != nil && ctx.Err() == nil {
			if err := t.settle(ctx, before); err != nil {
				return err
			}
		}
	}
	if second == nil || ctx.Err() != nil {
		return nil
	}
	o, err := t.pooledObserver(ctx, second)
	if err != nil {
		return err
	}
	if o != t.observer {
		defer o.close()
	}
	t.result.Pooled = t.phase(ctx, second, o)
	return nil
}

func (t *test) phase(ctx context.Context, at *target, o *observer) *Phase {
	p := measure(ctx, at, o, t.work, t.opts, t.progress)
	t.progress.end()
	t.progress.line(t.result.notes(p)...)
	return p
}

// settle waits until the backends of the direct phase have ended, so that they
// are not counted in the pooled one.
func (t *test) settle(ctx context.Context, before population) error {
	now, err := t.observer.waitForAtMost(ctx, before)
	if err != nil {
		return fmt.Errorf("between the phases: %w", err)
	}
	if more := now.backends - before.backends; more > 0 {
		t.progress.line(fmt.Sprintf("%s backends of the direct phase have not ended, and are counted in the pooled one", count(int64(more))))
	}
	return nil
}

// pooledObserver finds out what is behind the pooler. If it is the server of
// the direct phase, that phase's observer goes on, and looks at the database
// that the pooler leads to; otherwise one looks through the pooler.
func (t *test) pooledObserver(ctx context.Context, at *target) (*observer, error) {
	name := ""
	if t.observer == nil {
		name = observerName
	}
	conn, err := at.connect(ctx, name)
	if err != nil {
		return nil, err
	}
	if err := at.ready(ctx, conn, t.work); err != nil {
		closeSoon(conn)
		return nil, err
	}
	if t.observer == nil {
		return newObserver(ctx, at, conn)
	}
	is, _, _, err := identify(ctx, conn)
	if err != nil {
		closeSoon(conn)
		return nil, at.fault(err)
	}
	if is.started == t.observer.is.started && is.port == t.observer.is.port {
		closeSoon(conn)
		t.observer.watch(is.database)
		return t.observer, nil
	}
	t.progress.line("the pooler leads to another server than the direct address; backends are counted through the pooler")
	return newObserver(ctx, at, conn)
}

// enoughFiles makes sure that each client can have a descriptor.
func enoughFiles(clients int) error {
	const others = 64 // the observer, files, those of the runtime
	need := uint64(clients) + others
	limit, err := raiseFileLimit(need)
	if err != nil {
		return fmt.Errorf("asking how many files may be open: %w", err)
	}
	if limit < need {
		return fmt.Errorf("%d clients need %d open files, but the system allows %d (ulimit -Hn)", clients, need, limit)
	}
	return nil
}
