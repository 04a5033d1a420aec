package top

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// fakeConsole is a console that answers by command, with rows as maps, and
// keeps what it was told.
type fakeConsole struct {
	mu      sync.Mutex
	answers map[string][]map[string]string
	refuse  string // SQLSTATE of a refused login
	said    []string
	logins  int
}

func (f *fakeConsole) start(t *testing.T) *console {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer conn.Close()
				f.serve(conn)
			})
		}
	})
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	c, err := newConsole("host=127.0.0.1 port=" + port + " user=admin sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.close()
		_ = ln.Close()
		all.Wait()
	})
	return c
}

func (f *fakeConsole) serve(conn net.Conn) {
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	b := pgproto3.NewBackend(conn, conn)
	first, err := b.ReceiveStartupMessage()
	if err != nil {
		return
	}
	startup, ok := first.(*pgproto3.StartupMessage)
	f.mu.Lock()
	f.logins++
	refuse := f.refuse
	f.mu.Unlock()
	if !ok || refuse != "" || startup.Parameters["database"] != "pgweir" {
		b.Send(&pgproto3.ErrorResponse{Severity: "FATAL", Code: refuse, Message: "not you"})
		_ = b.Flush()
		return
	}
	b.Send(&pgproto3.AuthenticationOk{})
	b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	for b.Flush() == nil {
		msg, err := b.Receive()
		q, ok := msg.(*pgproto3.Query)
		if err != nil || !ok {
			return
		}
		f.answer(b, q.String)
		b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	}
}

func (f *fakeConsole) answer(b *pgproto3.Backend, sql string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.said = append(f.said, sql)
	rows, ok := f.answers[sql]
	if !ok {
		b.Send(&pgproto3.ErrorResponse{Severity: "ERROR", Code: "42601", Message: "unknown command"})
		return
	}
	for i, row := range rows {
		var names []string
		for name := range row {
			names = append(names, name)
		}
		slices.Sort(names)
		var fields []pgproto3.FieldDescription
		var values [][]byte
		for _, name := range names {
			fields, values = append(fields, pgproto3.FieldDescription{Name: []byte(name), DataTypeOID: 25}), append(values, []byte(row[name]))
		}
		if i == 0 {
			b.Send(&pgproto3.RowDescription{Fields: fields})
		}
		b.Send(&pgproto3.DataRow{Values: values})
	}
	b.Send(&pgproto3.CommandComplete{CommandTag: []byte("SHOW")})
}

func client(id int, user string) map[string]string {
	return map[string]string{"id": strconv.Itoa(id), "user": user, "database": "shop", "state": "active", "addr": "::1", "port": "55",
		"connect_time": "2026-03-01 11:00:00 UTC", "wait": "1", "wait_us": "500000", "ptr": fmt.Sprintf("0x%x", id), "link": "0xf", "application_name": "web"}
}

func TestClientsAreReadFindAndKilledThroughTheConsole(t *testing.T) {
	f := &fakeConsole{answers: map[string][]map[string]string{
		"show clients":  {client(7, "alice"), client(8, "bob")},
		"show servers":  {{"link": "0x7", "remote_pid": "201"}, {"link": "", "remote_pid": "202"}},
		"show pins":     {{"client_id": "8", "statement": "no"}, {"client_id": "7", "statement": "create temp table t"}},
		"kill_client 7": {},
	}}
	c := f.start(t)
	all, err := c.clients(t.Context())
	if err != nil || len(all) != 2 {
		t.Fatal(all, err)
	}
	want := Client{ID: 7, User: "alice", Database: "shop", State: "active", Addr: "[::1]:55", Connected: "2026-03-01 11:00:00 UTC",
		Wait: 1500 * time.Millisecond, Application: "web", BackendPID: 201}
	if all[0] != want || all[1].BackendPID != 0 {
		t.Errorf("%+v", all)
	}
	target, err := c.find(t.Context(), 7)
	if err != nil || target.Client != want || target.Pinned != "create temp table t" {
		t.Errorf("%+v %v", target, err)
	}
	f.mu.Lock()
	f.answers["show processes"] = []map[string]string{{"client_id": "8", "query": "no"}, {"client_id": "7", "query": "select 1"}}
	f.mu.Unlock()
	if again, err := c.find(t.Context(), 7); err != nil || again.Query != "select 1" || again.Pinned != "" {
		t.Errorf("%+v %v", again, err)
	}
	if _, err := c.find(t.Context(), 9); err == nil || err.Error() != "client 9 has gone" {
		t.Error(err)
	}
	if err := c.kill(t.Context(), target); err != nil {
		t.Error(err)
	}
	// After a restart the same id is another client's.
	for what, change := range map[string]func(map[string]string){
		"user":   func(r map[string]string) { r["user"] = "x" },
		"port":   func(r map[string]string) { r["port"] = "56" },
		"time":   func(r map[string]string) { r["connect_time"] = "2026-03-01 11:00:01 UTC" },
		"nobody": func(r map[string]string) { r["id"] = "10" },
	} {
		row := client(7, "alice")
		change(row)
		f.mu.Lock()
		f.answers["show clients"] = []map[string]string{row}
		f.mu.Unlock()
		if err := c.kill(t.Context(), target); err == nil {
			t.Errorf("another %s, and it was killed", what)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := strings.Count(strings.Join(f.said, ";"), "kill"); n != 1 || f.logins != 1 {
		t.Errorf("%d kills over %d logins: %q", n, f.logins, f.said)
	}
}

func TestARefusedLoginIsNotRepeatedAtOnce(t *testing.T) {
	f := &fakeConsole{refuse: "28P01"}
	c := f.start(t)
	for range 3 {
		if _, err := c.clients(t.Context()); err == nil || err.Error() != "console: not you (SQLSTATE 28P01)" {
			t.Errorf("%v", err)
		}
	}
	if f.logins != 1 {
		t.Errorf("%d logins", f.logins)
	}
	f.mu.Lock()
	f.refuse, f.answers = "", map[string][]map[string]string{"show clients": {}, "show servers": {}}
	f.mu.Unlock()
	c.again = time.Now() // later
	if all, err := c.clients(t.Context()); err != nil || all == nil || len(all) > 0 {
		t.Error(all, err)
	}
}

func TestAConsoleThatIsNotThere(t *testing.T) {
	c, err := newConsole("host=127.0.0.1 port=1 user=u password=secret")
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	if _, err := c.clients(t.Context()); err == nil || !strings.Contains(err.Error(), "connection refused") || strings.ContainsAny(err.Error(), "\n") {
		t.Errorf("%v", err)
	}
	if _, err := newConsole("port=many password=secret"); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("a bad DSN: %v", err)
	}
	none := &source{}
	if _, err := none.Find(t.Context(), 1); !errors.Is(err, errNoConsole) {
		t.Error(err)
	}
	if err := none.Kill(t.Context(), &Target{}); !errors.Is(err, errNoConsole) {
		t.Error(err)
	}
}

func FuzzClients(f *testing.F) {
	f.Add("7", "alice", "10.0.0.1", "55", "0x7", "201", "1")
	f.Add("-1", "\x1b", "unix", "", "", "x", "99999999999999999999")
	f.Fuzz(func(t *testing.T, id, user, addr, port, ptr, pid, wait string) {
		all, err := decodeClients([]map[string]string{{"id": id, "user": user, "addr": addr, "port": port, "ptr": ptr, "wait": wait}, {"id": "1"}},
			[]map[string]string{{"link": ptr, "remote_pid": pid}})
		if err == nil {
			r := usual()
			r.Clients = all
			everyScreen(t, r, user)
		}
	})
}
