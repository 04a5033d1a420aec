package integration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// TestEveryAnswerIsTheClientsOwnWhateverGoesOn: forty clients do all kinds of
// things on four backends, cancel, crash out, and have their backends shot; each
// looks closely at every answer that it gets.
func TestEveryAnswerIsTheClientsOwnWhateverGoesOn(t *testing.T) {
	t.Parallel()
	for _, workers := range []string{"1", "2", `"auto"`} {
		t.Run("workers = "+workers, func(t *testing.T) {
			t.Parallel()
			w := startWeir(t, weirOptions{
				Top:      "workers = " + workers + "\nlog_connections = false\nlog_disconnections = false",
				Database: "pool_size = 4",
			})
			direct := connect(t, w.Direct())
			must(t, direct, "create table copied(who int, n int)")
			count := takeCensus(t, w.PG)
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			var done sync.WaitGroup
			clients := make([]mixed, 40)
			for i := range clients {
				c := &clients[i]
				c.w, c.who = w, i
				done.Go(func() {
					for ctx.Err() == nil || c.served == 0 {
						if err := c.step(); err != nil {
							t.Errorf("client %d: %v", i, err)
							return
						}
					}
					if c.conn != nil {
						_ = c.conn.Close(context.Background())
					}
				})
			}
			var shot atomic.Int64
			done.Go(func() {
				tick := time.NewTicker(60 * time.Millisecond)
				defer tick.Stop()
				for ; ctx.Err() == nil; <-tick.C {
					_, err := direct.PgConn().Exec(context.Background(), `select pg_terminate_backend(pid) from pg_stat_activity
						where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend' order by random() limit 1`).ReadAll()
					if err != nil {
						t.Error(err)
						return
					}
					shot.Add(1)
				}
			})
			done.Wait()
			if most := count.end(t)[w.DB] - 1; most > 4 { // less the direct one
				t.Errorf("%d backends at once", most)
			}
			served, lost, copied := 0, 0, 0
			for i := range clients {
				served += clients[i].served
				lost += clients[i].lost
				copied += clients[i].copied
			}
			t.Logf("%d answers, %d clients lost their backend to %d shots", served, lost, shot.Load())
			// What a client was told is copied is there; what it was not told may be.
			if n, err := strconv.Atoi(ask(t, direct, "select count(*) from copied")); err != nil || n < copied {
				t.Errorf("%d rows are there, %d were told to be", n, copied)
			}
		})
	}
}

// errCopy is that of a COPY in, the only act in which a client writes more
// before it has read all.
var errCopy = errors.New("a COPY in")

// mixed is a client that does one thing after the other, as chance will have it.
type mixed struct {
	w                    *weir
	who                  int
	conn                 *pgx.Conn
	served, lost, copied int
}

// step does one thing. Its error is one that no client may see.
func (c *mixed) step() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := c.connected(ctx)
	if err == nil {
		what := rand.IntN(11)
		if err = c.act(ctx, what); err != nil {
			err = fmt.Errorf("at its act %d: %w", what, err)
		}
	}
	code := sqlState(err)
	if errors.Is(err, pgconn.ErrConnClosed) {
		code = "57P01" // pgconn's COPY reads on after a FATAL error, and gives this in its place
	}
	if errors.Is(err, errCopy) && (errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, net.ErrClosed)) {
		code = "57P01" // or it writes on before it reads the error
	}
	switch code {
	case "":
		if err == nil {
			c.served++
		}
		return err
	case "57P01", "08006": // its backend was shot, or went as it was given
		c.lost++
		c.served++
		if c.conn != nil {
			_ = c.conn.Close(ctx)
			c.conn = nil
		}
		return nil
	}
	return err
}

func (c *mixed) connected(ctx context.Context) (err error) {
	if c.conn != nil && !c.conn.IsClosed() {
		return nil
	}
	c.conn, err = pgx.Connect(ctx, c.w.DSN(fmt.Sprintf("application_name=client%d", c.who)))
	return err
}

func (c *mixed) act(ctx context.Context, what int) error {
	pg := c.conn.PgConn()
	nonce := rand.IntN(1e9)
	switch what {
	case 0, 1: // a simple query
		return c.expect(pg.Exec(ctx, fmt.Sprintf("select %d, current_setting('application_name')", nonce)), fmt.Sprintf("%d client%d", nonce, c.who))
	case 2, 3: // an extended one
		r := pg.ExecParams(ctx, "select $1::int, current_setting('application_name')", [][]byte{[]byte(strconv.Itoa(nonce))}, nil, nil, nil).Read()
		if r.Err != nil {
			return r.Err
		}
		if got := string(bytes.Join(r.Rows[0], []byte(" "))); got != fmt.Sprintf("%d client%d", nonce, c.who) {
			return fmt.Errorf("asked for %d and got %s", nonce, got)
		}
	case 4: // a transaction with state of its own
		for _, sql := range []string{"begin", fmt.Sprintf("set local my.nonce = '%d'", nonce), "select pg_sleep(0.001)"} {
			if err := runSQL(ctx, c.conn, sql); err != nil {
				return err
			}
		}
		if err := c.expect(pg.Exec(ctx, "select current_setting('my.nonce')"), strconv.Itoa(nonce)); err != nil {
			return err
		}
		return runSQL(ctx, c.conn, []string{"commit", "rollback"}[rand.IntN(2)])
	case 5: // a setting that follows the client
		zone := []string{"UTC", "Asia/Tokyo", "Europe/Rome"}[rand.IntN(3)]
		if err := runSQL(ctx, c.conn, "set timezone = '"+zone+"'"); err != nil {
			return err
		}
		return c.expect(pg.Exec(ctx, "show timezone"), zone)
	case 6: // a COPY in
		tag, err := pg.CopyFrom(ctx, strings.NewReader(strings.Repeat(fmt.Sprintf("%d\t%d\n", c.who, nonce), 50)), "copy copied from stdin")
		if err != nil {
			return fmt.Errorf("%w: %w", errCopy, err)
		}
		if tag.RowsAffected() != 50 {
			return fmt.Errorf("COPY: %s", tag)
		}
		c.copied += 50
	case 7: // a COPY out, of more than a buffer
		var b bytes.Buffer
		if _, err := pg.CopyTo(ctx, &b, fmt.Sprintf("copy (select %d, repeat('y', 1000) from generate_series(1, 200)) to stdout", nonce)); err != nil {
			return err
		}
		if b.String() != strings.Repeat(fmt.Sprintf("%d\t%s\n", nonce, strings.Repeat("y", 1000)), 200) {
			return fmt.Errorf("a COPY of %d bytes came out wrong", b.Len())
		}
	case 8: // an error
		err := runSQL(ctx, c.conn, fmt.Sprintf("select %d / 0", nonce))
		if sqlState(err) == "22012" {
			return nil
		}
		if err == nil {
			return fmt.Errorf("a division by zero succeeded")
		}
		return err
	case 9: // a query that it cancels itself
		arrived := make(chan error, 1)
		after := time.AfterFunc(time.Duration(rand.IntN(4))*time.Millisecond, func() {
			arrived <- sendCancel(c.w.Addr(), pg.PID(), pg.SecretKey())
		})
		err := runSQL(ctx, c.conn, "select pg_sleep(0.02)")
		if !after.Stop() { // once it has been dealt with, it hits nothing that comes later
			if e := <-arrived; e != nil {
				return e
			}
		}
		if sqlState(err) != "57014" {
			return err
		}
	case 10: // it crashes out
		short, cancel := context.WithTimeout(ctx, time.Duration(rand.IntN(5))*time.Millisecond)
		defer cancel()
		_ = runSQL(short, c.conn, fmt.Sprintf("begin; insert into copied values (-1, %d); select pg_sleep(1)", nonce))
		_ = pg.Conn().Close()
		c.conn = nil
	}
	return nil
}

// expect reads the one row of a query.
func (c *mixed) expect(r *pgconn.MultiResultReader, want string) error {
	results, err := r.ReadAll()
	if err != nil {
		return err
	}
	if len(results) != 1 || len(results[0].Rows) != 1 {
		return fmt.Errorf("not one row for %q", want)
	}
	if got := string(bytes.Join(results[0].Rows[0], []byte(" "))); got != want {
		return fmt.Errorf("got %q, want %q", got, want)
	}
	return nil
}
