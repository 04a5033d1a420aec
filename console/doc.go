// Package console answers the clients of the admin console: those that are
// connected to the database "pgweir", or "pgbouncer" for tools that know that
// name. It understands PgBouncer's commands and gives its tables, column by
// column (admin.c and stats.c of PgBouncer 1.25), in the simple and in the
// extended query protocol.
//
// It knows the words of the console, the tables, and the messages that carry
// them. It must not know how a client logs in, where the figures come from, or
// how a reload is done: a connection is handed to Serve once its client has
// logged in, and all else goes through Control.
//
//	conn.go      one connection: bounded messages in, buffered answers out
//	simple.go    Query
//	extended.go  Parse, Bind, Describe, Execute, Close
//	words.go     the text of a Query as statements and tokens
//	command.go   the commands, a table of name and function
//	show*.go     the tables of SHOW
//	value.go     types, and values as text and binary
package console
