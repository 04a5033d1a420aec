package console

import (
	"strings"
	"time"

	"pgweir/status"
)

// The tables of session state in transaction mode, which PgBouncer does not
// have: what keeps backends with clients, what was left behind unnoticed, what is
// known of the statements that run, and who listens to what.

// A pin is a row of SHOW PINS.
type pin struct {
	*status.Pin
	lasts time.Duration
}

var pinsTable = view[pin]{
	needs: status.Full,
	rows: func(s *status.Snapshot) []pin {
		rows := make([]pin, len(s.Pins))
		for i := range s.Pins {
			rows[i] = pin{&s.Pins[i], age(s, s.Pins[i].Since)}
		}
		return rows
	},
	columns: []column[pin]{
		text("database", func(p *pin) string { return p.Database }),
		text("user", func(p *pin) string { return p.User }),
		int8("client_id", func(p *pin) int64 { return int64(p.Client) }),
		int8("server_id", func(p *pin) int64 { return int64(p.Server) }),
		int4("remote_pid", func(p *pin) int { return p.RemotePID }),
		text("reasons", func(p *pin) string { return list(p.Reasons) }),
		text("since", func(p *pin) string { return clock(p.Since) }),
		int4("seconds", func(p *pin) int { return wholeSeconds(p.lasts) }),
		text("statement", func(p *pin) string { return readable(p.Statement) }),
		text("application_name", func(p *pin) string { return readable(p.ApplicationName) }),
		text("addr", func(p *pin) string { return p.Addr }),
	},
}

var leaksTable = view[status.Leak]{
	needs: status.Full,
	rows:  func(s *status.Snapshot) []status.Leak { return s.Leaks },
	columns: []column[status.Leak]{
		text("database", func(l *status.Leak) string { return l.Database }),
		text("user", func(l *status.Leak) string { return l.User }),
		text("last_time", func(l *status.Leak) string { return clock(l.At) }),
		numeric("count", func(l *status.Leak) int64 { return l.Count }),
		text("kinds", func(l *status.Leak) string { return list(l.Kinds) }),
		text("statement", func(l *status.Leak) string { return readable(l.Statement) }),
		text("application_name", func(l *status.Leak) string { return readable(l.ApplicationName) }),
		int8("client_id", func(l *status.Leak) int64 { return int64(l.Client) }),
	},
}

// evidenced is a row of SHOW EVIDENCE: a pool that watches what is left behind.
type evidenced struct {
	*status.Pool
	*status.Evidence
}

var evidenceTable = view[evidenced]{
	needs: status.WithEvidence,
	rows: func(s *status.Snapshot) (rows []evidenced) {
		for i := range s.Pools {
			if p := &s.Pools[i]; p.Evidence != nil {
				rows = append(rows, evidenced{p, p.Evidence})
			}
		}
		return rows
	},
	columns: []column[evidenced]{
		text("database", func(e *evidenced) string { return e.Database }),
		text("user", func(e *evidenced) string { return e.User }),
		int4("proven", func(e *evidenced) int { return e.Shapes["proven"] }),
		int4("unproven", func(e *evidenced) int { return e.Shapes["unproven"] }),
		int4("suspect", func(e *evidenced) int { return e.Shapes["suspect"] }),
		int4("leaves_state", func(e *evidenced) int { return e.Shapes["leaves state"] }),
		numeric("asked_hinted", func(e *evidenced) int64 { return e.Hinted }),
		numeric("asked_unproven", func(e *evidenced) int64 { return e.Unproven }),
		numeric("asked_catalog", func(e *evidenced) int64 { return e.Catalog }),
		numeric("asked_sampled", func(e *evidenced) int64 { return e.Sampled }),
		numeric("found", func(e *evidenced) int64 { return e.Found }),
		int8("generation", func(e *evidenced) int64 { return e.Generation }),
		text("catalog", catalogState),
	},
}

// catalogState is what is known of the objects of a pool's database.
func catalogState(e *evidenced) string {
	switch {
	case e.Failing:
		return "unreadable"
	case e.Certain:
		return "certain"
	}
	return "uncertain"
}

var shapesTable = view[status.Shape]{
	needs: status.WithShapes,
	rows:  func(s *status.Snapshot) []status.Shape { return s.Shapes },
	columns: []column[status.Shape]{
		text("database", func(s *status.Shape) string { return s.Database }),
		text("user", func(s *status.Shape) string { return s.User }),
		text("state", func(s *status.Shape) string { return s.State }),
		numeric("runs", func(s *status.Shape) int64 { return s.Runs }),
		numeric("next_question", func(s *status.Shape) int64 { return s.NextQuestion }),
		text("statement", func(s *status.Shape) string { return readable(s.Statement) }),
	},
}

// A listener is a row of SHOW LISTENERS: a channel of a pool.
type listener struct {
	*status.Listener
	lasts time.Duration
}

var listenersTable = view[listener]{
	needs: status.Full,
	rows: func(s *status.Snapshot) []listener {
		rows := make([]listener, len(s.Listeners))
		for i := range s.Listeners {
			rows[i] = listener{&s.Listeners[i], age(s, s.Listeners[i].Since)}
		}
		return rows
	},
	columns: []column[listener]{
		text("database", func(l *listener) string { return l.Database }),
		text("user", func(l *listener) string { return l.User }),
		text("channel", func(l *listener) string { return readable(l.Channel) }),
		int4("clients", func(l *listener) int { return l.Clients }),
		int4("remote_pid", func(l *listener) int { return l.RemotePID }),
		textOrNull("since", func(l *listener) string { return clockOrNone(l.Since) }),
		int4("seconds", func(l *listener) int { return wholeSeconds(l.lasts) }),
		numeric("notifications", func(l *listener) int64 { return l.Notifications }),
		numeric("losses", func(l *listener) int64 { return l.Losses }),
	},
}

// age is how long ago something was when the snapshot was taken; 0 for what has
// not been yet, or began while the snapshot was being filled.
func age(s *status.Snapshot, since time.Time) time.Duration {
	if since.IsZero() {
		return 0
	}
	return max(0, s.At.Sub(since))
}

func clockOrNone(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return clock(t)
}

func list(words []string) string { return strings.Join(words, ", ") }

// readable is a client's own text as UTF-8, which the console promises to
// speak: the text may be in another encoding, or cut within a character.
func readable(s string) string { return strings.ToValidUTF8(s, "?") }
