package session

import "pgweir/session/proof"

// Catalog is what is known of one database of one server.
type Catalog = proof.Catalog

// Objects are those of a database, as they were read.
type Objects struct {
	Catalog    *Catalog
	Rows       []proof.Row
	Generation uint64
}

// Learn has the catalog know them. It takes time in proportion to the bodies of
// all functions.
func (b *Objects) Learn() { b.Catalog.Learn(b.Rows, b.Generation) }
