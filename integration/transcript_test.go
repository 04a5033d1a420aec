package integration

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// A script is what one client says. Its transcript is every byte that it is
// answered, as text. Transcripts of the same script without and with pgweir
// must be equal.
type script struct {
	name    string
	startup []string // names and values in turn
	steps   []step
	modes   string // the pool modes that it is for: s, t and p (statement); "" is "st"
}

// step is messages that are sent in one write, and the types of the messages
// that are waited for then, in this order; others may come in between. "?"
// waits for the connection's end.
type step struct {
	say   []pgproto3.FrontendMessage
	until string
}

// talk is a step that ends with ReadyForQuery.
func talk(messages ...pgproto3.FrontendMessage) step { return step{messages, "Z"} }

// sql is a step of one simple query.
func sql(text string) step { return talk(query(text)) }

func sqls(texts ...string) (steps []step) {
	for _, t := range texts {
		steps = append(steps, sql(t))
	}
	return steps
}

func query(text string) *pgproto3.Query { return &pgproto3.Query{String: text} }
func parse(name, text string) *pgproto3.Parse {
	return &pgproto3.Parse{Name: name, Query: text}
}
func bind(statement string, params ...string) *pgproto3.Bind {
	b := &pgproto3.Bind{PreparedStatement: statement}
	for _, p := range params {
		b.Parameters = append(b.Parameters, []byte(p))
	}
	return b
}
func portal(name, statement string) *pgproto3.Bind {
	return &pgproto3.Bind{DestinationPortal: name, PreparedStatement: statement}
}
func describe(kind byte, name string) *pgproto3.Describe {
	return &pgproto3.Describe{ObjectType: kind, Name: name}
}
func execute(name string, rows uint32) *pgproto3.Execute {
	return &pgproto3.Execute{Portal: name, MaxRows: rows}
}
func data(text string) *pgproto3.CopyData { return &pgproto3.CopyData{Data: []byte(text)} }

var (
	sync_ = &pgproto3.Sync{}
	flush = &pgproto3.Flush{}
	done  = &pgproto3.CopyDone{}
	bye   = &pgproto3.Terminate{}
)

// extended is the whole of the extended protocol for the unnamed statement.
func extended(text string, params ...string) []pgproto3.FrontendMessage {
	return []pgproto3.FrontendMessage{parse("", text), bind("", params...), describe('P', ""), execute("", 0)}
}

func join(parts ...[]pgproto3.FrontendMessage) (all []pgproto3.FrontendMessage) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

// say makes a list of messages.
func say(messages ...pgproto3.FrontendMessage) []pgproto3.FrontendMessage { return messages }

// transcriber writes down what one client is answered.
type transcriber struct {
	conn net.Conn
	in   io.Reader
	out  strings.Builder
	self uint32 // the process id behind the client, for notifications; 0 if not known
}

// scriptDeadline is how long the login and each step of a script may take.
const scriptDeadline = 60 * time.Second

// transcribe runs a script and gives its transcript. between is called before
// each step and after the last, and may be nil.
func transcribe(t *testing.T, addr, db string, s *script, between func()) string {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(scriptDeadline)); err != nil {
		t.Fatal(err)
	}
	tr := &transcriber{conn: conn, in: conn}
	startup := &pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: map[string]string{"user": "postgres", "database": db}}
	for i := 0; i < len(s.startup); i += 2 {
		startup.Parameters[s.startup[i]] = s.startup[i+1]
	}
	if !tr.login(t, startup) {
		return tr.out.String()
	}
	for i, st := range s.steps {
		if between != nil {
			between()
		}
		fmt.Fprintf(&tr.out, "-- step %d\n", i+1)
		if err := conn.SetDeadline(time.Now().Add(scriptDeadline)); err != nil {
			t.Fatal(err)
		}
		if !tr.step(t, st) {
			break
		}
	}
	if between != nil {
		between()
	}
	return tr.out.String()
}

// login is false if the connection was closed. Parameters are written down in
// order of their names.
func (tr *transcriber) login(t *testing.T, startup *pgproto3.StartupMessage) bool {
	t.Helper()
	tr.send(t, say(startup))
	var vars []string
	for {
		typ, body, ok := tr.read(t)
		switch {
		case !ok:
			return false
		case typ == 'S':
			vars = append(vars, strings.ReplaceAll(strings.TrimSuffix(string(body), "\x00"), "\x00", " = "))
		case typ == 'K':
			tr.self = binary.BigEndian.Uint32(body)
		default:
			tr.write(typ, body)
		}
		if typ == 'Z' {
			slices.Sort(vars)
			tr.out.WriteString(strings.Join(vars, "\n") + "\n")
			return true
		}
	}
}

// step is false if the connection was closed.
func (tr *transcriber) step(t *testing.T, st step) bool {
	t.Helper()
	// What is sent may be more than fits the sockets, and so may the answers.
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		tr.send(t, st.say)
	}()
	defer func() { <-sent }()
	for until := st.until; until != ""; {
		typ, body, ok := tr.read(t)
		if !ok {
			return false
		}
		tr.write(typ, body)
		if typ == until[0] {
			until = until[1:]
		}
	}
	return true
}

func (tr *transcriber) send(t *testing.T, messages []pgproto3.FrontendMessage) {
	var b []byte
	for _, m := range messages {
		var err error
		if b, err = m.Encode(b); err != nil {
			t.Error(err)
			return
		}
	}
	// The server may have closed the connection in the middle: then the
	// transcript says so.
	_, _ = tr.conn.Write(b)
}

// read gives the next message; ok is false at the end of the connection.
func (tr *transcriber) read(t *testing.T) (typ byte, body []byte, ok bool) {
	t.Helper()
	var header [5]byte
	if _, err := io.ReadFull(tr.in, header[:]); err != nil {
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			t.Fatalf("no answer; so far:\n%s", tail(tr.out.String(), 4000))
		}
		tr.out.WriteString("(closed)\n")
		return 0, nil, false
	}
	n := int(binary.BigEndian.Uint32(header[1:])) - 4
	if n < 0 || n > 1<<30 {
		t.Fatalf("a message %q of %d bytes; so far:\n%s", header[0], n, tail(tr.out.String(), 4000))
	}
	body = make([]byte, n)
	if _, err := io.ReadFull(tr.in, body); err != nil {
		t.Fatalf("in a message %q: %v", header[0], err)
	}
	return header[0], body, true
}

// write writes a message down: its type and its bytes, less what differs from
// connection to connection.
func (tr *transcriber) write(typ byte, body []byte) {
	switch typ {
	case 'T':
		body = withoutTables(body)
	case 'A':
		who := "another's"
		if tr.self == binary.BigEndian.Uint32(body) {
			who = "our own"
		}
		fmt.Fprintf(&tr.out, "A %s %q\n", who, body[4:])
		return
	case 'E', 'N':
		// Who waits for whom is said in process ids and object ids.
		if strings.Contains(string(body), "40P01") {
			fmt.Fprintf(&tr.out, "%c deadlock\n", typ)
			return
		}
	}
	if len(body) > 500 {
		fmt.Fprintf(&tr.out, "%c %d bytes, %x, %q…\n", typ, len(body), sha256.Sum256(body), body[:40])
		return
	}
	fmt.Fprintf(&tr.out, "%c %q\n", typ, body)
}

// withoutTables blanks the tables' ids in a RowDescription: int16 columns,
// each a name, int32 table, int16 column, int32 type, int16, int32, int16.
func withoutTables(body []byte) []byte {
	out := slices.Clone(body)
	for pos := 2; pos < len(out); pos += 18 {
		pos += slices.Index(out[pos:], 0) + 1
		clear(out[pos : pos+4])
	}
	return out
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }

// differing shows where two transcripts begin to differ.
func differing(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(w), len(g)) {
		if i < len(w) && i < len(g) && w[i] == g[i] {
			continue
		}
		before := strings.Join(w[max(0, min(i, len(w))-3):min(i, len(w))], "\n")
		return fmt.Sprintf("%s\n  direct:  %s\n  through: %s", before,
			strings.Join(w[min(i, len(w)):min(i+4, len(w))], "\n           "),
			strings.Join(g[min(i, len(g)):min(i+4, len(g))], "\n           "))
	}
	return ""
}
