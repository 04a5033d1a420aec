// Package integration tests the built program from outside: pgweir as a
// process of its own, real PostgreSQL servers, real clients. Where it can,
// PostgreSQL is the oracle: what a client sees through pgweir must be what it
// sees without it. Numbers of backends are taken from PostgreSQL and from the
// process table, never from pgweir.
//
// It knows pgweir's interfaces only (command line, config.toml, protocol,
// console, HTTP, signals, log) and must not import the packages that make up
// the program.
//
// PGWEIR_TEST_PG_BIN names the folder of PostgreSQL's programs (initdb and
// postgres are enough; psql and pgbench are taken from PATH).
// PGWEIR_TEST_RACE=1 builds the program with the race detector, and then its
// clients move from loop to loop all the time. PGWEIR_TEST_WORKERS is how many
// loops a pgweir has whose test does not say so itself, and PGWEIR_TEST_IO_ENGINE is
// their io_engine.
package integration
