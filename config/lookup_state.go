package config

// The following resolve for one pool what becomes of session state in
// transaction and statement mode. db and user are as for the other lookups.

// SessionStateFor is "track", "pin" or "off": the user's session_state, else
// the database's, else the general one.
func (c *Config) SessionStateFor(db *Database, user string) string {
	if u := c.Users[user]; u != nil && u.SessionState != "" {
		return u.SessionState
	}
	if db.SessionState != "" {
		return db.SessionState
	}
	return c.SessionState
}

// ListenFor is "share", "pin" or "reject": the user's listen, else the
// database's, else the general one.
func (c *Config) ListenFor(db *Database, user string) string {
	if u := c.Users[user]; u != nil && u.Listen != "" {
		return u.Listen
	}
	if db.Listen != "" {
		return db.Listen
	}
	return c.Listen
}

// MaxPinnedFor is how many of the pool's backends may be pinned at once: the
// user's max_pinned, else the database's, else the general one. 0 is no bound.
func (c *Config) MaxPinnedFor(db *Database, user string) int {
	if u := c.Users[user]; u != nil && u.MaxPinned != nil {
		return *u.MaxPinned
	}
	if db.MaxPinned != nil {
		return *db.MaxPinned
	}
	return c.MaxPinned
}

// MaxPreparedStatementsFor is how many named prepared statements each of the
// database's backends may hold; 0: they are not tracked.
func (c *Config) MaxPreparedStatementsFor(db *Database) int {
	if db.MaxPreparedStatements != nil {
		return *db.MaxPreparedStatements
	}
	return c.MaxPreparedStatements
}

// LeakCheckFor is at what share of the returns that seem clean, from 0 to 1, a
// backend of the database is asked all the same what was left in it.
func (c *Config) LeakCheckFor(db *Database) float64 {
	if db.LeakCheck != nil {
		return *db.LeakCheck
	}
	return c.LeakCheck
}
