package console

import (
	"bytes"
	"net"
	"testing"
	"time"

	"pgweir/wire"
)

func FuzzStatements(f *testing.F) {
	for _, s := range []string{"SHOW POOLS", "set a = 'b;''c'; show stats", "/* /* */ */ -- x\n;", "KILL_CLIENT 3", "'", "SET SESSION TIME ZONE", "$1", "\"a\"\"b\""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		statements, err := split(text)
		if err != nil {
			if _, ok := err.(*wire.Error); !ok {
				t.Fatalf("%T", err)
			}
			return
		}
		for _, st := range statements {
			at := 0
			for _, tok := range st.tokens {
				if tok.start < at || tok.end <= tok.start || tok.end > len(text) {
					t.Fatalf("a token at %d:%d after %d of %d", tok.start, tok.end, at, len(text))
				}
				at = tok.end
			}
			p, err := planFor(st, Stats, "user")
			if err != nil {
				if _, ok := err.(*wire.Error); !ok {
					t.Fatalf("%T", err)
				}
				continue
			}
			if p.run != nil || p.needs != Stats {
				t.Fatalf("a stats user may run %q", text)
			}
		}
	})
}

// script is a connection whose client has sent all that it will ever send.
type script struct {
	in  *bytes.Reader
	out bytes.Buffer
}

func (s *script) Read(b []byte) (int, error)       { return s.in.Read(b) }
func (s *script) Write(b []byte) (int, error)      { return s.out.Write(b) }
func (s *script) Close() error                     { return nil }
func (s *script) LocalAddr() net.Addr              { return &net.UnixAddr{} }
func (s *script) RemoteAddr() net.Addr             { return &net.UnixAddr{} }
func (s *script) SetDeadline(time.Time) error      { return nil }
func (s *script) SetReadDeadline(time.Time) error  { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }

func FuzzServe(f *testing.F) {
	f.Add([]byte(""))
	f.Add(frame('Q', "SHOW STATS; BEGIN\x00"))
	extended := frame('P', "s\x00SHOW STATE\x00\x00\x00")
	extended = append(extended, frame('D', "Ss\x00")...)
	extended = append(extended, frame('B', "\x00s\x00\x00\x00\x00\x00\x00\x01\x00\x01")...)
	extended = append(extended, frame('D', "P\x00")...)
	extended = append(extended, frame('E', "\x00\x00\x00\x00\x02")...)
	f.Add(append(extended, frame('S', "")...))
	f.Add(append(frame('B', "\x00\x00\x00\x00\x00\x01\xff\xff\xff\xff\x00\x00"), frame('H', "")...))
	f.Add([]byte("Q\x7f\xff\xff\xff"))
	f.Add(append(frame('f', "x\x00"), frame('X', "")...))
	f.Fuzz(func(t *testing.T, sent []byte) {
		conn := &script{in: bytes.NewReader(sent)}
		err := Serve(conn, from("user", Stats), &fakeControl{})
		out := conn.out.Bytes()
		ready, fatal := 0, false
		for len(out) > 0 {
			if fatal {
				t.Fatalf("after a FATAL error: %q", out)
			}
			typ, total := wire.Header(out)
			if total == 0 || total > len(out) {
				t.Fatalf("not a message: %q", out)
			}
			switch typ {
			case 'Z':
				ready++
			case 'E':
				e, err := wire.DecodeError(out[wire.HeaderLen:total])
				if err != nil {
					t.Fatal(err)
				}
				fatal = e.Severity == "FATAL"
			}
			out = out[total:]
		}
		if fatal && err == nil {
			t.Fatal("Serve knows nothing of the FATAL error")
		}
		if !fatal && err == nil {
			if least, most := countReady(sent); ready < least || ready > most {
				t.Fatalf("%d ReadyForQuery, want %d to %d", ready, least, most)
			}
		}
	})
}

// countReady is how many ReadyForQuery messages a client gets that sends these
// messages, all well-formed: one for each Sync, and one for each Query and
// FunctionCall unless that follows an error of the extended protocol.
func countReady(sent []byte) (least, most int) {
	for len(sent) > 0 && sent[0] != 'X' {
		typ, total := wire.Header(sent)
		switch typ {
		case 'S':
			least++
			most++
		case 'Q', 'F':
			most++
		}
		sent = sent[total:]
	}
	return least, most
}
