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
