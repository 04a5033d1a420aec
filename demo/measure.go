package demo

import (
	"context"
	"fmt"
	"time"
)

// stage is one of the two measurements.
type stage struct {
	number int
	title  string
	dsn    string
	opts   Options
	eye    *observer
	view   *view
}

// figures are a stage's result.
type figures struct {
	clients               int
	most                  sample // the highest of all samples, logins included
	connect50, connect99  time.Duration
	latency50, latency99  time.Duration // of whole transactions
	transactionsPerSecond float64
	errors                int64
	lastError             string
}

// outcome is a stage's figures, with its clients still running.
type outcome struct {
	figures figures
	load    *load
}

// memoryEvery is how many samples there are to one with memory, which costs a
// walk over every backend's page tables.
const memoryEvery = 5

// loginPatience is how long no further client may have its first answer before that
// is an error. All of them may take as long as they need: the more there are, and the
// busier the machine, the longer.
const loginPatience = time.Minute

// measure lets the clients connect, watches them for opts.Phase from when each has
// had an answer, and leaves them running; on an error they are stopped.
func measure(ctx context.Context, s stage) (_ *outcome, err error) {
	l, err := startLoad(s.dsn, s.opts.Clients)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			l.stop()
		}
	}()
	s.view.print("", s.view.heading(s.number, s.title))
	s.view.begin()
	defer s.view.end()

	var most sample
	var used memory                         // of the backends, when it was last asked for
	answered, since := int64(0), time.Now() // the last client that had its first answer
	w := l.current.Load()
	measuring := false
	tick := time.NewTicker(sampleInterval)
	defer tick.Stop()
	for n := 0; ; n++ {
		withMemory := n%memoryEvery == 0
		now, err := s.eye.sample(ctx, withMemory)
		if err != nil {
			return nil, err
		}
		most.most(now)
		if withMemory {
			used = now.backendMemory
		}
		now.backendMemory = used
		progress := "connecting"
		if measuring {
			progress = fmt.Sprintf("%.0f s of %.0f s", min(time.Since(w.begin), s.opts.Phase).Seconds(), s.opts.Phase.Seconds())
		}
		s.view.live(picture{load: l, window: w, sample: now, label: s.label(), progress: progress})
		if n := l.answered.Load(); n > answered {
			answered, since = n, time.Now()
		}
		switch {
		case measuring && time.Since(w.begin) >= s.opts.Phase:
			last, err := s.eye.sample(ctx, true)
			if err != nil {
				return nil, err
			}
			most.most(last)
			return &outcome{s.figures(l, w, most), l}, nil
		case !measuring && answered == int64(s.opts.Clients) && l.connected.Load() == answered:
			w, measuring, n = l.measure(), true, -1 // and with memory next time
		case !measuring && time.Since(since) > loginPatience:
			return nil, fmt.Errorf("only %d of %d clients had an answer (%s)", answered, s.opts.Clients, l.reason())
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-s.eye.weirGone():
			return nil, s.eye.weir.died()
		case <-tick.C:
		}
	}
}

// measureAndStop is measure, after which neither a client is left nor a backend
// of one.
func measureAndStop(ctx context.Context, s stage) (figures, error) {
	o, err := measure(ctx, s)
	if err != nil {
		return figures{}, err
	}
	o.load.stop()
	return o.figures, s.eye.waitForNone(ctx)
}

func (s stage) label() string {
	if s.number == 1 {
		return "direct"
	}
	return "pooled"
}

func (s stage) figures(l *load, w *window, most sample) figures {
	f := figures{
		clients: s.opts.Clients, most: most,
		transactionsPerSecond: w.rate(),
		errors:                l.errors.Load(),
		lastError:             l.reason(),
	}
	f.connect50, f.connect99 = l.connects.quantile(0.5), l.connects.quantile(0.99)
	f.latency50, f.latency99 = w.latency.quantile(0.5), w.latency.quantile(0.99)
	return f
}

// reason is the last error that a client met.
func (l *load) reason() string {
	if text := l.lastError.Load(); text != nil {
		return *text
	}
	return "no error"
}
