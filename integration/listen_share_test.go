package integration

import (
	"encoding/binary"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
)

// hear reads up to a notification, and gives it as "channel payload". Only
// warnings, which are counted, and parameters may come before it.
func (c *wireClient) hear() (pid uint32, text string, warnings int) {
	c.t.Helper()
	for {
		typ, body := c.next()
		switch typ {
		case 'A':
			words := strings.Split(string(body[4:]), "\x00")
			return binary.BigEndian.Uint32(body), words[0] + " " + words[1], warnings
		case 'N':
			if errorFields(body)['V'] == "WARNING" {
				warnings++
			}
		case 'S':
		default:
			c.t.Fatalf("waiting for a notification, got %q %q", typ, body)
		}
	}
}

// does runs a simple query that may not fail.
func (c *wireClient) does(sql string) {
	c.t.Helper()
	if code, err := c.roundTrip(sql); code != "" || err != nil {
		c.t.Fatalf("%s: %q, %v", sql, code, err)
	}
}

// TestAThousandListenersHoldNoBackend: all of them hear everything that is sent
// to their channel, and only that, through one backend.
func TestAThousandListenersHoldNoBackend(t *testing.T) {
	t.Parallel()
	const clients, channels = 1000, 5
	w := startWeir(t, weirOptions{Top: stageTop + "log_connections = false\nlog_disconnections = false\nlisten_backlog = 4096\nquery_wait_timeout = \"120s\"", Database: "pool_size = 2"})
	console := connect(t, w.Console(simpleProtocol))
	watch := watchBackends(t, w.PG, w.DB)
	var all []*wireClient
	for range clients {
		c := loginWire(t, w)
		c.send(simpleQuery(fmt.Sprintf("listen all_of_them; listen channel_%d", len(all)%channels)))
		all = append(all, c)
	}
	for _, c := range all {
		if code, err := c.answer(); code != "" || err != nil {
			t.Fatalf("%q, %v", code, err)
		}
	}
	rows := show(t, console, "show listeners")
	if row := rowOf(t, rows, "database", w.DB, "channel", "all_of_them"); len(rows) != channels+1 || row["clients"] != fmt.Sprint(clients) {
		t.Errorf("SHOW LISTENERS has %v", rows)
	}
	// There is a backend left for ordinary work.
	sender := loginWire(t, w)
	for i := range channels {
		sender.does(fmt.Sprintf("notify channel_%d, 'for %d'", i, i))
	}
	sender.does("notify all_of_them, 'for all'")
	for i, c := range all {
		for _, want := range []string{fmt.Sprintf("channel_%d for %d", i%channels, i%channels), "all_of_them for all"} {
			if _, got, warnings := c.hear(); got != want || warnings > 0 {
				t.Fatalf("client %d heard %q with %d warnings, want %q", i, got, warnings, want)
			}
		}
	}
	most := watch.Stop(t)
	if most > 2 {
		t.Errorf("%d backends for %d listening clients", most, clients)
	}
	// Half of them go, the others still hear.
	for i, c := range all {
		if i%2 == 0 {
			c.vanish(i%4 == 0)
		}
	}
	eventually(t, "those that went are not counted", func() bool {
		return rowOf(t, show(t, console, "show listeners"), "channel", "all_of_them")["clients"] == fmt.Sprint(clients/2)
	})
	execSQL(t, w.Direct(), "notify all_of_them, 'from elsewhere'")
	for i, c := range all {
		if i%2 == 0 {
			continue
		}
		if _, got, _ := c.hear(); got != "all_of_them from elsewhere" {
			t.Fatalf("client %d heard %q", i, got)
		}
		c.vanish(false)
	}
	eventually(t, "nobody listens", func() bool { return len(show(t, console, "show listeners")) == 0 })
}

// TestTheNotifiersProcessIsWhatItsClientKnows: a client's own notification
// bears the process ID of its BackendKeyData, and those of others do not.
func TestTheNotifiersProcessIsWhatItsClientKnows(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: stageTop, Database: "pool_size = 3"})
	one, two := loginWire(t, w), loginWire(t, w)
	one.does("listen c")
	two.does("listen c")
	for round := range 5 {
		one.does(fmt.Sprintf("begin; notify c, '%d'", round))
		// The notification comes before ReadyForQuery.
		one.send(simpleQuery("commit"))
		if typ, _ := one.next(); typ != 'C' {
			t.Fatalf("COMMIT was answered with %q", typ)
		}
		if pid, got, _ := one.hear(); pid != one.pid || got != fmt.Sprintf("c %d", round) {
			t.Errorf("the client, process %d, heard %q of process %d", one.pid, got, pid)
		}
		one.until('Z')
		if pid, got, _ := two.hear(); pid == two.pid || got != fmt.Sprintf("c %d", round) {
			t.Errorf("the other, process %d, heard %q of process %d", two.pid, got, pid)
		}
	}
}

// TestListenersHearAgainWhenTheListeningBackendIsLost: those that may have
// missed something are told by a warning.
func TestListenersHearAgainWhenTheListeningBackendIsLost(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: stageTop, Database: "pool_size = 2"})
	console, direct := connect(t, w.Console(simpleProtocol)), connect(t, w.PG.DSN("postgres"))
	idle, busy, deaf := loginWire(t, w), loginWire(t, w), loginWire(t, w)
	idle.does("listen c")
	busy.does("listen c; listen d")
	for round := range 3 {
		busy.does("begin")
		row := rowOf(t, show(t, console, "show listeners"), "database", w.DB, "channel", "c")
		if got := ask(t, direct, "select pg_terminate_backend("+row["remote_pid"]+")"); got != "t" {
			t.Fatalf("the listening backend, process %s, was not there", row["remote_pid"])
		}
		// The warning comes when the channels are listened to again.
		if typ, body := idle.next(); typ != 'N' || errorFields(body)['V'] != "WARNING" {
			t.Fatalf("the idle client got %q %q, want a warning", typ, body)
		}
		now := rowOf(t, show(t, console, "show listeners"), "database", w.DB, "channel", "c")
		if now["remote_pid"] == row["remote_pid"] || now["losses"] != fmt.Sprint(round+1) || now["clients"] != "2" {
			t.Errorf("SHOW LISTENERS has %v", now)
		}
		execSQL(t, w.Direct(), fmt.Sprintf("notify c, 'after loss %d'", round))
		want := fmt.Sprintf("c after loss %d", round)
		if _, got, warnings := idle.hear(); got != want || warnings != 0 {
			t.Errorf("the idle client heard %q with %d more warnings, want %q with none", got, warnings, want)
		}
		// Nothing within the transaction, all after it.
		busy.send(simpleQuery("select 1"))
		for _, want := range "TDCZ" {
			if typ, body := busy.next(); typ != byte(want) {
				t.Fatalf("within a transaction: %q %q, want %q", typ, body, want)
			}
		}
		busy.send(simpleQuery("commit; select 'end'"))
		heard, warned := 0, 0
		for ready := false; !ready || heard == 0; {
			switch typ, body := busy.next(); typ {
			case 'A':
				heard++
			case 'N':
				warned++
			case 'Z':
				ready = true
			case 'E':
				t.Fatalf("after the transaction: %v", errorFields(body))
			}
		}
		if heard != 1 || warned != 1 {
			t.Errorf("the busy client heard %d notifications with %d warnings", heard, warned)
		}
		// Who does not listen is told nothing.
		deaf.send(simpleQuery("select 1"))
		for _, want := range "TDCZ" {
			if typ, body := deaf.next(); typ != byte(want) {
				t.Fatalf("a client that does not listen: %q %q, want %q", typ, body, want)
			}
		}
	}
}

// TestNotificationsNeverComeWithinAnAnswer sends many while the listener works,
// and every one is heard once, in order.
func TestNotificationsNeverComeWithinAnAnswer(t *testing.T) {
	t.Parallel()
	const notifications = 500
	w := startWeir(t, weirOptions{Top: stageTop, Database: "pool_size = 3"})
	c, sender := loginWire(t, w), connect(t, w.DSN(simpleProtocol))
	c.does("listen c")
	var sending sync.WaitGroup
	sending.Go(func() {
		for i := range notifications {
			if err := runSQL(t.Context(), sender, fmt.Sprintf("notify c, '%d'", i)); err != nil {
				t.Error(err)
				return
			}
		}
	})
	defer sending.Wait()
	heard, status := 0, byte('I')
	// For one more each time: how long all take is the machine's affair.
	before, deadline := 0, time.Now().Add(patience)
	texts := []string{"select repeat('x', 100), generate_series(1, 200)", "begin", "select generate_series(1, 50)", "savepoint s", "select 1", "commit", "select 1/0", "select 1"}
	for round := 0; heard < notifications; round++ {
		c.send(simpleQuery(texts[round%len(texts)]))
		first := true
		for ready := false; !ready; {
			typ, body := c.next()
			switch typ {
			case 'A':
				// Between answers, or between the last CommandComplete and ReadyForQuery.
				if status != 'I' || !first {
					t.Fatalf("a notification within a transaction or an answer, status %c", status)
				}
				if got, want := strings.Split(string(body[4:]), "\x00")[1], fmt.Sprint(heard); got != want {
					t.Fatalf("heard %s, want %s", got, want)
				}
				heard++
			case 'C', 'E':
				// What follows belongs to the end of the transaction, if it is one.
				first = true
				if texts[round%len(texts)] == "commit" {
					status = 'I'
				}
				if texts[round%len(texts)] == "begin" {
					status = 'T'
				}
			case 'Z':
				status, ready = body[0], true
			default:
				first = false
			}
		}
		if heard > before {
			before, deadline = heard, time.Now().Add(patience)
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d notifications were heard", heard, notifications)
		}
	}
}

// TestListenCanBeRefusedOrKeepItsBackend are the other two ways.
func TestListenCanBeRefusedOrKeepItsBackend(t *testing.T) {
	t.Parallel()
	t.Run("reject", func(t *testing.T) {
		t.Parallel()
		w := startWeir(t, weirOptions{Top: stageTop + `listen = "reject"`, Database: "pool_size = 1"})
		conn, other := connect(t, w.DSN(simpleProtocol)), connect(t, w.DSN(simpleProtocol))
		for _, sql := range []string{"listen c", "begin; listen c", "select 1; listen c"} {
			if code := sqlState(runSQL(t.Context(), conn, sql)); code != "0A000" {
				t.Errorf("%s: %q", sql, code)
			}
			_ = runSQL(t.Context(), conn, "rollback")
			if got := ask(t, conn, "select count(*) from pg_listening_channels()"); got != "0" {
				t.Errorf("after %s: %s channels", sql, got)
			}
			servedWithin(t, other, patience)
		}
		must(t, conn, "unlisten c")
		must(t, conn, "unlisten *")
		must(t, conn, "notify c, 'still allowed'")
	})
	t.Run("pin", func(t *testing.T) {
		t.Parallel()
		w := startWeir(t, weirOptions{Top: stageTop + `listen = "pin"`, Database: "pool_size = 2"})
		console := connect(t, w.Console(simpleProtocol))
		conn, other := connect(t, w.DSN(simpleProtocol)), connect(t, w.DSN(simpleProtocol))
		must(t, conn, "listen c")
		eventually(t, "the pin is shown", func() bool {
			rows := show(t, console, "show pins")
			return len(rows) == 1 && rows[0]["reasons"] == "channels" && rows[0]["statement"] == "listen c"
		})
		if rows := show(t, console, "show listeners"); len(rows) != 0 {
			t.Errorf("SHOW LISTENERS has %v", rows)
		}
		must(t, other, "notify c, 'hello'")
		heardBy(t, conn, "hello")
		must(t, conn, "unlisten *")
		eventually(t, "the pin ends", func() bool { return len(show(t, console, "show pins")) == 0 })
	})
}

// TestAPoolOfOneStillListens: there is no room for a backend that listens for
// all, so the client keeps the one that there is.
func TestAPoolOfOneStillListens(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: stageTop, Database: "pool_size = 1"})
	conn, other := connect(t, w.DSN(simpleProtocol)), connect(t, w.DSN(simpleProtocol))
	must(t, conn, "listen c")
	execSQL(t, w.Direct(), "notify c, 'hello'")
	heardBy(t, conn, "hello")
	must(t, conn, "unlisten c")
	servedWithin(t, other, patience)
}

func heardBy(t *testing.T, conn *pgx.Conn, payload string) {
	t.Helper()
	n, err := conn.WaitForNotification(t.Context())
	if err != nil || n.Channel != "c" || n.Payload != payload {
		t.Errorf("heard %+v, %v; want %q", n, err, payload)
	}
}

// TestAListenerWithMoreStateKeepsBoth: a pin and a shared channel side by side,
// and settings that follow.
func TestAListenerWithMoreStateKeepsBoth(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: stageTop, Database: "pool_size = 3"})
	c := rawLogin(t, w.Addr(), "postgres", w.DB)
	saying := func(sql, want string) {
		t.Helper()
		c.Say(t, query(sql))
		if got := c.until(t, 'Z'); got != want {
			t.Errorf("%s: got %q, want %q", sql, got, want)
		}
	}
	hears := func(want string) {
		t.Helper()
		execSQL(t, w.Direct(), "notify c, '"+want+"'")
		if n, ok := c.Next(t).(*pgproto3.NotificationResponse); !ok || n.Payload != want {
			t.Errorf("heard %+v, want %q", n, want)
		}
	}
	saying("listen c; set work_mem = '6MB'", "")
	hears("with a setting")
	saying("select pg_advisory_lock(1)", "")
	hears("with a pin")
	saying("show work_mem", "6MB")
	saying("select pg_listening_channels()", "c")
	saying("select pg_advisory_unlock(1)", "t")
	hears("after a pin")
	saying("set work_mem = '7MB'", "")
	saying("discard all", "")
	saying("select count(*) from pg_listening_channels()", "0")
	execSQL(t, w.Direct(), "notify c, 'never'")
	saying("show work_mem", "4MB")
}
