package spelling

import "testing"

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"port", "port", 0},
		{"prt", "port", 1}, {"poort", "port", 1}, {"pork", "port", 1}, {"prot", "port", 1},
		{"prto", "port", 2}, {"trop", "port", 3}, {"host", "port", 2},
	} {
		if d, back := Distance(c.a, c.b), Distance(c.b, c.a); d != c.want || back != c.want {
			t.Errorf("%q and %q: %d, and back %d; want %d", c.a, c.b, d, back, c.want)
		}
	}
}
