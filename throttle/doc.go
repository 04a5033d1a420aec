// Package throttle knows how many clients may be on their way in, from where, and
// how soon a password is judged after others were wrong.
//
//	addr.go     where a client comes from, as it is counted
//	entrance.go who gets a seat, who is served and who waits
//	seats.go    seats under max_client_conn, who gives way, and the reserve
//	place.go    what is under way from one address, and addresses in order of that
//	failures.go wrong passwords, by address and user
//	attempt.go  one password on its way to be judged
//	notes.go    what has come of logins, by address, and what of it is worth a line
//	mutex.go    a lock that says afterwards who may go on
//
// It must not know sockets, the protocol, or what a configuration looks like. It
// reads no clock and waits for nothing: times are given as durations since a
// moment of the caller's, and who may go on is called back.
package throttle
