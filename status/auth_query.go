package status

import "time"

// AuthQuery is what pgweir asks servers of users who have no secret here. It has no
// secret either.
type AuthQuery struct {
	AuthQueryFigures
	Connections int               // open just now, besides the pools' backends
	Sources     []AuthQuerySource // in order of servers, databases and users; none that was not used for long
}

// AuthQueryFigures are those of one source, or of all.
type AuthQueryFigures struct {
	// SCRAM, MD5 and Plain are users whose secret is kept, by its kind, and Unknown
	// are names that the server is known not to let in with a password.
	SCRAM, MD5, Plain, Unknown int
	Oldest                     time.Duration // of the answers kept; -1 if there are none
	Questions                  int64         // since the start, like those that follow
	Hits                       int64         // logins that an answer kept has served
	StaleHits                  int64         // the same with one that was too old, as the server could not be asked
	Failures                   int64         // questions without an answer
}

// AuthQuerySource is a server and database in which a role asks.
type AuthQuerySource struct {
	Server, Database, User string
	Connected              bool
	Error                  string // of the last question, if it has failed; else ""
	AuthQueryFigures
}

// State is "failing", "connected" or "idle", which is without a connection.
func (s *AuthQuerySource) State() string {
	switch {
	case s.Error != "":
		return "failing"
	case s.Connected:
		return "connected"
	}
	return "idle"
}

// Failing is how many sources could not be asked the last time.
func (a *AuthQuery) Failing() (n int) {
	for i := range a.Sources {
		if a.Sources[i].Error != "" {
			n++
		}
	}
	return n
}
