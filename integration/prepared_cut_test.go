package integration

import (
	"fmt"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// cutStreams are pipelines that are sent cut at every byte. Each ends with
// nothing owed, and with as many ReadyForQuery as said.
func cutStreams() map[string]step {
	return map[string]step{
		"statements": {say(parse("a", "select 'a', $1::int"), describe('S', "a"), bind("a", "1"), execute("", 0), sync_,
			bind("a", "2"), describe('P', ""), execute("", 0), closeStatement("a"), bind("a", "3"), sync_, query("select 1")), "ZZZ"},
		"errors": {say(bind("x"), execute("", 0), sync_, parse("a", "selec"), bind("a"), sync_, parse("a", "select 10 / "+unplanned), sync_, parse("a", "select 1"),
			sync_, bind("a", "0"), execute("", 0), closeStatement("a"), sync_, bind("a", "5"), execute("", 0), closeStatement("x"), sync_), "ZZZZZZ"},
		"SQL": {say(parse("a", "select 'a'"), sync_, query("deallocate a"), bind("a"), sync_, query("set work_mem = '6MB'"), parse("b", "show work_mem"), bind("b"), execute("", 0), sync_,
			query("discard all"), bind("b"), sync_, query("show work_mem")), "ZZZZZZZZ"},
		"blocks": {say(query("begin"), parse("a", "select 'a'"), bind("a"), execute("", 0), sync_, parse("a", "select 'b'"), sync_, bind("a"), sync_, query("rollback"),
			bind("a"), execute("", 0), sync_), "ZZZZZZ"},
	}
}

// TestPipelinesCutAtAnyByteReadTheSame sends the same bytes on many
// connections, each in two parts cut at another place, and once byte by byte.
func TestPipelinesCutAtAnyByteReadTheSame(t *testing.T) {
	t.Parallel()
	db := createDatabase(t, shared)
	// Those whose first part needs a backend wait until all the others have come.
	w := startWeir(t, weirOptions{Top: stageTop + "log_connections = false\nlog_disconnections = false\nquery_wait_timeout = \"300s\"", Database: "pool_size = 2"})
	for name, st := range cutStreams() {
		t.Run(name, func(t *testing.T) {
			s := &scene{steps: []step{st}}
			want := play(t, net.JoinHostPort("127.0.0.1", strconv.Itoa(shared.Port)), db, s)
			stream := encode(t, st.say)
			var players []*player
			for cut := 1; cut < len(stream); cut++ {
				p := enter(t, w.Addr(), w.DB, s)
				p.feed(t, stream[:cut])
				players = append(players, p)
			}
			// All of the second parts are sent before any answer is waited for:
			// some of the first hold the backends.
			for i, p := range players {
				p.feed(t, stream[i+1:])
			}
			bytewise := enter(t, w.Addr(), w.DB, s)
			for i := range stream {
				bytewise.feed(t, stream[i:i+1])
			}
			for i, p := range append(players, bytewise) {
				p.do(t, step{until: st.until})
				if got := p.out.String(); got != want {
					t.Errorf("cut at byte %d of %d: differs behind\n%s", i+1, len(stream), differing(want, got))
				}
				_ = p.conn.Close()
				if i%20 == 0 && t.Failed() {
					return
				}
			}
		})
	}
}

func encode(t *testing.T, messages []pgproto3.FrontendMessage) (b []byte) {
	t.Helper()
	for _, m := range messages {
		var err error
		if b, err = m.Encode(b); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// feed sends bytes without waiting for an answer.
func (p *player) feed(t *testing.T, b []byte) {
	t.Helper()
	if err := p.conn.SetDeadline(time.Now().Add(stepDeadline)); err != nil {
		t.Fatal(err)
	}
	if _, err := p.conn.Write(b); err != nil {
		t.Fatal(fmt.Errorf("sending part of a stream: %w", err))
	}
}
