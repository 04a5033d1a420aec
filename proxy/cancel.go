package proxy

import (
	"crypto/subtle"

	"pgweir/session"
	"pgweir/wire"
)

var errCanceled = wire.Errorf(wire.CodeQueryCanceled, "canceling statement due to user request")

// cancel carries a CancelRequest out: it reaches the query that the client of
// this key is waiting for now, and nothing else. done is called when it has
// arrived, or is not meant for anybody here.
func (p *Proxy) cancel(pid uint32, key []byte, done func()) {
	c := p.clientOfKey(pid, key)
	if c == nil {
		done()
		return
	}
	c.post(func() { c.cancel(done, 0) })
}

// clientOfKey finds the client that was told this key.
func (p *Proxy) clientOfKey(pid uint32, key []byte) *client {
	candidates := p.servers.byPID(pid)
	if c := p.clients.at(pid); c != nil {
		candidates = append(candidates, c)
	}
	for _, c := range candidates {
		if c.hasKey(p, pid, key) {
			return c
		}
	}
	return nil
}

// hasKey compares in constant time. What it reads of the client was written
// before the client was told the key.
func (c *client) hasKey(p *Proxy, pid uint32, key []byte) bool {
	if !c.keyed.Load() {
		return false
	}
	return subtle.ConstantTimeCompare(p.cancelKey(c, pid), key) == 1 && (c.ownBackend || pid == c.pid)
}

// maxTries is how often a cancel waits for the loop to get to the client's query.
const maxTries = 3

// cancel is carried out on the client's loop.
func (c *client) cancel(done func(), tries int) {
	w := c.worker.Load()
	if c.state != clientOpen || c.login != nil {
		done()
		return
	}
	if c.extra != nil && c.extra.cancels != nil {
		select {
		case c.extra.cancels <- struct{}{}:
		default: // there is one already
		}
		done()
		return
	}
	s := c.server
	switch {
	case c.cancelHearing():
		done()
	case c.sess.Phase() == session.Waiting:
		c.cancelWait()
		done()
	case s != nil && c.sess.Preparing():
		before := c.more().later
		c.extra.later = func() {
			if before != nil {
				before()
			}
			c.cancel(done, tries)
		}
	case s != nil && c.sess.Owes():
		c.join(w, s, done)
	case tries == 0, s == nil && c.sess.Phase() == session.Idle && c.conn.Kept() > 0 && tries < maxTries:
		// Its query was held back, or lies in its socket: the request has come by
		// another connection, and may have been read first.
		c.post(func() { c.cancel(done, tries+1) })
	default:
		done()
	}
}

// cancelWait has the client be refused what it waits for: no backend has seen
// anything of it yet.
func (c *client) cancelWait() {
	switch {
	case c.extra != nil && c.extra.refusal != nil: // already
		return
	case c.server != nil:
		c.release()
	case !c.leaveLine():
		c.canceled = true // a backend is on its way, or another refusal
		return
	}
	c.more().refusal = errCanceled
	c.conn.Again()
}
