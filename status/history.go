package status

import "time"

// Sample is what is counted over time: at one moment, or the highest values of a
// minute and at its end the counters.
type Sample struct {
	At            time.Time
	Clients       int
	Active        int           // backends that are lent to a client
	Waits         int64         // for a backend that are over, since the start
	WaitTime      time.Duration // that they were long
	Waiting       int           // clients
	Backends      int
	Saved         int
	BackendMemory int64 // of all our backends, in bytes; -1 if unknown
	MemorySaved   int64 // in bytes; -1 if unknown
	ClientLogins  int64 // since the start
	ServerLogins  int64 // since the start
	Transactions  int64 // since the start
}

// History is the last hour: Seconds are one second apart and as many as
// MaxSeconds, Minutes one minute apart and as many as MaxMinutes; the oldest
// are first.
type History struct {
	Seconds, Minutes []Sample
}

// How far a History goes back.
const (
	MaxSeconds = 300
	MaxMinutes = 60
)

// Sizing is whether the pools fit the server and their clients.
type Sizing struct {
	Sums   []SizingSum
	Advice []SizingAdvice
}

// SizingSum is what one server can give beside what the pools may ask of it.
type SizingSum struct {
	Server string // as CensusServer.Host
	Usable int    // backends that the server can give to pgweir; -1 if it could not be asked
	Wanted int    // what the pools' sizes add up to
	Fits   bool   // or nothing is known
	Text   string // the sum, written out
}

// SizingAdvice is what to do about one pool.
type SizingAdvice struct {
	Database, User string
	Do             string // "grow", "shrink" or "keep"
	Size           int    // pool_size now
	Suggested      int    // and what it might be
	Evidence       string // a sentence with the figures that speak for it
}
