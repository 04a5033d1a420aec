package proxy

import (
	"pgweir/pool"
	"pgweir/session"
)

// catalogKey names a database of a server, or of the servers that hold the same.
type catalogKey struct{ network, addr, dbname string }

func catalogKeyOf(s *pool.Settings) catalogKey {
	return catalogKey{s.Address.Network, s.At(), s.DBName}
}

// catalogs has the session.Catalog of each database that a pool is for.
type catalogs map[catalogKey]*catalog

type catalog struct {
	session.Catalog
	key   catalogKey
	pools int  // that have it
	told  bool // the log has it that its objects cannot be read
}

// take gives the catalog of a database to a pool that had old until now, which
// may be nil. They are the same if it is the same database.
func (m catalogs) take(key catalogKey, old *catalog) *catalog {
	c := m[key]
	if c == nil {
		c = &catalog{key: key}
		m[key] = c
	}
	c.pools++
	m.give(old)
	return c
}

// give takes a catalog back from a pool. That of a database without a pool is
// forgotten.
func (m catalogs) give(c *catalog) {
	if c == nil {
		return
	}
	if c.pools--; c.pools == 0 {
		delete(m, c.key)
	}
}

// failures are the databases whose objects cannot be read since the last call,
// and those whose objects can be again.
func (m catalogs) failures() (begun, ended []catalogKey) {
	for key, c := range m {
		switch failing := c.Failing(); {
		case failing && !c.told:
			begun = append(begun, key)
		case c.told && c.Certain():
			ended = append(ended, key)
		default:
			continue
		}
		c.told = !c.told
	}
	return begun, ended
}
