// Package proof holds what is known of the statements that run in a pool, and of
// the database behind it: which shapes of statements (wire.Shape) are proven to
// leave nothing behind in a backend, and which names may.
//
// A backend goes to another client only after PostgreSQL has vouched for what ran
// on it. A shape that is not proven has the backend asked before the lease ends.
// Clean answers count, and the question comes back at the 1st, 2nd, 4th, 8th ...
// run of a shape, so that a branch which is rarely taken is still met. A shape
// that was found to leave something is asked about at every run.
//
// What a shape does depends on the objects of the database. A Catalog counts
// their generations; a shape is proven under one of them only.
//
// The package does no I/O, reads no clock and imports only wire. It must not
// know what a session is, or how a backend is asked.
package proof
