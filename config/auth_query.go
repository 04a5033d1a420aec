package config

import (
	"cmp"
	"strings"
)

// AuthQuery is how the secret of a user is asked for who is not known here.
type AuthQuery struct {
	User     string    // who asks
	Database *Database // in which database, and so on which server
	Query    string    // with $1 for the name
}

// AuthQueryFor is how the secrets of clients are asked for that ask for a database;
// false if they are not. With the console's name, and with one that is no database,
// the general settings hold.
func (c *Config) AuthQueryFor(database string) (AuthQuery, bool) {
	own := &Database{}
	db, ok := c.Database(database)
	if ok {
		own = db
	}
	q := AuthQuery{
		User:     cmp.Or(own.AuthUser, c.AuthUser),
		Query:    cmp.Or(own.AuthQuery, c.AuthQuery),
		Database: db,
	}
	if name := cmp.Or(own.AuthDBName, c.AuthDBName); name != "" {
		q.Database, ok = c.Database(name)
	}
	return q, ok && q.User != ""
}

// authQuery finds what auth_query lacks. path is that of the table that the settings
// stand in.
func (p *parser) authQuery(path []string, query, database string) {
	at := func(name string) []string { return append(path[:len(path):len(path)], name) }
	if path := at("auth_query"); query != "" && !strings.Contains(query, "$1") {
		p.problem(path, "%s: has no $1 for the user's name", dotted(path))
	}
	if path := at("auth_dbname"); database != "" {
		if IsConsole(database) {
			p.problem(path, "%s: %s is the admin console's name", dotted(path), quote(database))
		} else if _, ok := p.config.Database(database); !ok {
			p.problem(path, "%s: there is no [databases.%s]", dotted(path), printable(database))
		}
	}
}
