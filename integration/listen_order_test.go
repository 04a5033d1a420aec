package integration

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// TestWhatWasNotifiedBeforeUnlistenIsHeard: it comes by another connection than
// the answer to UNLISTEN, and must not come too late; nothing comes afterwards,
// not even of one's own.
func TestWhatWasNotifiedBeforeUnlistenIsHeard(t *testing.T) {
	t.Parallel()
	const rounds = 25
	w := startWeir(t, weirOptions{Top: "leak_check = 0", Database: "pool_size = 3"})
	a, b := loginWire(t, w), loginWire(t, w)
	ask := func(sql ...string) (all [][]byte) {
		for _, s := range sql {
			all = append(all, simpleQuery(s))
		}
		return all
	}
	extended := func(sql string) []byte {
		return []byte(string(frame('P', "\x00"+sql+"\x00\x00\x00")) + string(frame('B', "\x00\x00\x00\x00\x00\x00\x00\x00")) +
			string(frame('E', "\x00\x00\x00\x00\x00")) + string(frame('S', "")))
	}
	together := func(messages ...[]byte) (all []byte) {
		for _, m := range messages {
			all = append(all, m...)
		}
		return all
	}
	for _, way := range []struct {
		name    string
		says    [][]byte
		answers int // how many ReadyForQuery answer each
	}{
		{"UNLISTEN", ask("unlisten c"), 1},
		{"UNLISTEN of all", ask("unlisten *"), 1},
		{"DISCARD ALL", ask("discard all"), 1},
		{"in a block", ask("begin", "unlisten c", "commit"), 1},
		{"one of several statements", ask("select 1; unlisten c; notify c, 'never'"), 1},
		{"a block in one message", ask("begin; unlisten c; notify c, 'never'; commit"), 1},
		{"with another LISTEN", ask("unlisten c; listen d"), 1},
		{"in a DO block", ask("do $$ begin unlisten c; end $$"), 1},
		{"the extended protocol", [][]byte{extended("unlisten c")}, 1},
		{"DISCARD ALL in the extended protocol", [][]byte{extended("discard all")}, 1},
		{"in a pipeline", [][]byte{together(extended("select 1"), extended("unlisten c"), extended("notify c, 'never'"))}, 3},
		{"several messages at once", [][]byte{together(simpleQuery("begin"), simpleQuery("unlisten c"), simpleQuery("commit"), simpleQuery("notify c, 'never'"))}, 4},
	} {
		lost, more := 0, 0
		for round := range rounds {
			a.does("listen c")
			b.does(fmt.Sprintf("notify c, '%d'", round))
			heard := 0
			// What the last message brings up is past what was notified before.
			for _, message := range append(way.says, simpleQuery("select 1")) {
				a.send(message)
				n := way.answers
				if string(message) == string(simpleQuery("select 1")) {
					n = 1
				}
				for n > 0 {
					switch typ, body := a.next(); typ {
					case 'A':
						if got := strings.Split(string(body[4:]), "\x00")[1]; got != fmt.Sprint(round) {
							t.Errorf("%s: heard %q in round %d", way.name, got, round)
						}
						heard++
					case 'Z':
						n--
					case 'E':
						t.Fatalf("%s: %v", way.name, errorFields(body))
					}
				}
			}
			switch {
			case heard == 0:
				lost++
			case heard > 1:
				more++
			}
		}
		if lost > 0 || more > 0 {
			t.Errorf("%s: in %d of %d rounds the notification was not heard, in %d more than once", way.name, lost, rounds, more)
		}
		a.does("unlisten *")
	}
}

// TestNobodyBearsAnothersProcessID: many notify at once on few backends. What a
// client has sent names it as it knows itself; what a trigger has sent may name
// the backend, but nobody else. Both pools of the database hear it so.
func TestNobodyBearsAnothersProcessID(t *testing.T) {
	t.Parallel()
	const clients, each = 20, 30
	db := createDatabase(t, shared)
	w := startWeir(t, weirOptions{
		DB: db, Top: "leak_check = 0", Database: "pool_size = 4",
		Tables: fmt.Sprintf("[databases.other]\nhost = \"127.0.0.1\"\nport = %d\ndbname = %q\npool_size = 2\n", shared.Port, db),
	})
	execSQL(t, w.Direct(), listenSchema)
	listener := loginWire(t, w)
	distant := dialWire(t, w.Addr())
	distant.login(protocol30, "user", "postgres", "database", "other")
	for _, c := range []*wireClient{listener, distant} {
		c.does("listen log")
	}
	var sending sync.WaitGroup
	told := map[string]bool{}
	for i := range clients {
		c := loginWire(t, w)
		pid := fmt.Sprint(c.pid)
		told[pid] = true
		own := []string{
			"notify log, '" + pid + "'", "select pg_notify('log', '" + pid + "')",
			"begin; notify log, '" + pid + "'; commit", "do $$ begin notify log, '" + pid + "'; end $$",
		}
		sending.Go(func() {
			for j := range each {
				sql := own[(i+j)%len(own)]
				if i%2 == 0 {
					sql = "insert into log (word) values ('trigger " + pid + "')"
				}
				if code, err := c.roundTrip(sql); code != "" || err != nil {
					t.Errorf("%s: %q, %v", sql, code, err)
					return
				}
			}
		})
	}
	defer sending.Wait()
	for name, c := range map[string]*wireClient{"listener": listener, "listener of the other pool": distant} {
		backends, others := 0, 0
		for range clients * each {
			number, text, _ := c.hear()
			named, word := fmt.Sprint(number), strings.TrimPrefix(text, "log ")
			by, trigger := strings.CutPrefix(word, "trigger ")
			switch {
			case named == by:
			case told[named]:
				others++
			case !trigger:
				backends++
			}
		}
		if backends+others > 0 {
			t.Errorf("the %s heard of %d notifications that they are another client's, and of %d of clients that they are a backend's", name, others, backends)
		}
	}
}

// TestANotifyIsSentThoughItsClientIsGone: it has to wait until what others have
// notified on the backend is heard, but it is not forgotten.
func TestANotifyIsSentThoughItsClientIsGone(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: "leak_check = 0", Database: "pool_size = 2"})
	listener, other := loginWire(t, w), loginWire(t, w)
	console := connect(t, w.Console(simpleProtocol))
	listener.does("listen c")
	for round := range 20 {
		other.does("select 1")
		eventually(t, "the backend is free", func() bool { // who goes while it waits for one is not served
			return rowOf(t, show(t, console, "show pools"), "database", w.DB)["sv_idle"] == "1"
		})
		c := loginWire(t, w)
		c.send(append(simpleQuery(fmt.Sprintf("notify c, '%d'", round)), frame('X', "")...))
		c.vanish(false)
		if pid, got, _ := listener.hear(); pid != c.pid || got != fmt.Sprintf("c %d", round) {
			t.Errorf("round %d: heard %q of process %d, want that of %d", round, got, pid, c.pid)
		}
	}
}

// TestTheNotifierIsKnownWhenItsBackendHasGone: it is closed right behind the
// NOTIFY, since it serves but once, or because its client has made it unfit for
// others.
func TestTheNotifierIsKnownWhenItsBackendHasGone(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]string{"server_lifetime = 0": "", "leak_check = 0": "do $$ begin load 'plpgsql'; end $$"} {
		w := startWeir(t, weirOptions{Top: name, Database: "pool_size = 3"})
		listener := loginWire(t, w)
		listener.does("listen c")
		for round := range 20 {
			c := loginWire(t, w)
			if first != "" {
				c.does(first)
			}
			c.does("notify c")
			c.send(frame('X', ""))
			if pid, _, _ := listener.hear(); pid != c.pid {
				t.Errorf("%s, round %d: the notification of client %d names process %d", name, round, c.pid, pid)
			}
		}
	}
}

// TestWhatWasNotifiedBeforeAQueryComesWithItsAnswer: under load, and whoever has
// notified, and how.
func TestWhatWasNotifiedBeforeAQueryComesWithItsAnswer(t *testing.T) {
	t.Parallel()
	const rounds, crowd = 100, 8
	db := createDatabase(t, shared)
	w := startWeir(t, weirOptions{DB: db, Top: "leak_check = 0\nlog_connections = false\n", Database: "pool_size = 6"})
	execSQL(t, w.Direct(), listenSchema)
	listener, notifier := loginWire(t, w), loginWire(t, w)
	listener.does("listen log; listen noise")
	direct := dialWire(t, fmt.Sprintf("127.0.0.1:%d", shared.Port))
	direct.login(protocol30, "user", "postgres", "database", db)
	var over atomic.Bool
	var noise sync.WaitGroup
	for i := range crowd {
		c := loginWire(t, w)
		noise.Go(func() {
			for !over.Load() {
				sql := "select count(*) from generate_series(1, 2000)"
				if i == 0 {
					sql = "notify noise"
				}
				if code, err := c.roundTrip(sql); code != "" || err != nil {
					t.Errorf("%s: %q, %v", sql, code, err)
					return
				}
			}
		})
	}
	defer noise.Wait()
	defer over.Store(true)
	late := 0
	for round := range rounds {
		want := fmt.Sprintf("trigger %d", round)
		by, sql := notifier, "insert into log (word) values ('"+want+"')"
		if round%2 == 0 {
			by = direct
		}
		if round%4 < 2 {
			want = fmt.Sprint(round)
			sql = "notify log, '" + want + "'"
		}
		by.does(sql)
		listener.send(simpleQuery([]string{"select 1", "begin; select 1; commit", "select no"}[round%3]))
		heard := false
		for ready := false; !ready; {
			switch typ, body := listener.next(); typ {
			case 'A':
				heard = heard || strings.Split(string(body[4:]), "\x00")[1] == want
			case 'Z':
				ready = true
			}
		}
		if !heard {
			late++
		}
	}
	if late > 0 {
		t.Errorf("%d of %d notifications came later than the answer to a query that was sent after them", late, rounds)
	}
}

// TestAnAnswerDoesNotWaitLongForAListeningBackendThatHangs: it has no part in it.
func TestAnAnswerDoesNotWaitLongForAListeningBackendThatHangs(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: patient, Database: "pool_size = 3"})
	c := loginWire(t, w)
	c.does("listen c")
	start := stopped(t, listenerOf(t, w, w.DB))
	c.does("select 1")
	c.does("begin; select 1; commit")
	start()
	execSQL(t, w.Direct(), "notify c, '1'")
	if _, text, _ := c.hear(); text != "c 1" {
		t.Errorf("heard %q", text)
	}
}
