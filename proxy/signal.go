package proxy

import (
	"slices"

	"pgweir/pool"
	"pgweir/session"
)

// signal carries out what a client of a pool has asked of PostgreSQL with
// pg_cancel_backend or pg_terminate_backend for a process ID that stands for a
// client; false if there is none on the same server, or if it may not: PostgreSQL
// allows it for one's own sessions, and superusers.
func (p *Proxy) signal(from *clientPool, sig session.Signal) bool {
	c := p.clients.at(sig.PID)
	if c == nil || !c.keyed.Load() || c.ownBackend || c.pool.pool == nil {
		return false
	}
	to := c.pool
	if sameServer(from.pool, to.pool) && (sig.Superuser || to.pool.Settings().Credentials.User == from.pool.Settings().Credentials.User) {
		c.post(func() {
			if sig.Terminate {
				c.kill(errShutdown)
			} else {
				c.cancel(func() {}, maxTries) // what the client says later is not meant
			}
		})
		return true
	}
	return false
}

// sameServer tells whether two pools' backends are, or may be, one server's.
func sameServer(a, b *pool.Pool) bool {
	there := addressesOf(b)
	return slices.ContainsFunc(addressesOf(a), func(x pool.Address) bool {
		return slices.ContainsFunc(there, func(y pool.Address) bool { return x.Server(&y) })
	})
}
