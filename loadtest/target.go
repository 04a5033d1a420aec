package loadtest

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// Who we are, in pg_stat_activity.
const (
	observerName = "pgweir loadtest"
	clientName   = "pgweir loadtest client"
)

// The names of the phases, and of their flags.
const (
	direct = "direct"
	pooled = "pooled"
)

// knockDeadline is for finding out whether anybody listens.
const knockDeadline = 5 * time.Second

// target is an address that clients are sent to.
type target struct {
	name   string // "direct" or "pooled"
	config *pgconn.Config
}

// parseTarget reads an address; nil if there is none.
func parseTarget(name, dsn string) (*target, error) {
	if dsn == "" {
		return nil, nil
	}
	config, err := pgconn.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("--%s: %w", name, err)
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = clientName
	}
	return &target{name, config}, nil
}

// String is the address without its password.
func (t *target) String() string {
	c := t.config
	return fmt.Sprintf("%s@%s/%s", c.User, address(c.Host, c.Port), c.Database)
}

func address(host string, port uint16) string {
	if strings.HasPrefix(host, "/") {
		return fmt.Sprintf("%s:%d", host, port)
	}
	return net.JoinHostPort(host, fmt.Sprint(port))
}

// fault is an error of this target's, in the user's words.
func (t *target) fault(err error) error {
	return fmt.Errorf("--%s: %s: %s", t.name, t, reason(err))
}

// knock finds out whether anybody listens, without a login, which could leave
// a backend behind that a pooler keeps.
func (t *target) knock(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, knockDeadline)
	defer cancel()
	var err error
	for _, at := range t.candidates() {
		network, addr := pgconn.NetworkAddress(at.Host, at.Port)
		var conn net.Conn
		if conn, err = new(net.Dialer).DialContext(ctx, network, addr); err == nil {
			return conn.Close()
		}
	}
	return t.fault(err)
}

// candidates are the servers that a login tries, in order.
func (t *target) candidates() []*pgconn.FallbackConfig {
	c := t.config
	first := &pgconn.FallbackConfig{Host: c.Host, Port: c.Port, TLSConfig: c.TLSConfig}
	return append([]*pgconn.FallbackConfig{first}, c.Fallbacks...)
}

// connect logs in, as a client or as the observer.
func (t *target) connect(ctx context.Context, applicationName string) (*pgconn.PgConn, error) {
	config := t.config.Copy()
	if applicationName != "" {
		config.RuntimeParams["application_name"] = applicationName
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = loginDeadline
	}
	conn, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return nil, t.fault(err)
	}
	if _, encrypted := conn.Conn().(*tls.Conn); !encrypted {
		t.dropTLS()
	}
	return conn, nil
}

// dropTLS leaves the attempts with TLS out. With sslmode=prefer, which is the
// default, each login to a server without TLS would make two connections, and
// PostgreSQL a process for either: what is measured would be twice of what
// libpq's clients cost, who ask on one connection.
func (t *target) dropTLS() {
	var plain []*pgconn.FallbackConfig
	for _, at := range t.candidates() {
		if at.TLSConfig == nil {
			plain = append(plain, at)
		}
	}
	if len(plain) == 0 {
		return
	}
	t.config.Host, t.config.Port, t.config.TLSConfig = plain[0].Host, plain[0].Port, nil
	t.config.Fallbacks = plain[1:]
}

// askText runs a query and gives its rows as text; NULL is "".
func askText(ctx context.Context, conn *pgconn.PgConn, sql string) ([][]string, error) {
	results, err := conn.Exec(ctx, sql).ReadAll()
	if err != nil {
		return nil, err
	}
	var rows [][]string
	for _, result := range results {
		for _, values := range result.Rows {
			row := make([]string, len(values))
			for i, v := range values {
				row[i] = string(v)
			}
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// askRow is for a query with one row.
func askRow(ctx context.Context, conn *pgconn.PgConn, sql string) ([]string, error) {
	rows, err := askText(ctx, conn, sql)
	if err != nil {
		return nil, err
	}
	if len(rows) != 1 {
		return nil, fmt.Errorf("%d rows instead of one", len(rows))
	}
	return rows[0], nil
}

// ready looks whether the database has what a workload needs.
func (t *target) ready(ctx context.Context, conn *pgconn.PgConn, work *workload) error {
	if !work.pgbench {
		return nil
	}
	row, err := askRow(ctx, conn, `select pg_catalog.to_regclass('pgbench_branches'), pg_catalog.to_regclass('pgbench_tellers'),
		pg_catalog.to_regclass('pgbench_accounts'), pg_catalog.to_regclass('pgbench_history')`)
	if err != nil {
		return t.fault(err)
	}
	for _, table := range row {
		if table == "" {
			return fmt.Errorf("--%s: %s has no tables for workload %s; `pgbench -i` makes them", t.name, t, work.name)
		}
	}
	row, err = askRow(ctx, conn, "select pg_catalog.count(*) from pgbench_branches")
	if err != nil {
		return t.fault(err)
	}
	if _, err := fmt.Sscan(row[0], &work.scale); err != nil || work.scale < 1 {
		return fmt.Errorf("--%s: %s has no rows in pgbench_branches; `pgbench -i` makes them", t.name, t)
	}
	return nil
}
