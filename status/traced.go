package status

import "time"

// TracedQuery is what became of a query whose text named a place in a trace: of all
// that the client asked for until the last answer had come. Its time is made of a wait
// for a backend, what pgweir put ahead of it there, the server's work, and the sending
// of what the client was slow to take, in this order.
type TracedQuery struct {
	Trace   [16]byte
	Span    [8]byte // of the caller's
	Sampled bool
	State   string // the caller's tracestate, "" if it has named none; it may be none

	Database, User  string // the client's
	DBName          string // the database's name on the server
	Network, Server string // "tcp" and host:port, or "unix" and the socket's path
	Client          uint64
	PID             uint32 // the backend's process; 0 if there was none

	End                                 time.Time
	Waited, Preparing, Working, Sending time.Duration

	// SQLState is that of its error, "" if none is known. Unanswered: the client has not
	// had its answer.
	SQLState   string
	Unanswered bool
	// Pins are the reasons for which the client has kept its backend since this query,
	// and Pinned is when that was found, which may be after the End.
	Pins   []string
	Pinned time.Time
}

// Traces is what has become of the queries that bore a traceparent, since the start.
type Traces struct {
	On      bool  // spans are made of them
	Queries int64 // of which spans were made
	Dropped int64 // that were given up, since spans left too slowly
}
