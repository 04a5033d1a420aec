package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// fairPool is a user with a pool of its own, whose clients have a backend or wait for
// one at all times.
type fairPool struct {
	user    string
	weight  int
	clients int
	due     float64 // backends, by weighted max-min
}

// fairTest is pools that share a cap (max_db_connections).
type fairTest struct {
	most  int
	pools []fairPool
}

var (
	twoPools = &fairTest{8, []fairPool{
		{"one", 1, 20, 2}, {"three", 3, 20, 6},
	}}
	fivePools = &fairTest{10, []fairPool{
		{"little", 4, 1, 1}, {"one", 1, 20, 1.125}, {"another", 1, 10, 1.125}, {"two", 2, 15, 2.25}, {"four", 4, 30, 4.5},
	}}
	tenPools = func() *fairTest {
		t := &fairTest{most: 4}
		for i := range 10 {
			t.pools = append(t.pools, fairPool{fmt.Sprintf("turn%d", i), 1, 3, 0.4})
		}
		return t
	}()
)

// A query holds a backend for fairBusy.
const (
	fairBusy  = 10 * time.Millisecond
	fairQuery = "select pg_sleep(0.01)"
)

// fairWork measures what part of the cap each pool has; shares are in backends beside
// what is due.
func fairWork(name string, t *fairTest) work {
	return work{
		name:    name,
		title:   fmt.Sprintf("%d pools share %d backends", len(t.pools), t.most),
		each:    "query",
		figures: []figure{{"share_least", "least share", false}, {"share_greatest", "greatest share", false}, {"wait_longest_ms", "longest ms", false}, rate},
		setup:   setup{fair: t},
		kinds:   func(k *kind) bool { return k.fair },
		cold:    true,
		special: true,
		run:     t.run,
	}
}

// cap is how many backends there may be, also of no test.
func (t *fairTest) cap() int {
	if t == nil {
		return 0
	}
	return t.most
}

// fairUsers are the users of all tests.
func fairUsers() (users []string) {
	for _, t := range []*fairTest{twoPools, fivePools, tenPools} {
		for _, pool := range t.pools {
			if !slices.Contains(users, pool.user) {
				users = append(users, pool.user)
			}
		}
	}
	return users
}

func (t *fairTest) run(ctx context.Context, b *bench, p *pooler) (measure, error) {
	tallies := make([]fairTally, len(t.pools))
	end := time.Now().Add(b.duration)
	var done sync.WaitGroup
	for i := range t.pools {
		user := p.access
		user.user = t.pools[i].user
		for range t.pools[i].clients {
			done.Go(func() { tallies[i].ask(&user, end) })
		}
	}
	done.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return t.sum(tallies, b.duration)
}

// sum holds what each pool had against its due. All queries take as long, and the cap
// is in use at all times.
func (t *fairTest) sum(tallies []fairTally, took time.Duration) (measure, error) {
	var all int
	var longest time.Duration
	for i := range tallies {
		all += tallies[i].served
		longest = max(longest, tallies[i].longest)
		if err := tallies[i].err; err != nil {
			return nil, err
		}
	}
	if all == 0 {
		return nil, errors.New("no query was answered")
	}
	least, greatest := 0.0, 0.0
	for i, pool := range t.pools {
		of := float64(tallies[i].served) / float64(all) * float64(t.most) / pool.due
		if i == 0 {
			least = of
		}
		least, greatest = min(least, of), max(greatest, of)
	}
	return measure{least, greatest, milliseconds(longest - fairBusy), float64(all) / took.Seconds()}, nil
}

// fairTally is what the clients of a pool were given.
type fairTally struct {
	mu      sync.Mutex
	served  int
	longest time.Duration
	err     error
}

// ask is one client. Where it gets no answer, as a starved one may, its wait is what
// it has waited.
func (f *fairTally) ask(a *access, end time.Time) {
	c, err := a.dial()
	if err != nil {
		f.note(0, 0, err)
		return
	}
	defer c.close()
	message := queryMessage(fairQuery)
	for {
		began := time.Now()
		err := c.roundTrip(message)
		if took := time.Since(began); err != nil && took < answerDeadline*time.Second {
			f.note(0, took, err)
			return
		} else if err != nil || time.Now().After(end) {
			f.note(0, took, nil)
			return
		} else {
			f.note(1, took, nil)
		}
	}
}

func (f *fairTally) note(served int, took time.Duration, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.served += served
	f.longest = max(f.longest, took)
	if f.err == nil {
		f.err = err
	}
}
