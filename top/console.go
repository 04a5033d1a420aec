package top

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// loginPause is how long after a refused login the next is tried: each is an
// entry in pgweir's log.
const loginPause = 10 * time.Second

// console asks pgweir's console, over one connection that is opened when it is
// needed, and again after an error.
type console struct {
	config *pgconn.Config

	mu      sync.Mutex // held while a command is under way
	conn    *pgconn.PgConn
	refused error     // by pgweir itself, at the last login
	again   time.Time // when to try after that
}

// newConsole reads a DSN, in the form of libpq. Without a dbname it leads to
// the database pgweir.
func newConsole(dsn string) (*console, error) {
	config, err := pgconn.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("the console's DSN: %w", err) // it keeps the password to itself
	}
	if config.Database == "" {
		config.Database = "pgweir"
	}
	if config.ConnectTimeout == 0 || config.ConnectTimeout > readTimeout {
		config.ConnectTimeout = readTimeout
	}
	config.RuntimeParams["application_name"] = "pgweir top"
	return &console{config: config}, nil
}

func (c *console) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop()
}

func (c *console) drop() {
	if c.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = c.conn.Close(ctx) // whatever it says, we are done with it
	c.conn = nil
}

// run runs one command and gives its rows, as maps from column to text; NULL
// is "". The mutex is held.
func (c *console) run(ctx context.Context, sql string) ([]map[string]string, error) {
	if err := c.connect(ctx); err != nil {
		return nil, err
	}
	results, err := c.conn.Exec(ctx, sql).ReadAll()
	if err != nil {
		if c.conn.IsClosed() {
			c.drop()
		}
		return nil, consoleError(err)
	}
	var rows []map[string]string
	for _, r := range results {
		for _, values := range r.Rows {
			row := make(map[string]string, len(values))
			for i, f := range r.FieldDescriptions {
				row[f.Name] = string(values[i])
			}
			rows = append(rows, row)
		}
	}
	return rows, nil
}

func (c *console) connect(ctx context.Context) error {
	if c.conn != nil && !c.conn.IsClosed() {
		return nil
	}
	c.drop()
	if c.refused != nil && time.Now().Before(c.again) {
		return c.refused
	}
	c.refused = nil
	conn, err := pgconn.ConnectConfig(ctx, c.config)
	if err != nil {
		var said *pgconn.PgError
		err, refused := consoleError(err), errors.As(err, &said)
		if refused {
			c.refused, c.again = err, time.Now().Add(loginPause)
		}
		return err
	}
	c.conn = conn
	return nil
}

// consoleError is an error in one line: what pgweir said, or the innermost reason.
func consoleError(err error) error {
	var said *pgconn.PgError
	if errors.As(err, &said) {
		return fmt.Errorf("console: %s (SQLSTATE %s)", said.Message, said.Code)
	}
	short := shortened(err)
	if short == err {
		short = errors.New(strings.Join(strings.Fields(err.Error()), " "))
	}
	return fmt.Errorf("console: %w", short)
}

// clients reads SHOW CLIENTS.
func (c *console) clients(ctx context.Context) ([]Client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.list(ctx)
}

func (c *console) list(ctx context.Context) ([]Client, error) {
	rows, err := c.run(ctx, "show clients")
	if err != nil {
		return nil, err
	}
	servers, err := c.run(ctx, "show servers")
	if err != nil {
		return nil, err
	}
	return decodeClients(rows, servers)
}

// decodeClients makes clients of the rows of SHOW CLIENTS, and tells from those
// of SHOW SERVERS which process each holds.
func decodeClients(rows, servers []map[string]string) ([]Client, error) {
	pids := make(map[string]int, len(servers)) // by the pointer to the client
	for _, s := range servers {
		if pid, err := strconv.Atoi(s["remote_pid"]); err == nil && s["link"] != "" {
			pids[s["link"]] = pid
		}
	}
	clients := make([]Client, 0, len(rows))
	for _, row := range rows {
		id, err := strconv.ParseUint(row["id"], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("console: SHOW CLIENTS has a client whose id is %q", row["id"])
		}
		client := Client{
			ID: id, User: row["user"], Database: row["database"], State: row["state"],
			Addr: row["addr"], Connected: row["connect_time"], Requested: row["request_time"],
			Application: row["application_name"], TLS: row["tls"], Pin: row["pin"], BackendPID: pids[row["ptr"]],
			Wait: time.Duration(number(row["wait"]))*time.Second + time.Duration(number(row["wait_us"]))*time.Microsecond,
		}
		client.Prepared = int(number(row["prepared_statements"]))
		if client.Addr != "unix" {
			client.Addr = net.JoinHostPort(row["addr"], row["port"])
		}
		clients = append(clients, client)
	}
	return clients, nil
}

// number is a whole number, 0 if it is none.
func number(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// find looks a client up, and what its backend does.
func (c *console) find(ctx context.Context, id uint64) (*Target, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	client, err := c.one(ctx, id)
	if err != nil {
		return nil, err
	}
	target := &Target{Client: *client}
	if client.BackendPID == 0 {
		return target, nil
	}
	// The statement is more than is needed to decide, so its absence is no error.
	if rows, err := c.run(ctx, "show processes"); err == nil {
		for _, row := range rows {
			if row["client_id"] == strconv.FormatUint(id, 10) {
				target.Query = row["query"]
			}
		}
	}
	if rows, err := c.run(ctx, "show pins"); err == nil && target.Query == "" {
		for _, row := range rows {
			if row["client_id"] == strconv.FormatUint(id, 10) {
				target.Pinned = row["statement"]
			}
		}
	}
	return target, nil
}

func (c *console) one(ctx context.Context, id uint64) (*Client, error) {
	clients, err := c.list(ctx)
	if err != nil {
		return nil, err
	}
	for i := range clients {
		if clients[i].ID == id {
			return &clients[i], nil
		}
	}
	return nil, fmt.Errorf("client %d has gone", id)
}

// kill disconnects a client if it is still the one that was found: after a
// restart of pgweir its id may be another's.
func (c *console) kill(ctx context.Context, target *Target) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, err := c.one(ctx, target.ID)
	if err != nil {
		return err
	}
	if now.User != target.User || now.Database != target.Database || now.Addr != target.Addr || now.Connected != target.Connected {
		return fmt.Errorf("client %d is another one now; it was left alone", target.ID)
	}
	_, err = c.run(ctx, fmt.Sprintf("kill_client %d", target.ID))
	return err
}
