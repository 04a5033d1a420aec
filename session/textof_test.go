package session

import (
	"bytes"
	"strings"
	"testing"

	"pgweir/wire"
)

// withUnnamed is a session whose unnamed statement comes of this Parse.
func withUnnamed(body string) *Session {
	s := new(Session)
	s.Init(&transactionMode, &startVars)
	s.ownUnnamed().unnamedParse = wire.AppendParseBody(nil, "", []byte(body))
	return s
}

func TestTheTextOfAMessageIsThatOfItsStatement(t *testing.T) {
	const sql = "select 1"
	s := withUnnamed(sql + "\x00\x00\x00")
	for name, c := range map[string]struct {
		message []byte
		want    string
	}{
		"a Query":                      {wire.AppendQuery(nil, sql), sql},
		"a Query in part":              {wire.AppendQuery(nil, sql)[:wire.HeaderLen+6], "select"},
		"a Parse":                      {wire.AppendParseBody(nil, "x", []byte(sql+"\x00\x00\x00")), sql},
		"a Parse in part":              {wire.AppendParseBody(nil, "x", []byte(sql+"\x00\x00\x00"))[:wire.HeaderLen+2+6], "select"},
		"a Bind":                       {wire.AppendBind(nil, "", ""), sql},
		"a Bind of nothing that is":    {wire.AppendBind(nil, "", "unknown"), ""},
		"a Sync":                       {[]byte("S\x00\x00\x00\x04"), ""},
		"a message of its header only": {[]byte("P\x00\x00\x00\x04"), ""},
	} {
		if got := string(s.TextOf(c.message)); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func FuzzTextOf(f *testing.F) {
	for _, typ := range "QPBDX" {
		f.Add(byte(typ), "name\x00select 1\x00\x00\x00", "select 2\x00")
	}
	f.Fuzz(func(t *testing.T, typ byte, body, unnamed string) {
		s := withUnnamed(unnamed)
		message := append([]byte{typ, 0, 0, 0, 0}, body...)
		text := s.TextOf(message)
		if bytes.IndexByte(text, 0) >= 0 || !strings.Contains(body+"|"+unnamed, string(text)) {
			t.Errorf("%q of %q", text, message)
		}
	})
}
