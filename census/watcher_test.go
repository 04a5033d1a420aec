package census

import (
	"context"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"pgweir/health"
	"pgweir/status"
)

// counting is a judge that finds how often it was asked.
type counting struct{ n int }

func (c *counting) Judge(health.Evidence) []status.Finding {
	c.n++
	return []status.Finding{{ID: "readings", Text: string(rune('0' + min(c.n, 9)))}}
}

// silent is a server that accepts and says nothing.
func silent(t *testing.T) Target {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	a := l.Addr().String()
	host, port, _ := net.SplitHostPort(a)
	return Target{Host: a, Network: "tcp", Addr: a, ConnString: "host=" + host + " port=" + port + " user=x sslmode=disable"}
}

// watching runs a watcher on settings that a test can change.
type watching struct {
	*Watcher
	mu       sync.Mutex
	targets  []Target
	interval time.Duration
	told     []*status.Census
	stop     context.CancelFunc
	done     chan struct{}
}

func startWatcher(t *testing.T, interval time.Duration, targets ...Target) *watching {
	t.Helper()
	x := &watching{targets: targets, interval: interval, done: make(chan struct{})}
	x.Watcher = NewWatcher(Settings{
		Targets:  func() []Target { x.mu.Lock(); defer x.mu.Unlock(); return slices.Clone(x.targets) },
		Interval: func() time.Duration { x.mu.Lock(); defer x.mu.Unlock(); return x.interval },
		Judge:    func() Judge { return new(counting) },
		Changed:  func(c *status.Census) { x.mu.Lock(); defer x.mu.Unlock(); x.told = append(x.told, c) },
	})
	var ctx context.Context
	ctx, x.stop = context.WithCancel(t.Context())
	go func() { defer close(x.done); x.Run(ctx) }()
	t.Cleanup(func() { x.end(t) })
	return x
}

func (x *watching) set(interval time.Duration, targets ...Target) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.interval, x.targets = interval, targets
}

func (x *watching) end(t *testing.T) {
	t.Helper()
	x.stop()
	select {
	case <-x.done:
	case <-time.After(3 * time.Second): // before any timeout of a server's
		t.Error("Run does not return")
	}
}

func (x *watching) hosts() (hosts []string) {
	for _, c := range x.Censuses() {
		hosts = append(hosts, c.Server.Host)
	}
	return hosts
}

func TestASlowServerDoesNotHoldUpAnother(t *testing.T) {
	slow := silent(t)
	quick, _ := refusing(t, "57P03")
	none := goleak.IgnoreCurrent()
	x := startWatcher(t, 20*time.Millisecond, slow, quick)
	eventually(t, "the quick one has been read nine times", func() bool {
		all := x.Censuses()
		return len(all) == 1 && all[0].Server.Host == quick.Host && all[0].Findings[0].Text == "9"
	})
	x.end(t)
	x.mu.Lock()
	if n := len(x.told); n < 9 || x.told[n-1] != x.Censuses()[0] {
		t.Errorf("told of %d", n)
	}
	x.mu.Unlock()
	goleak.VerifyNone(t, none, goleak.IgnoreAnyFunction("pgweir/census.refusing.func2.1"))
}

func TestTargetsAndIntervalMayChange(t *testing.T) {
	t.Parallel()
	a, logins := refusing(t, "57P03")
	b, _ := refusing(t, "57P03")
	x := startWatcher(t, 20*time.Millisecond, a, b, a)
	eventually(t, "both are read", func() bool { return len(x.hosts()) == 2 && slices.IsSorted(x.hosts()) })
	x.set(20*time.Millisecond, b)
	eventually(t, "one is left", func() bool { return slices.Equal(x.hosts(), []string{b.Host}) })
	// Another password is another login, but the same server: what is known of
	// it goes on.
	eventually(t, "it was read often", func() bool { return x.Censuses()[0].Findings[0].Text == "9" })
	again := b
	again.ConnString = a.ConnString
	before := logins.Load()
	x.set(20*time.Millisecond, again)
	eventually(t, "the other login is used", func() bool { return logins.Load() > before })
	if c := x.Censuses(); len(c) != 1 || c[0].Findings[0].Text != "9" {
		t.Errorf("%+v", c)
	}
	x.set(0, again)
	eventually(t, "none is left", func() bool { return len(x.hosts()) == 0 })
	x.set(time.Hour, again)
	eventually(t, "it is read again", func() bool { return len(x.hosts()) == 1 })
	first := x.Censuses()[0]
	x.set(10*time.Millisecond, again)
	eventually(t, "an hour need not pass", func() bool { return x.Censuses()[0] != first })
}

func TestWhenTheWatcherHasEndedNoConnectionIsLeft(t *testing.T) {
	t.Parallel()
	pg := startCluster(t, nil)
	conn := connect(t, pg.DSN("postgres"))
	count := func() (n int) {
		if err := conn.QueryRow(t.Context(), "select count(*) from pg_stat_activity where application_name = 'pgweir census'").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	x := startWatcher(t, 10*time.Millisecond, targetOf(pg))
	eventually(t, "it was read nine times", func() bool {
		all := x.Censuses()
		return len(all) == 1 && all[0].Findings[0].Text == "9"
	})
	if n := count(); n != 1 {
		t.Errorf("%d connections", n)
	}
	x.end(t)
	eventually(t, "it is closed", func() bool { return count() == 0 })
}
