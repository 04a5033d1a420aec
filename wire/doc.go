// Package wire knows PostgreSQL's frontend/backend protocol, versions 3.0 to
// 3.2: startup packets, message headers, the messages that pgweir builds or
// reads itself, the arithmetic of MD5 and SCRAM logins (what binds them to a
// TLS certificate, too), and the words of a statement that matter to a pooler.
//
// It must not know who is allowed in, what a pool is, or how bytes travel: it
// does no I/O, starts no goroutine, reads no clock and decides no policy.
// Everything here is a function from bytes to bytes or values. The one thing
// taken from outside is randomness for a SCRAM nonce.
//
// Two rules hold throughout:
//
//   - Append functions append one whole message to dst and return the longer
//     slice, as the built-in append does. The protocol ends strings with a NUL
//     and cannot carry one inside, so a NUL in a string argument is dropped.
//   - Decode functions take bytes that nobody vouches for. They never panic,
//     never allocate by a length that a peer claims, and report what is wrong
//     as an *Error with SQLSTATE 08P01. What they return points into their
//     argument unless the function says that it copies.
//
// The messages of pgproto3 serve for encoding only. Its decoders trust their
// input too far, and a test keeps them out of the whole program.
package wire
