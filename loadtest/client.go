package loadtest

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// reconnectAfter is how long a client waits that has lost its connection,
	// or could not log in.
	reconnectAfter = 500 * time.Millisecond
	// errorPause is how long one waits whose transaction has failed and that
	// does not think: what fails at once must not fail all the time.
	errorPause = 10 * time.Millisecond
	// aloneTick and alonePause are for one that wants to log in alone: how
	// often it looks whether it is, and how long it waits before it tries again.
	aloneTick  = 10 * time.Millisecond
	alonePause = 300 * time.Millisecond
)

// client is one of the crowd's. All of it belongs to its goroutine, but conn.
type client struct {
	crowd  *crowd
	number int // from 0 on
	random *rand.Rand
	values values
	text   []byte // a statement in the making
	timer  *time.Timer

	params [][]byte // of a prepared statement, in numbers
	// conn is what stop may abort; nil while there is none.
	conn atomic.Pointer[pgconn.PgConn]
}

// live is a client's whole life: it logs in, again if need be, and runs
// transactions until it is enough.
func (c *client) live() {
	crowd := c.crowd
	c.random = rand.New(rand.NewPCG(crowd.seed, uint64(c.number)))
	c.values[varClient] = int64(c.number + 1)
	if !c.wait(time.Duration(c.number) * crowd.ramp / time.Duration(crowd.clients)) {
		return
	}
	conn, err := c.enter()
	if err != nil && (tooMany(err) || errors.Is(err, errFull)) {
		crowd.out.Add(1)
		return
	}
	for in := false; ; {
		if conn != nil && !crowd.over() {
			crowd.most.up()
			if err = c.first(conn); !in {
				crowd.in.Add(1)
				in = true
			}
			if err == nil {
				err = c.converse(conn)
			}
			crowd.most.down()
		}
		c.leave(conn)
		if crowd.over() {
			return
		}
		if err != nil {
			crowd.errors.add(err)
		}
		if !c.wait(reconnectAfter) {
			return
		}
		conn, err = c.login(false)
	}
}

// enter is a client's first login. When one has been turned away, for there are
// too many, the others try one at a time: PostgreSQL counts those that are just
// coming, and may turn away more of them than it must. The first who is turned
// away again when it was alone is the last to try.
func (c *client) enter() (*pgconn.PgConn, error) {
	crowd := c.crowd
	conn, err := c.login(true)
	if err != nil && tooMany(err) {
		crowd.crowded.Store(true)
	} else if !errors.Is(err, errCrowded) {
		return conn, err
	}
	crowd.alone.Lock()
	defer crowd.alone.Unlock()
	for last := false; ; last = true {
		// Who was turned away may hold its place for a moment.
		for len(crowd.logins) > 0 {
			if !c.wait(aloneTick) {
				return nil, context.Canceled
			}
		}
		if crowd.refusal.Load() != nil {
			return nil, errFull
		}
		conn, err := c.login(false)
		if err == nil || !tooMany(err) {
			return conn, err
		}
		if last {
			crowd.refusal.Store(&Refusal{Code: codeOf(err), Text: reason(err)})
			return nil, err
		}
		if !c.wait(alonePause) {
			return nil, context.Canceled
		}
	}
}

// login connects and prepares what is to be prepared. Few clients do so at the
// same time, so that the time it takes is the server's and not a queue's. A
// polite one does not try when it is crowded.
func (c *client) login(polite bool) (*pgconn.PgConn, error) {
	crowd := c.crowd
	select {
	case <-crowd.enough:
		return nil, context.Canceled
	case crowd.logins <- struct{}{}:
	}
	defer func() { <-crowd.logins }()
	if polite && crowd.crowded.Load() {
		return nil, errCrowded
	}
	begin := time.Now()
	conn, err := pgconn.ConnectConfig(crowd.loginContext, crowd.config)
	if err != nil {
		return nil, err
	}
	crowd.connects.record(c.number, time.Since(begin))
	for i := range crowd.prepared {
		p := &crowd.prepared[i]
		if _, err := conn.Prepare(crowd.loginContext, p.name, p.sql, nil); err != nil {
			closeSoon(conn)
			return nil, err
		}
	}
	c.conn.Store(conn)
	return conn, nil
}

// leave says good-bye, if there is anybody to say it to.
func (c *client) leave(conn *pgconn.PgConn) {
	c.conn.Store(nil)
	if conn != nil {
		closeSoon(conn)
	}
}

// closeSoon closes a connection, which may be broken.
func closeSoon(conn *pgconn.PgConn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx)
}

// first runs a transaction straight after the login, whose time is not recorded: a
// backend's first one fills its caches. It fails if the connection is lost.
func (c *client) first(conn *pgconn.PgConn) error {
	c.crowd.work.draw(c.random, &c.values)
	if err := c.transact(conn); err != nil {
		return c.recover(conn, err)
	}
	return nil
}

// converse runs transactions until it is enough (nil), or until the connection
// is lost. Other errors are counted, and it goes on.
func (c *client) converse(conn *pgconn.PgConn) error {
	crowd := c.crowd
	for c.wait(crowd.work.think(c.random)) {
		crowd.work.draw(c.random, &c.values)
		window, begin := crowd.window.Load(), time.Now()
		err := c.transact(conn)
		if err == nil {
			window.record(c.number, time.Since(begin))
			continue
		}
		if err := c.recover(conn, err); err != nil {
			return err
		}
		if crowd.work.pause == 0 && !c.wait(errorPause) {
			return nil
		}
	}
	return nil
}

// recover counts an error of a transaction and ends that, if the connection is good
// for more; else it returns an error.
func (c *client) recover(conn *pgconn.PgConn, err error) error {
	if conn.IsClosed() || c.crowd.over() {
		return err
	}
	c.crowd.errors.add(err)
	if conn.TxStatus() != 'I' {
		return conn.Exec(context.Background(), "rollback").Close()
	}
	return nil
}

// transact runs one transaction. It has no context: to watch one costs a
// goroutine for each statement. What takes too long is aborted by stop.
func (c *client) transact(conn *pgconn.PgConn) error {
	for i := range c.crowd.work.statements {
		var err error
		if c.crowd.prepared != nil {
			err = c.execute(conn, &c.crowd.prepared[i])
		} else {
			err = conn.Exec(context.Background(), c.render(&c.crowd.work.statements[i])).Close()
		}
		if err != nil {
			return err
		}
	}
	if conn.TxStatus() != 'I' {
		return errOpenTransaction
	}
	return nil
}

func (c *client) render(s *statement) string {
	if text, ok := s.constant(); ok {
		return text
	}
	c.text = s.append(c.text[:0], &c.values)
	return string(c.text)
}

// execute runs a statement that was prepared.
func (c *client) execute(conn *pgconn.PgConn, p *prepared) error {
	c.params = c.params[:0]
	for _, v := range p.order {
		c.params = append(c.params, strconv.AppendInt(nil, c.values[v], 10))
	}
	_, err := conn.ExecPrepared(context.Background(), p.name, c.params, nil, nil).Close()
	return err
}

// wait returns false if it is enough.
func (c *client) wait(d time.Duration) bool {
	if d <= 0 {
		return !c.crowd.over()
	}
	if c.timer == nil {
		c.timer = time.NewTimer(d)
	} else {
		c.timer.Reset(d)
	}
	select {
	case <-c.crowd.enough:
		c.timer.Stop()
		return false
	case <-c.timer.C:
		return true
	}
}
