package integration

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// TestALongUnnamedStatementIsThereBehindItsSync: as lib/pq, PQprepare and pgx's
// describe mode use it, with another client's statements in between. One that is
// longer than what is kept of it has its client keep the backend, until its next.
func TestALongUnnamedStatementIsThereBehindItsSync(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		params int
		pool   string
	}{
		"kept for any backend":  {4000, "pool_size = 1"},
		"with its backend kept": {30000, "pool_size = 2\nmax_pinned = 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := startWeir(t, weirOptions{Database: c.pool})
			longUnnamed(t, w, c.params)
		})
	}
}

func longUnnamed(t *testing.T, w *weir, params int) {
	c, other := loginWire(t, w), loginWire(t, w)
	values := make([]string, params)
	for i := range values {
		values[i] = fmt.Sprintf("($%d::int)", i+1)
	}
	ready := func(what string, sends ...[]byte) {
		t.Helper()
		c.send(bytes.Join(sends, nil))
		if code, err := c.answer(); code != "" || err != nil {
			t.Fatalf("%s: %q, %v", what, code, err)
		}
	}
	one := append([]byte{0, 0, 0, 1}, '7')
	bind := append([]byte("\x00\x00\x00\x00"), byte(params>>8), byte(params&0xff))
	bind = append(append(bind, bytes.Repeat(one, params)...), 0, 0)
	for range 2 {
		ready("Parse", frame('P', "\x00select * from (values "+strings.Join(values, ",")+") v\x00\x00\x00"), frame('D', "S\x00"), frame('S', ""))
		other.does("select 1")
		for range 2 {
			ready("Bind", frame('B', string(bind)), frame('E', "\x00\x00\x00\x00\x00"), frame('S', ""))
			other.does("select 1")
		}
	}
	c.does("select 1")
	if pins := show(t, connect(t, w.Console(simpleProtocol)), "show pins"); len(pins) != 0 {
		t.Errorf("it is still pinned: %v", pins)
	}
}
