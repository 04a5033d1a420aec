package proxy

import (
	"math"
	"time"

	"pgweir/config"
	"pgweir/wire"
)

// The log has a line for an answer, and for a wait for a backend, that took long. The
// keys are documented in docs/guide.md and do not change.

// slow is from when on that is so.
type slow struct {
	query, wait time.Duration // math.MaxInt64 for never
	text        int           // how much of the query is told, in bytes
}

func slowOf(c *config.Config) slow {
	s := slow{query: math.MaxInt64, wait: math.MaxInt64}
	if c.LogMinDurationQuery > 0 {
		s.query, s.text = c.LogMinDurationQuery, c.LogQueryText
	}
	if c.LogMinDurationWait > 0 {
		s.wait = c.LogMinDurationWait
	}
	return s
}

// logQuery says where the time of an answer went.
func (c *client) logQuery(w *worker, slow *slow, took time.Duration) {
	s := c.lent()
	if s == nil || c.replication != replicationNone {
		return
	}
	parts := s.clocks.split(w.now(), took)
	args := append(c.told(), "backend", s.b.ID, "pid", s.b.PID, "duration_ms", milliseconds(parts.waited+took),
		"waiting_ms", milliseconds(parts.waited), "preparing_ms", milliseconds(parts.preparing),
		"server_ms", milliseconds(parts.server), "sending_ms", milliseconds(parts.sending))
	if slow.text > 0 && len(s.text) > 0 {
		args = append(args, "query", string(s.text))
	}
	w.proxy.log.Info("slow query", args...)
}

// logWait says how a wait has ended.
func (c *client) logWait(w *worker, how waitEnd, took time.Duration) {
	w.proxy.log.Info("slow wait", append(c.told(), "waiting_ms", milliseconds(took), "end", how.String())...)
}

// told is how these lines name the client.
func (c *client) told() []any {
	return []any{"client", c.id, "user", c.userName(), "database", c.pool.key.database, "application_name", c.sess.Vars()[wire.VarApplicationName]}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// keepText keeps the beginning of the query that comes next, if the log is to have
// it.
func (c *client) keepText(w *worker, in []byte) {
	most := w.proxy.rules.Load().slow.text
	if most == 0 || c.server == nil || c.sess.Owes() {
		return
	}
	if in = c.sess.Begins(in); len(in) == 0 {
		return
	}
	s := c.server
	s.text = s.text[:0]
	for len(in) >= wire.HeaderLen && len(s.text) == 0 {
		_, total := wire.Header(in)
		if total == 0 {
			return
		}
		message := in[:min(total, len(in))]
		text := c.sess.TextOf(message)
		s.text = append(s.text, text[:min(len(text), most)]...)
		in = in[len(message):]
	}
}
