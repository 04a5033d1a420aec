package config

import "cmp"

// own is the first setting that is there, else the general one.
func own(general int, settings ...*int) int {
	if n := cmp.Or(settings...); n != nil {
		return *n
	}
	return general
}

// limitsOf is a user's entry; an empty one if there is none.
func (c *Config) limitsOf(user string) *User {
	if u := c.Users[user]; u != nil {
		return u
	}
	return new(User)
}

// ReservePoolSizeFor is how many backends the pool may open beyond its size: the
// user's, else the database's, else the general number (PgBouncer's order); 0 when
// reserve_pool_timeout turns the reserve off.
func (c *Config) ReservePoolSizeFor(db *Database, user string) int {
	if c.ReservePoolTimeout == 0 {
		return 0
	}
	return own(c.ReservePoolSize, c.limitsOf(user).ReservePoolSize, db.ReservePoolSize)
}

// PoolWeightFor is the pool's weight: the user's, else the database's, else the
// general one.
func (c *Config) PoolWeightFor(db *Database, user string) int {
	return own(c.PoolWeight, c.limitsOf(user).PoolWeight, db.PoolWeight)
}

// MaxWaitingFor bounds the pool's waiting line: the user's, else the database's,
// else the general number; 0 is no limit.
func (c *Config) MaxWaitingFor(db *Database, user string) int {
	return own(c.MaxWaiting, c.limitsOf(user).MaxWaiting, db.MaxWaiting)
}

// MaxDBClientConnectionsFor caps the clients of the database; 0 is no limit.
func (c *Config) MaxDBClientConnectionsFor(db *Database) int {
	return own(c.MaxDBClientConnections, db.MaxDBClientConnections)
}

// MaxUserClientConnectionsFor caps the clients that log in as the user; 0 is no limit.
func (c *Config) MaxUserClientConnectionsFor(user string) int {
	return own(c.MaxUserClientConnections, c.limitsOf(user).MaxUserClientConnections)
}
