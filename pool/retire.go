package pool

import "net/netip"

// retired is the stamp of a backend that is to be closed, whatever the settings are: no
// generation is so low.
const retired = -1

// Remote is where the backend is connected to; not valid over a Unix socket.
func (b *Backend) Remote() netip.AddrPort {
	at, err := netip.ParseAddrPort(b.remote)
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
}

// ListensAt tells whether the listening backend is one of those that is says.
func (p *Pool) ListensAt(is func(*Backend) bool) bool { return p.listenerIf(is) != nil }

func (p *Pool) listenerIf(is func(*Backend) bool) *Backend {
	p.listener.mu.Lock()
	b := p.listener.backend
	p.listener.mu.Unlock()
	if b == nil || !is(b) {
		return nil
	}
	return b
}

// Retire has some of the pool's backends closed, since their server's name leads
// elsewhere: the idle ones now, the others when they come back. The listening backend is
// one of them if gone, which may be nil, says so. What the server has said to startup
// parameters is asked anew, and no login pauses for a failure of before. Those that
// replicate are left alone.
func (p *Pool) Retire(backends []*Backend, gone func(*Backend) bool) {
	var listens *Backend
	if gone != nil {
		listens = p.listenerIf(gone)
	}
	var evict []*Backend
	p.mu.Lock()
	p.forgetAnswers()
	if listens != nil {
		listens.stamp = retired
	}
	for _, b := range backends {
		if b.replica {
			continue
		}
		b.stamp = retired
		if p.takeOut(b) {
			evict = append(evict, b)
		}
	}
	p.anew()
	p.mu.Unlock()
	p.dials.end()
	p.begin(evict)
}
