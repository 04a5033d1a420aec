package integration

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
)

type message = pgproto3.FrontendMessage

// shapeGroup is a database in which shapes are played one after the other.
type shapeGroup struct {
	role, db string
	version  int // the major version of PostgreSQL
	played   int // how many shapes
	admin    *pgx.Conn
	owner    *pgx.Conn // the client's role, past pgweir
}

func newShapeGroup(t *testing.T, role string) *shapeGroup {
	t.Helper()
	g := &shapeGroup{role: role, db: createDatabase(t, shared)}
	execSQL(t, dsn(shared.Port, g.db), fmt.Sprintf(shapeSchema, role))
	g.admin = connect(t, dsn(shared.Port, g.db, simpleProtocol))
	g.owner = connect(t, dsn(shared.Port, g.db, "user="+role, simpleProtocol))
	number, err := strconv.Atoi(ask(t, g.admin, "show server_version_num"))
	if err != nil {
		t.Fatal(err)
	}
	g.version = number / 10000
	return g
}

// leave closes what would be in the way of the database's end.
func (g *shapeGroup) leave() {
	_ = g.admin.Close(context.Background())
	_ = g.owner.Close(context.Background())
}

// through is the way through pgweir, in which each shape has a pool of its own.
type through struct {
	w       *weir
	console *pgx.Conn
	pool    string
}

func poolOf(i int) string { return fmt.Sprintf("pool%d", i) }

// startWeir starts a pgweir with a pool for each shape. The group's own two
// connections are there before it and after it.
func (g *shapeGroup) startWeir(t *testing.T, leakCheck string, shapes []statefulShape) *weir {
	t.Helper()
	var tables strings.Builder
	for i := range shapes {
		fmt.Fprintf(&tables, "[databases.%s]\nhost = \"127.0.0.1\"\nport = PGPORT\ndbname = %q\npool_size = %d\n", poolOf(i), g.db, max(shapes[i].pool, 2))
	}
	fmt.Fprintf(&tables, "[users.%s]\n", g.role)
	return startWeir(t, weirOptions{DB: g.db, Top: "leak_check = " + leakCheck + "\nquery_wait_timeout = \"15s\"", Tables: tables.String(), Leaks: true, Kept: 2})
}

// shapeRun is one shape, played directly or through pgweir.
type shapeRun struct {
	t      *testing.T
	g      *shapeGroup
	s      *statefulShape
	prefix string // of the names of its objects
	names  *strings.Replacer
	by     *through
	// holder keeps one backend of the pool's two away, so that the others share
	// one. It lets go when one of them is pinned.
	holder *shapeClient
	a, b   *shapeClient
	lines  []string // what was read
	lost   bool     // a client was not answered
}

// run plays a shape: directly, or through pgweir.
func (g *shapeGroup) run(t *testing.T, s *statefulShape, prefix string, by *through) *shapeRun {
	t.Helper()
	r := &shapeRun{t: t, g: g, s: s, prefix: prefix, by: by}
	g.played++
	r.names = strings.NewReplacer("@", prefix, "{n}", strconv.Itoa(g.played), "{role}", g.role, "{port}", strconv.Itoa(shared.Port))
	started := ask(t, g.admin, "select clock_timestamp()")
	r.play()
	for _, c := range []*shapeClient{r.a, r.b, r.holder} {
		c.leave()
	}
	for _, text := range s.after {
		must(t, g.admin, r.text(text))
	}
	// The next shape finds none of these.
	must(t, g.admin, "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and backend_type = 'client backend' and backend_start > '"+started+"'")
	return r
}

// play has two clients share one backend. Later A comes to another one.
func (r *shapeRun) play() {
	if !r.s.late {
		r.ready()
	}
	if r.by != nil {
		r.holder = r.enter("", r.s.startB)
		r.ask(r.holder, "", say(query("begin")))
	}
	r.b = r.enter("B", r.s.startB)
	r.look(r.b, "B before")
	if r.s.late {
		r.ready()
	}
	r.a = r.enter("A", r.s.startA)
	for _, d := range r.s.act {
		switch d.who {
		case 'A':
			r.ask(r.a, "A acts", d.say(r))
		case 'B':
			r.ask(r.b, "B acts", d.say(r))
		case 'D':
			for _, m := range d.say(r) {
				must(r.t, r.g.owner, m.(*pgproto3.Query).String)
			}
		}
	}
	r.look(r.b, "B after")
	r.look(r.a, "A after")
	// A is to find its state on a backend where it has not been.
	r.ask(r.b, "", say(query("begin")))
	r.look(r.b, "B in a block")
	r.release()
	r.look(r.a, "A elsewhere")
	r.ask(r.b, "", say(query("commit")))
	r.look(r.b, "B again")
	r.look(r.a, "A again")
	r.a.leave()
	r.look(r.b, "B alone")
	r.b.leave()
	r.b = r.enter("B", nil)
	r.look(r.b, "B anew")
}

// ready makes ready what the shape needs, past pgweir.
func (r *shapeRun) ready() {
	r.t.Helper()
	for _, text := range r.s.admin {
		must(r.t, r.g.admin, r.text(text))
	}
	for _, text := range r.s.setup {
		must(r.t, r.g.owner, r.text(text))
	}
}

// text fills a text's places, and gives the shape's objects their names. {hex} is
// the kind's statement in hexadecimal digits.
func (r *shapeRun) text(s string) string {
	if r.s.fill != nil {
		if strings.Contains(s, "{hex}") {
			s = strings.ReplaceAll(s, "{hex}", hex.EncodeToString([]byte(r.text("{exec}"))))
		}
		s = r.s.fill.Replace(s)
	}
	return r.names.Replace(s)
}

// texts is text for each of some.
func (r *shapeRun) texts(all []string) (filled []string) {
	for _, s := range all {
		filled = append(filled, r.text(s))
	}
	return filled
}

// oid is a function's.
func (r *shapeRun) oid(function string) uint32 {
	r.t.Helper()
	n, err := strconv.ParseUint(ask(r.t, r.g.admin, "select '"+r.text(function)+"'::regproc::oid::bigint"), 10, 32)
	if err != nil {
		r.t.Fatal(err)
	}
	return uint32(n)
}

// line is what was read under a label.
func (r *shapeRun) line(label string) string {
	for _, line := range r.lines {
		if what, ok := strings.CutPrefix(line, label+": "); ok {
			return what
		}
	}
	return ""
}

func (r *shapeRun) look(c *shapeClient, label string) {
	r.t.Helper()
	r.ask(c, label, r.s.look.say(r))
}

// ask has a client say something and writes down what it is answered, under a
// label. If it cannot be answered because another client is pinned, the backend
// that was kept away is given back.
func (r *shapeRun) ask(c *shapeClient, label string, messages []message) {
	r.t.Helper()
	if c == nil || c.conn == nil || r.lost {
		return
	}
	answered := make(chan string, 1)
	go func() { answered <- c.talk(messages) }()
	got := ""
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for waiting := true; waiting; {
		select {
		case got = <-answered:
			waiting = false
		case <-tick.C:
			if r.holder != nil && c != r.holder && r.pinned() {
				r.release()
			}
		}
	}
	if strings.Contains(got, noAnswer) {
		r.lost = true
	}
	if label != "" {
		r.lines = append(r.lines, label+": "+strings.ReplaceAll(got, r.prefix, "@"))
	}
}

// pinned tells whether any client of the shape's pool is.
func (r *shapeRun) pinned() bool {
	r.t.Helper()
	return rowsWith(show(r.t, r.by.console, "show pins"), "database", r.by.pool) > 0
}

// release gives the backend back that was kept away.
func (r *shapeRun) release() {
	r.t.Helper()
	holder := r.holder
	r.holder = nil
	r.ask(holder, "", say(query("commit")))
	holder.leave()
}

// shapeClient is a connection, directly or through pgweir.
type shapeClient struct {
	conn net.Conn
	r    *bufio.Reader
}

// enter logs a client in. Each has a prepared statement of its own.
func (r *shapeRun) enter(who string, startup []string) *shapeClient {
	r.t.Helper()
	if r.lost {
		return nil
	}
	addr, db := net.JoinHostPort("127.0.0.1", strconv.Itoa(shared.Port)), r.g.db
	if r.by != nil {
		addr, db = r.by.w.Addr(), r.by.pool
	}
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		r.t.Fatal(err)
	}
	c := &shapeClient{conn: conn, r: bufio.NewReader(conn)}
	login := &pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: map[string]string{"user": r.g.role, "database": db}}
	for i := 0; i < len(startup); i += 2 {
		login.Parameters[startup[i]] = startup[i+1]
	}
	label := ""
	if who != "" {
		label = who + " enters"
	}
	r.ask(c, label, say(login))
	r.ask(c, label, say(parse("mine", "select 'mine'"), sync_))
	return c
}

// leave ends a connection as a driver does.
func (c *shapeClient) leave() {
	if c == nil || c.conn == nil {
		return
	}
	if b, err := bye.Encode(nil); err == nil {
		_, _ = c.conn.Write(b)
	}
	_ = c.conn.Close()
	c.conn = nil
}

// noAnswer stands for an answer that did not come, or not whole.
const noAnswer = "no answer"

// talk sends messages and gives what comes up to the last ReadyForQuery: the
// values of all rows, and the SQLSTATE of each error.
func (c *shapeClient) talk(messages []message) string {
	var (
		b    []byte
		ends int
		err  error
		read []string
	)
	for _, m := range messages {
		if b, err = m.Encode(b); err != nil {
			return err.Error()
		}
		switch m.(type) {
		case *pgproto3.Query, *pgproto3.Sync, *pgproto3.StartupMessage, *pgproto3.FunctionCall:
			ends++
		}
	}
	if err = c.conn.SetDeadline(time.Now().Add(patience)); err == nil {
		_, err = c.conn.Write(b)
	}
	for err == nil && ends > 0 {
		var head [5]byte
		if _, err = io.ReadFull(c.r, head[:]); err != nil {
			break
		}
		body := make([]byte, binary.BigEndian.Uint32(head[1:])-4)
		if _, err = io.ReadFull(c.r, body); err != nil {
			break
		}
		switch head[0] {
		case 'D':
			read = append(read, rowText(body))
		case 'V':
			read = append(read, fmt.Sprintf("%q", body))
		case 'A':
			read = append(read, fmt.Sprintf("notified %q", body[4:]))
		case 'E':
			read = append(read, errorFields(body)['C'])
		case 'Z':
			ends--
		}
	}
	if err != nil {
		read = append(read, noAnswer+" ("+err.Error()+")")
	}
	return strings.Join(read, " ")
}

// rowText is the values of a DataRow.
func rowText(body []byte) string {
	var row pgproto3.DataRow
	if err := row.Decode(body); err != nil {
		return err.Error()
	}
	var values []string
	for _, v := range row.Values {
		values = append(values, strconv.Quote(string(v)))
	}
	return strings.Join(values, ",")
}
