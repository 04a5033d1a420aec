package proxy

import (
	"fmt"
	"io"
	"log/slog"
	"math/rand"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgweir/config"
	"pgweir/status"
)

// idleProxy is a proxy with loops, that listens nowhere and has no keeper.
func idleProxy(t *testing.T, text string) *Proxy {
	t.Helper()
	c, err := config.Parse("config.toml", []byte("auth_type = 'trust'\nworkers = 2\n"+text))
	if err != nil {
		t.Fatal(err)
	}
	p, err := New(c, Options{Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range p.workers {
		p.done.Go(w.loop.Run)
	}
	t.Cleanup(func() {
		for _, w := range p.workers {
			w.loop.Stop()
		}
		p.done.Wait()
	})
	return p
}

// visit is a client that logs in to a pool, and is there until leave is called.
func (p *Proxy) visit(t *testing.T, database, user string) (cp *clientPool, leave func()) {
	t.Helper()
	cp, e := p.poolFor(database, user)
	if e != nil {
		t.Fatal(e)
	}
	w := p.workers[p.nextID()%uint64(len(p.workers))]
	w.do(func() { cp.entered(w) })
	return cp, func() {
		cp.clients.Add(-1)
		p.quitPool(cp)
	}
}

const anyDatabase = "[databases.\"*\"]\nhost = '/nowhere'\n"

func TestAPoolThatAnyNameMakesIsRemovedWithoutClients(t *testing.T) {
	p := idleProxy(t, anyDatabase+"[databases.app]\nhost = '/nowhere'\n[databases.one]\nuser = 'all'\nhost = '/nowhere'\n[users.ann]\n")
	stays, leave := p.visit(t, "in_use", "ann")
	for _, user := range []string{"ann", "stranger"} {
		for _, database := range []string{"passing", "app", "one"} {
			_, leave := p.visit(t, database, user)
			leave()
		}
	}
	p.retire(time.Now())
	var left []poolKey
	for _, cp := range p.pools() {
		left = append(left, cp.key)
	}
	if want := "[{in_use ann} {app ann} {one all}]"; fmt.Sprint(left) != want {
		t.Errorf("left are %v, want %s", left, want)
	}
	if n := len(p.mu.catalogs); n != 3 {
		t.Errorf("%d catalogs are left", n)
	}
	again, leaveAgain := p.visit(t, "in_use", "ann")
	if again != stays {
		t.Error("a pool with a client was replaced")
	}
	leave()
	p.retire(time.Now())
	if len(p.pools()) != 3 {
		t.Error("a pool was removed that another client had come to")
	}
	leaveAgain()
	p.retire(time.Now())
	if fresh, _ := p.visit(t, "in_use", "ann"); fresh == stays {
		t.Error("a pool was not removed when its last client had left")
	}
}

func TestPoolsComeAndGoWhileClientsLogIn(t *testing.T) {
	const clients, visits, names = 6, 400, 3
	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	p := idleProxy(t, anyDatabase)
	var made sync.Map
	var pools, logins atomic.Int64
	var over atomic.Bool
	deadline := time.Now().Add(20 * time.Second)
	var visitors, others sync.WaitGroup
	for i := range clients {
		r := rand.New(rand.NewSource(seed + int64(i)))
		visitors.Go(func() {
			// On a busy machine nobody may have looked for pools to remove yet.
			for n := 0; n < visits || pools.Load() <= names && time.Now().Before(deadline); n++ {
				cp, leave := p.visit(t, "db"+strconv.Itoa(r.Intn(names)), "ann")
				logins.Add(1)
				if _, before := made.LoadOrStore(cp, true); !before {
					pools.Add(1)
				}
				if r.Intn(2) == 0 {
					runtime.Gosched()
				}
				p.mu.Lock()
				live := p.mu.pools[cp.key] == cp
				p.mu.Unlock()
				if !live || cp.pool.Settings().DBName != cp.key.database {
					t.Error("a client has a pool that was removed")
				}
				leave()
			}
		})
	}
	others.Go(func() {
		for !over.Load() {
			p.retire(time.Now())
		}
	})
	others.Go(func() {
		var before status.Totals
		for !over.Load() {
			now := p.Snapshot(status.Counts).Savings.ClientLogins
			if now < before.ClientLogins {
				t.Errorf("logins of clients were %d and are %d", before.ClientLogins, now)
			}
			before.ClientLogins = now
		}
	})
	visitors.Wait()
	over.Store(true)
	others.Wait()
	p.retire(time.Now())
	s := p.Snapshot(status.Counts)
	if n := logins.Load(); len(s.Pools) != 0 || s.Past.ClientLogins != n || s.Savings.ClientLogins != n {
		t.Errorf("%d pools are left, %d logins were counted, want %d", len(s.Pools), s.Past.ClientLogins, n)
	}
	if n := pools.Load(); n <= names {
		t.Errorf("only %d pools were made: none has gone while clients came", n)
	}
}

func TestNothingIsLeftOfNamesThatTheServerDoesNotKnow(t *testing.T) {
	p := idleProxy(t, anyDatabase)
	for i := range 1000 {
		_, leave := p.visit(t, "no_"+strconv.Itoa(i), "ann")
		leave()
	}
	p.retire(time.Now())
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.mu.pools)+len(p.mu.order)+len(p.mu.catalogs) != 0 {
		t.Errorf("%d pools and %d catalogs are left", len(p.mu.pools), len(p.mu.catalogs))
	}
	if cap(p.mu.order) > 100 {
		t.Errorf("room for %d pools is kept", cap(p.mu.order))
	}
}
