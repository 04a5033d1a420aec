package integration

import (
	"bufio"
	"encoding/binary"
	"net"
	"strconv"
	"strings"
	"testing"

	"pgweir/cluster"
)

// TestReplicationConnectionsHaveLimitsOfTheirOwn: and are shown, and nothing of the pool's
// holds for them.
func TestReplicationConnectionsHaveLimitsOfTheirOwn(t *testing.T) {
	t.Parallel()
	other := createDatabase(t, shared)
	opts := weirOptions{
		Top: `max_replication_connections = 3
server_lifetime = 0
server_idle_timeout = "1s"
max_db_connections = 1`,
		Database: "pool_size = 1\nmax_replication_connections = 2",
		Tables:   "[databases." + other + "]\nhost = \"127.0.0.1\"\nport = PGPORT\n[users.postgres]",
	}
	w := startWeir(t, opts)
	console, direct := connect(t, w.Console()), connect(t, w.Direct())
	busy := connect(t, w.DSN())
	must(t, busy, "begin")
	opts.Top += "\nquery_wait_timeout = \"5s\"" // the pool's backend, which is busy, would not be given in time
	w.Rewrite(t, opts)
	reload(t, console)
	login := func(db, kind string) *wireClient {
		c := dialWire(t, w.Addr())
		c.login(protocol30, "user", "postgres", "database", db, "replication", kind)
		return c
	}
	refused := func(db, says string) {
		t.Helper()
		c := dialWire(t, w.Addr())
		c.send(startupPacket(protocol30, "user", "postgres", "database", db, "replication", "database"))
		for {
			typ, body := c.next()
			if typ == 'E' {
				if e := errorFields(body); e['C'] != "53300" || e['S'] != "FATAL" || !strings.Contains(e['M'], says) {
					t.Errorf("%v, want %q", e, says)
				}
				return
			}
			if typ == 'Z' {
				t.Error("one too many was let in")
				return
			}
		}
	}
	physical, logical := login(w.DB, "true"), login(w.DB, "database")
	refused(w.DB, `to database "`+w.DB+`" (max_replication_connections = 2)`)
	astray := dialWire(t, w.Addr())
	astray.send(startupPacket(protocol30, "user", "postgres", "database", "replication", "replication", "true"))
	astray.until('R')
	if e := errorFields(astray.until('E')); e['C'] != "3D000" || !strings.Contains(e['H'], "[databases.NAME]") {
		t.Errorf("a database that there is not, as pg_basebackup names it: %v", e)
	}
	third := login(other, "on")
	refused(other, "no more replication connections are allowed (max_replication_connections = 3)")

	for _, table := range []string{"show clients", "show servers"} {
		for _, kind := range []string{"physical", "logical"} {
			if row := rowOf(t, show(t, console, table), "database", w.DB, "replication", kind); row["state"] != "active" || row["link"] == "" {
				t.Errorf("%s: %v", table, row)
			}
		}
	}
	rowOf(t, show(t, console, "show clients"), "database", w.DB, "replication", "none")
	row := poolRow(t, w, console)
	if row["sv_replication"] != "2" || row["sv_active"] != "1" || row["cl_active"] != "3" {
		t.Errorf("%v", row)
	}
	if row := rowOf(t, show(t, console, "show savings"), "database", w.DB); row["clients"] != "3" || row["backends"] != "3" || row["saved"] != "0" {
		t.Errorf("%v", row)
	}
	senders := "select count(*) from pg_stat_activity where backend_type = 'walsender' and (datname = '" + w.DB + "' or pid in (" +
		strconv.FormatUint(uint64(physical.pid), 10) + "))"
	if n := ask(t, direct, senders); n != "2" {
		t.Errorf("PostgreSQL counts %s walsenders", n)
	}
	if code, err := logical.roundTrip("select 1"); code != "" || err != nil {
		t.Errorf("%q, %v", code, err)
	}

	// Who leaves makes room at once, though its process takes a moment to end.
	logical.vanish(false)
	eventually(t, "pgweir has seen that it left", func() bool {
		return len(show(t, console, "show clients")) == 4 // the console's own too
	})
	logical = login(w.DB, "database")
	for _, c := range []*wireClient{physical, logical, third} {
		if code, err := c.roundTrip("IDENTIFY_SYSTEM"); code != "" || err != nil {
			t.Errorf("%q, %v", code, err)
		}
		c.vanish(false)
	}
	eventually(t, "none is left", func() bool {
		return poolRow(t, w, console)["sv_replication"] == "0" && ask(t, direct, senders) == "0"
	})
	must(t, busy, "commit")
}

// TestAReplicationClientThatReadsSlowlyIsNotEnded: it takes nothing for longer than an
// ordinary client may while others wait.
func TestAReplicationClientThatReadsSlowlyIsNotEnded(t *testing.T) {
	t.Parallel()
	pg := startCluster(t, cluster.Options{Settings: map[string]string{"wal_level": "logical", "wal_sender_timeout": "0"}})
	w := startWeir(t, weirOptions{Cluster: pg, Top: `client_message_timeout = "1s"
server_idle_timeout = "1s"
server_lifetime = 1`, Database: "pool_size = 1"})
	direct := connect(t, w.Direct())
	conn, err := net.Dial("unix", w.SocketPath())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	slow := &wireClient{t: t, conn: conn, r: bufio.NewReader(conn)}
	slow.login(protocol30, "user", "postgres", "database", w.DB, "replication", "true")
	start := ask(t, direct, "select pg_current_wal_flush_lsn()")
	slow.send(simpleQuery("START_REPLICATION PHYSICAL " + start + " TIMELINE 1"))
	slow.until('W')
	const size = 40 << 20
	must(t, direct, "select pg_logical_emit_message(false, 'x', repeat('y', 1048576)) from generate_series(1, 40)")
	eventually(t, "it is behind", func() bool {
		return ask(t, direct, "select sent_lsn < pg_current_wal_lsn() - 1048576 from pg_stat_replication") == "t"
	})

	// An ordinary client that does so is ended.
	deaf := loginUnix(t, w)
	deaf.send(simpleQuery("select repeat('x', 1000) from generate_series(1, 100000)"))
	running(t, w, direct, "select repeat", 1)
	answer := begin(t, connect(t, w.DSN()), "select 1")
	if err := finished(t, answer, patience); err != nil {
		t.Error(err)
	}
	w.Says(t, "the client took nothing of its result", 1)

	for got := 0; got < size; {
		typ, body := slow.next()
		if typ != 'd' {
			t.Fatalf("a message of type %q: %v", typ, errorFields(body))
		}
		switch body[0] {
		case 'w':
			got += len(body) - 25
		case 'k': // a keepalive: the answer says how far it is
			status := append([]byte{'r'}, make([]byte, 33)...)
			copy(status[1:], binary.BigEndian.AppendUint64(nil, binary.BigEndian.Uint64(body[1:])))
			slow.send(frame('d', string(status)))
		}
	}
}
