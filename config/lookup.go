package config

import (
	"cmp"
	"os"
	"time"
)

// Database is what a client that asks for name gets: the entry of that name,
// else the entry "*" with Name and DBName filled in. The console's names are no
// databases. The result belongs to the Config and must not be changed.
func (c *Config) Database(name string) (*Database, bool) {
	if IsConsole(name) || name == "" {
		return nil, false
	}
	if db, ok := c.Databases[name]; ok && name != "*" {
		return db, true
	}
	fallback, ok := c.Databases["*"]
	if !ok {
		return nil, false
	}
	db := *fallback
	db.Name = name
	if db.DBName == "" {
		db.DBName = name
	}
	return &db, true
}

// PoolUser is the user of the pool that a client of this name uses: the
// database's own if it has one, else the client's.
func (d *Database) PoolUser(client string) string {
	if d.User != "" {
		return d.User
	}
	return client
}

// defaultSocketDir is where PostgreSQL listens if nobody says otherwise: the
// distributions' packages have their own folder, PostgreSQL's sources /tmp.
func defaultSocketDir() string {
	const packaged = "/var/run/postgresql"
	if info, err := os.Stat(packaged); err == nil && info.IsDir() {
		return packaged
	}
	return "/tmp"
}

// The following resolve a setting for one pool. db is as Config.Database gave
// it; user is the pool's user (Database.PoolUser), and need not be in [users].

// PoolSizeFor is how many backends the pool may have: the user's, else the
// database's pool_size, else default_pool_size (PgBouncer's order).
func (c *Config) PoolSizeFor(db *Database, user string) int {
	if u := c.Users[user]; u != nil && u.PoolSize != nil {
		return *u.PoolSize
	}
	if db.PoolSize != nil {
		return *db.PoolSize
	}
	return c.DefaultPoolSize
}

// MinPoolSizeFor is how many backends the pool keeps open: never more than its size.
func (c *Config) MinPoolSizeFor(db *Database, user string) int {
	least := c.MinPoolSize
	if db.MinPoolSize != nil {
		least = *db.MinPoolSize
	}
	return min(least, c.PoolSizeFor(db, user))
}

// PoolModeFor is the pool's mode: the user's, else the database's, else the
// general one (PgBouncer's order).
func (c *Config) PoolModeFor(db *Database, user string) string {
	if u := c.Users[user]; u != nil && u.PoolMode != "" {
		return u.PoolMode
	}
	if db.PoolMode != "" {
		return db.PoolMode
	}
	return c.PoolMode
}

// MaxDBConnectionsFor caps the backends of all the database's pools; 0 is no limit.
func (c *Config) MaxDBConnectionsFor(db *Database) int {
	if db.MaxDBConnections != nil {
		return *db.MaxDBConnections
	}
	return c.MaxDBConnections
}

// MaxUserConnectionsFor caps the backends of all the user's pools; 0 is no limit.
func (c *Config) MaxUserConnectionsFor(user string) int {
	if u := c.Users[user]; u != nil && u.MaxUserConnections != nil {
		return *u.MaxUserConnections
	}
	return c.MaxUserConnections
}

// ServerLifetimeFor is how old the pool's backends may be when they are given
// back; 0 is one use only.
func (c *Config) ServerLifetimeFor(db *Database, user string) time.Duration {
	if u := c.Users[user]; u != nil && u.ServerLifetime != nil {
		return *u.ServerLifetime
	}
	if db.ServerLifetime != nil {
		return *db.ServerLifetime
	}
	return c.ServerLifetime
}

// MaxReplicationConnectionsFor caps the replication connections to the database,
// within MaxReplicationConnections; 0 is no limit of its own.
func (c *Config) MaxReplicationConnectionsFor(db *Database) int {
	if db.MaxReplicationConnections != nil {
		return *db.MaxReplicationConnections
	}
	return 0
}

// ServerMaxProtocolVersionFor is the newest version of the protocol that the
// database's server is asked for: major<<16 | minor.
func (c *Config) ServerMaxProtocolVersionFor(db *Database) uint32 {
	if cmp.Or(db.ServerMaxProtocolVersion, c.ServerMaxProtocolVersion) == "3.0" {
		return 3 << 16
	}
	return 3<<16 | 2
}
