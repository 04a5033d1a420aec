package console

import (
	"context"
	"net"
	"time"

	"pgweir/status"
	"pgweir/wire"
)

// Access is what a client of the console may do.
type Access uint8

const (
	// None may do nothing, and is ended.
	None Access = iota
	// Stats may SHOW everything but FDS (PgBouncer's stats_users), with
	// status.Hidden in the place of clients' statements.
	Stats
	// Admin may do all (PgBouncer's admin_users).
	Admin
)

// ShutdownMode says what SHUTDOWN waits for.
type ShutdownMode uint8

const (
	// ShutdownImmediate ends at once: SHUTDOWN.
	ShutdownImmediate ShutdownMode = iota
	// WaitForServers ends when every backend has been given back: SHUTDOWN WAIT_FOR_SERVERS.
	WaitForServers
	// WaitForClients ends when every client has gone: SHUTDOWN WAIT_FOR_CLIENTS.
	WaitForClients
)

// Control is what the console asks of the rest of the program. Its methods are
// called from the goroutine of each console connection, many at a time.
//
// An error that is or wraps a *wire.Error reaches the client with its own
// SQLSTATE; any other gets the one named at the method.
type Control interface {
	// Snapshot reads the figures. The console does not change what it returns.
	Snapshot(status.Detail) *status.Snapshot
	// Reload reads the configuration again, and tells what has changed. After an error
	// nothing has. F0000.
	Reload() (*status.Reload, error)
	// Shutdown begins to shut down and returns; it does not wait for the end. 55000.
	Shutdown(mode ShutdownMode) error
	// Set changes one setting of the configuration while the program runs. 22023.
	Set(key, value string) error
	// KillClient disconnects the client with this status.Conn.ID. 42704.
	KillClient(id uint64) error
	Restrain

	// Issued is told of each command that does something, before it is done: its words
	// without values that could be secret.
	Issued(command string)
	// Canceled gives the cancel requests of this connection's client. One that came
	// while nothing waited is of no effect.
	Canceled() <-chan struct{}
}

// Restrain are PgBouncer's commands that hold clients or backends up. "" in the place of
// a database stands for all. 08P01, as in PgBouncer.
//
// What waits gives up when its context ends, whose cause says why: context.Canceled for
// a cancel request, context.DeadlineExceeded for a limit of the command's own, and any
// other for a client that has gone.
type Restrain interface {
	// Unnamed is a notice about a database that only [databases."*"] stands for, and that
	// nobody uses: a slip, perhaps. Nil for any other.
	Unnamed(database string) *wire.Error
	// Pause waits until the servers have no backend of the database any more. Meanwhile
	// it tells who holds it up, on the caller's goroutine. A pause that is given up is
	// undone, but for one whose client has gone, which goes on.
	Pause(ctx context.Context, database string, tell func(holders string)) error
	Resume(database string) error
	// Kill disconnects all clients and pauses.
	Kill(database string) error
	// Suspend waits until everything is sent that has been received.
	Suspend(ctx context.Context) error
	// Reconnect has backends replaced when they are given back, and WaitClose waits
	// until there is none left that is to be.
	Reconnect(database string) error
	WaitClose(ctx context.Context, database string) error
	Disable(database string) error
	Enable(database string) error
	// ReconnectClients has clients disconnected when they are at rest, spread over a
	// time, and returns at once; it says how many there are.
	ReconnectClients(database string, spread time.Duration) (clients int, err error)
}

// Client is whom Serve answers.
type Client struct {
	User string
	// Database is what it is connected to. On "pgbouncer" the console is PgBouncer's
	// in everything that tools read; else it is pgweir's own.
	Database string
	// Access tells for each message what the client may do now.
	Access func() Access
}

// Serve answers one client of the console, from just after its ReadyForQuery
// until it says Terminate or hangs up, or the connection is closed by us: all
// of these return nil. It returns an error for a connection that failed, and for
// a client that broke the protocol or may do nothing any more, which has then been
// told so. It does not close conn, and leaves no goroutine behind.
func Serve(conn net.Conn, c Client, ctl Control) error {
	return newSession(conn, c, ctl).serve()
}
