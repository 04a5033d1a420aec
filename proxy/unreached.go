package proxy

import (
	"pgweir/pool"
	"pgweir/wire"
)

// Unreached logs that a pool gets no backends. Its clients hear the reason.
func (p *Proxy) Unreached(of *pool.Pool, e *wire.Error) {
	s := of.Settings()
	p.log.Warn("a backend cannot be opened", "user", s.Credentials.User, "database", of.Database, "server", s.Address.Addr, "err", e.Error())
}

// Reached logs that the pool gets backends again.
func (p *Proxy) Reached(of *pool.Pool) {
	s := of.Settings()
	p.log.Warn("backends can be opened again", "user", s.Credentials.User, "database", of.Database, "server", s.Address.Addr)
}
