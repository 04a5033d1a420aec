package integration

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// chaosClient does one thing after the other, and logs in again when an error has ended it.
type chaosClient struct {
	number         int
	user, database string
	random         *rand.Rand
	acts           []chaosAct
	served         atomic.Int64
	doing          atomic.Value // what it does, as text

	conn *pgx.Conn
}

type chaosAct struct {
	name string
	do   func(ctx context.Context, c *chaosClient, h *chaos) error
}

func chaosSimple(sql string) func(context.Context, *chaosClient, *chaos) error {
	return func(ctx context.Context, c *chaosClient, h *chaos) error { return runSQL(ctx, c.conn, sql) }
}

func chaosPrepared(ctx context.Context, c *chaosClient, h *chaos) error {
	var got int
	want := c.random.IntN(1000)
	err := c.conn.QueryRow(ctx, fmt.Sprintf("select $1::int + %d", want%7), want).Scan(&got)
	if err == nil && got != want+want%7 {
		h.fault("client %d was given %d, and not %d", c.number, got, want+want%7)
	}
	return err
}

func chaosTransaction(ctx context.Context, c *chaosClient, h *chaos) error {
	tx, err := c.conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(ctx)
	if _, err := tx.Exec(ctx, "select pg_sleep(0.002)"); err != nil {
		return err
	}
	return tx.Commit(ctx)
}

// chaosLeaves asks for something and goes, mostly while it waits for a backend.
func chaosLeaves(ctx context.Context, c *chaosClient, h *chaos) error {
	fe := c.conn.PgConn().Frontend()
	fe.SendQuery(query("select pg_sleep(0.001)"))
	if err := fe.Flush(); err != nil {
		return err
	}
	linger(ctx, time.Duration(c.random.IntN(5000))*time.Microsecond)
	c.conn.PgConn().Conn().Close()
	c.conn.Close(ctx)
	return nil
}

// chaosCancels takes a query back, mostly while it waits for a backend.
func chaosCancels(ctx context.Context, c *chaosClient, h *chaos) error {
	end := make(chan error, 1)
	go func() { end <- runSQL(ctx, c.conn, "select pg_sleep(0.01)") }()
	linger(ctx, time.Duration(c.random.IntN(5000))*time.Microsecond)
	short, stop := context.WithTimeout(ctx, time.Second)
	defer stop()
	_ = c.conn.PgConn().CancelRequest(short)
	err := <-end
	if sqlState(err) == "57014" {
		return nil
	}
	return err
}

// chaosPins keeps its backend for a moment.
func chaosPins(ctx context.Context, c *chaosClient, h *chaos) error {
	if err := runSQL(ctx, c.conn, fmt.Sprintf("select pg_advisory_lock(%d)", 100+c.number)); err != nil {
		return err
	}
	linger(ctx, time.Millisecond)
	return runSQL(ctx, c.conn, "select pg_advisory_unlock_all()")
}

// chaosSettings asks for a setting that it has made, which follows it from backend to backend.
func chaosSettings(ctx context.Context, c *chaosClient, h *chaos) error {
	want := fmt.Sprintf("%dkB", 100+c.number)
	if err := runSQL(ctx, c.conn, "set work_mem = '"+want+"'"); err != nil {
		return err
	}
	for range 3 {
		results, err := c.conn.PgConn().Exec(ctx, "show work_mem").ReadAll()
		if err != nil {
			return err
		}
		if got := string(results[0].Rows[0][0]); got != want {
			h.fault("client %d has work_mem %s, and not %s", c.number, got, want)
		}
	}
	return nil
}

// chaosListens hears what others notify.
func chaosListens(ctx context.Context, c *chaosClient, h *chaos) error {
	return runSQL(ctx, c.conn, fmt.Sprintf("listen channel_%d", c.number%5))
}

func chaosNotifies(ctx context.Context, c *chaosClient, h *chaos) error {
	return runSQL(ctx, c.conn, fmt.Sprintf("notify channel_%d, 'x'", c.random.IntN(5)))
}

// chaosParts ends its connection as one does.
func chaosParts(ctx context.Context, c *chaosClient, h *chaos) error { return c.conn.Close(ctx) }

// chaosActs are by the database's mode. In session mode who waits is served when another
// has gone.
var chaosActs = [][]chaosAct{
	{{"simple", chaosSimple("select 1")}, {"prepared", chaosPrepared}, {"prepared", chaosPrepared}, {"transaction", chaosTransaction}, {"leaves", chaosLeaves},
		{"cancels", chaosCancels}, {"pins", chaosPins}, {"settings", chaosSettings}, {"parts", chaosParts}, {"listens", chaosListens}, {"notifies", chaosNotifies}},
	{{"simple", chaosSimple("select 1")}, {"prepared", chaosPrepared}, {"leaves", chaosLeaves}, {"cancels", chaosCancels}, {"parts", chaosParts}},
	{{"simple", func(ctx context.Context, c *chaosClient, h *chaos) error {
		if err := runSQL(ctx, c.conn, "select 1"); err != nil {
			return err
		}
		return c.conn.Close(ctx)
	}}, {"leaves", chaosLeaves}, {"cancels", func(ctx context.Context, c *chaosClient, h *chaos) error {
		if err := chaosCancels(ctx, c, h); err != nil {
			return err
		}
		return c.conn.Close(ctx)
	}}},
}

func linger(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func (c *chaosClient) work(h *chaos) {
	defer func() {
		if c.conn != nil {
			c.conn.Close(context.Background())
		}
	}()
	for {
		select {
		case <-h.over:
			return
		default:
		}
		act := c.acts[c.random.IntN(len(c.acts))]
		doing := act.name + " since " + time.Now().Format("05.000")
		c.doing.Store(doing)
		err := c.act(act, h)
		if err == nil {
			c.served.Add(1)
			continue
		}
		if !h.mayFail(err) {
			h.fault("client %d (%s %s), %s: %v", c.number, c.user, c.database, doing, worded(err))
		}
		if c.conn != nil {
			c.conn.Close(context.Background())
		}
		linger(context.Background(), time.Duration(c.random.IntN(10))*time.Millisecond)
	}
}

func worded(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return fmt.Sprintf("%s %s (%s)", e.Code, e.Message, e.Detail)
	}
	return err.Error()
}

func (c *chaosClient) act(act chaosAct, h *chaos) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	if c.conn == nil || c.conn.IsClosed() {
		more := []string{"user=" + c.user}
		if c.random.IntN(4) == 0 {
			more = append(more, fmt.Sprintf("application_name=chaos%d", c.number))
		}
		if c.random.IntN(10) == 0 {
			more = append(more, fmt.Sprintf("extra_float_digits=%d", c.random.IntN(3)))
		}
		if c.conn, err = pgx.Connect(ctx, dsn(h.w.Port, c.database, more...)); err != nil {
			c.conn = nil
			return fmt.Errorf("login: %w", err)
		}
	}
	return act.do(ctx, c, h)
}

// mayFail tells whether an error is one that the operations explain.
func (h *chaos) mayFail(err error) bool {
	if h.gentle {
		return false
	}
	switch code := sqlState(err); code {
	case "":
		// A client that is killed may be writing, or not have read why yet.
		return !errors.Is(err, context.DeadlineExceeded) && !strings.Contains(err.Error(), "timeout")
	case "57P01", "57P02", "57P03", "08006", "08001", "53300", "08P01":
		return true
	}
	return false
}
