// Package session is one client's conversation with PostgreSQL as a pure state
// machine: bytes in, bytes out, 'I need a backend', 'I am done with it'. It
// does no I/O, starts no goroutine and reads no clock, so that it can be
// tested, fuzzed and simulated without a socket; and it imports only wire
// and its own rooms, session/follow, session/pipeline and session/proof.
//
// It knows the protocol from the end of the login on. It must not know what a
// pool is, which client this is, or where bytes come from.
//
// The phases:
//
//	       Client: a whole message            Lease
//	Idle ─────────────────────────▶ Waiting ────────▶ Active
//	 ▲  ◀───────────────────────────  │                │ │
//	 │        Refuse                                   │ │ Gone, and the backend is clean
//	 └─────────────────────────────────────────────────┘ └────────▶ Resetting ──▶ Ended
//	       ReadyForQuery 'I', nothing owed, no state left
//
// In Idle, what only prepares statements that the pool knows is answered at once.
//
// Session mode never goes back to Idle: it is Active from the login on. Gone
// in Idle and Waiting leads to Ended, and so does a broken protocol anywhere.
//
// What keeps the answers apart is one queue of what the backend owes, in the
// order in which it was asked (package pipeline). Whatever pgweir itself puts between
// the client's messages has an entry of its own there, and its answers go
// nowhere.
//
// What a client has made of its session is kept here as well, so that it can
// follow it to other backends, or keeps it on its own. There is a table with a row
// for each kind of it (kinds.go): settings (carry.go, replay.go, reset.go), the idle
// timeout (idle.go), prepared statements (prepared.go, parse.go, ops.go,
// sqlnames.go, retry.go, common.go, recall.go), channels (channels.go, hearing.go), sequences (sequences.go), libraries
// (libraries.go); what they consist of is in package follow. What a transaction has
// left behind is asked for, unless all that ran is proven to leave nothing
// (lookup.go, evidence.go, state.go, question.go; package proof). Shared is what the sessions of
// one pool have in common; it and the Catalog, which pools of one database have in
// common, are all that has a lock.
package session
