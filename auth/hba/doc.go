// Package hba reads PostgreSQL's pg_hba.conf and pg_ident.conf, as PostgreSQL
// 16 to 18 do, and says which line is for a client and whether a map lets one
// user act as another. Files for PostgreSQL 14 and 15 mean the same here, but for
// what 16 has added: includes, regular expressions in pg_hba.conf, and as
// database users of pg_ident.conf all, +group and regular expressions.
//
// It must not know sockets, configuration or pools. Files come through Files,
// and what cannot be known from a file and a connection through Facts: who is a
// member of which role, which names an address has, which networks are ours.
// It imports spelling only.
//
// What is not known lets nobody in: a line that hangs on it applies only if it
// is a reject.
//
// The package is stricter than PostgreSQL where a line can only be a mistake:
// an open quote, an address in a short form ("10/8" is 0.0.0.10/8 to
// PostgreSQL), a host name that no host can have, a list that is empty. It
// refuses methods that pgweir does not have. Regular expressions are RE2's with
// those words alone that mean the same in PostgreSQL's.
//
// The source is PostgreSQL's manual, "The pg_hba.conf File" and "User Name
// Maps", and, for what it leaves open, PostgreSQL's own reading of the lines in
// testdata.
package hba
