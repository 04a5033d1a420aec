package proxy

import (
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pgweir/config"
	"pgweir/loop"
	"pgweir/pool"
	"pgweir/session/follow"
	"pgweir/status"
	"pgweir/wire"
)

// patience is how long a test waits for what has to happen.
const patience = 20 * time.Second

// eventually waits for a condition.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !condition(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// serving runs a proxy of four loops that listens nowhere, until the test's end.
func serving(t *testing.T) *Proxy {
	t.Helper()
	c, err := config.Parse("config.toml", []byte("listen_addr = []\nunix_socket_dir = \"\"\nhttp_listen = \"\"\nworkers = 4\nauth_type = \"trust\"\n"+
		"[databases.\"*\"]\nhost = \"127.0.0.1\"\nport = 1\n"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := New(c, Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// accepted is a client that has connected, and is on its way to the first loop;
// peer is its own end.
func accepted(t *testing.T, p *Proxy) (c *client, peer net.Conn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.SetNonblock(fds[0], true); err != nil {
		t.Fatal(err)
	}
	if peer, err = loop.NetConn(fds[1]); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { peer.Close() })
	c = &client{id: p.nextID()}
	c.login = &login{c: c}
	c.worker.Store(p.workers[0])
	c.conn.Init(fds[0], c)
	p.clients.add(c)
	return c, peer
}

// admitted is a client that is in, and at rest.
func admitted(t *testing.T, p *Proxy) (c *client, peer net.Conn) {
	t.Helper()
	c, peer = accepted(t, p)
	cp, e := p.poolFor("db", "user")
	if e != nil {
		t.Fatal(e)
	}
	p.workers[0].do(func() {
		c.begin()
		c.pool = cp
		c.sess.Init(cp.conf.Load(), new(wire.Vars))
		c.login.rules = p.rules.Load()
		c.login.in()
	})
	return c, peer
}

func TestWhoHasNotArrivedIsLeftAloneAndKilledThen(t *testing.T) {
	p := serving(t)
	c, peer := accepted(t, p)
	p.Snapshot(status.Full)
	for _, w := range p.workers {
		w.do(func() { p.endIdle(w) })
		w.do(func() { p.endAll(w) })
	}
	killed := make(chan error, 1)
	go func() { killed <- p.KillClient(c.id) }()
	eventually(t, "the kill is posted", func() bool {
		return c.mail.last.Load() != nil
	})
	p.workers[0].post(func() { c.begin() })
	if err := <-killed; err != nil {
		t.Error(err)
	}
	if said, err := io.ReadAll(peer); err != nil || !strings.Contains(string(said), wire.CodeAdminShutdown) {
		t.Errorf("%q, %v", said, err)
	}
}

// TestMailFollowsAClientInItsOrder: however the client moves, what one has
// posted is done in order, and on the client's loop alone, which the race
// detector checks.
func TestMailFollowsAClientInItsOrder(t *testing.T) {
	const posters, posts = 4, 3000
	p := serving(t)
	c, _ := admitted(t, p)
	done := make(chan struct{})
	var moving, posting sync.WaitGroup
	moves := 0
	moving.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			default:
				to := p.workers[i%len(p.workers)]
				if from := c.worker.Load(); from != to {
					from.do(func() { from.move(to) })
					moves++
				}
			}
		}
	})
	var next [posters]int // the client's
	for k := range posters {
		posting.Go(func() {
			for i := range posts {
				c.post(func() {
					if next[k] != i {
						t.Errorf("%d comes, and %d is next", i, next[k])
					}
					next[k] = i + 1
					if w := c.worker.Load(); !w.loop.Has(&c.conn) {
						t.Error("not on its loop")
					}
				})
			}
			c.do(func() {})
		})
	}
	posting.Wait()
	close(done)
	moving.Wait()
	c.do(func() {
		for k, n := range next {
			if n != posts {
				t.Errorf("poster %d: %d of %d", k, n, posts)
			}
		}
	})
	if moves == 0 {
		t.Error("it has not moved")
	}
}

func TestABackendThatIsParkedIsShownAsItWasLeft(t *testing.T) {
	p := serving(t)
	s := &server{proxy: p}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fds[1])
	s.conn.Init(fds[0], s)
	here, there := p.workers[0], p.workers[1]
	set := follow.NewSettings([]wire.Param{{Name: "work_mem", Value: "1MB"}})
	here.do(func() {
		if err := here.loop.Add(&s.conn); err != nil {
			t.Error(err)
		}
		s.link.Begin(set, set, "", "")
		s.parks()
	})
	done := make(chan struct{})
	var looking sync.WaitGroup
	looking.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				here.do(func() {
					if _, settings := s.carries(here); settings != "" && settings != fingerprint(set) {
						t.Errorf("%q is shown", settings)
					}
				})
			}
		}
	})
	for i := range 2000 {
		w := []*worker{here, there}[i%2]
		w.do(func() {
			if !s.conn.Claim(w.loop) {
				t.Error("not claimed")
				return
			}
			if i%3 == 0 {
				s.link.Begin(nil, nil, "", "")
			} else {
				s.link.Begin(set, set, "", "")
			}
			s.parks()
		})
	}
	close(done)
	looking.Wait()
	there.do(func() {
		if s.conn.Claim(there.loop) {
			s.conn.Close()
		}
	})
}

func TestANewBackendIsPutOnTheLoopThatWaitsForIt(t *testing.T) {
	p := serving(t)
	if w := p.home(&pool.Backend{Worker: p.workers[2].number()}); w != p.workers[2] {
		t.Errorf("on loop %d", w.index)
	}
	for range 3 { // of four loops, these have more clients than the last
		for _, w := range p.workers[:3] {
			c, _ := accepted(t, p)
			c.worker.Store(w)
			w.do(c.begin)
		}
	}
	if w := p.home(&pool.Backend{Worker: pool.NoWorker}); w != p.workers[3] {
		t.Errorf("on loop %d, though another has fewer connections", w.index)
	}
}
