// Package loop is the event loop: descriptors, readiness and completions, buffers,
// back-pressure and TLS records. It knows nothing of PostgreSQL; of ours it imports
// uring alone.
//
// A Loop owns the connections that are on it; everything about a connection
// happens on the loop's own goroutine (the loop's thread, in what follows), one
// thing at a time, so that handlers need no lock. A handler is given bytes, not
// readiness: how they came to be there is the business of the loop's engine
// alone. There are two: readiness reads and writes when epoll or kqueue say that
// it can be done, and ring gives the operations to io_uring, all of a turn
// together. Both tell of what has been done: completions.
//
// The flow of bytes:
//
//  1. A connection that wants bytes is watched (engine.watch). With readiness the
//     poller says that its descriptor is readable, and the loop reads into its one
//     large buffer, behind what the handler left over the last time. With ring the
//     kernel has received into one of the ring's buffers, a fixed number for all
//     connections; who finds none free waits for one. What comes after the
//     connection has ceased to want it is kept as late, in a bounded amount.
//  2. Either way Conn.arrived is told, and calls Handler.Received.
//  3. The handler consumes what it can; the rest, if any, is copied into a
//     buffer of the connection's own, which is given back when it is empty.
//     So an idle connection has no buffer, and shares holdsNothing (held.go).
//  4. Conn.Send hands the bytes to the engine (engine.write), which writes at once,
//     or gives them to the kernel with the next entry to it. What the engine does
//     not take is kept, and Conn.Congested is true until it is gone (Conn.sent);
//     then Handler.Drained is called. Whoever feeds a congested connection stops
//     reading its own source (Conn.Pause), and goes on at Drained (Conn.Resume).
//
// A ring that fails is given up while the loop runs: it goes on with readiness, and
// tells Options.Retreated.
//
// Where to find what: loop.go has the turn of a loop, conn.go what a handler asks of a
// connection, park.go how connections go from loop to loop, engine.go what an engine has
// to do. readiness.go is the one with epoll (poll_linux.go) or kqueue (poll_bsd.go).
// The other is in ring_linux.go (operations and completions), ring_receive_linux.go
// (buffers), ring_late_linux.go (late bytes), ring_send_linux.go and
// ring_retreat_linux.go (its end).
//
// From other goroutines only Loop.Post, Conn.Claim and what says so may be called.
package loop
