package integration

import (
	"bytes"
	"net"
	"strconv"
	"testing"
)

// TestCopyWithSyncAndFlushWithin: a copy in the extended protocol, with Syncs and
// Flushes ahead of its data and among them, is answered as directly.
func TestCopyWithSyncAndFlushWithin(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Database: "pool_size = 1"})
	execSQL(t, w.Direct(), "create table copied(i int); create view seen as select * from copied")
	copies := func(table string) []byte {
		return bytes.Join([][]byte{frame('P', "\x00copy "+table+" from stdin\x00\x00\x00"),
			frame('B', "\x00\x00\x00\x00\x00\x00\x00\x00"), frame('E', "\x00\x00\x00\x00\x00")}, nil)
	}
	sync, flush, done := frame('S', ""), frame('H', ""), frame('c', "")
	good, bad := frame('d', "1\n"), frame('d', "bad\n")
	begin, listen, rollback := simpleQuery("begin"), simpleQuery("listen x"), simpleQuery("rollback")
	last := simpleQuery("select 'the last'")
	joined := func(sends ...[]byte) []byte { return bytes.Join(sends, nil) }
	for _, c := range []struct {
		name   string
		sends  [][]byte
		behind []byte // the failure
	}{
		{"a Sync behind the failure", [][]byte{copies("seen"), sync}, nil},
		{"a Sync ahead of the data", [][]byte{copies("copied"), sync, good, done, sync}, nil},
		{"a Sync ahead of data that fail", [][]byte{copies("copied"), sync, bad, done, sync}, nil},
		{"a Sync behind data that fail", [][]byte{copies("copied"), bad, sync, done, sync}, nil},
		{"Syncs on both sides", [][]byte{copies("copied"), sync, bad, sync, done, sync}, nil},
		{"in a block", [][]byte{begin, copies("seen"), sync, rollback}, nil},
		{"a Flush where nothing else may be sent", [][]byte{begin, listen, copies("copied"), flush, good, flush, done, sync, rollback}, nil},
		{"a Sync of a simple copy that fails", [][]byte{simpleQuery("copy copied from stdin"), bad, sync}, nil},
		{"a Sync behind data that fail, and a query behind the failure", [][]byte{copies("copied"), bad, sync}, simpleQuery("select 1")},
		{"a Sync ahead of data that fail, and a query behind the failure", [][]byte{copies("copied"), sync, bad}, joined(simpleQuery("select 1"), done, sync)},
	} {
		// Up to the row of the last query, the types of all messages.
		types := func(c *wireClient, sends, behind []byte) string {
			c.send(sends)
			var all []byte
			for {
				typ, body, err := c.read()
				if err != nil {
					return string(all) + " and " + err.Error()
				}
				if typ == 'E' && behind != nil {
					c.send(behind)
					behind = nil
				}
				if all = append(all, typ); typ == 'D' && bytes.Contains(body, []byte("the last")) {
					return string(all)
				}
			}
		}
		direct := dialWire(t, net.JoinHostPort("127.0.0.1", strconv.Itoa(w.PG.Port)))
		direct.login(protocol30, "user", "postgres", "database", w.DB)
		sends, behind := joined(append(c.sends, last)...), []byte(nil)
		if c.behind != nil {
			sends, behind = joined(c.sends...), joined(c.behind, last)
		}
		want := types(direct, sends, behind)
		for range 2 {
			if got := types(loginWire(t, w), sends, behind); got != want {
				t.Errorf("%s: %s, directly %s", c.name, got, want)
			}
		}
	}
}
