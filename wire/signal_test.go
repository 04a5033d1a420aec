package wire

import (
	"fmt"
	"testing"
)

func TestSignaledPIDs(t *testing.T) {
	for sql, want := range map[string]string{
		"select pg_terminate_backend(123)":                                   "123 ",
		"SELECT PG_Cancel_Backend ( /* it */ 7 ), pg_terminate_backend(8,9)": "7 8 ",
		"select pg_catalog.pg_terminate_backend(12) -- pg_cancel_backend(1)": "12 ",
		"select 'pg_terminate_backend(1)', $$pg_terminate_backend(2)$$":      "",
		"select pg_terminate_backend($1), pg_terminate_backend(pid)":         "",
		"select pg_terminate_backend(pg_cancel_backend(3))":                  "3 ",
		"select pg_terminate_backend( '12' ), pg_terminate_backend('')":      "12 ",
		"select pg_terminate_backend('":                                      "",
		"select pg_terminate_backend(":                                       "",
		"select pg_terminate_backend":                                        "",
	} {
		got := ""
		SignaledPIDs([]byte(sql), false, func(start, end int) { got += sql[start:end] + " " })
		if got != want {
			t.Errorf("%s: %q, want %q", sql, got, want)
		}
	}
}

func TestBindParameters(t *testing.T) {
	for rest, want := range map[string]string{
		"\x00\x00\x00\x00\x00\x00":                                                                "",
		"\x00\x00\x00\x02\x00\x00\x00\x01a\xff\xff\xff\xff\x00\x00":                               "a false ",
		"\x00\x01\x00\x01\x00\x02\x00\x00\x00\x01a\x00\x00\x00\x02bc\x00\x00":                     "a true bc true ",
		"\x00\x02\x00\x00\x00\x01\x00\x02\x00\x00\x00\x00\x00\x00\x00\x02bc\x00\x00":              " false bc true ",
		"\x00\x02\x00\x01\x00\x01\x00\x03\x00\x00\x00\x01a\x00\x00\x00\x01b\x00\x00\x00\x01c\x00": "a true b true c false ",
	} {
		got := ""
		ok := BindParameters([]byte(rest), func(start, end int, isBinary bool) { got += fmt.Sprint(rest[start:end], " ", isBinary, " ") })
		if !ok || got != want {
			t.Errorf("%q: %q, %v, want %q", rest, got, ok, want)
		}
	}
	for _, rest := range []string{"", "\x00", "\x00\x01", "\x00\x00\x00", "\x00\x00\x00\x01", "\x00\x00\x00\x01\x00\x00\x00\x02a"} {
		if BindParameters([]byte(rest), func(int, int, bool) {}) {
			t.Errorf("%q is said to be right", rest)
		}
	}
}

func FuzzSignaled(f *testing.F) {
	f.Add([]byte("select pg_terminate_backend(1)"))
	f.Add([]byte("\x00\x01\x00\x01\x00\x01\x00\x00\x00\x04\x00\x00\x00\x01\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		last := 0
		visit := func(start, end int) {
			if start < last || end < start || end > len(b) {
				t.Fatalf("%d to %d behind %d of %d", start, end, last, len(b))
			}
			last = end
		}
		SignaledPIDs(b, false, visit)
		last = 0
		BindParameters(b, func(start, end int, _ bool) { visit(start, end) })
	})
}
