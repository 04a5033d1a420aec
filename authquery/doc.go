// Package authquery asks PostgreSQL for the secrets of users whom the configuration
// does not name (PgBouncer's auth_query), and for the roles that users are members of.
// It keeps the answers for a while.
//
// It knows how a question is asked, over connections of its own to which nothing of
// a client's gets but a name, as a parameter; how many questions there may be at a
// time; and for how long an answer serves. It must not know who logs in, how a client
// proves that it has the secret, or what the configuration says.
//
//	asker.go   Ask, Doubt: what is answered at once, and what has to be asked
//	wait.go    a question, and where it is put: databases that clients make up
//	flight.go  one question under way, and those who wait for it
//	entry.go   what is known of one user, and for how long
//	cache.go   the entries: so many, and the one least recently used goes
//	lines.go   which connections there may be, and when one is tried again
//	line.go    the connection to one source, and its goroutine
//	server.go  what those to one server have in common
//	talk.go    the conversation on it
//	roles.go   the question for the roles that a user is a member of
//	stats.go   the figures
package authquery
