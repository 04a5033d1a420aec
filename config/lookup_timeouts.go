package config

import "time"

// Timeouts are a database's or a user's own; nil where the general one holds.
type Timeouts struct {
	QueryWaitTimeout       *time.Duration // 0: never
	QueryTimeout           *time.Duration // 0: never
	TransactionTimeout     *time.Duration // 0: never
	IdleTransactionTimeout *time.Duration // 0: never
	ClientIdleTimeout      *time.Duration // 0: never
	ServerIdleTimeout      *time.Duration // 0: never
}

// ClientTimeouts are those that end one client; 0 is never.
type ClientTimeouts struct{ Query, Transaction, IdleTransaction, ClientIdle time.Duration }

// ClientTimeoutsFor are those of a client of this name whose pool is user's: the
// client's own, else the pool's user's, else the database's, else the general ones.
func (c *Config) ClientTimeoutsFor(db *Database, user, client string) ClientTimeouts {
	all := [...]*Timeouts{c.timeoutsOf(client), c.timeoutsOf(user), &db.Timeouts}
	t := ClientTimeouts{c.QueryTimeout, c.TransactionTimeout, c.IdleTransactionTimeout, c.ClientIdleTimeout}
	for i := len(all) - 1; i >= 0; i-- {
		override(&t.Query, all[i].QueryTimeout)
		override(&t.Transaction, all[i].TransactionTimeout)
		override(&t.IdleTransaction, all[i].IdleTransactionTimeout)
		override(&t.ClientIdle, all[i].ClientIdleTimeout)
	}
	return t
}

// QueryWaitTimeoutFor is how long a client of the pool may wait for a backend; 0 is
// for ever.
func (c *Config) QueryWaitTimeoutFor(db *Database, user string) time.Duration {
	d := c.QueryWaitTimeout
	override(&d, db.QueryWaitTimeout)
	override(&d, c.timeoutsOf(user).QueryWaitTimeout)
	return d
}

// ServerIdleTimeoutFor is how long a backend of the pool may be idle; 0 is for ever.
func (c *Config) ServerIdleTimeoutFor(db *Database, user string) time.Duration {
	d := c.ServerIdleTimeout
	override(&d, db.ServerIdleTimeout)
	override(&d, c.timeoutsOf(user).ServerIdleTimeout)
	return d
}

var noTimeouts Timeouts

// timeoutsOf are a user's own.
func (c *Config) timeoutsOf(user string) *Timeouts {
	if u := c.Users[user]; u != nil {
		return &u.Timeouts
	}
	return &noTimeouts
}

// override puts a setting of its own, if it is there, in place of a more general one.
func override(d *time.Duration, own *time.Duration) {
	if own != nil {
		*d = *own
	}
}

// ShortestClientTimeouts are for each the shortest that holds for anybody; 0 where
// it holds for nobody.
func (c *Config) ShortestClientTimeouts() ClientTimeouts {
	least := ClientTimeouts{c.QueryTimeout, c.TransactionTimeout, c.IdleTransactionTimeout, c.ClientIdleTimeout}
	take := func(t *Timeouts) {
		shortest(&least.Query, t.QueryTimeout)
		shortest(&least.Transaction, t.TransactionTimeout)
		shortest(&least.IdleTransaction, t.IdleTransactionTimeout)
		shortest(&least.ClientIdle, t.ClientIdleTimeout)
	}
	for _, db := range c.Databases {
		take(&db.Timeouts)
	}
	for _, u := range c.Users {
		take(&u.Timeouts)
	}
	return least
}

func shortest(d *time.Duration, own *time.Duration) {
	if own != nil && *own > 0 && (*d == 0 || *own < *d) {
		*d = *own
	}
}
