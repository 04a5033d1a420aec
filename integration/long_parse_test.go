package integration

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// TestALongUnnamedStatementIsThereBehindItsSync: as lib/pq, PQprepare and pgx's
// describe mode use it, with another client's statements in between.
func TestALongUnnamedStatementIsThereBehindItsSync(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Database: "pool_size = 1"})
	c, other := loginWire(t, w), loginWire(t, w)
	const params = 4000
	values := make([]string, params)
	for i := range values {
		values[i] = fmt.Sprintf("($%d::int)", i+1)
	}
	ready := func(what string, sends ...[]byte) {
		c.send(bytes.Join(sends, nil))
		if code, err := c.answer(); code != "" || err != nil {
			t.Fatalf("%s: %q, %v", what, code, err)
		}
	}
	one := append([]byte{0, 0, 0, 1}, '7')
	bind := append([]byte("\x00\x00\x00\x00"), byte(params>>8), byte(params&0xff))
	bind = append(append(bind, bytes.Repeat(one, params)...), 0, 0)
	ready("Parse", frame('P', "\x00select * from (values "+strings.Join(values, ",")+") v\x00\x00\x00"), frame('D', "S\x00"), frame('S', ""))
	other.does("select 1")
	for range 2 {
		ready("Bind", frame('B', string(bind)), frame('E', "\x00\x00\x00\x00\x00"), frame('S', ""))
	}
}
