package pool

import (
	"encoding/binary"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgweir/wire"
)

// rowOf is a DataRow of texts.
func rowOf(texts ...string) []byte {
	body := binary.BigEndian.AppendUint16(nil, uint16(len(texts)))
	for _, s := range texts {
		body = append(binary.BigEndian.AppendUint32(body, uint32(len(s))), s...)
	}
	return wire.AppendMessage(nil, 'D', body)
}

// sessionOf answers the questions of a login as a session with these settings
// would; the first of them are canceled.
type sessionOf struct {
	mu       sync.Mutex
	canceled int
	fails    *wire.Error // instead of an answer
	shown    map[string]string
	rows     [][]string
	asked    []string
}

func (q *sessionOf) answer(x *serverSession, sql string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.asked = append(q.asked, sql)
	var out []byte
	switch {
	case strings.HasPrefix(sql, "BEGIN") && q.canceled > 0:
		q.canceled--
		out = wire.Errorf(wire.CodeQueryCanceled, "canceling statement due to statement timeout").Append(out)
	case strings.HasPrefix(sql, "BEGIN"):
		for s := range strings.SplitSeq(sql, ";") {
			if name, ok := strings.CutPrefix(s, "SHOW "); ok {
				out = append(out, rowOf(q.shown[name])...)
			}
		}
	case q.fails != nil:
		out = q.fails.Append(out)
	case strings.HasPrefix(sql, "SELECT"):
		for _, row := range q.rows {
			out = append(out, rowOf(row...)...)
		}
	}
	x.conn.Write(wire.AppendReadyForQuery(out, 'I'))
}

func TestWhatALoginBeginsWithIsAskedUnderOwnSettings(t *testing.T) {
	h, s := newHost(t), serve(t)
	q := &sessionOf{canceled: 7, shown: map[string]string{"statement_timeout": "5s", "search_path": "a, b"}, rows: [][]string{
		{"session", "work_mem", "100", ""},
		{"session", "idle_session_timeout", "9", ""},
		{"own", "statement_timeout", "0", ""}, {"own", "search_path", "a, b", ""},
		{"role", "", "owner", ""}, {"idle", "", "5min", ""},
		{"set", "lock_timeout", "250", "user"},
	}}
	s.query = q.answer
	p := h.pool(s, func(s *Settings) { s.Sharing = SharedCarrying })
	b := h.lease(p, param("options", "-c lock_timeout=250"))
	if b.Begun.Role != "owner" || b.Begun.IdleTimeout != 9 || !b.carries {
		t.Errorf("%+v", b.Begun)
	}
	if want := []wire.Param{param("work_mem", "100"), param("statement_timeout", "5000")}; !slices.Equal(b.Begun.Session, want) {
		t.Errorf("the session's: %v", b.Begun.Session)
	}
	if want := []wire.Param{param("lock_timeout", "250")}; !slices.Equal(b.Carried, want) {
		t.Errorf("carried: %v", b.Carried)
	}
	start := s.logins()[0]
	if last := start.Params[len(start.Params)-1]; last != exempt {
		t.Errorf("the last startup parameter is %v", last)
	}
	for _, name := range []string{"statement_timeout", "lock_timeout", "client_encoding", "standard_conforming_strings", "search_path"} {
		if !strings.Contains(q.asked[0], ";SET LOCAL "+name+"=") {
			t.Errorf("%s is not set: %s", name, q.asked[0])
		}
	}
	// A message's text is read as a whole, before its first statement is run.
	if strings.Contains(q.asked[0], "SELECT") {
		t.Errorf("asked before the settings are in force: %s", q.asked[0])
	}
	if last := q.asked[len(q.asked)-1]; last != "RESET idle_session_timeout" {
		t.Errorf("the last is %q", last)
	}
	h.giveBack(b)
}

func TestAQuestionThatFailsFailsNoLogin(t *testing.T) {
	for name, c := range map[string]struct {
		session *sessionOf
		code    string
	}{
		"an error":          {&sessionOf{fails: wire.Errorf("42501", "no")}, ""},
		"no end of cancels": {&sessionOf{canceled: 1 << 30}, ""},
		"last words":        {&sessionOf{fails: wire.Fatalf("53200", "out of memory")}, "53200"},
	} {
		t.Run(name, func(t *testing.T) {
			h, s := newHost(t), serve(t)
			s.query = c.session.answer
			p := h.pool(s, func(s *Settings) { s.Sharing = SharedAsking })
			k := h.taker(p)
			k.ask(p, nil)
			if c.code != "" {
				if e := k.trouble(p); e.Code != c.code {
					t.Error(e)
				}
				return
			}
			b := k.wait()
			if b.Begun.Role != "" || b.Begun.Session != nil {
				t.Errorf("%+v", b.Begun)
			}
			h.giveBack(b)
		})
	}
}

func TestAServerThatDoesNotKnowThePoolsOwnParameterGetsNone(t *testing.T) {
	h, s := newHost(t), serve(t)
	s.refuse = func(start *startup) *wire.Error {
		if _, ok := start.Get(exempt.Name); ok {
			return wire.Fatalf(wire.CodeUndefinedObject, "unrecognized configuration parameter %q", exempt.Name)
		}
		return nil
	}
	p := h.pool(s, func(s *Settings) { s.Sharing = SharedBlindly })
	h.giveBack(h.lease(p))
	if n := len(s.logins()); n != 2 {
		t.Errorf("%d logins", n)
	}
	if _, most := s.counts(); most != 1 {
		t.Errorf("%d processes at once", most)
	}
}
