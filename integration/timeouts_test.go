package integration

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// patientClient is a client in a state that some timeouts end and others do not.
type patientClient struct {
	name string
	// into brings the client there, through pgweir.
	into func(t *testing.T, w *weir, name string) *wireClient
	// ends are the settings that end it, with the SQLSTATE.
	ends map[string]string
}

// named logs a client in that the console and PostgreSQL can tell by its name.
func named(into func(c *wireClient)) func(t *testing.T, w *weir, name string) *wireClient {
	return func(t *testing.T, w *weir, name string) *wireClient {
		c := loginWire(t, w, "application_name", name)
		into(c)
		return c
	}
}

func steps(sql ...string) func(t *testing.T, w *weir, name string) *wireClient {
	return named(func(c *wireClient) {
		for _, s := range sql {
			_, _ = c.roundTrip(s)
		}
	})
}

const queryTimeout, transactionTimeout, idleTransactionTimeout, clientIdleTimeout = "query_timeout", "transaction_timeout", "idle_transaction_timeout", "client_idle_timeout"

var (
	inQuery = map[string]string{queryTimeout: "57014", transactionTimeout: "25P04"}
	inBlock = map[string]string{transactionTimeout: "25P04", idleTransactionTimeout: "25P03"}
)

var patientClients = []patientClient{
	{name: "at rest", into: steps("select 1"), ends: map[string]string{clientIdleTimeout: "57P05"}},
	{name: "in a block", into: steps("begin"), ends: inBlock},
	{name: "in a failed block", into: steps("begin", "nonsense"), ends: inBlock},
	{name: "at work", into: named(func(c *wireClient) { c.send(simpleQuery("select pg_sleep(1000)")) }), ends: inQuery},
	{name: "at work in a block", into: named(func(c *wireClient) {
		c.does("begin")
		c.send(simpleQuery("select pg_sleep(1000)"))
	}), ends: inQuery},
	{name: "at work, extended", into: named(func(c *wireClient) {
		c.send([]byte(string(frame('P', "\x00select pg_sleep(1000)\x00\x00\x00")) + string(frame('B', "\x00\x00\x00\x00\x00\x00\x00\x00")) +
			string(frame('E', "\x00\x00\x00\x00\x00")) + string(frame('S', ""))))
	}), ends: inQuery},
	{name: "without a Sync", into: named(func(c *wireClient) {
		c.send([]byte(string(frame('P', "\x00select 1\x00\x00\x00")) + string(frame('B', "\x00\x00\x00\x00\x00\x00\x00\x00")) +
			string(frame('E', "\x00\x00\x00\x00\x00")) + string(frame('H', ""))))
		c.until('C')
	}), ends: map[string]string{transactionTimeout: "25P04"}},
	{name: "in COPY", into: named(func(c *wireClient) {
		c.send(simpleQuery("copy filled from stdin"))
		c.until('G')
	}), ends: inQuery},
	{name: "in COPY in a block", into: named(func(c *wireClient) {
		c.does("begin")
		c.send(simpleQuery("copy filled from stdin"))
		c.until('G')
	}), ends: inQuery},
	{name: "slow to read", into: func(t *testing.T, w *weir, name string) *wireClient {
		c := loginUnix(t, w, "application_name", name)
		c.send(simpleQuery("select repeat('x', 10000) from generate_series(1, 1000000)"))
		c.until('D')
		return c
	}, ends: map[string]string{queryTimeout: "", transactionTimeout: ""}}, // in the midst of a row nothing can be said
	{name: "first in line", into: onLine("begin"), ends: inBlock},
	{name: "waits", into: onLine("select 1")},
	{name: "listens", into: steps("listen c", "select 1")},
	{name: "pinned", into: steps("select pg_advisory_lock(4711)")},
	{name: "replicates", into: func(t *testing.T, w *weir, name string) *wireClient {
		c := loginWire(t, w, "application_name", name, "replication", "true")
		c.send(simpleQuery("IDENTIFY_SYSTEM"))
		start := columnOf(c.until('D'), 2)
		c.until('Z')
		c.send(simpleQuery("START_REPLICATION PHYSICAL " + start + " TIMELINE 1"))
		c.until('W')
		return c
	}},
	{name: "on the console", into: func(t *testing.T, w *weir, name string) *wireClient {
		c := dialWire(t, w.Addr())
		c.login(protocol30, "user", "postgres", "database", "pgweir", "application_name", name)
		c.does("show version")
		return c
	}},
}

// onLine has a client ask for the one backend of a pool of its own, and not wait for
// the answer.
func onLine(sql string) func(t *testing.T, w *weir, name string) *wireClient {
	return func(t *testing.T, w *weir, name string) *wireClient {
		c := dialWire(t, w.Addr())
		c.login(protocol30, "user", "postgres", "database", "line", "application_name", name)
		c.send(simpleQuery(sql))
		if sql == "begin" {
			c.until('Z')
		}
		return c
	}
}

// columnOf is a column of a DataRow.
func columnOf(row []byte, i int) string {
	rest := row[2:]
	for ; ; i-- {
		n := int(rest[0])<<24 | int(rest[1])<<16 | int(rest[2])<<8 | int(rest[3])
		if i == 0 {
			return string(rest[4 : 4+n])
		}
		rest = rest[4+n:]
	}
}

// TestTimeoutsEndWhomTheyAreForAndNobodyElse: all clients are there before the
// timeout is, and those that it is not for are still there when it has ended others
// twice, one after the other.
func TestTimeoutsEndWhomTheyAreForAndNobodyElse(t *testing.T) {
	t.Parallel()
	opts := weirOptions{Database: "pool_size = 20", Tables: "[databases.line]\nhost = \"127.0.0.1\"\nport = PGPORT\npool_size = 1\ndbname = \"DB\"\n[users.postgres]\n"}
	db := createDatabase(t, shared)
	opts.DB, opts.Tables = db, strings.ReplaceAll(opts.Tables, "DB", db)
	w := startWeir(t, opts)
	execSQL(t, w.Direct(), "create table filled (a text)")
	console, direct := connect(t, w.Console(simpleProtocol)), connect(t, w.Direct("application_name=direct"))
	// witness is a client that a timeout ends, from its login on.
	witness := map[string]string{queryTimeout: "select pg_sleep(1000)", transactionTimeout: "begin", idleTransactionTimeout: "begin", clientIdleTimeout: "select 1"}
	for _, setting := range []string{queryTimeout, transactionTimeout, idleTransactionTimeout, clientIdleTimeout} {
		clients := map[string]*wireClient{}
		for _, p := range patientClients {
			clients[p.name] = p.into(t, w, p.name)
		}
		eventually(t, "one waits", func() bool { return connected(t, w, console)["waits"] == "waiting" })
		running(t, w, direct, "select pg_sleep", 3)
		on := opts
		on.Top = setting + ` = "400ms"`
		w.Rewrite(t, on)
		reload(t, console)
		for range 2 {
			c := loginWire(t, w)
			c.send(simpleQuery(witness[setting]))
			c.ended(patience)
		}
		for _, p := range patientClients {
			want, ends := p.ends[setting]
			if !ends {
				continue
			}
			if got := clients[p.name].ended(patience); got != want && want != "" {
				t.Errorf("%s: the client %s is ended with %q, want %q", setting, p.name, got, want)
			}
			delete(clients, p.name)
			eventually(t, "PostgreSQL does nothing more for it", func() bool {
				return ask(t, direct, fmt.Sprintf("select count(*) from pg_stat_activity where application_name = '%s' and state <> 'idle'", p.name)) == "0"
			})
		}
		w.Rewrite(t, opts)
		reload(t, console)
		there := connected(t, w, console)
		for name, c := range clients {
			if _, ok := there[name]; !ok && name != "on the console" {
				t.Errorf("%s has ended the client %s", setting, name)
			} else if name == "on the console" {
				c.does("show version")
			}
		}
		for _, c := range clients {
			c.vanish(false)
		}
		eventually(t, "all have gone", func() bool { return len(connected(t, w, console)) == 0 })
	}
	if !strings.Contains(w.Log(), "terminating connection due to query_timeout (400ms)") {
		t.Error("the log does not say which setting it was")
	}
}

// connected are the states of the clients with a name of patientClients.
func connected(t *testing.T, w *weir, console *pgx.Conn) map[string]string {
	t.Helper()
	states := map[string]string{}
	for _, row := range show(t, console, "show clients") {
		name := row["application_name"]
		if slices.ContainsFunc(patientClients, func(p patientClient) bool { return p.name == name && row["database"] != "pgweir" }) {
			states[name] = row["state"]
		}
	}
	return states
}
