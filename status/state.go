package status

import "time"

// Pin is a backend that a client keeps beyond its transactions, because of
// session state that cannot follow it elsewhere.
type Pin struct {
	Database, User  string
	Client, Server  uint64    // their IDs
	RemotePID       int       // PostgreSQL's process
	Reasons         []string  // of PinReasons
	Since           time.Time // when it began
	Statement       string    // the one that caused it, its first 200 bytes
	ApplicationName string    // the client's
	Addr            string    // the client's; "unix" for a Unix socket
}

// Leak is session state that a transaction left behind without a hint, found
// by leak_check. Equal ones are one Leak.
type Leak struct {
	Database, User  string
	At              time.Time // the last time
	Count           int64
	Kinds           []string // what was left, of PinReasons
	Statement       string   // the transaction's last, its first 200 bytes
	ApplicationName string   // of the last client
	Client          uint64   // its ID
}

// Listener is one channel that a pool's listening backend hears for clients.
type Listener struct {
	Database, User string
	RemotePID      int       // PostgreSQL's process; 0 while there is none
	Since          time.Time // when this backend began to listen
	Channel        string
	Clients        int   // that listen to it
	Notifications  int64 // that came, since the start
	Losses         int64 // times the listening backend was lost, and notifications with it perhaps
}

// Evidence is what a pool knows of the statements that run in it, and how often
// it had to ask a backend because it did not know enough.
type Evidence struct {
	Shapes map[string]int // by state, one of ShapeStates; those without a shape may be missing

	// At the ends of transactions, since the start: backends were asked because
	// words or names hinted at something, because something ran that was not
	// proven, because it was time to look whether the database's objects are what
	// they were, or for leak_check.
	Hinted, Unproven, Catalog, Sampled int64
	// Found counts how often something was found that nothing had hinted at.
	Found int64

	// Generation counts how often the objects of the pool's database were found
	// to have changed, the first reading included.
	Generation int64
	// Certain: they are known, and shapes can be proven.
	Certain bool
	// Failing: they could not be read the last time that it was tried.
	Failing bool
}

// ShapeStates are what may be known of a shape.
var ShapeStates = []string{"proven", "unproven", "suspect", "leaves state"}

// Shape is what a pool knows of the statements that are the same but for the
// constants in them, run under the same role, search_path and the like.
type Shape struct {
	Database, User string
	Statement      string // the first one of this shape, its first 200 bytes
	Runs           int64  // since the database's objects have changed last
	State          string // one of ShapeStates
	NextQuestion   int64  // the run that is asked about next
}

// MaxShapes is how many a Snapshot has at most: first those that leave something
// or are suspected to, then those with the most runs.
const MaxShapes = 1000
