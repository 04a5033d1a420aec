package proxy

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"pgweir/config"
	"pgweir/loop"
	"pgweir/status"
)

var errForbidden = errors.New("a seccomp profile forbids it")

// engineConfig is a configuration with an io_engine.
func engineConfig(t *testing.T, name string) *config.Config {
	t.Helper()
	c, err := config.Parse("config.toml", []byte("\nio_engine = \""+name+"\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTheEngineIsWhatIsAskedForAndCanBe(t *testing.T) {
	for _, c := range []struct {
		name   string
		usable error
		want   string
	}{
		{"auto", nil, "io_uring  <nil>"},
		{"auto", errForbidden, loop.Readiness.String() + " a seccomp profile forbids it <nil>"},
		{"epoll", nil, loop.Readiness.String() + "  <nil>"},
		{"epoll", errForbidden, loop.Readiness.String() + "  <nil>"},
		{"io_uring", nil, "io_uring  <nil>"},
		{"io_uring", errForbidden, loop.Readiness.String() + "  config.toml:2: io_engine: io_uring cannot be used: a seccomp profile forbids it"},
	} {
		engine, reason, err := EngineFor(engineConfig(t, c.name), func() error { return c.usable })
		if got := fmt.Sprint(engine, " ", reason, " ", err); got != c.want {
			t.Errorf("%s, %v: %q, want %q", c.name, c.usable, got, c.want)
		}
	}
}

// makeSome makes workers, of which the third cannot have a ring. All have the engine of
// readiness, so that this needs no io_uring.
func makeSome(p *Proxy, made *[]*worker) func(int, loop.Engine) (*worker, error) {
	return func(i int, engine loop.Engine) (*worker, error) {
		if engine == loop.IOUring && i == 2 {
			return nil, fmt.Errorf("event loop: no memory may be locked: %w", syscall.ENOMEM)
		}
		w, err := p.newWorker(i, loop.Readiness)
		*made = append(*made, w)
		return w, err
	}
}

func TestIfOneLoopCannotHaveItsRingNoneHasOne(t *testing.T) {
	p, text := logged()
	var made []*worker
	err := p.makeWorkers(engineConfig(t, "auto"), 4, func() error { return nil }, makeSome(p, &made))
	if err != nil {
		t.Fatal(err)
	}
	if p.Engine() != loop.Readiness.String() || len(p.workers) != 4 || len(made) != 6 {
		t.Errorf("%d workers with %s, %d made", len(p.workers), p.Engine(), len(made))
	}
	for _, w := range p.workers {
		w.loop.Discard()
	}
	const why = "loop 3 of 4: event loop: no memory may be locked"
	if n := strings.Count(text.String(), "\n"); n != 1 || !strings.Contains(text.String(), why) {
		t.Errorf("the log has %d lines:\n%s", n, text)
	}
	var e status.Engine
	p.finishEngine(&e)
	if e.Name != loop.Readiness.String() || !strings.HasPrefix(e.Reason, why) {
		t.Errorf("%+v", e)
	}
}

func TestIfIOUringIsAskedForEveryLoopMustHaveItsRing(t *testing.T) {
	p, _ := logged()
	var made []*worker
	err := p.makeWorkers(engineConfig(t, "io_uring"), 4, func() error { return nil }, makeSome(p, &made))
	if want := "config.toml:2: io_engine: io_uring cannot be used: loop 3 of 4: event loop: no memory may be locked"; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("%v", err)
	}
	if len(p.workers) != 0 || len(made) != 2 {
		t.Errorf("%d workers, %d made", len(p.workers), len(made))
	}
}

func TestALoopThatHasLostItsRingIsShown(t *testing.T) {
	p, text := logged()
	p.engine.engine = loop.IOUring
	for i := range 2 {
		w, err := p.newWorker(i, loop.Readiness)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(w.loop.Discard)
		p.workers = append(p.workers, w)
	}
	read := func() (e status.Engine) {
		for _, w := range p.workers {
			w.addEngine(&e)
		}
		p.finishEngine(&e)
		return e
	}
	if got := read(); got != (status.Engine{Name: "io_uring", Loops: 2}) {
		t.Errorf("%+v", got)
	}
	p.workers[0].ring.shortages = 5 // as it was before
	for i, name := range []string{"io_uring", loop.Readiness.String()} {
		p.workers[i].retreated(errors.New("io_uring: bad address"))
		if got := read(); got != (status.Engine{Name: name, Reason: "io_uring: bad address", Loops: 2, Retreated: i + 1, Shortages: 5}) {
			t.Errorf("%+v", got)
		}
		want := fmt.Sprintf(`level=WARN msg="an event loop goes on without io_uring, which has failed" loop=%d io_engine=%s reason="io_uring: bad address"`, i+1, loop.Readiness)
		if !strings.Contains(text.String(), want) {
			t.Errorf("the log has not %s:\n%s", want, text)
		}
	}
}
