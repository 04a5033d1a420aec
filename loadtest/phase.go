package loadtest

import (
	"context"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

const (
	// rampStall is how long no further client may come in before those that
	// are in are measured.
	rampStall = 10 * time.Second
	// observerPause is how long the observer waits after an error.
	observerPause = time.Second
	// staleAfter is when an old reading is no longer taken for the present.
	staleAfter = 2 * time.Second
)

// watch is what the observer sees during a phase. It reads on a goroutine of
// its own: through a busy pooler it may have to wait, and everything else goes
// on meanwhile.
type watch struct {
	observer *observer
	stop     chan struct{}
	done     sync.WaitGroup

	mu      sync.Mutex
	now     reading
	at      time.Time // of now
	highest reading
}

func startWatch(ctx context.Context, o *observer) *watch {
	w := &watch{observer: o, stop: make(chan struct{}), now: nothingRead, highest: nothingRead}
	w.done.Go(func() {
		for {
			pause := sampleInterval
			begin := time.Now()
			if err := w.look(ctx); err != nil {
				pause = observerPause
			}
			select {
			case <-w.stop:
				return
			case <-time.After(pause - min(pause/2, time.Since(begin))):
			}
		}
	})
	return w
}

func (w *watch) look(ctx context.Context) error {
	r, err := w.observer.read(ctx)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now, w.at = r, time.Now()
	w.highest.highest(r)
	return nil
}

// latest is the present, as far as it is known.
func (w *watch) latest() reading {
	w.mu.Lock()
	defer w.mu.Unlock()
	if time.Since(w.at) > staleAfter {
		return nothingRead
	}
	return w.now
}

// end looks a last time and ends the watch.
func (w *watch) end(ctx context.Context) reading {
	close(w.stop)
	w.done.Wait()
	_ = w.look(ctx) // if it cannot look, there are the readings before
	return w.highest
}

// run is a phase while it is under way.
type run struct {
	phase    *Phase
	crowd    *crowd
	watch    *watch
	progress *progress
	begin    time.Time
	measured time.Time // when measuring began; zero before

	interval *hdrhistogram.Histogram // times since the last sample
	total    *hdrhistogram.Histogram // times of what began since measuring began
}

// measure lets a crowd in, and measures it for a time once each has had an answer. It
// ends early with ctx; what was measured so far is the result.
func measure(ctx context.Context, t *target, o *observer, work *workload, opts *Options, p *progress) *Phase {
	r := &run{
		phase:    &Phase{Name: t.name, Target: t.String(), Server: o.version, MemoryMax: unknown},
		progress: p,
		begin:    time.Now(),
		interval: newHistogram(), total: newHistogram(),
	}
	r.phase.BackendsBefore = unknown
	if before, err := o.read(ctx); err == nil {
		r.phase.BackendsBefore = before.backends
	}
	// What is seen must not be cut short by ctx: the last look comes after it.
	r.watch = startWatch(context.WithoutCancel(ctx), o)
	r.crowd = startCrowd(t.config, work, opts)
	r.until(ctx, opts.Duration)
	r.finish(context.WithoutCancel(ctx))
	return r.phase
}

// until samples until the duration is over, or ctx ends.
func (r *run) until(ctx context.Context, duration time.Duration) {
	tick := time.NewTicker(sampleInterval)
	defer tick.Stop()
	end := make(<-chan time.Time)
	settled, since := int64(0), time.Now()
	for {
		select {
		case <-ctx.Done():
			r.lastSample()
			return
		case <-end:
			r.lastSample()
			return
		case <-tick.C:
		}
		r.sample()
		if !r.measured.IsZero() {
			continue
		}
		if n := r.crowd.in.Load() + r.crowd.out.Load(); n != settled || time.Since(r.begin) < r.crowd.ramp {
			settled, since = n, time.Now()
		}
		if r.crowd.settled() || time.Since(since) > rampStall {
			r.measured = time.Now()
			r.crowd.measure()
			r.phase.Measuring = r.measured.Sub(r.begin)
			r.phase.Late = r.crowd.clients - int(r.crowd.in.Load()+r.crowd.out.Load())
			end = time.After(duration)
		}
	}
}

// drain takes the times since the last sample, and gives what they were.
func (r *run) drain() Quantiles {
	r.interval.Reset()
	r.crowd.measured.drain(r.interval)
	r.total.Merge(r.interval)
	r.crowd.early.drain(r.interval)
	return quantilesOf(r.interval)
}

// lastSample takes what is left. Shortly after another sample it is none of its
// own: the quantiles of a few transactions would say nothing.
func (r *run) lastSample() {
	if n := len(r.phase.Samples); n > 0 && time.Since(r.begin)-r.phase.Samples[n-1].At < sampleInterval/2 {
		r.phase.Samples[n-1].Transactions += r.drain().Count
		return
	}
	r.sample()
}

// sample notes how things stand.
func (r *run) sample() {
	q := r.drain()
	now := r.watch.latest()
	s := Sample{
		At: time.Since(r.begin), Clients: int(r.crowd.most.now.Load()),
		Backends: now.backends, Memory: now.memory,
		Transactions: q.Count, P50: q.P50, P99: q.P99,
	}
	r.phase.Samples = append(r.phase.Samples, s)
	r.progress.show(r, s)
}

// finish sends the crowd home and adds up.
func (r *run) finish(ctx context.Context) {
	p := r.phase
	if !r.measured.IsZero() {
		p.Elapsed = time.Since(r.measured)
	}
	p.Errors = r.crowd.errors.list()
	most := r.watch.end(ctx)
	p.BrokenOff = r.crowd.stop()
	p.Clients = int(r.crowd.most.highest.Load())
	p.Refused = r.crowd.refusal.Load()
	p.BackendsMax, p.ProcessesMax = most.backends, most.processes
	p.MemoryMax, p.MemorySampled = most.memory, most.sampled
	connects := newHistogram()
	r.crowd.connects.drain(connects)
	p.Connect, p.Latency = quantilesOf(connects), quantilesOf(r.total)
	p.Transactions = r.total.TotalCount()
}
