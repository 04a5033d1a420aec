package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"pgweir/cluster"
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

// fairFigures are what a test gives; shares are in backends beside what is due.
var fairFigures = []string{"least share of due", "greatest share of due", "longest wait ms", "queries/s"}

func (t *fairTest) work(name string) work {
	return work{name, fairFigures, t.run}
}

// run measures what part of the cap each pool has.
func (t *fairTest) run(ctx context.Context, b *bench, p *pooler) (values []float64, err error) {
	if err := t.makeUsers(ctx, b); err != nil {
		return nil, err
	}
	p.fair = t
	err = p.restart(ctx, b.db)
	p.fair = nil
	defer func() { err = errors.Join(err, p.restart(ctx, b.db)) }()
	if err != nil {
		return nil, err
	}
	tallies := make([]fairTally, len(t.pools))
	end := time.Now().Add(b.duration)
	var done sync.WaitGroup
	for i := range t.pools {
		for range t.pools[i].clients {
			done.Go(func() { tallies[i].ask(p.address(), t.pools[i].user, end) })
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
func (t *fairTest) sum(tallies []fairTally, took time.Duration) ([]float64, error) {
	var all int
	var longest time.Duration
	for i := range tallies {
		all += tallies[i].served
		longest = max(longest, tallies[i].longest)
		if err := tallies[i].err; err != nil {
			return nil, err
		}
	}
	least, greatest := 0.0, 0.0
	for i, pool := range t.pools {
		of := float64(tallies[i].served) / float64(all) * float64(t.most) / pool.due
		if i == 0 {
			least = of
		}
		least, greatest = min(least, of), max(greatest, of)
	}
	return []float64{least, greatest, float64((longest - fairBusy).Milliseconds()), float64(all) / took.Seconds()}, nil
}

func (t *fairTest) makeUsers(ctx context.Context, b *bench) error {
	var sql strings.Builder
	for _, pool := range t.pools {
		fmt.Fprintf(&sql, "drop role if exists %[1]s; create role %[1]s login; ", pool.user)
	}
	_, err := command(ctx, time.Minute, nil, b.tools.psql, "-X", "-q", "-v", "ON_ERROR_STOP=1",
		"-h", b.db.SocketDir, "-p", fmt.Sprint(b.db.Port), "-U", b.db.Superuser, "-d", database, "-c", sql.String())
	return err
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
func (f *fairTally) ask(address, user string, end time.Time) {
	c, err := connect(address, func(c *client) error { return c.roundTrip(startupMessage(user, database)) })
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

// shares is a configuration, and the file of users besides, with the users and the cap
// of a test.
func (p *pooler) shares(config string, db *cluster.Cluster) string {
	top := fmt.Sprintf("max_db_connections = %d\n", p.fair.most)
	if p.asOwner {
		p.files[usersFile] = fmt.Sprintf("\"%s\" \"\"\n", db.Superuser)
		for _, pool := range p.fair.pools {
			p.files[usersFile] += fmt.Sprintf("\"%s\" \"\"\n", pool.user)
		}
		return config + top
	}
	for _, pool := range p.fair.pools {
		config += fmt.Sprintf("[users.%s]\npool_weight = %d\n", pool.user, pool.weight)
	}
	return top + config
}
