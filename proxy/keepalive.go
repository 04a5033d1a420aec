package proxy

import (
	"syscall"
	"time"

	"pgweir/config"
	"pgweir/loop"
)

// keepAliveOf are the settings tcp_*.
func keepAliveOf(c *config.Config) loop.KeepAlive {
	return loop.KeepAlive{
		On: c.TCPKeepAlive, Idle: c.TCPKeepIdle, Interval: c.TCPKeepIntvl, Count: c.TCPKeepCnt,
		UserTimeout: c.TCPUserTimeout,
	}
}

// tune puts the settings tcp_* on a new socket. A client that has gone meanwhile is
// noticed soon enough, and a system that lacks an option is no reason to go without a
// server.
func (r *rules) tune(fd int) {
	_ = r.keepAlive.Set(fd)
	r.tuneBuffers(fd)
}

// tuneAccepted is tune for the socket of a client, which may have all but the buffers
// from the socket that listens: a size of theirs cannot be taken back there.
func (r *rules) tuneAccepted(fd int) {
	if !loop.Inherits {
		_ = r.keepAlive.Tune(fd)
	}
	r.tuneBuffers(fd)
}

func (r *rules) tuneBuffers(fd int) {
	if n := r.config.TCPSocketBuffer; n > 0 {
		_ = loop.SetBuffers(fd, n)
	}
}

// silence watches for a peer that acknowledges nothing. The kernel sends no
// probes on a connection with bytes under way, and gives them up after a quarter
// of an hour; tcp_user_timeout would also end peers that only do not read.
type silence struct {
	since time.Duration // when bytes were under way, and no acknowledgement came any more; 0: not so
}

// lasts is how long the peer has been silent by now. some tells that bytes are
// under way, and last how long ago the peer acknowledged any.
func (s *silence) lasts(now time.Duration, some bool, last time.Duration) time.Duration {
	if !some {
		s.since = 0
		return 0
	}
	if s.since == 0 || now-last > s.since {
		s.since = now
	}
	return now - s.since
}

// silenceEvery is how often that is looked for.
const silenceEvery = time.Second

// checkSilence ends the connections of leases whose client or server has been
// silent for longer than probes would have been without an answer. patience 0 is
// without an end.
func (w *worker) checkSilence(now, patience time.Duration) {
	if patience <= 0 {
		return
	}
	for _, s := range w.leased {
		c := w.holder(s)
		if c == nil || c.state != clientOpen || c.login != nil {
			continue
		}
		if s.silent.of(&s.conn, now) >= patience {
			w.proxy.log.Warn("the server acknowledges nothing any more", "backend", s.b.ID, "pid", s.b.PID, "addr", s.b.Address.Addr)
			cutOff(&s.conn)
		}
		if s.holder.client != c.id {
			s.holder.client, s.holder.silent = c.id, silence{}
		}
		if !c.peer.local() && s.holder.silent.of(&c.conn, now) >= patience {
			c.more().why = "the client acknowledged nothing any more"
			cutOff(&c.conn)
		}
	}
}

// of is how long the peer of a connection has been silent by now; 0 where the
// system does not tell.
func (s *silence) of(conn *loop.Conn, now time.Duration) time.Duration {
	some, last, ok := loop.Unacknowledged(conn.FD())
	return s.lasts(now, some && ok, last)
}

// cutOff has the loop find a connection closed.
func cutOff(conn *loop.Conn) { syscall.Shutdown(conn.FD(), syscall.SHUT_RDWR) }
