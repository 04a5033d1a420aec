// Package pool knows who owns a backend and when: bounded puddle pools, one
// waiting line for each database and user, a budget across all pools, the
// login to PostgreSQL, and the upkeep of backends that nobody uses.
//
// It must not know what the clients say, nor what a loop is: a backend that has
// logged in is handed to a Host, which gives it to an event loop. The pool knows
// those as numbers of workers, so that a backend stays with the one that had it
// last (idle.go). Of ours it imports wire only.
//
// # A backend's life
//
//	    provision           Host.Adopt        Lease, Return
//	──▶ opening ──▶ (login) ─────────▶ idle ◀──────────────▶ lent
//	       │                            │                     │
//	       ▼ failed                     └──── Discard ────────┘
//	 back-off, Taker.Refuse                      ▼
//	                                   closing (until PostgreSQL's
//	                                   process has gone) ──▶ slot free
//
// A slot of the pool, and one of each cap of the Budget, is taken before the
// connection is opened, and given back when PostgreSQL has closed its end: its
// process does that last, so PostgreSQL never counts more than we do.
//
// # Variants
//
// A backend is opened with the startup parameters of the client that it is
// opened for. Those in wire.Vars are set anew for each client; all others stay
// what they are, and make the backend fit for clients with equal ones only.
// So a Pool has a puddle for each such set of parameters, its variants, and
// stacks of the idle ones; all of them share the pool's size.
//
// # Listening
//
// Clients that LISTEN hold no backend for it: a Listener has one for all of
// them, which is never lent, and tells each what it has asked for. It takes up
// a slot and its share of the caps like any other (listener_place.go).
package pool
