// Package pgbouncer reads a pgbouncer.ini as PgBouncer 1.25 does, and makes a
// configuration of pgweir's of it, or the text of a config.toml.
//
// It knows PgBouncer's file: sections, quoting, %include, which of two lines counts,
// and of every setting its type, its default and what has become of it here. One table
// (general.go, tables.go) drives the reading, the import, the hints of `pgweir check`
// and the table of docs/migration.md. It must not know what pgweir's settings do, nor
// check their values: config does that.
package pgbouncer
