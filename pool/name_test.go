package pool

import (
	"strings"
	"testing"

	"pgweir/wire"
)

func TestAnApplicationNameIsShownAsTheServerDoes(t *testing.T) {
	long := strings.Repeat("x", 62)
	for _, c := range []struct{ version, encoding, name, want string }{
		{"15.4", "UTF8", "psql", "psql"},
		{"15.4", "UTF8", "b\u00e4r\t", "b??r?"},
		{"16.1 (Debian 16.1-1)", "UTF8", "b\u00e4r\x7f", `b\xc3\xa4r\x7f`},
		{"18beta1", "UTF8", "\x01", `\x01`},
		{"16.1", "UTF8", long + "abc", long + "a"},
		{"16.1", "UTF8", long + "\u00e4", long},
		{"16.1", "LATIN1", long + "\u00e4", long + `\xc3`},
		{"16.1", "SQL_ASCII", long + "\u00e4", long + `\xc3`},
		{"15.1", "EUC_JP", long + "\xa4\xa2", long},
		{"15.1", "EUC_JP", long[1:] + "\x8f\xa4\xa2", long[1:]},
		{"15.1", "EUC_TW", long[2:] + "\x8e\xa2\xa1\xa1", long[2:]},
		{"15.1", "UTF8", long[2:] + "\U0001f600", long[2:]},
		{"15.1", "UTF8", long[2:] + "\u20ac", long[2:] + "???"},
		{"15.1", "UTF8", strings.Repeat("\xff", 70), strings.Repeat("?", 63)},
		{"15.1", "UTF8", long + "\xc3", long}, // it would go on
		{"", "", "b\u00e4r", "b\u00e4r"},
	} {
		params := []wire.Param{{Name: "server_version", Value: c.version}, {Name: "server_encoding", Value: c.encoding}}
		if got := shownName(c.name, params); got != c.want {
			t.Errorf("%s, %s: %q is shown as %q, want %q", c.version, c.encoding, c.name, got, c.want)
		}
	}
}

func TestMillisecondsAreReadAsPostgreSQLDoes(t *testing.T) {
	for text, want := range map[string]int32{
		"0": 0, "250": 250, " 250 ms ": 250, "2s": 2000, "1.5s": 1500, "3min": 180_000, "2h": 7_200_000, "1d": 86_400_000,
		"0x10": 16, "010": 8, "1500us": 2, "2147483647": 2147483647,
	} {
		if got, ok := milliseconds(text); !ok || got != want {
			t.Errorf("%q is %d, %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "s", "-1", "1 fortnight", "2147483648", "25d", "x", "NaN", "1e400"} {
		if got, ok := milliseconds(text); ok {
			t.Errorf("%q is %d", text, got)
		}
	}
	for shown, want := range map[string]string{"5s": "5000", "0": "0", "on": "on", "": "", "UTF8": "UTF8"} {
		if got := unitless(shown); got != want {
			t.Errorf("%q is %q", shown, got)
		}
	}
}
