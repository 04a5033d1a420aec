package wire

import (
	"strings"
	"testing"
)

func TestALongApplicationNameIsSetByTheBytesThatItWasMadeOf(t *testing.T) {
	long := strings.Repeat(`\xc3\xbc`, 8)
	for _, tc := range []struct{ value, want string }{
		{"plain", `'plain'`},
		{`a\b'c`, `E'a\\b''c'`},
		{`short \xc3\xbc`, `E'short \\xc3\\xbc'`}, // SET takes it as it is
		{long, `E'` + long + `'`},
		{long + `\xc3`, `E'` + long + `'`}, // a character that was cut
		{long + `\xe2\x82`, `E'` + long + `'`},
		{`it's ` + long + ` \ \x41 \xg0 \x`, `E'it''s ` + long + ` \\ \\x41 \\xg0 \\x'`},
		{strings.Repeat(`\xfc`, 17) + " x", `E'` + strings.Repeat(`\xfc`, 17) + ` x'`}, // of a server in LATIN1
		{strings.Repeat("x", 64) + `\`, `E'` + strings.Repeat("x", 64) + `\\'`},
	} {
		to, from := &Vars{VarApplicationName: tc.value}, new(Vars)
		if got := string(to.AppendSet(nil, from)); got != "SET application_name = "+tc.want+";" {
			t.Errorf("%q: %s\nwant %s", tc.value, got, tc.want)
		}
	}
}
