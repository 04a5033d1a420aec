package config

import (
	"maps"
	"slices"
)

// maxName is how many bytes PostgreSQL has for a name (NAMEDATALEN - 1).
const maxName = 63

// CutName is what PostgreSQL makes of the name of a database or user in a
// StartupMessage (ProcessStartupPacket): it is cut at 63 bytes, also in the midst
// of a character. 17.0 to 17.2 do not cut, and so know no longer name.
func CutName(name string) string { return name[:min(len(name), maxName)] }

// cutNames cuts the names of databases and users, as those of clients are. Names
// that are the same then would let one client have another's pool or secret.
func (p *parser) cutNames() {
	c := p.config
	for _, name := range slices.Sorted(maps.Keys(c.Databases)) {
		db := c.Databases[name]
		db.Name, db.DBName, db.User = CutName(db.Name), CutName(db.DBName), CutName(db.User)
		cutEntry(p, "databases", c.Databases, name)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Users)) {
		c.Users[name].Name = CutName(name)
		cutEntry(p, "users", c.Users, name)
	}
	for _, names := range [][]string{c.AdminUsers, c.StatsUsers} {
		for i := range names {
			names[i] = CutName(names[i])
		}
	}
	c.CensusUser, c.CensusDatabase = CutName(c.CensusUser), CutName(c.CensusDatabase)
}

// cutEntry moves the entry of a name that is too long to the name that it is
// cut to.
func cutEntry[T any](p *parser, table string, entries map[string]*T, name string) {
	short := CutName(name)
	if short == name {
		return
	}
	if entries[short] != nil {
		path := []string{table, name}
		p.problem(path, "%s: PostgreSQL cuts the name at %d bytes, and then there is another of that name", dotted(path), maxName)
		return
	}
	entries[short] = entries[name]
	delete(entries, name)
	p.lines.alias([]string{table, name}, []string{table, short})
}
