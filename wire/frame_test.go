package wire

import "testing"

func TestHeaderReadsTypeAndLengthAndRefusesImpossibleLengths(t *testing.T) {
	for _, c := range []struct {
		in    string
		total int
	}{
		{"Q\x00\x00\x00\x04", 5},
		{"Q\x00\x00\x01\x00", 257},
		{"Q\x00\x00\x00\x00", 0},
		{"Q\x00\x00\x00\x03", 0},
		{"Q\x7f\xff\xff\xff", 0},
		{"Q\x80\x00\x00\x00", 0},
		{"Q\xff\xff\xff\xff", 0},
	} {
		if typ, total := Header([]byte(c.in)); typ != 'Q' || total != c.total {
			t.Errorf("Header(%q) = %q, %d; want 'Q', %d", c.in, typ, total, c.total)
		}
	}
}

func TestClientLimitKnowsEveryMessageOfAClient(t *testing.T) {
	for i := range 256 {
		typ := byte(i)
		limit := ClientLimit(typ)
		switch typ {
		case 'Q', 'P', 'B', 'F', 'd':
			if limit != 0x3fffffff {
				t.Errorf("%q: %d", typ, limit)
			}
		case 'E', 'D', 'C', 'H', 'S', 'X', 'c', 'f':
			if limit != 10001 {
				t.Errorf("%q: %d", typ, limit)
			}
		default:
			if limit != 0 {
				t.Errorf("%q is let in with %d bytes", typ, limit)
			}
		}
	}
}
