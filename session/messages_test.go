package session

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"testing"

	"pgweir/wire"
)

// message builds one message of any type.
func message(typ byte, body ...string) string {
	n := 4
	for _, b := range body {
		n += len(b)
	}
	m := binary.BigEndian.AppendUint32([]byte{typ}, uint32(n))
	for _, b := range body {
		m = append(m, b...)
	}
	return string(m)
}

// The client's messages.

func query(sql string) string       { return message('Q', sql, "\x00") }
func parse(name, sql string) string { return message('P', name, "\x00", sql, "\x00\x00\x00") }
func bind(portal, st string) string {
	return message('B', portal, "\x00", st, "\x00\x00\x00\x00\x00\x00\x00")
}
func describe(kind, n string) string { return message('D', kind, n, "\x00") }
func closing(kind, n string) string  { return message('C', kind, n, "\x00") }
func execute(portal string, max int) string {
	return message('E', portal, "\x00", string(binary.BigEndian.AppendUint32(nil, uint32(max))))
}
func copyData(data string) string   { return message('d', data) }
func copyFail(reason string) string { return message('f', reason, "\x00") }

// call is a FunctionCall of reverse(text), whose OID is 3062, with text formats.
func call(arg string) string {
	b := binary.BigEndian.AppendUint32(nil, 3062)
	b = append(b, 0, 1, 0, 0, 0, 1)
	b = binary.BigEndian.AppendUint32(b, uint32(len(arg)))
	return message('F', string(b), arg, "\x00\x00")
}

var (
	syncing   = message('S')
	flush     = message('H')
	terminate = message('X')
	copyDone  = message('c')
)

// The server's messages.

func ready(status byte) string       { return message('Z', string(status)) }
func complete(tag string) string     { return message('C', tag, "\x00") }
func reported(name, v string) string { return message('S', name, "\x00", v, "\x00") }
func row(values ...string) string {
	b := binary.BigEndian.AppendUint16(nil, uint16(len(values)))
	for _, v := range values {
		b = binary.BigEndian.AppendUint32(b, uint32(len(v)))
		b = append(b, v...)
	}
	return message('D', string(b))
}

func serverError(severity, code, text string) string {
	return message('E', "S", severity, "\x00V", severity, "\x00C", code, "\x00M", text, "\x00\x00")
}

func failure(code, text string) string { return serverError("ERROR", code, text) }
func fatal(code, text string) string   { return serverError("FATAL", code, text) }
func notice(text string) string {
	return message('N', "SNOTICE\x00VNOTICE\x00C00000\x00M", text, "\x00\x00")
}

var (
	parsed    = message('1')
	bound     = message('2')
	closed    = message('3')
	noData    = message('n')
	empty     = message('I')
	suspended = message('s')
	noParams  = message('t', "\x00\x00")
	copyIn    = message('G', "\x00\x00\x00")
	copyOut   = message('H', "\x00\x00\x00")
	copyBoth  = message('W', "\x00\x00\x00")
	columns   = string(wire.AppendRowDescription(nil, []wire.Column{{Name: "c", OID: 25, Size: -1}}))
	notified  = message('A', "\x00\x00\x00\x01", "channel\x00payload\x00")
	returned  = message('V', "\x00\x00\x00\x01A")
)

// frames splits a stream into its messages; rest is what has not come whole.
func frames(stream string) (all []string, rest string) {
	for len(stream) >= wire.HeaderLen {
		_, total := wire.Header([]byte(stream[:wire.HeaderLen]))
		if total == 0 || total > len(stream) {
			break
		}
		all = append(all, stream[:total])
		stream = stream[total:]
	}
	return all, stream
}

// shown is a stream that is made readable only if somebody reads it.
type shown string

func (s shown) String() string { return show(string(s)) }

// show makes a stream readable.
func show(stream string) string {
	all, rest := frames(stream)
	s := ""
	for _, m := range all {
		body := m[wire.HeaderLen:]
		if len(body) > 120 {
			body = body[:120] + "…"
		}
		s += fmt.Sprintf("%c%q ", m[0], body)
	}
	if rest != "" {
		s += fmt.Sprintf("and %d bytes %.40q", len(rest), rest)
	}
	return s
}

func mustEqual(t testing.TB, what, got, want string) {
	t.Helper()
	if got != want {
		t.Fatalf("%s:\n got %s\nwant %s", what, show(got), show(want))
	}
}

// syntaxErrorAt is an error with a position in the text, in characters from 1.
func syntaxErrorAt(position int) string {
	return message('E', "SERROR\x00VERROR\x00C42601\x00Msyntax error\x00P", strconv.Itoa(position), "\x00\x00")
}
