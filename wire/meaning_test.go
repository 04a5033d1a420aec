package wire

import (
	"fmt"
	"testing"
)

func TestMeaningParameters(t *testing.T) {
	for _, c := range []struct{ sql, want string }{
		{"select set_config('search_path', $1, true), set_config('role', $2, true), set_config('request.jwt.claims', $3, true)", "true 1 2"},
		{"select set_config('role'::text, $12::text, false)", "true 12"},
		{"select set_config('role', 'joe', true)", "true"},
		{"set local role joe; set local app.x = '1'", "true"},
		{"select set_config($1, 'x', true)", "false"},
		{"select set_config('role', $1 || 'x', true)", "false"},
		{"select set_config('role', f($1), true)", "false"},
		{"select set_config('app.x', f($1), true)", "true"},
	} {
		got := ""
		ok := MeaningParameters([]byte(c.sql), false, func(n int) { got += fmt.Sprintf(" %d", n) })
		if got = fmt.Sprint(ok) + got; got != c.want {
			t.Errorf("%s: %q, want %q", c.sql, got, c.want)
		}
	}
}

func TestBindParameter(t *testing.T) {
	body := []byte("portal\x00name\x00\x00\x01\x00\x01\x00\x03\x00\x00\x00\x01a\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00")
	for n, want := range map[int]string{0: "- false", 1: "a true", 2: "nil true", 3: " true", 4: "- false"} {
		value, ok := BindParameter(body, n)
		got := string(value)
		switch {
		case !ok:
			got = "-"
		case value == nil:
			got = "nil"
		}
		if got += fmt.Sprintf(" %v", ok); got != want {
			t.Errorf("parameter %d: %q, want %q", n, got, want)
		}
	}
}

func FuzzBindParameter(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x00\x00\x01\x00\x00\x00\x01a"), 1)
	f.Add([]byte("p\x00s\x00\x00\x02\x00\x01\x00\x01\x00\x02\xff\xff\xff\xff\x7f\xff\xff\xff"), 2)
	f.Fuzz(func(t *testing.T, body []byte, n int) {
		if value, ok := BindParameter(body, n); !ok && value != nil {
			t.Fatalf("%q: a value that is not there", body)
		}
		MeaningParameters(body, n%2 == 0, func(int) {})
	})
}
