// Package loop is the event loop: descriptors, readiness, buffers,
// back-pressure and TLS records. It knows nothing of PostgreSQL, and imports
// nothing of ours.
//
// A Loop owns the connections that are on it; everything about a connection
// happens on the loop's own goroutine (the loop's thread, in what follows), one
// thing at a time, so that handlers need no lock. A handler is given bytes, not
// readiness: how they came to be there (a read after epoll or kqueue said so,
// or a completion) is the engine's business alone, and a second engine can
// stand beside the first.
//
// The flow of bytes:
//
//  1. The poller says that a descriptor is readable.
//  2. The loop reads into its one large buffer, behind what the connection's
//     handler left over the last time, and calls Handler.Received.
//  3. The handler consumes what it can; the rest, if any, is copied into a
//     buffer of the connection's own, which is given back when it is empty.
//     So an idle connection has no buffer.
//  4. Conn.Send writes at once. What the kernel does not take is kept, and
//     Conn.Congested is true until it is gone; then Handler.Drained is called.
//     Whoever feeds a congested connection stops reading its own source
//     (Conn.Pause), and goes on at Drained (Conn.Resume).
//
// From other goroutines only Loop.Post, Loop.Busy and Conn.Claim may be called.
package loop
