package loadtest

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

const (
	sampleInterval = 200 * time.Millisecond
	// askDeadline is for one question of the observer's. Through a pooler it
	// may have to wait for a backend, as any client.
	askDeadline = 10 * time.Second
	// backendsPatience and processesPatience are how long those of the direct
	// phase get to end before the pooled one begins.
	backendsPatience  = 30 * time.Second
	processesPatience = 5 * time.Second
)

// unknown is a number that could not be found out.
const unknown = -1

// reading is one look at the server from outside.
type reading struct {
	backends  int   // client backends of the database, as pg_stat_activity has them
	processes int   // children of the postmaster, whatever they do
	memory    int64 // what the backends hold for themselves, in bytes
	sampled   bool  // memory was measured at some backends, and inferred for the others
}

var nothingRead = reading{backends: unknown, processes: unknown, memory: unknown}

// highest keeps the highest of each figure.
func (r *reading) highest(o reading) {
	r.backends = max(r.backends, o.backends)
	r.processes = max(r.processes, o.processes)
	if o.memory > r.memory {
		r.memory, r.sampled = o.memory, o.sampled
	}
}

// identity tells servers apart: no two begin in the same microsecond with the
// same port.
type identity struct {
	database, started, port string
}

// observer looks at a server on a connection of its own.
type observer struct {
	target *target
	conn   *pgconn.PgConn
	is     identity
	// version is the server's; "" if it does not say.
	version string
	// shared: the connection leads through a pooler, which answers on a
	// backend that clients use too. It is counted; one of our own is not.
	shared bool
	memory *memoryReader // nil if its processes are not this machine's
	query  string
}

const identityQuery = `select pg_catalog.current_database(), extract(epoch from pg_catalog.pg_postmaster_start_time()),
	pg_catalog.current_setting('port'), pg_catalog.pg_backend_pid(), pg_catalog.host(pg_catalog.inet_server_addr())`

// identify asks who answers on a connection, and on which backend.
func identify(ctx context.Context, conn *pgconn.PgConn) (is identity, backend int, addr string, err error) {
	row, err := askRow(ctx, conn, identityQuery)
	if err != nil {
		return identity{}, 0, "", err
	}
	backend, err = strconv.Atoi(row[3])
	return identity{row[0], row[1], row[2]}, backend, row[4], err
}

// newObserver takes over a connection, which it closes if that fails.
func newObserver(ctx context.Context, t *target, conn *pgconn.PgConn) (*observer, error) {
	is, backend, addr, err := identify(ctx, conn)
	if err != nil {
		closeSoon(conn)
		return nil, t.fault(err)
	}
	o := &observer{target: t, conn: conn, is: is, version: conn.ParameterStatus("server_version")}
	// A pooler that lends its backends gives each client a process ID of its
	// own making.
	o.shared = uint32(backend) != conn.PID()
	if isHere(conn.Conn().RemoteAddr(), addr) {
		o.memory = newMemoryReader(backend)
	}
	o.watch(is.database)
	return o, nil
}

// watch says which database's backends are to be counted, from now on.
func (o *observer) watch(database string) {
	if o.memory != nil {
		o.memory.begin()
	}
	// A role that may not see others' activity is told no backend_type of
	// theirs; parallel workers and walsenders may then be among those counted.
	o.query = `select pid from pg_catalog.pg_stat_activity where datname operator(pg_catalog.=) ` + literal(database) +
		` and coalesce(backend_type, 'client backend') operator(pg_catalog.=) 'client backend'`
	if !o.shared {
		o.query += ` and pid operator(pg_catalog.<>) pg_catalog.pg_backend_pid()`
	}
}

// literal quotes a string for SQL whatever standard_conforming_strings is.
func literal(s string) string {
	return ` E'` + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + `'`
}

func (o *observer) close() { closeSoon(o.conn) }

// ask gives the backends. A connection that was lost is opened again.
func (o *observer) ask(ctx context.Context) ([][]string, error) {
	if o.conn.IsClosed() {
		conn, err := o.target.connect(ctx, observerName)
		if err != nil {
			return nil, err
		}
		o.conn = conn
	}
	rows, err := askText(ctx, o.conn, o.query)
	if err != nil {
		return nil, fmt.Errorf("asking pg_stat_activity: %w", err)
	}
	return rows, nil
}

// read looks once. What cannot be seen is unknown.
func (o *observer) read(ctx context.Context) (reading, error) {
	ctx, cancel := context.WithTimeout(ctx, askDeadline)
	defer cancel()
	rows, err := o.ask(ctx)
	if err != nil {
		return nothingRead, err
	}
	pids := make([]int, 0, len(rows))
	for _, row := range rows {
		pid, err := strconv.Atoi(row[0])
		if err != nil {
			return nothingRead, fmt.Errorf("pg_stat_activity has a pid %q", row[0])
		}
		pids = append(pids, pid)
	}
	r := reading{backends: len(pids), processes: unknown, memory: unknown}
	if o.memory != nil {
		r.memory, r.sampled = o.memory.of(pids)
		r.processes = o.memory.processes()
	}
	return r, nil
}

// population is how many backends of a database there are, and processes of its
// server, each -1 if unknown.
type population struct{ backends, processes int }

func (o *observer) count(ctx context.Context) (population, error) {
	rows, err := o.ask(ctx)
	if err != nil {
		return population{unknown, unknown}, err
	}
	p := population{len(rows), unknown}
	if o.memory != nil {
		p.processes = o.memory.countNow()
	}
	return p, nil
}

// waitForAtMost waits until there is no more than before. A backend leaves
// pg_stat_activity before its process has ended, so both are looked at; but a
// process more may also be one of autovacuum's, so they are not waited for as
// long. It gives what there is in the end.
func (o *observer) waitForAtMost(ctx context.Context, before population) (population, error) {
	begin := time.Now()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		now, err := o.count(ctx)
		waited := time.Since(begin)
		backends := now.backends <= before.backends || waited > backendsPatience
		processes := now.processes <= before.processes || waited > processesPatience
		if err != nil || backends && processes {
			return now, err
		}
		select {
		case <-ctx.Done():
			return now, ctx.Err()
		case <-tick.C:
		}
	}
}

// isHere tells whether a server runs on this machine: we have reached it, or
// its pooler, at one of our addresses, and so was the server reached.
// serverAddr is inet_server_addr(), "" for a Unix socket.
func isHere(peer net.Addr, serverAddr string) bool {
	host := ""
	if tcp, ok := peer.(*net.TCPAddr); ok {
		host = tcp.IP.String()
	} else if _, ok := peer.(*net.UnixAddr); !ok {
		return false
	}
	return isOurs(host) && isOurs(serverAddr)
}

// isOurs tells whether an IP address is this machine's; "" is.
func isOurs(host string) bool {
	ip := net.ParseIP(cmp.Or(host, "127.0.0.1"))
	if ip == nil || ip.IsLoopback() {
		return ip != nil
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.Equal(ip) {
			return true
		}
	}
	return false
}
