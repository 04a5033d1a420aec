package config

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// AuthQuery is how the secret of a user is asked for who is not known here.
type AuthQuery struct {
	User     string    // who asks
	Database *Database // in which database, and so on which server
	Query    string    // with $1 for the name
	// Home is another database of the server, if the client has chosen the name of
	// Database: there may be none. It is "postgres", which is nearly always there.
	Home *Database
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
	} else if ok && c.isClients(database) {
		home := *db
		home.Name, home.DBName = homeName, homeName
		q.Home = &home
	}
	return q, ok && q.User != ""
}

// homeName is the database that initdb makes for whoever needs any.
const homeName = "postgres"

// isClients tells whether the name on the server of a database is the one that a
// client has asked for.
func (c *Config) isClients(database string) bool {
	if _, ok := c.Databases[database]; ok && database != "*" {
		return false
	}
	all, ok := c.Databases["*"]
	return ok && all.DBName == ""
}

// AuthQueryForNone is how users are asked for who want no database, or one that is not
// here, where nothing else says it: as for the first database that has an auth_query.
// They are not let in, but must not see another secret than elsewhere.
func (c *Config) AuthQueryForNone() (AuthQuery, bool) {
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(c.Databases)), func(name string) bool { return name == "*" })
	for _, name := range append(names, homeName) {
		if q, ok := c.AuthQueryFor(name); ok {
			return q, true
		}
	}
	return AuthQuery{}, false
}

// AsksServers tells whether servers are asked about the users of any database.
func (c *Config) AsksServers() bool {
	for _, db := range c.Databases {
		if db.AuthUser != "" {
			return true
		}
	}
	return c.AuthUser != ""
}

// authQuery finds what auth_query lacks. path is that of the table that the settings
// stand in; asked tells whether there is an auth_user for whom they are.
func (p *parser) authQuery(path []string, query, database string, asked bool) {
	at := func(name string) []string { return append(path[:len(path):len(path)], name) }
	if path := at("auth_query"); query != "" && !strings.Contains(query, "$1") {
		p.problem(path, "%s: has no $1 for the user's name", dotted(path))
	}
	if path := at("auth_dbname"); database != "" {
		if IsConsole(database) {
			p.problem(path, "%s: %s is the admin console's name", dotted(path), quote(database))
		} else if _, ok := p.config.Database(database); !ok {
			p.problem(path, "%s: there is no [databases.%s]", dotted(path), printable(database))
		} else if !asked {
			p.problem(path, "%s: set without auth_user, who asks there", dotted(path))
		}
	}
}
