// Package census reads what PostgreSQL's processes do: each process of a
// server, what it is, who uses it, and what it costs.
//
// It asks the server, over one connection of its own, and reads the process
// table where the server runs on this machine. The server knows what a process
// is and what it waits for; the process table knows that it is there, whose
// child it is, and what it uses. Where only one of the two can be had, the
// rest is unknown: empty, zero, or -1, as package status has it.
//
// It knows pg_stat_activity, the titles that PostgreSQL gives its processes,
// and how to find a postmaster. It must not know what is wrong with a server
// (that is package health's), pools and clients beyond what it is told of our
// backends, or how a census is shown.
package census
