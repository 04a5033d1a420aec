// Package ldap asks LDAP servers whether a password is a user's.
//
// It knows how a user is found there, and what a server's word is worth: who it is is
// verified, an empty password is never sent, and names are escaped. It must not know
// who logs in, or what becomes of the answer.
//
//	verifier.go  a way to find users: made of a line's options, asked for one user
//	link.go      one connection to the first server that answers
//
// The sources are RFC 4511 to 4516, and PostgreSQL's manual, "LDAP Authentication".
package ldap
