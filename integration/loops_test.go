package integration

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// manyLoops are lines of config.toml for a test that is about several loops.
// With the race detector the clients at rest move from one to the next all the
// time.
const manyLoops = "workers = 4\nlog_connections = false\nlog_disconnections = false\nlisten_backlog = 4096\nquery_wait_timeout = \"120s\"\n"

// TestClientsThatMoveFromLoopToLoopHearAll: each client is notified by another
// one in every round, while it runs queries of its own.
func TestClientsThatMoveFromLoopToLoopHearAll(t *testing.T) {
	t.Parallel()
	const clients, rounds = 400, 8
	w := startWeir(t, weirOptions{Top: manyLoops, Database: "pool_size = 8"})
	stopLooking := lookAtEverything(t, w)
	var all []*wireClient
	for i := range clients {
		c := loginWire(t, w)
		c.send(simpleQuery(fmt.Sprintf("listen c%d", i)))
		all = append(all, c)
	}
	for _, c := range all {
		if code, err := c.answer(); code != "" || err != nil {
			t.Fatalf("%q, %v", code, err)
		}
	}
	var done sync.WaitGroup
	for i, c := range all {
		done.Go(func() {
			heard := 0
			for round := range rounds {
				sql := fmt.Sprintf("select '%d/%d'; notify c%d, '%d'", i, round, (i+1)%clients, round)
				if err := c.write(simpleQuery(sql)); err != nil {
					t.Errorf("client %d: %v", i, err)
					return
				}
				if err := c.hearsInOrder(&heard, fmt.Sprintf("%d/%d", i, round)); err != nil {
					t.Errorf("client %d in round %d, which has heard %d: %v", i, round, heard, err)
					return
				}
			}
			for heard < rounds {
				if err := c.hearsInOrder(&heard, ""); err != nil {
					t.Errorf("client %d, which has heard %d: %v", i, heard, err)
					return
				}
			}
			if i%4 == 0 {
				_ = c.conn.Close() // while the others are at it
			}
		})
	}
	done.Wait()
	stopLooking()
}

// hearsInOrder reads the answer to a query that gives want, or one notification
// if want is "". Notifications, which may come in between, bear the numbers from
// heard on.
func (c *wireClient) hearsInOrder(heard *int, want string) error {
	for {
		typ, body, err := c.read()
		switch {
		case err != nil:
			return err
		case typ == 'E':
			return fmt.Errorf("%v", errorFields(body))
		case typ == 'D' && string(body[6:]) != want:
			return fmt.Errorf("read %q, want %q", body[6:], want)
		case typ == 'A':
			words := strings.Split(string(body[4:]), "\x00")
			if words[1] != fmt.Sprint(*heard) {
				return fmt.Errorf("heard %q, want %d", words[1], *heard)
			}
			*heard++
			if want == "" {
				return nil
			}
		case typ == 'Z':
			return nil
		}
	}
}

// lookAtEverything reads all that there is to be seen of w, over and over,
// until it is told to stop.
func lookAtEverything(t *testing.T, w *weir) (stop func()) {
	t.Helper()
	console, err := pgx.Connect(t.Context(), w.Console(simpleProtocol))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var looking sync.WaitGroup
	looking.Go(func() {
		for ctx.Err() == nil {
			for _, what := range []string{"servers", "clients", "pools", "pins"} {
				if _, err := console.PgConn().Exec(t.Context(), "show "+what).ReadAll(); err != nil {
					t.Errorf("SHOW %s: %v", what, err)
					return
				}
			}
			answer, err := http.Get(w.HTTP("/metrics"))
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, answer.Body)
			_ = answer.Body.Close()
		}
	})
	return func() {
		cancel()
		looking.Wait()
		_ = console.Close(context.Background())
	}
}

// TestBackendsThatAreHandedFromLoopToLoopAreShown has few backends go from hand
// to hand, with statements and settings that are shown of them.
func TestBackendsThatAreHandedFromLoopToLoopAreShown(t *testing.T) {
	t.Parallel()
	for what, size := range map[string]int{"with a queue": 6, "with some to spare": 30} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			handBackendsAround(t, size)
		})
	}
}

func handBackendsAround(t *testing.T, size int) {
	const clients, rounds = 24, 60
	w := startWeir(t, weirOptions{Top: manyLoops, Database: fmt.Sprintf("pool_size = %d", size)})
	stopLooking := lookAtEverything(t, w)
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			conn, err := pgx.Connect(t.Context(), w.DSN())
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close(t.Context())
			for round := range rounds {
				if round%10 == 0 {
					sql := fmt.Sprintf("set work_mem = '%d MB'; set app.pin = '%d'", 4+i, round)
					if _, err := conn.PgConn().Exec(t.Context(), sql).ReadAll(); err != nil {
						t.Error(err)
						return
					}
				}
				var got string
				err := conn.QueryRow(t.Context(), fmt.Sprintf("select current_setting('work_mem') /* %d */", round)).Scan(&got)
				if want := fmt.Sprintf("%dMB", 4+i); err != nil || got != want {
					t.Errorf("client %d read %q, want %q: %v", i, got, want, err)
					return
				}
			}
		})
	}
	all.Wait()
	stopLooking()
}

// TestWhoLeavesASessionToTheNextIsClosed: the backend of the one that goes is
// the login's of the one that waits, with nothing in between.
func TestWhoLeavesASessionToTheNextIsClosed(t *testing.T) {
	t.Parallel()
	const most = 4
	w := startWeir(t, weirOptions{
		Top:      fmt.Sprintf("pool_mode = \"session\"\nserver_reset_query = \"\"\nmax_client_conn = %d", most),
		Database: "pool_size = 1",
	})
	console := connect(t, w.Console(simpleProtocol))
	holder := loginWire(t, w)
	for round := range 2 * most {
		next := dialWire(t, w.Addr())
		next.send(startupPacket(protocol30, "user", "postgres", "database", w.DB))
		eventually(t, "the next one waits", func() bool { return len(inLogin(t, console)) == 1 })
		if round%2 == 0 {
			holder.send(frame('X', ""))
			if code := holder.ended(patience); code != "" {
				t.Fatalf("who has left was told %q", code)
			}
		} else {
			holder.vanish(round%4 == 1)
		}
		next.until('Z')
		if code, err := next.roundTrip("select 1"); code != "" || err != nil {
			t.Fatalf("%q, %v", code, err)
		}
		holder = next
	}
	if rows := show(t, console, "show clients"); len(rows) != 2 { // the console is one
		t.Errorf("SHOW CLIENTS has %v", rows)
	}
}

// TestACancelThatMeetsAHandOverIsNotLost: the backend that the client waits for
// is given back in the moment in which its query is canceled.
func TestACancelThatMeetsAHandOverIsNotLost(t *testing.T) {
	t.Parallel()
	const rounds = 60
	for _, workers := range []int{1, 4} {
		t.Run(fmt.Sprintf("%d loops", workers), func(t *testing.T) {
			t.Parallel()
			w := startWeir(t, weirOptions{Top: fmt.Sprintf("workers = %d", workers), Database: "pool_size = 1"})
			console := connect(t, w.Console())
			holder, victims := loginWire(t, w), []*wireClient{loginWire(t, w), loginWire(t, w), loginWire(t, w), loginWire(t, w)}
			for round := range rounds {
				victim := victims[round%len(victims)]
				holder.does("begin")
				victim.send(simpleQuery("select pg_sleep(60)"))
				waitingClients(t, w, console, 1)
				var both sync.WaitGroup
				both.Go(func() {
					if code, err := holder.roundTrip("commit"); code != "" || err != nil {
						t.Errorf("COMMIT: %q, %v", code, err)
					}
				})
				both.Go(func() {
					if err := sendCancel(w.Addr(), victim.pid, victim.key); err != nil {
						t.Error(err)
					}
				})
				both.Wait()
				if code, err := victim.answer(); code != "57014" || err != nil {
					t.Fatalf("round %d: the query that was canceled got %q, %v", round, code, err)
				}
				victim.does("select 1") // which nothing is left for that might hit it
			}
		})
	}
}

// TestAClientThatIsKilledInItsHandshakeIsToldNothing: what it were told would be
// no TLS, and whoever gets its descriptor next is not to suffer for it.
func TestAClientThatIsKilledInItsHandshakeIsToldNothing(t *testing.T) {
	t.Parallel()
	w := startWeir(t, secured(t, ""))
	console := connect(t, w.Console(simpleProtocol))
	for range 8 {
		c := dialWire(t, w.Addr())
		c.send(sslRequest)
		if typ, err := c.r.ReadByte(); typ != 'S' || err != nil {
			t.Fatalf("%q, %v", typ, err)
		}
		// The head of a record of the handshake, so that more is waited for.
		c.send([]byte{22, 3, 1, 2, 0, 1})
		if err := c.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		id := ""
		eventually(t, "it is seen", func() bool {
			if ids := inLogin(t, console); len(ids) == 1 {
				id = ids[0]
			}
			return id != ""
		})
		must(t, console, "kill_client "+id)
		if rest, err := io.ReadAll(c.r); len(rest) > 0 {
			t.Fatalf("it was told %q, %v", rest, err)
		}
		next := []*wireClient{loginWire(t, w), loginWire(t, w)}
		_ = c.write([]byte("more of it"))
		for _, n := range next {
			n.does("select 1")
			n.send(frame('X', ""))
			n.ended(patience)
		}
	}
	eventually(t, "nobody is left in a login", func() bool { return len(inLogin(t, console)) == 0 })
}

// inLogin are the ids of the clients that are not in yet.
func inLogin(t *testing.T, console *pgx.Conn) (ids []string) {
	t.Helper()
	for _, row := range show(t, console, "show sockets") {
		if row["state"] == "cl_login" {
			ids = append(ids, row["id"])
		}
	}
	return ids
}

var sslRequest = binary.BigEndian.AppendUint32([]byte{0, 0, 0, 8}, 80877103)

// secured are the options of a pgweir that clients may speak TLS with.
func secured(t *testing.T, top string) weirOptions {
	t.Helper()
	cert, key := newAuthority(t, "an authority").Sign(t, "localhost")
	return weirOptions{
		Top: top + "client_tls_sslmode = \"allow\"\nclient_tls_cert_file = \"weir.crt\"\nclient_tls_key_file = \"weir.key\"\n" +
			"client_login_timeout = \"120s\"\n",
		Files: map[string]string{"weir.crt": cert, "weir.key": key},
	}
}

// TestHandshakesThatStandStillKeepNobodyOut: many that never get on, and then
// one that does.
func TestHandshakesThatStandStillKeepNobodyOut(t *testing.T) {
	t.Parallel()
	w := startWeir(t, secured(t, "workers = 1\n"))
	for range 50 {
		c := dialWire(t, w.Addr())
		c.send(sslRequest)
		if typ, err := c.r.ReadByte(); typ != 'S' || err != nil {
			t.Fatalf("%q, %v", typ, err)
		}
	}
	if got := ask(t, connect(t, w.DSN("sslmode=require", "connect_timeout=20")), "select 1"); got != "1" {
		t.Errorf("read %q", got)
	}
}

// TestAStopInTheMidstOfALoginStormIsClean: clients are at every point of their
// login, on every loop, and some on their way to one.
func TestAStopInTheMidstOfALoginStormIsClean(t *testing.T) {
	t.Parallel()
	for how, signals := range map[string]int{"drained": 1, "at once": 2} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			w := startWeir(t, secured(t, manyLoops))
			ctx, stop := context.WithCancel(t.Context())
			var storm sync.WaitGroup
			var in atomic.Int64
			for i := range 40 {
				storm.Go(func() {
					mode := []string{"sslmode=disable", "sslmode=require"}[i%2]
					for ctx.Err() == nil {
						conn, err := pgconn.Connect(ctx, w.DSN(mode, "connect_timeout=20"))
						if err != nil {
							continue // it may not be let in any more
						}
						in.Add(1)
						_, _ = conn.Exec(ctx, "select 1").ReadAll()
						_ = conn.Close(ctx)
					}
				})
			}
			eventually(t, "the storm blows", func() bool { return in.Load() > 100 })
			for range signals {
				w.Signal(t, syscall.SIGTERM)
			}
			if code := w.Exited(t, 2*patience); code != 0 {
				t.Errorf("exit code %d", code)
			}
			stop()
			storm.Wait()
		})
	}
}
