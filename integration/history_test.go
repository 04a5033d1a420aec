package integration

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pgweir/cluster"
)

type historyAnswer struct {
	Seconds []struct {
		At                                        time.Time
		Clients, Waiting, Active, Backends, Saved int
		BackendsMemory                            *int64 `json:"backends_memory_bytes"`
		MemorySaved                               *int64 `json:"memory_saved_bytes"`
		ForksAvoided                              int64  `json:"forks_avoided"`
		TransactionsTotal                         int64  `json:"transactions_total"`
	}
	Minutes []json.RawMessage
}

// TestTheLastHourIsKept: what /history says of a moment is what was there, of
// all pools and of one; and of a pool in which clients wait, /sizing says so.
func TestTheLastHourIsKept(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Database: "pool_size = 2", Top: `pool_mode = "transaction"`})
	const clients = 8
	var stop atomic.Bool
	done := make(chan struct{}, clients)
	ctx := context.WithoutCancel(t.Context()) // which ends before the cleanup
	for range clients {
		c := connect(t, w.DSN())
		go func() {
			defer func() { done <- struct{}{} }()
			for !stop.Load() {
				if err := runSQL(ctx, c, "select pg_sleep(0.1)"); err != nil {
					t.Error(err)
					return
				}
			}
		}()
	}
	t.Cleanup(func() {
		stop.Store(true)
		for range clients {
			<-done
		}
	})
	of := func(query string) (h historyAnswer) {
		t.Helper()
		getJSON(t, w, "/history"+query, &h)
		return h
	}
	pool := "?" + url.Values{"database": {w.DB}, "user": {"postgres"}}.Encode()
	for _, query := range []string{"", pool} {
		eventually(t, "the history shows the load", func() bool {
			h := of(query)
			if len(h.Seconds) < 3 {
				return false
			}
			a, b := h.Seconds[len(h.Seconds)-2], h.Seconds[len(h.Seconds)-1]
			return b.Clients == clients && b.Backends == 2 && b.Saved == clients-2 && b.Waiting > 0 && b.Active == 2 &&
				b.ForksAvoided > 0 && b.TransactionsTotal > a.TransactionsTotal
		})
	}
	if h := of("?database=nobody&user=nobody"); len(h.Seconds) != 0 {
		t.Errorf("an unknown pool has %d samples", len(h.Seconds))
	}
	var s struct {
		Servers []struct {
			Server string
			Usable *int
			Wanted int
			Sum    string
		}
		Pools []struct {
			Database, User, Advice, Evidence string
			PoolSize                         int `json:"pool_size"`
			Suggested                        int
		}
	}
	eventually(t, "the advice is to grow", func() bool {
		getJSON(t, w, "/sizing", &s)
		return len(s.Pools) == 1 && s.Pools[0].Advice == "grow"
	})
	p := s.Pools[0]
	if p.Database != w.DB || p.User != "postgres" || p.PoolSize != 2 || p.Suggested != 3 || !strings.Contains(p.Evidence, "all 2 backends were at work") {
		t.Errorf("%+v", p)
	}
	if len(s.Servers) != 1 || s.Servers[0].Usable != nil || s.Servers[0].Wanted != 2 || !strings.Contains(s.Servers[0].Sum, "not known") {
		t.Errorf("nobody has asked the server: %+v", s.Servers)
	}
}

// getJSON reads what pgweir answers to a path.
func getJSON(t *testing.T, w *weir, path string, into any) {
	t.Helper()
	code, body := get(t, w, path)
	if err := json.Unmarshal([]byte(body), into); code != 200 || err != nil {
		t.Fatalf("%s: %d, %v in %s", path, code, err, body)
	}
}

// TestPoolsThatAreTooLargeForTheirServerAreWarnedOf, with the sum written out:
// in the log, once, in /sizing, and on the page.
func TestPoolsThatAreTooLargeForTheirServerAreWarnedOf(t *testing.T) {
	t.Parallel()
	pg := startCluster(t, cluster.Options{Settings: map[string]string{"max_connections": "20", "superuser_reserved_connections": "4"}})
	db := createDatabase(t, pg)
	// Who has made it is not to be among the others.
	eventually(t, "nobody is connected", func() bool { return len(backendsIn(t, pg, "postgres")) == 0 })
	w := startWeir(t, weirOptions{Cluster: pg, DB: db, Top: "census_user = \"postgres\"\ncensus_interval = \"200ms\"", Database: "pool_size = 40"})
	const warning = "msg=finding id=pools_too_large severity=warning"
	w.Says(t, warning, 1)
	const sum = "it gives 15 (max_connections 20 − superuser_reserved_connections 4 − reserved_connections 0 − 1 of others)"
	if !strings.Contains(w.Log(), "Too many: the pools can open 40 backends, but "+sum) {
		t.Errorf("the sum is not in the log:\n%s", w.Log())
	}
	var s struct {
		Servers []struct {
			Usable, Wanted int
			Fits           bool
			Sum            string
		}
	}
	getJSON(t, w, "/sizing", &s)
	if len(s.Servers) != 1 || s.Servers[0].Usable != 15 || s.Servers[0].Wanted != 40 || s.Servers[0].Fits || !strings.Contains(s.Servers[0].Sum, sum) {
		t.Errorf("/sizing: %+v", s)
	}
	if _, page := get(t, w, "/"); !strings.Contains(page, "does not fit") {
		t.Error("the page does not say so")
	}
	if n := strings.Count(w.Log(), warning); n != 1 {
		t.Errorf("it was said %d times", n)
	}
}
