package census

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"pgweir/health"
	"pgweir/status"
)

// Judge finds what is wrong with one server, reading by reading.
type Judge interface {
	Judge(health.Evidence) []status.Finding
}

// Settings are what a Watcher is told. The functions may be called by any
// goroutine, at any time.
type Settings struct {
	// Targets are the servers to watch, each with a Host of its own, and
	// Interval is the time from one reading to the next, 0 for none at all.
	// Both are asked again every second, so that a reload can change them.
	Targets  func() []Target
	Interval func() time.Duration
	Ours     Ours
	Judge    func() Judge // makes one for a server that is new
	// Changed is told of each new census; it must not block. It may be nil.
	Changed func(*status.Census)
}

// lookEvery is how often targets and interval are asked for.
const lookEvery = time.Second

// Watcher reads several servers, each at its own pace: one that is slow does
// not hold up another's reading.
type Watcher struct {
	settings Settings

	mu    sync.Mutex
	taken map[string]*status.Census // by host; the values are never changed
}

// NewWatcher makes a watcher; nothing happens before Run.
func NewWatcher(s Settings) *Watcher {
	return &Watcher{settings: s, taken: map[string]*status.Census{}}
}

// Censuses are the last of each server, with findings, in order of their
// hosts. Nobody changes them any more.
func (w *Watcher) Censuses() []*status.Census {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make([]*status.Census, 0, len(w.taken))
	for _, c := range w.taken {
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b *status.Census) int { return cmp.Compare(a.Server.Host, b.Server.Host) })
	return out
}

// watch is the reading of one server.
type watch struct {
	target Target
	judge  Judge
	pace   chan time.Duration // a new interval; holds one
	stop   context.CancelFunc
	done   chan struct{}
}

// Run watches until ctx ends; when it returns, every connection is closed.
func (w *Watcher) Run(ctx context.Context) {
	watches := map[string]*watch{}
	defer func() {
		for _, x := range watches {
			x.stop()
		}
		for _, x := range watches {
			<-x.done
		}
	}()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for every := time.Duration(0); ; {
		next := w.settings.Interval()
		w.adjust(ctx, watches, next)
		if next != every {
			for _, x := range watches {
				x.setPace(next)
			}
		}
		every = next
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// adjust starts and stops watches so that they are those of the settings.
func (w *Watcher) adjust(ctx context.Context, watches map[string]*watch, every time.Duration) {
	wanted := map[string]Target{}
	if every > 0 {
		for _, t := range w.settings.Targets() {
			if _, twice := wanted[t.Host]; !twice {
				wanted[t.Host] = t
			}
		}
	}
	judges := map[string]Judge{}
	for host, x := range watches {
		t, keep := wanted[host]
		if keep && t.Network == x.target.Network && t.Addr == x.target.Addr && t.ConnString == x.target.ConnString && t.Encryption == x.target.Encryption {
			continue
		}
		x.stop()
		<-x.done // its judge is ours again
		delete(watches, host)
		if keep {
			judges[host] = x.judge
			continue
		}
		w.mu.Lock()
		delete(w.taken, host)
		w.mu.Unlock()
	}
	for host, t := range wanted {
		if watches[host] != nil {
			continue
		}
		x := &watch{target: t, judge: judges[host], pace: make(chan time.Duration, 1), done: make(chan struct{})}
		if x.judge == nil {
			x.judge = w.settings.Judge()
		}
		var inner context.Context
		inner, x.stop = context.WithCancel(ctx)
		watches[host] = x
		go w.run(inner, x, every)
	}
}

// setPace tells a watch its interval; only Run's goroutine does.
func (x *watch) setPace(every time.Duration) {
	select {
	case <-x.pace:
	default:
	}
	x.pace <- every
}

// run reads one server until ctx ends.
func (w *Watcher) run(ctx context.Context, x *watch, every time.Duration) {
	defer close(x.done)
	reader := NewReader(x.target, Options{})
	defer reader.Close()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for ctx.Err() == nil {
		e := reader.Read(ctx, w.settings.Ours)
		if ctx.Err() != nil {
			return // what failed did so because we end
		}
		e.Census.Findings = x.judge.Judge(e)
		w.mu.Lock()
		w.taken[x.target.Host] = e.Census
		w.mu.Unlock()
		if w.settings.Changed != nil {
			w.settings.Changed(e.Census)
		}
		for waiting := true; waiting; {
			select {
			case <-ctx.Done():
				return
			case every := <-x.pace:
				if every > 0 {
					tick.Reset(every)
				}
			case <-tick.C:
				waiting = false
			}
		}
	}
}
