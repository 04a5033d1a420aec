package proxy

import (
	"sync/atomic"
	"time"

	"pgweir/loop"
	"pgweir/session"
	"pgweir/wire"
)

// server is a backend on a loop.
type server struct {
	conn loop.Conn
	link session.Link
	lent
	proxy  *Proxy
	client atomic.Pointer[client] // who holds it
	park   func()                 // parks, made once
	parked parked
	dead   atomic.Bool // PostgreSQL has closed it while nobody held it
	silent silence     // the server's
	holder struct {    // its client's; see checkSilence
		client uint64
		silent silence
	}

	place       int        // in worker.leased
	canceling   *canceling // nil if nobody wants what it does canceled
	spoiled     bool       // a cancel request may hit it at any time
	syncing     bool       // what its client has notified may be on its way
	quarantined bool       // released, but not given back before all that has arrived
	gone        atomic.Bool
}

// parked is what is shown of a backend that nobody holds: its link may be
// another loop's at any moment.
type parked struct {
	prepared atomic.Int32
	settings atomic.Uint64 // their fingerprint, 0 for none
}

// parks leaves the backend to whoever claims it.
func (s *server) parks() {
	if n := int32(s.link.Prepared()); n != s.parked.prepared.Load() {
		s.parked.prepared.Store(n)
	}
	fingerprint := s.link.Settings().Hash()
	if fingerprint != s.parked.settings.Load() {
		s.parked.settings.Store(fingerprint)
	}
	s.conn.Park()
}

// Received feeds the session of the client that holds the backend.
func (s *server) Received(_ *loop.Conn, p []byte) int {
	c := s.client.Load()
	if c == nil {
		return s.receivedIdle(p)
	}
	if l := c.login; l != nil && l.probing != nil {
		return l.probed(p)
	}
	if !c.hasBegun() {
		if len(p) > 0 && p[0] == 'E' {
			c.relet()
			return len(p)
		}
		return 0 // it has not begun with it yet
	}
	o := &c.worker.Load().out
	o.Reset()
	s.clocks.preparing = c.sess.Prepares() && !c.sess.Withholds()
	n := c.sess.Server(p, o)
	if s.clocks.preparing {
		s.clocks.prepared = c.worker.Load().now()
	}
	if s.link.Reported {
		s.heard()
	}
	if c.sess.Owes() && o.Queries == 0 {
		s.conn.Streaming() // nothing has ended in it
	}
	need, unread := o.WantsBackend(), o.Unread
	c.apply(o)
	if need {
		c.move(unread)
		return n
	}
	if x := c.extra; x != nil && x.later != nil && !c.sess.Preparing() {
		f := x.later
		x.later = nil
		f()
	}
	if c.sess.Released() {
		c.conn.Again()
	}
	if c.ahead && !c.sess.Ahead(true) {
		c.ahead = false
		if !s.conn.Congested() {
			c.conn.Resume()
		}
	}
	return n
}

// hasBegun tells whether the client has begun with the backend that it has. One
// that logs in has not, unless it probes.
func (c *client) hasBegun() bool { return c.login == nil && c.sess.Phase() != session.Waiting }

// receivedIdle deals with what a backend says of its own accord while nobody
// holds it: a setting that was changed by a reload, a notice, last words.
func (s *server) receivedIdle(p []byte) int {
	n := 0
	for len(p)-n >= wire.HeaderLen {
		typ, total := wire.Header(p[n:])
		if total == 0 || total > loop.MaxKept {
			s.lost()
			return len(p)
		}
		if len(p)-n < total {
			break
		}
		body := p[n+wire.HeaderLen : n+total]
		n += total
		switch typ {
		case 'S':
			if name, value, err := wire.DecodeParameterStatus(body); err == nil {
				s.link.Report(name, value)
			}
		case 'N', 'A':
		case 'E':
			// Its last words: nobody may be lent it before the connection is
			// seen to be closed.
			if e, err := wire.DecodeError(body); err == nil {
				s.proxy.log.Info("backend says", "backend", s.b.ID, "pid", s.b.PID, "err", e.Error())
			}
			s.lost()
			return len(p)
		default:
			s.proxy.log.Error("an idle backend sent a message that nobody waits for", "backend", s.b.ID, "type", string(rune(typ)))
			s.lost()
			return len(p)
		}
	}
	if s.link.Reported {
		s.heard()
	}
	if !s.quarantined && n == len(p) {
		w := s.proxy.workerOf(&s.conn)
		s.parks()
		s.b.Pool().Checked(s.b, w.now())
	}
	return n
}

// heard tells the pool what the server says of itself.
func (s *server) heard() {
	s.link.Reported = false
	s.b.Pool().Heard(s.b, s.link.Params)
}

// Drained: the backend has taken all; its client may be read again.
func (s *server) Drained(*loop.Conn) {
	if c := s.client.Load(); c != nil && !c.ahead {
		c.conn.Resume()
	}
}

// Ended: PostgreSQL has closed the connection.
func (s *server) Ended(*loop.Conn, error) {
	s.b.Pool().Doubt(s.b)
	c := s.client.Load()
	if c == nil {
		s.lost()
		return
	}
	if l := c.login; l != nil && l.probing != nil {
		c.drop(false)
		l.lostProbe()
		return
	}
	if !c.hasBegun() {
		c.relet()
		return
	}
	o := &c.worker.Load().out
	o.Reset()
	c.sess.Lost(o)
	if o.Wants(session.EffectEndClient) {
		c.more().why = "the server closed its connection"
	}
	c.apply(o)
	if c.sess.Released() {
		c.conn.Again() // what it held back is for another backend
	}
}

// lost: an idle backend has gone.
func (s *server) lost() {
	if s.gone.Load() {
		return
	}
	s.dead.Store(true) // before the pool knows
	s.b.Pool().Doubt(s.b)
	if s.quarantined || s.b.Pool().Lost(s.b) {
		s.discard(false)
	}
}

// closingTimeout is how long a server that is told to end a backend may leave
// that unacknowledged: the backend's slot is not free before. It does not hold
// earlier, for the kernel counts bytes that a living peer has no room for too, as
// those of a COPY that waits for a lock.
const closingTimeout = 30 * time.Second

// discard ends the backend.
func (s *server) discard(busy bool) {
	if s.gone.Load() {
		return
	}
	s.gone.Store(true)
	s.conn.Send(wire.AppendTerminate(nil))
	s.proxy.servers.remove(s)
	loop.GiveUpAfter(s.conn.FD(), closingTimeout)
	conn, err := loop.NetConn(s.conn.Release())
	if err != nil {
		s.proxy.log.Error("closing a backend", "backend", s.b.ID, "err", err)
		conn = nil
	}
	s.b.Conn = conn
	s.proxy.log.Debug("backend closed", "backend", s.b.ID, "pid", s.b.PID)
	s.b.Pool().Discard(s.b, busy)
}
