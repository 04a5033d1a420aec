package integration

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"pgweir/cluster"
)

// sampler counts the backends of some databases all the time, in
// pg_stat_activity and in the process table, and remembers the most it saw.
type sampler struct {
	stop context.CancelFunc
	done sync.WaitGroup

	mu      sync.Mutex
	most    int // in pg_stat_activity
	mostPS  int // in the process table
	samples int
}

// watchBackends begins to count. Stop must be called. As in takeCensus, those are
// counted that two readings in a row have.
func watchBackends(t *testing.T, pg *cluster.Cluster, dbs ...string) *sampler {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	conn, err := pgx.Connect(ctx, pg.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	s := &sampler{stop: cancel}
	s.done.Go(func() {
		defer conn.Close(context.Background())
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		var before []string
		for ; ctx.Err() == nil; <-tick.C {
			var now []string
			err := conn.QueryRow(context.Background(), `select coalesce(array_agg(pid || ' ' || backend_start), '{}')
				from pg_stat_activity where datname = any($1) and backend_type = 'client backend'`, dbs).Scan(&now)
			if err != nil {
				t.Errorf("counting backends: %v", err)
				return
			}
			s.mu.Lock()
			s.most = max(s.most, inBoth(before, now))
			before = now
			s.samples++
			s.mu.Unlock()
		}
	})
	s.done.Go(func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		var before []int
		for ctx.Err() == nil {
			var now []int
			for _, db := range dbs {
				now = append(now, backendsIn(t, pg, db)...)
			}
			s.mu.Lock()
			s.mostPS = max(s.mostPS, inBoth(before, now))
			s.mu.Unlock()
			before = now
			<-tick.C
		}
	})
	return s
}

// inBoth counts what two readings have in common.
func inBoth[T comparable](before, now []T) (n int) {
	for _, id := range now {
		if slices.Contains(before, id) {
			n++
		}
	}
	return n
}

// Stop ends the counting and gives the most backends that were seen at once,
// in either place.
func (s *sampler) Stop(t *testing.T) int {
	t.Helper()
	s.stop()
	s.done.Wait()
	t.Logf("backends at most: %d in pg_stat_activity (%d samples), %d in the process table", s.most, s.samples, s.mostPS)
	if s.samples == 0 {
		t.Error("backends were never counted")
	}
	return max(s.most, s.mostPS)
}
