package console

import (
	"fmt"
	"time"

	"pgweir/status"
)

// A conn is a row of SHOW CLIENTS, SERVERS and SOCKETS.
type conn struct {
	*status.Conn
	kind  string // "C" or "S"
	state string
}

// connColumns are the columns that the four tables share; they are PgBouncer's.
var connColumns = []column[conn]{
	text("type", func(c *conn) string { return c.kind }),
	text("user", func(c *conn) string { return orElse(c.User, "(nouser)") }),
	text("database", func(c *conn) string { return orElse(c.Database, "(nodb)") }),
	text("replication", func(c *conn) string { return orElse(c.Replication, "none") }),
	text("state", func(c *conn) string { return c.state }),
	text("addr", func(c *conn) string { return c.Addr }),
	int4("port", func(c *conn) int { return c.Port }),
	text("local_addr", func(c *conn) string { return c.LocalAddr }),
	int4("local_port", func(c *conn) int { return c.LocalPort }),
	text("connect_time", func(c *conn) string { return clock(c.ConnectTime) }),
	text("request_time", func(c *conn) string { return clock(c.lastRequest()) }),
	int4("wait", func(c *conn) int { return wholeSeconds(c.Wait) }),
	int4("wait_us", func(c *conn) int { return restMicros(c.Wait) }),
	int4("close_needed", func(c *conn) int { return zeroOrOne(c.CloseNeeded) }),
	text("ptr", func(c *conn) string { return pointer(c.ID) }),
	text("link", func(c *conn) string { return pointer(c.Link) }),
	int4("remote_pid", func(c *conn) int { return c.RemotePID }),
	text("tls", func(c *conn) string { return c.TLS }),
	text("application_name", func(c *conn) string { return c.ApplicationName }),
	int4("prepared_statements", func(c *conn) int { return c.Prepared }),
	// PgBouncer's is INT4. One id for each connection outgrows that in weeks.
	int8("id", func(c *conn) int64 { return int64(c.ID) }),
}

// pgbouncerColumns are connColumns with the id's type as PgBouncer declares it. As
// text it is the whole number all the same, which KILL_CLIENT takes.
var pgbouncerColumns = append(connColumns[:len(connColumns)-1:len(connColumns)-1],
	int4("id", func(c *conn) int { return int(c.ID) }))

// stateColumns follow in SHOW CLIENTS and SERVERS. They are ours.
var stateColumns = append(connColumns[:len(connColumns):len(connColumns)],
	text("settings", func(c *conn) string { return c.Settings }),
	text("pin", func(c *conn) string { return c.Pin }))

// socketColumns follow in SHOW SOCKETS: what lies in PgBouncer's buffers. An
// idle connection of ours has no buffer, so there is nothing to tell.
var socketColumns = withBuffers(connColumns)

func withBuffers(columns []column[conn]) []column[conn] {
	return append(columns[:len(columns):len(columns)],
		zero("recv_pos"), zero("pkt_pos"), zero("pkt_remain"), zero("send_pos"),
		zero("send_remain"), zero("pkt_avail"), zero("send_avail"))
}

func zero(name string) column[conn] {
	return int4(name, func(*conn) int { return 0 })
}

var clientsTable = view[conn]{needs: status.Full, rows: clientRows, columns: stateColumns}

var serversTable = view[conn]{needs: status.Full, rows: serverRows, columns: stateColumns}

var socketsTable = view[conn]{needs: status.Full, rows: socketRows, columns: socketColumns}

// As PgBouncer has them.
var (
	pgbouncerClients       = clientsTable.with(pgbouncerColumns)
	pgbouncerServers       = serversTable.with(pgbouncerColumns)
	pgbouncerSockets       = socketsTable.with(withBuffers(pgbouncerColumns))
	pgbouncerActiveSockets = activeSocketsTable.with(withBuffers(pgbouncerColumns))
)

// activeSocketsTable is SHOW ACTIVE_SOCKETS: PgBouncer lists the sockets with
// something in their buffers, we those that have something under way.
var activeSocketsTable = view[conn]{
	needs: status.Full,
	rows: func(s *status.Snapshot) []conn {
		var active []conn
		for _, c := range socketRows(s) {
			switch c.state {
			case "cl_active", "sv_active":
				if c.Link == 0 {
					continue
				}
			case "sv_idle", "sv_used":
				continue
			}
			active = append(active, c)
		}
		return active
	},
	columns: socketColumns,
}

// clientRows leaves out those that have not logged in, as PgBouncer does: they
// belong to no pool.
func clientRows(s *status.Snapshot) []conn {
	rows := make([]conn, 0, len(s.Clients))
	for i := range s.Clients {
		c := &s.Clients[i].Conn
		if c.State != "login" {
			rows = append(rows, conn{c, "C", c.ShownState()})
		}
	}
	return rows
}

func serverRows(s *status.Snapshot) []conn {
	rows := make([]conn, 0, len(s.Servers))
	for i := range s.Servers {
		c := &s.Servers[i].Conn
		state := c.ShownState()
		if state == "login" {
			state = "new" // its word for it in this table
		}
		rows = append(rows, conn{c, "S", state})
	}
	return rows
}

func socketRows(s *status.Snapshot) []conn {
	rows := make([]conn, 0, len(s.Clients)+len(s.Servers))
	for i := range s.Clients {
		c := &s.Clients[i].Conn
		rows = append(rows, conn{c, "C", "cl_" + c.State})
	}
	for i := range s.Servers {
		c := &s.Servers[i].Conn
		state := c.State
		if state == "new" {
			state = "login"
		}
		rows = append(rows, conn{c, "S", "sv_" + state})
	}
	return rows
}

// lastRequest is when the last request began. PgBouncer counts the connecting
// as the first.
func (c *conn) lastRequest() time.Time {
	if c.RequestTime.IsZero() {
		return c.ConnectTime
	}
	return c.RequestTime
}

// clock is a time as PgBouncer writes it: local, to the second, with the zone.
func clock(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05 MST") }

// pointer stands for the address that PgBouncer shows: what identifies a
// connection in ptr and link.
func pointer(id uint64) string {
	if id == 0 {
		return ""
	}
	return fmt.Sprintf("0x%x", id)
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func zeroOrOne(b bool) int {
	if b {
		return 1
	}
	return 0
}
