package console

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgweir/wire"
)

var update = flag.Bool("update", false, "write the transcripts in testdata anew")

// TestTranscripts plays the conversations in testdata. In these files a line
// that begins with
//
//	#       is a comment
//	@stats  makes the client one of stats_users
//	>       is a message of the client
//	<       is a message of the console
//	!       is a call of Control's
//
// go test -run Transcripts -update writes the last two anew.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, string(want))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(want) {
				t.Errorf("the conversation is another now:\n%s", firstDifference(string(want), got))
			}
		})
	}
}

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := 0; i < min(len(w), len(g)); i++ {
		if w[i] != g[i] {
			return fmt.Sprintf("line %d\nwant %s\ngot  %s", i+1, w[i], g[i])
		}
	}
	return fmt.Sprintf("want %d lines, got %d", len(w), len(g))
}

// play runs the client's side of a transcript and returns the whole of it.
func play(t *testing.T, script string) string {
	t.Helper()
	ctl := &fakeControl{}
	access := Admin
	if strings.Contains(script, "@stats") {
		access = Stats
	}
	client, done := serve(t, access, ctl)
	in := bufio.NewReader(client)
	var out strings.Builder
	var batch []byte
	for line := range strings.Lines(script) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "<"), strings.HasPrefix(line, "!"):
			continue
		case !strings.HasPrefix(line, "> "):
			out.WriteString(line + "\n")
			continue
		}
		out.WriteString(line + "\n")
		message, answered := clientMessage(t, line[2:])
		batch = append(batch, message...)
		if !answered {
			continue
		}
		if _, err := client.Write(batch); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		batch = batch[:0]
		for {
			typ, body, err := readFrame(in)
			if err == io.EOF {
				out.WriteString("< (closed)\n")
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			out.WriteString("< " + serverMessage(t, typ, body) + "\n")
			if typ == 'E' && strings.Contains(string(body), "VFATAL") {
				continue
			}
			if typ == 'Z' {
				break
			}
		}
		for _, call := range ctl.takeCalls() {
			out.WriteString("! " + call + "\n")
		}
	}
	client.Close()
	<-done
	return out.String()
}

// serve serves one client through a pipe; done gives what Serve returned, after
// which the other side is closed.
func serve(t *testing.T, access Access, ctl Control) (client net.Conn, done <-chan error) {
	t.Helper()
	client, server := net.Pipe()
	if err := client.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	result := make(chan error, 1)
	go func() {
		err := Serve(server, from("admin", access), ctl)
		server.Close()
		result <- err
	}()
	t.Cleanup(func() { client.Close() })
	return client, result
}

func readFrame(r io.Reader) (typ byte, body []byte, err error) {
	var header [5]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return 0, nil, err
	}
	body = make([]byte, binary.BigEndian.Uint32(header[1:])-4)
	_, err = io.ReadFull(r, body)
	return header[0], body, err
}

// clientMessage makes the message that a line of a transcript names, and tells
// whether the console answers it at once.
func clientMessage(t *testing.T, line string) (message []byte, answered bool) {
	t.Helper()
	name, rest, _ := strings.Cut(line, " ")
	part := strings.Split(rest, "|")
	for len(part) < 3 {
		part = append(part, "")
	}
	switch name {
	case "Query":
		return frame('Q', rest+"\x00"), true
	case "Sync":
		return frame('S', ""), true
	case "FunctionCall":
		return frame('F', rest), true
	case "Raw":
		raw, err := hex.DecodeString(rest)
		if err != nil {
			t.Fatal(err)
		}
		return raw, true
	case "CopyFail":
		return frame('f', "no\x00"), false
	case "Parse":
		return frame('P', part[0]+"\x00"+part[1]+"\x00\x00\x00"), false
	case "Bind":
		body := []byte(part[0] + "\x00" + part[1] + "\x00\x00\x00\x00\x00")
		formats := strings.Fields(part[2])
		body = binary.BigEndian.AppendUint16(body, uint16(len(formats)))
		for _, f := range formats {
			body = binary.BigEndian.AppendUint16(body, uint16(number(t, f)))
		}
		return frame('B', string(body)), false
	case "BindOne": // one parameter
		return frame('B', part[0]+"\x00"+part[1]+"\x00\x00\x00\x00\x01\x00\x00\x00\x01x\x00\x00"), false
	case "Describe":
		return frame('D', part[0]+part[1]+"\x00"), false
	case "Close":
		return frame('C', part[0]+part[1]+"\x00"), false
	case "Execute":
		return frame('E', string(binary.BigEndian.AppendUint32([]byte(part[0]+"\x00"), uint32(number(t, part[1]))))), false
	}
	t.Fatalf("no such message: %s", line)
	return nil, false
}

func number(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func frame(typ byte, body string) []byte {
	b := binary.BigEndian.AppendUint32([]byte{typ}, uint32(len(body)+4))
	return append(b, body...)
}

var typeNames = map[uint32]string{oidBytea: "bytea", oidInt8: "int8", oidInt4: "int4", oidText: "text",
	oidFloat8: "float8", oidNumeric: "numeric"}

// serverMessage writes a message of the console's on one line.
func serverMessage(t *testing.T, typ byte, body []byte) string {
	t.Helper()
	switch typ {
	case 'T':
		out := "RowDescription"
		for _, c := range decodeDescription(t, body) {
			out += fmt.Sprintf(" %s:%s", c.name, typeNames[c.oid])
			if c.format != 0 {
				out += ":binary"
			}
		}
		return out
	case 'D':
		return "DataRow " + strings.Join(decodeRow(t, body), "|")
	case 'E', 'N':
		e, err := wire.DecodeError(body)
		if err != nil {
			t.Fatal(err)
		}
		out := fmt.Sprintf("%s %s %s", e.Severity, e.Code, e.Message)
		if e.Detail != "" {
			out += fmt.Sprintf(" DETAIL %q", e.Detail)
		}
		if e.Hint != "" {
			out += " HINT " + e.Hint
		}
		return out
	case 'C':
		return "CommandComplete " + strings.TrimSuffix(string(body), "\x00")
	case 'Z':
		return "ReadyForQuery " + string(body)
	}
	names := map[byte]string{'1': "ParseComplete", '2': "BindComplete", '3': "CloseComplete", 'I': "EmptyQueryResponse",
		'n': "NoData", 's': "PortalSuspended", 't': "ParameterDescription"}
	name, ok := names[typ]
	if !ok {
		t.Fatalf("the console sent a message of type %q", typ)
	}
	if want := map[bool]string{true: "\x00\x00"}[typ == 't']; string(body) != want {
		t.Fatalf("body of %s: %x", name, body)
	}
	return name
}

type described struct {
	name   string
	oid    uint32
	size   int16
	format int16
}

func decodeDescription(t *testing.T, body []byte) []described {
	t.Helper()
	n := int(binary.BigEndian.Uint16(body))
	body = body[2:]
	var out []described
	for range n {
		name, rest, ok := wire.CString(body)
		if !ok || len(rest) < 18 {
			t.Fatalf("not a RowDescription: %x", body)
		}
		out = append(out, described{string(name), binary.BigEndian.Uint32(rest[6:]),
			int16(binary.BigEndian.Uint16(rest[10:])), int16(binary.BigEndian.Uint16(rest[16:]))})
		body = rest[18:]
	}
	if len(body) > 0 {
		t.Fatalf("%d bytes too many in a RowDescription", len(body))
	}
	return out
}

func decodeRow(t *testing.T, body []byte) []string {
	t.Helper()
	n := int(binary.BigEndian.Uint16(body))
	body = body[2:]
	var out []string
	for range n {
		size := int32(binary.BigEndian.Uint32(body))
		body = body[4:]
		if size < 0 {
			out = append(out, "NULL")
			continue
		}
		out = append(out, printable(body[:size]))
		body = body[size:]
	}
	if len(body) > 0 {
		t.Fatalf("%d bytes too many in a DataRow", len(body))
	}
	return out
}

func printable(b []byte) string {
	for _, c := range b {
		if c < ' ' || c > '~' {
			return fmt.Sprintf("x'%x'", b)
		}
	}
	return string(b)
}
