package config

import (
	"fmt"
	"slices"
	"strings"
)

// Demand is how many backends the pools of one server can have together, with
// the terms of the sum.
type Demand struct {
	Host string // "" is PostgreSQL's usual socket folder
	Port int
	// Total is the most that can be open at once: the databases' sums, or what
	// max_user_connections leaves of them.
	Total int
	// Open is set when Total is for the known databases and users only, and
	// more pools can come to be: through "*", or with users not known here.
	Open      bool
	Databases []DatabaseDemand // in order of names
	// Replication is how many replication connections there can be besides, for
	// which PostgreSQL has room of its own (max_wal_senders); 0 is no limit.
	Replication int
	// UserSum is Total where max_user_connections makes it less than the
	// databases' sum; else -1.
	UserSum int
	// Cap is max_server_conn where Total would be more, or without a bound; else 0.
	Cap int
}

// DatabaseDemand is the part of one [databases.NAME].
type DatabaseDemand struct {
	Database *Database
	Pools    []PoolDemand // in order of users
	Cap      int          // max_db_connections; 0 is no limit
	Total    int          // the pools' sum, or Cap if that is less
}

// PoolDemand is the part of one pool.
type PoolDemand struct {
	User    string // "" stands for any one user, where none is known
	Size    int    // pool_size
	Reserve int    // reserve_pool_size
	Cap     int    // max_user_connections; 0 is no limit
	Total   int    // Size + Reserve, or Cap if that is less
}

// Demand reckons, for each server (host and port), how many backends the
// pools can have; of a database on several hosts, each may come to have all. users are those who can log in besides [users.NAME]: the
// auth_file's. A database without a user of its own has a pool for each user.
func (c *Config) Demand(users []string) []Demand {
	users = slices.Clone(users)
	for name := range c.Users {
		users = append(users, name)
	}
	slices.Sort(users)
	users = slices.Compact(users)

	byServer := map[Server]*Demand{}
	for _, name := range sortedKeys(c.Databases) {
		db := c.Databases[name]
		part := c.databaseDemand(db, users)
		for _, s := range db.EachServer() { // any may have to serve alone
			key := s
			if dir, ok := s.SocketDir(); ok {
				key.Host = dir // "" and its meaning are one server
			}
			d := byServer[key]
			if d == nil {
				d = &Demand{Host: s.Host, Port: s.Port}
				byServer[key] = d
			}
			d.Databases = append(d.Databases, part)
			d.Total += part.Total
			d.Open = d.Open || name == "*" || (db.User == "" && len(users) == 0)
		}
	}

	demands := make([]Demand, 0, len(byServer))
	for _, d := range byServer {
		d.UserSum = -1
		d.Replication = c.replicationDemand(d)
		if sum := d.userSum(); sum < d.Total {
			d.Total, d.UserSum = sum, sum
		}
		if most := c.MaxServerConn; most > 0 && (d.Open || d.Total > most) {
			d.Total, d.Cap, d.Open = most, most, false
		}
		demands = append(demands, *d)
	}
	slices.SortFunc(demands, func(a, b Demand) int {
		if order := strings.Compare(a.Host, b.Host); order != 0 {
			return order
		}
		return a.Port - b.Port
	})
	return demands
}

func (c *Config) databaseDemand(db *Database, users []string) DatabaseDemand {
	poolUsers := users
	if db.User != "" {
		poolUsers = []string{db.User}
	} else if len(users) == 0 {
		poolUsers = []string{""}
	}
	d := DatabaseDemand{Database: db, Cap: c.MaxDBConnectionsFor(db)}
	for _, user := range poolUsers {
		pool := PoolDemand{
			User:    user,
			Size:    c.PoolSizeFor(db, user),
			Reserve: c.ReservePoolSizeFor(db, user),
			Cap:     c.MaxUserConnectionsFor(user),
		}
		pool.Total = capped(pool.Size+pool.Reserve, pool.Cap)
		d.Pools = append(d.Pools, pool)
		d.Total += pool.Total
	}
	d.Total = capped(d.Total, d.Cap)
	return d
}

// replicationDemand is how many replication connections there can be to the
// databases of a server; 0 is no limit.
func (c *Config) replicationDemand(d *Demand) int {
	sum := 0
	for _, part := range d.Databases {
		most := c.MaxReplicationConnectionsFor(part.Database)
		if most == 0 || part.Database.Name == "*" { // or for each name that comes to be
			return c.MaxReplicationConnections
		}
		sum += most
	}
	return capped(sum, c.MaxReplicationConnections)
}

// userSum is the pools' sum taken by users. Both this and the sum by databases
// are bounds, so the lesser holds.
func (d *Demand) userSum() int {
	total := 0
	for _, n := range d.OfUsers() {
		total += n
	}
	return total
}

// OfUsers is how many backends each user's pools can have together on this
// server; the key "" stands for any one user, where none is known.
func (d *Demand) OfUsers() map[string]int {
	sums, caps := map[string]int{}, map[string]int{}
	for _, db := range d.Databases {
		for _, pool := range db.Pools {
			sums[pool.User] += capped(pool.Total, db.Cap)
			caps[pool.User] = pool.Cap
		}
	}
	for user, sum := range sums {
		sums[user] = capped(sum, caps[user])
	}
	return sums
}

// OfDatabases is how many backends can be open to each database of the server,
// by its name there (dbname); several entries can lead to one. The fallback "*"
// is left out unless it has a dbname.
func (d *Demand) OfDatabases() map[string]int {
	sums := map[string]int{}
	for _, db := range d.Databases {
		if db.Database.DBName != "" {
			sums[db.Database.DBName] += db.Total
		}
	}
	return sums
}

func capped(n, limit int) int {
	if limit > 0 && n > limit {
		return limit
	}
	return n
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// Terms writes the sum out, a line for each database, such as
// "app: alice 20 + bob 20 + 5 in reserve = 45, max_db_connections 30".
func (d *Demand) Terms() []string {
	var lines []string
	for i := range d.Databases {
		lines = append(lines, d.Databases[i].term())
	}
	if d.UserSum >= 0 {
		lines = append(lines, fmt.Sprintf("all users with their max_user_connections: %d", d.UserSum))
	}
	if d.Cap > 0 {
		lines = append(lines, fmt.Sprintf("all pools with max_server_conn: %d", d.Cap))
	}
	return lines
}

// term groups users whose pools are equal, so that a thousand users fit a line.
func (d *DatabaseDemand) term() string {
	var terms []string
	sum := 0
	for i := 0; i < len(d.Pools); {
		pool, n := d.Pools[i], 1
		for i+n < len(d.Pools) && equalPools(d.Pools[i+n], pool) {
			n++
		}
		i += n
		sum += n * pool.Total
		terms = append(terms, pool.term(n))
	}
	line := fmt.Sprintf("%s: %s", d.Database.Name, strings.Join(terms, " + "))
	if len(d.Pools) > 1 {
		line += fmt.Sprintf(" = %d", sum)
	}
	if d.Total < sum {
		line += fmt.Sprintf(", at most %d by max_db_connections", d.Cap)
	}
	return line
}

func equalPools(a, b PoolDemand) bool {
	a.User, b.User = "", ""
	return a == b
}

// term is the part of n users with pools like p.
func (p *PoolDemand) term(n int) string {
	size := fmt.Sprint(p.Size)
	if p.Reserve > 0 {
		size = fmt.Sprintf("(%d + %d in reserve)", p.Size, p.Reserve)
	}
	if p.Total < p.Size+p.Reserve {
		size = fmt.Sprintf("%d (max_user_connections)", p.Total)
	}
	switch {
	case n > 1:
		return fmt.Sprintf("%d users × %s", n, size)
	case p.User == "":
		return size + " for each user"
	}
	return p.User + " " + size
}

// Server is the server.
func (d *Demand) Server() Server { return Server{d.Host, d.Port} }

// String is the server and the total: "10.0.0.5:5432 45", or "… 45 and more".
func (d *Demand) String() string {
	_, address := d.Server().Address()
	if d.Open {
		return fmt.Sprintf("%s %d and more", address, d.Total)
	}
	return fmt.Sprintf("%s %d", address, d.Total)
}
