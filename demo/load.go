package demo

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// A client thinks between two transactions, as a web server's worker does
	// between two requests: evenly spread, 80 ms on average.
	thinkLeast, thinkMost = 40 * time.Millisecond, 120 * time.Millisecond
	// connectAtOnce bounds how many clients are logging in at the same time,
	// so that the time to connect is that of PostgreSQL and not of a queue.
	connectAtOnce = 8
	// reconnectAfter is how long a client waits that lost its connection.
	reconnectAfter = 500 * time.Millisecond
	// stopPatience is how long running transactions get to end by themselves.
	stopPatience = 2 * time.Second
)

// window is what was counted of the transactions that began in it: from one moment on
// until the next window.
type window struct {
	begin        time.Time
	transactions atomic.Int64
	latency      histogram // of whole transactions
}

func (w *window) rate() float64 {
	return float64(w.transactions.Load()) / max(time.Since(w.begin).Seconds(), 1e-3)
}

// load is a number of clients that run short transactions until stop.
type load struct {
	config    *pgconn.Config
	connects  histogram
	connected atomic.Int64
	answered  atomic.Int64 // clients that have had their first answer
	errors    atomic.Int64
	lastError atomic.Pointer[string]
	current   atomic.Pointer[window]
	logins    chan struct{} // a place for each login under way
	enough    chan struct{} // closed: end after the current transaction
	abort     context.CancelFunc
	clients   sync.WaitGroup
	once      sync.Once
}

// startLoad starts n clients; they connect a few at a time and ask at once.
func startLoad(dsn string, n int) (*load, error) {
	config, err := pgconn.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	l := &load{config: config, logins: make(chan struct{}, connectAtOnce), enough: make(chan struct{})}
	l.measure()
	ctx, abort := context.WithCancel(context.Background())
	l.abort = abort
	for i := range n {
		l.clients.Go(func() { l.client(ctx, rand.New(rand.NewPCG(uint64(i), uint64(n)))) })
	}
	return l, nil
}

// measure begins to count anew and returns the window that is counted into
// from now on.
func (l *load) measure() *window {
	w := &window{begin: time.Now()}
	l.current.Store(w)
	return w
}

// stop lets the transactions under way end, and returns when every client has
// closed its connection.
func (l *load) stop() {
	l.once.Do(func() { close(l.enough) })
	patience := time.AfterFunc(stopPatience, l.abort)
	l.clients.Wait()
	patience.Stop()
	l.abort()
}

// client is the life of one client.
func (l *load) client(ctx context.Context, random *rand.Rand) {
	answered := sync.OnceFunc(func() { l.answered.Add(1) })
	for {
		select {
		case <-l.enough:
			return
		case l.logins <- struct{}{}:
		}
		begin := time.Now()
		conn, err := pgconn.ConnectConfig(ctx, l.config)
		<-l.logins
		if err == nil {
			l.connects.record(time.Since(begin))
			l.connected.Add(1)
			err = l.converse(ctx, conn, random, answered)
			l.connected.Add(-1)
			_ = conn.Close(ctx) // it may have been the connection that failed
		}
		if err == nil {
			return
		}
		text := err.Error()
		l.lastError.Store(&text)
		l.errors.Add(1)
		if !l.wait(reconnectAfter) {
			return
		}
	}
}

// converse runs transactions until it is enough (nil) or one fails. The first is a
// query straight after the login, which is for answered only: a backend's first query
// fills its caches.
func (l *load) converse(ctx context.Context, conn *pgconn.PgConn, random *rand.Rand, answered func()) error {
	if err := transact(ctx, conn, 1+random.IntN(accounts), false); err != nil {
		return err
	}
	answered()
	for l.wait(thinkLeast + time.Duration(random.Int64N(int64(thinkMost-thinkLeast)))) {
		id := 1 + random.IntN(accounts)
		w, begin := l.current.Load(), time.Now()
		if err := transact(ctx, conn, id, random.IntN(10) == 0); err != nil {
			return err
		}
		w.latency.record(time.Since(begin))
		w.transactions.Add(1)
	}
	return nil
}

// transact looks an account up; every tenth time it changes it, in a
// transaction of three queries.
func transact(ctx context.Context, conn *pgconn.PgConn, id int, change bool) error {
	script := []string{fmt.Sprintf("select balance from accounts where id = %d", id)}
	if change {
		script = []string{"begin", fmt.Sprintf("update accounts set balance = balance + 1 where id = %d", id), "commit"}
	}
	for _, sql := range script {
		if _, err := conn.Exec(ctx, sql).ReadAll(); err != nil {
			return err
		}
	}
	return nil
}

// wait returns false if it was cut short because it is enough.
func (l *load) wait(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-l.enough:
		return false
	case <-timer.C:
		return true
	}
}
