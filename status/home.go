package status

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"time"
)

// PgBouncer's console is a database and a user of its own, both of this name, and its
// clients are counted with the others.
const bouncerName = "pgbouncer"

// ownName is what the console is called here besides.
const ownName = "pgweir"

// AsTheirs is the snapshot with one pool for the console, as PgBouncer has it, by whichever
// name its clients have come.
func (s *Snapshot) AsTheirs() *Snapshot {
	if !slices.ContainsFunc(s.Pools, func(p Pool) bool { return p.Database == ownName }) {
		return s
	}
	out := *s
	out.Pools, out.Clients = nil, slices.Clone(s.Clients)
	for i := range out.Clients {
		if c := &out.Clients[i]; c.Database == ownName {
			c.Database = bouncerName
		}
	}
	home := -1
	for _, p := range s.Pools {
		switch {
		case !p.IsConsole():
			out.Pools = append(out.Pools, p)
		case home < 0:
			home = len(out.Pools)
			p.Database, p.User, p.PinnedBy = bouncerName, bouncerName, maps.Clone(p.PinnedBy)
			out.Pools = append(out.Pools, p)
		default:
			out.Pools[home].add(&p)
		}
	}
	slices.SortFunc(out.Pools, func(a, b Pool) int { return cmp.Or(cmp.Compare(a.Database, b.Database), cmp.Compare(a.User, b.User)) })
	out.Lists.Pools -= len(s.Pools) - len(out.Pools)
	return &out
}

// TheirDatabases are the databases as PgBouncer lists them, with its console among them.
func (s *Snapshot) TheirDatabases() []Database {
	home := Database{
		Name: bouncerName, Database: bouncerName, ForceUser: bouncerName, PoolSize: 2, PoolMode: "statement",
		Port:           s.theirNumber("listen_port"),
		MaxClients:     s.theirNumber("max_db_client_connections"),
		ServerLifetime: time.Duration(s.theirNumber("server_lifetime")) * time.Second,
	}
	for i := range s.Pools {
		if p := &s.Pools[i]; p.IsConsole() {
			home.Clients += p.Clients()
		}
	}
	all := append(slices.Clone(s.Databases), home)
	slices.SortFunc(all, func(a, b Database) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// TheirUsers are the users as PgBouncer lists them. The snapshot is to be a Full one.
func (s *Snapshot) TheirUsers() []User {
	all := slices.Clone(s.Users)
	if !s.knowsHome() {
		all = append(all, User{Name: bouncerName, MaxConnections: s.theirNumber("max_user_connections"),
			MaxClients: s.theirNumber("max_user_client_connections")})
		slices.SortFunc(all, func(a, b User) int { return cmp.Compare(a.Name, b.Name) })
	}
	clients := map[string]int{}
	for i := range s.Clients {
		if c := &s.Clients[i]; isConsole(c.Database) {
			clients[c.User]++
		}
	}
	for i := range all {
		all[i].Clients += clients[all[i].Name]
	}
	return all
}

// TheirLists counts what PgBouncer lists. The snapshot is to be a Full one.
func (s *Snapshot) TheirLists() Lists {
	l := s.Lists
	l.Databases++
	if !s.knowsHome() {
		l.Users++
	}
	return l
}

func (s *Snapshot) knowsHome() bool {
	return slices.ContainsFunc(s.Users, func(u User) bool { return u.Name == bouncerName })
}

// theirNumber is a setting by PgBouncer's name, or by ours where that is not there; 0 if
// it is no whole number.
func (s *Snapshot) theirNumber(name string) int {
	for _, rows := range [][]Setting{s.PgBouncerConfig, s.Config} {
		if i := slices.IndexFunc(rows, func(row Setting) bool { return row.Key == name }); i >= 0 {
			n, _ := strconv.Atoi(rows[i].Value)
			return n
		}
	}
	return 0
}
