package console

import (
	"strconv"
	"time"

	"pgweir/status"
)

// databasesTable is SHOW DATABASES; server_lifetime is in seconds.
var databasesTable = view[status.Database]{
	rows: func(s *status.Snapshot) []status.Database { return s.Databases },
	columns: []column[status.Database]{
		text("name", func(d *status.Database) string { return d.Name }),
		textOrNull("host", func(d *status.Database) string { return d.Host }),
		int4("port", func(d *status.Database) int { return d.Port }),
		text("database", func(d *status.Database) string { return d.Database }),
		textOrNull("force_user", func(d *status.Database) string { return d.ForceUser }),
		int4("pool_size", func(d *status.Database) int { return d.PoolSize }),
		int4("min_pool_size", func(d *status.Database) int { return d.MinPoolSize }),
		int4("reserve_pool_size", func(d *status.Database) int { return d.ReservePool }),
		int4("server_lifetime", func(d *status.Database) int { return wholeSeconds(d.ServerLifetime) }),
		textOrNull("pool_mode", func(d *status.Database) string { return d.PoolMode }),
		textOrNull("load_balance_hosts", func(d *status.Database) string { return d.LoadBalanceHosts }),
		int4("max_connections", func(d *status.Database) int { return d.MaxConnections }),
		int4("current_connections", func(d *status.Database) int { return d.Connections }),
		int4("max_client_connections", func(d *status.Database) int { return d.MaxClients }),
		int4("current_client_connections", func(d *status.Database) int { return d.Clients }),
		int4("paused", func(d *status.Database) int { return zeroOrOne(d.Paused) }),
		int4("disabled", func(d *status.Database) int { return zeroOrOne(d.Disabled) }),
	},
}

// usersTable is SHOW USERS. The sizes are TEXT, empty unless set for the user.
var usersTable = view[status.User]{
	needs: status.Full,
	rows:  func(s *status.Snapshot) []status.User { return s.Users },
	columns: []column[status.User]{
		text("name", func(u *status.User) string { return u.Name }),
		text("pool_size", func(u *status.User) string { return sizeOrEmpty(u.PoolSize) }),
		text("reserve_pool_size", func(u *status.User) string { return setOrEmpty(u.ReservePool) }),
		textOrNull("pool_mode", func(u *status.User) string { return u.PoolMode }),
		int4("max_user_connections", func(u *status.User) int { return u.MaxConnections }),
		int4("current_connections", func(u *status.User) int { return u.Connections }),
		int4("max_user_client_connections", func(u *status.User) int { return u.MaxClients }),
		int4("current_client_connections", func(u *status.User) int { return u.Clients }),
	},
}

// pgbouncerDatabases and pgbouncerUsers have the console among them, as PgBouncer has it.
var (
	pgbouncerDatabases = databasesTable.of((*status.Snapshot).TheirDatabases)
	pgbouncerUsers     = usersTable.of((*status.Snapshot).TheirUsers)
)

func sizeOrEmpty(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// setOrEmpty is a number that may be set to 0, too.
func setOrEmpty(n *int) string {
	if n == nil {
		return ""
	}
	return strconv.Itoa(*n)
}

// listed is a row of SHOW LISTS.
type listed struct {
	name  string
	items int
}

var listsTable = view[listed]{
	rows: func(s *status.Snapshot) []listed { return lists(&s.Lists) },
	columns: []column[listed]{
		text("list", func(l *listed) string { return l.name }),
		int4("items", func(l *listed) int { return l.items }),
	},
}

var pgbouncerLists = view[listed]{
	needs: status.Full,
	rows: func(s *status.Snapshot) []listed {
		l := s.TheirLists()
		return lists(&l)
	},
	columns: listsTable.columns,
}

func lists(l *status.Lists) []listed {
	return []listed{
		{"databases", l.Databases},
		{"users", l.Users},
		{"peers", 0},
		{"pools", l.Pools},
		{"peer_pools", 0},
		{"free_clients", l.FreeClients},
		{"used_clients", l.UsedClients},
		{"login_clients", l.LoginClients},
		{"free_servers", l.FreeServers},
		{"used_servers", l.UsedServers},
		{"dns_names", l.DNSNames},
		{"dns_zones", 0},
		{"dns_queries", l.DNSQueries},
		{"dns_pending", 0},
	}
}

var configTable = view[status.Setting]{
	rows: func(s *status.Snapshot) []status.Setting { return s.Config },
	columns: []column[status.Setting]{
		text("key", func(c *status.Setting) string { return c.Key }),
		text("value", func(c *status.Setting) string { return c.Value }),
		text("default", func(c *status.Setting) string { return c.Default }),
		text("changeable", func(c *status.Setting) string { return yesOrNo(c.Changeable) }),
	},
}

// pgbouncerConfig has the settings that PgBouncer has too, with its names and values.
var pgbouncerConfig = view[status.Setting]{
	rows:    func(s *status.Snapshot) []status.Setting { return s.PgBouncerConfig },
	columns: configTable.columns,
}

// certificateRow is a row of SHOW CERTIFICATES, which PgBouncer does not have.
type certificateRow struct {
	*status.Certificate
	left time.Duration
}

// certificatesTable is SHOW CERTIFICATES: when the files of certificates that the
// configuration names are no longer good.
var certificatesTable = view[certificateRow]{
	rows: func(s *status.Snapshot) []certificateRow {
		rows := make([]certificateRow, len(s.Certificates))
		for i := range s.Certificates {
			c := &s.Certificates[i]
			rows[i] = certificateRow{c, c.Expires.Sub(s.At)}
		}
		return rows
	},
	columns: []column[certificateRow]{
		text("setting", func(c *certificateRow) string { return c.Setting }),
		text("file", func(c *certificateRow) string { return readable(c.File) }),
		text("subject", func(c *certificateRow) string { return readable(c.Subject) }),
		text("expires", func(c *certificateRow) string { return clock(c.Expires) }),
		int8("seconds_left", func(c *certificateRow) int64 { return int64(c.left.Seconds()) }),
	},
}

// pair is a row of SHOW STATE.
type pair struct{ key, value string }

// stateTable is SHOW STATE: PgBouncer's rows, whether clients can be served, as /readyz
// says it, and how the event loops receive and send.
var stateTable = view[pair]{
	rows: func(s *status.Snapshot) []pair {
		rows := append(modes(s), pair{"ready", yesOrNo(s.Ready)})
		if !s.Ready {
			rows = append(rows, pair{"not_ready_because", readable(s.NotReady)})
		}
		return append(rows, engineRows(&s.Engine)...)
	},
	columns: []column[pair]{
		text("key", func(p *pair) string { return p.key }),
		text("value", func(p *pair) string { return p.value }),
	},
}

var pgbouncerState = stateTable.of(modes)

// modes are the rows of PgBouncer's. As there, a database that is paused by its name does
// not count.
func modes(s *status.Snapshot) (rows []pair) {
	for _, m := range []status.Mode{status.Active, status.Paused, status.Suspended} {
		rows = append(rows, pair{string(m), yesOrNo(s.Mode == m)})
	}
	return rows
}

func yesOrNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
