package proxy

import (
	"pgweir/pool"
	"pgweir/wire"
)

// Unreached logs that a pool gets no backends. Its clients wait.
func (p *Proxy) Unreached(of *pool.Pool, e *wire.Error) {
	p.expireName(of)
	s := of.Settings()
	p.log.Warn("a backend cannot be opened", "user", s.Credentials.User, "database", of.Database, "server", s.At(), "err", e.Error())
}

// Reached logs that the pool gets backends again.
func (p *Proxy) Reached(of *pool.Pool) {
	s := of.Settings()
	p.log.Warn("backends can be opened again", "user", s.Credentials.User, "database", of.Database, "server", s.At())
}

// Away logs that a server lets nobody in. The clients of all its pools wait.
func (p *Proxy) Away(server *pool.Address, e *wire.Error) {
	p.log.Warn("PostgreSQL is away, clients that need a backend wait", "server", server.Addr, "err", e.Error())
}

// UnreachedAgain logs how often that was so beside the times that have lines of their own.
func (p *Proxy) UnreachedAgain(of *pool.Pool, times int) {
	s := of.Settings()
	p.log.Warn("backends could not be opened, and then could again", "user", s.Credentials.User, "database", of.Database, "server", s.At(), "times", times)
}

// AwayAgain is UnreachedAgain for a server.
func (p *Proxy) AwayAgain(server *pool.Address, times int) {
	p.log.Warn("PostgreSQL was away and came back", "server", server.Addr, "times", times)
}

// Back logs that it does again.
func (p *Proxy) Back(server *pool.Address) {
	p.log.Warn("PostgreSQL is back", "server", server.Addr)
}
