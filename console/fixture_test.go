package console

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"pgweir/status"
	"pgweir/wire"
)

func TestMain(m *testing.M) {
	time.Local = time.FixedZone("CET", 3600) // times of the tables are local
	os.Exit(m.Run())
}

// fakeControl gives a snapshot made by hand and writes down what it is asked.
type fakeControl struct {
	mu        sync.Mutex
	calls     []string
	reloadErr error
	cancels   chan struct{}
}

func (c *fakeControl) note(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = append(c.calls, fmt.Sprintf(format, args...))
}

func (c *fakeControl) takeCalls() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	calls := c.calls
	c.calls = nil
	return calls
}

func (c *fakeControl) Snapshot(d status.Detail) *status.Snapshot {
	s := fixture()
	if d != status.Full {
		s.Clients, s.Servers, s.Pins, s.Leaks, s.Listeners, s.Logins.ByAddress = nil, nil, nil, nil, nil, nil
	}
	if d != status.WithShapes {
		s.Shapes = nil
		for i := range s.Pools {
			if d != status.WithEvidence {
				s.Pools[i].Evidence = nil
			}
		}
	}
	return s
}

func (c *fakeControl) Reload() (*status.Reload, error) {
	c.note("Reload")
	if c.reloadErr != nil {
		return nil, c.reloadErr
	}
	return &status.Reload{Changes: []status.Change{{Setting: "default_pool_size", Kind: "changed", Before: "20", After: "10"}}}, nil
}

func (c *fakeControl) Shutdown(mode ShutdownMode) error {
	c.note("Shutdown %d", mode)
	return nil
}

func (c *fakeControl) Set(key, value string) error {
	c.note("Set %q %q", key, value)
	if key == "no_such_key" {
		return errors.New(`unknown setting "no_such_key"`)
	}
	return nil
}

func (c *fakeControl) KillClient(id uint64) error {
	c.note("KillClient %d", id)
	switch id {
	case 1:
		return nil
	case 2:
		return fmt.Errorf("kill: %w", wire.Fatalf("57P03", "shutting down already"))
	}
	return fmt.Errorf("no client has the id %d", id)
}

func (c *fakeControl) Issued(command string) { c.note("Issued %s", command) }

func (c *fakeControl) Canceled() <-chan struct{} { return c.cancels }

func (c *fakeControl) Pause(ctx context.Context, database string, tell func(string)) error {
	c.note("Pause %q", database)
	return c.held(ctx, database, tell)
}

func (c *fakeControl) WaitClose(ctx context.Context, database string) error {
	c.note("WaitClose %q", database)
	return c.held(ctx, database, func(string) {})
}

func (c *fakeControl) Suspend(ctx context.Context) error {
	c.note("Suspend")
	return c.held(ctx, "", func(string) {})
}

func (c *fakeControl) Resume(database string) error    { return c.firm("Resume", database) }
func (c *fakeControl) Kill(database string) error      { return c.firm("Kill", database) }
func (c *fakeControl) Reconnect(database string) error { return c.firm("Reconnect", database) }
func (c *fakeControl) Disable(database string) error   { return c.firm("Disable", database) }
func (c *fakeControl) Enable(database string) error    { return c.firm("Enable", database) }

func (c *fakeControl) ReconnectClients(database string, spread time.Duration) (int, error) {
	c.note("ReconnectClients %v", spread)
	return 7, c.firm("ReconnectClients", database)
}

func (c *fakeControl) Unnamed(database string) *wire.Error {
	if database != "any" {
		return nil
	}
	return &wire.Error{Severity: "NOTICE", Code: "00000", Message: "nobody uses any", Hint: "Perhaps you mean app."}
}

func (c *fakeControl) firm(what, database string) error {
	c.note("%s %q", what, database)
	if database == "none" {
		return wire.Errorf(wire.CodeProtocolViolation, "no such database: none")
	}
	return nil
}

// held waits for its end if the database is "held".
func (c *fakeControl) held(ctx context.Context, database string, tell func(string)) error {
	if database != "held" {
		return c.firm("there is", database)
	}
	tell("waiting for somebody")
	<-ctx.Done()
	err := context.Cause(ctx)
	c.note("over: %v", err)
	return err
}

func fixture() *status.Snapshot {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s := &status.Snapshot{
		At:      at,
		Started: at.Add(-time.Hour),
		Version: "0.1.0",
		Ready:   true,
		Mode:    status.Active,
		Engine:  status.Engine{Name: "io_uring", Loops: 2, Buffers: 64, BuffersFree: 61, BufferSize: 32 << 10, Shortages: 17, LateBytes: 4096},
		Databases: []status.Database{
			{Name: "app", Host: "10.0.0.5", Port: 5432, Database: "app_prod", PoolSize: 20, MinPoolSize: 2,
				ServerLifetime: time.Hour, PoolMode: "transaction", MaxConnections: 40, Connections: 7, Clients: 150},
			{Name: "old", Port: 5432, Database: "old", ForceUser: "reader", PoolSize: 5, ServerLifetime: time.Hour,
				Paused: true, Disabled: true},
		},
		Users: []status.User{
			{Name: "alice", PoolSize: 8, PoolMode: "session", MaxConnections: 10, Connections: 7, Clients: 150},
			{Name: "bob"},
		},
		Pools: []status.Pool{
			{Database: "app", User: "alice", Mode: "transaction", Size: 20,
				ClientsActive: 140, ClientsWaiting: 10, ClientsActiveCancel: 1, ClientsWaitingCancel: 2,
				ServersActive: 5, ServersActiveCancel: 1, ServersBeingCanceled: 1, ServersIdle: 2, ServersUsed: 0,
				ServersTested: 1, ServersLogin: 3, ServersClosing: 3, MaxWait: 2500 * time.Millisecond,
				Pinned: 2, PinnedBy: map[string]int{"advisory lock": 1, "temporary table": 2}, Listening: 1, ListeningClients: 30,
				Replays: 5, Questions: 6, LeaksFound: 7,
				Evidence: &status.Evidence{Shapes: map[string]int{"proven": 30, "unproven": 4, "suspect": 2, "leaves state": 1},
					Hinted: 1 << 40, Unproven: 50, Catalog: 51, Sampled: 3, Found: 1, Generation: 1 << 33, Certain: true},
				Totals: status.Totals{ServerAssignments: 90, Transactions: 100, Queries: 300, Received: 4000, Sent: 1 << 40,
					TransactionTime: 5 * time.Second, QueryTime: 4 * time.Second, WaitTime: time.Second,
					ClientParses: 11, ServerParses: 12, Binds: 13, ClientLogins: 1000, ServerLogins: 16},
				Averages: status.Totals{ServerAssignments: 9, Transactions: 10, Queries: 30, Received: 400, Sent: 500,
					TransactionTime: 50 * time.Millisecond, QueryTime: 40 * time.Millisecond, WaitTime: 10 * time.Millisecond,
					ClientParses: 1, ServerParses: 2, Binds: 3, ClientLogins: 4},
				ClientsPeak: 160, BackendsPeak: 20, SavedPeak: 142, BackendMemory: 16 * 2 << 20},
			{Database: "app", User: "bob", Mode: "session", Size: 5, BackendMemory: -1, Evidence: &status.Evidence{Failing: true},
				Totals:   status.Totals{Transactions: 1, QueryTime: time.Millisecond, ClientLogins: 1, ServerLogins: 1},
				Averages: status.Totals{Transactions: 10, TransactionTime: 150 * time.Millisecond, QueryTime: time.Millisecond}},
			{Database: "pgweir", User: "admin", Mode: "statement", ClientsActive: 1, BackendMemory: -1},
		},
		Shapes: []status.Shape{
			{Database: "app", User: "alice", Statement: "select \xff()", State: "leaves state", Runs: 3, NextQuestion: 4},
			{Database: "app", User: "alice", Statement: "select 1", State: "proven", Runs: 1 << 40, NextQuestion: 1 << 41},
		},
		Clients: []status.Client{
			{Conn: status.Conn{ID: 1, User: "alice", Database: "app", State: "active", Addr: "192.0.2.7", Port: 40001,
				LocalAddr: "192.0.2.1", LocalPort: 6432, ConnectTime: at.Add(-time.Minute), RequestTime: at.Add(-time.Second),
				Link: 9, TLS: "TLSv1.3/TLS_AES_128_GCM_SHA256", ApplicationName: "psql", Prepared: 3,
				Settings: "9f3c11d2", Pin: "advisory lock, temporary table", Replication: "none"}},
			{Conn: status.Conn{ID: 2, User: "alice", Database: "app", State: "active", Addr: "unix", LocalAddr: "unix",
				LocalPort: 6432, ConnectTime: at.Add(-time.Minute), RemotePID: 4711, Replication: "none"}},
			{Conn: status.Conn{ID: 3, User: "alice", Database: "app", State: "waiting", Addr: "192.0.2.7", Port: 40003,
				LocalAddr: "192.0.2.1", LocalPort: 6432, ConnectTime: at.Add(-time.Minute), Wait: 2500 * time.Millisecond}},
			{Conn: status.Conn{ID: 4, State: "login", Addr: "192.0.2.7", Port: 40004, LocalAddr: "192.0.2.1",
				LocalPort: 6432, ConnectTime: at}},
		},
		Servers: []status.Server{
			{Conn: status.Conn{ID: 9, User: "alice", Database: "app", State: "active", Addr: "10.0.0.5", Port: 5432,
				LocalAddr: "192.0.2.1", LocalPort: 51000, ConnectTime: at.Add(-time.Hour), RequestTime: at,
				CloseNeeded: true, Link: 1, RemotePID: 815, Prepared: 2,
				Settings: "9f3c11d2", Pin: "advisory lock, temporary table", Replication: "none"}},
			{Conn: status.Conn{ID: 1 << 33, User: "alice", Database: "app", State: "idle", Addr: "10.0.0.5", Port: 5432,
				LocalAddr: "192.0.2.1", LocalPort: 51001, ConnectTime: at.Add(-time.Hour), RemotePID: 816, Replication: "none"}},
			{Conn: status.Conn{ID: 11, User: "alice", Database: "app", State: "login", Addr: "10.0.0.5", Port: 5432,
				LocalAddr: "192.0.2.1", LocalPort: 51002, ConnectTime: at, Replication: "none"}},
		},
		Pins: []status.Pin{
			{Database: "app", User: "alice", Client: 1, Server: 9, RemotePID: 815, Reasons: []string{"advisory lock", "temporary table"},
				Since: at.Add(-90 * time.Second), Statement: "select pg_advisory_lock(1)", ApplicationName: "psql", Addr: "192.0.2.7"},
			{Database: "app", User: "bob", Client: 2, Server: 1 << 33, RemotePID: 816, Reasons: []string{"held cursor"},
				Since: at.Add(time.Millisecond), Statement: "declare c cursor with hold for select '\xe4 \u00e4\xc3", Addr: "unix"},
		},
		Leaks: []status.Leak{
			{Database: "app", User: "alice", At: at.Add(-time.Minute), Count: 1 << 40, Kinds: []string{"setting", "library"},
				Statement: "select f()", ApplicationName: "cron", Client: 1 << 33},
			{Database: "app", User: "bob", At: at, Count: 1, Kinds: []string{"unknown"}, Statement: "call \xff()", Client: 2},
		},
		Listeners: []status.Listener{
			{Database: "app", User: "alice", RemotePID: 820, Since: at.Add(-time.Hour), Channel: "jobs", Clients: 29,
				Notifications: 1 << 40, Losses: 2},
			{Database: "app", User: "bob", Channel: "Mixed \xe4", Clients: 1, Losses: 1},
		},
		Censuses: []*status.Census{{
			At:         at,
			Server:     status.CensusServer{Version: "15.18", Host: "10.0.0.5:5432"},
			Postmaster: status.Postmaster{PID: 800, Alive: true},
			Processes: []status.Process{
				{PID: 800, Kind: "postmaster", Role: "parent of all", CPU: 1500 * time.Millisecond, Memory: 1 << 20},
				{PID: 815, Parent: 800, Kind: "client backend", Role: "serves a client", User: "alice", Database: "app_prod",
					Application: "psql \xe4", State: "idle in transaction", Wait: "Client: ClientRead", Since: at.Add(-time.Minute),
					Query: "select '\xe4'", CPU: -1, Memory: -1, Ours: true, Client: &status.Holder{ID: 1 << 33, Addr: "192.0.2.7:5555", Pin: "advisory lock"}},
				{PID: 830, Role: "unknown", CPU: 0, Memory: 0},
			},
			Findings: []status.Finding{{ID: "lock_queue", Severity: status.Warning, Text: "one waits", Advice: "end the other", Since: at.Add(-30 * time.Second)}},
		}},
		AuthQuery: status.AuthQuery{Sources: []status.AuthQuerySource{
			{Server: "10.0.0.5:5432", Database: "app_prod", User: "asker", Connected: true, AuthQueryFigures: status.AuthQueryFigures{
				SCRAM: 40, MD5: 2, Plain: 1, Unknown: 3, Oldest: 1500 * time.Millisecond, Questions: 1 << 40, Hits: 7, StaleHits: 6, Failures: 5}},
			{Server: "10.0.0.6:5432", Database: "x", User: "asker", Error: "permission denied for table pg_authid (SQLSTATE 42501)",
				AuthQueryFigures: status.AuthQueryFigures{Oldest: -1, Questions: 1, Failures: 1}},
		}},
		Logins: status.Logins{Addresses: 2, Served: 3, Waiting: 9500, Delayed: 1, Reserve: 4, Failed: 20, Delays: 10, Refused: 1 << 40, TimedOut: 500, Garbled: 70,
			ByAddress: []status.LoginAddress{
				{Addr: "192.0.2.66", Served: 2, Waiting: 9500, Refused: 1 << 40, TimedOut: 500, Garbled: 70},
				{Addr: "2001:db8::/64", Served: 1, Delayed: 1, FailingUsers: 2, Failed: 20},
			}},
		Lists: status.Lists{Databases: 2, Users: 2, Pools: 3, FreeClients: 50, UsedClients: 151, LoginClients: 1,
			FreeServers: 4, UsedServers: 16, DNSNames: 2, DNSQueries: 1},
		DNSHosts: []status.DNSHost{{Name: "db.example", TTL: 14500 * time.Millisecond, Addrs: []string{"10.0.0.5", "2001:db8::5"}}, {Name: "gone.example"}},
		Savings: status.Savings{Clients: 150, Backends: 16, Saved: 134, Ratio: 9.375, ClientLogins: 1001, ServerLogins: 17,
			BackendMemory: 2 << 20, MemorySaved: 134 * 2 << 20, MemorySource: "measured"},
		Certificates: []status.Certificate{
			{Setting: "client_tls_cert_file", File: "/etc/pgweir/weir.crt", Subject: "CN=weir.example", Expires: at.Add(90 * 24 * time.Hour)},
			{Setting: "server_tls_ca_file", File: "/etc/pgweir/\xe4.crt", Subject: "CN=the \x1b authority", Expires: at.Add(-time.Hour)},
		},
		Config: []status.Setting{
			{Key: "listen_port", Value: "6432", Default: "6432"},
			{Key: "default_pool_size", Value: "20", Default: "20", Changeable: true},
		},
	}
	s.Savings.Peak.Clients, s.Savings.Peak.Backends, s.Savings.Peak.Saved = 161, 21, 142
	return s
}
