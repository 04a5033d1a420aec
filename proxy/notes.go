package proxy

import (
	"encoding/binary"
	"sync/atomic"
	"time"

	"pgweir/pool"
	"pgweir/wire"
)

// Notifications come by another connection than answers, and bear the process
// ID of a backend that several clients have had. What has to be told before
// something else is waited for here, and who has sent it is found out.

// syncNotes calls done when all has been told that was notified up to now in a
// pool's database, to the clients of any pool of that database. It is false,
// and done is not called, if none of them listens.
func (p *Proxy) syncNotes(of *pool.Pool, done func()) bool {
	s := of.Settings()
	database := catalogKeyOf(&s)
	var listeners []*pool.Listener
	for _, cp := range p.pools() {
		if cp.pool == nil || !cp.pool.Listener().Connected() {
			continue
		}
		if s := cp.pool.Settings(); catalogKeyOf(&s) == database {
			listeners = append(listeners, cp.pool.Listener())
		}
	}
	var left atomic.Int64
	left.Store(int64(len(listeners)))
	for _, l := range listeners {
		l.Sync(func() {
			if left.Add(-1) == 0 {
				done()
			}
		})
	}
	return len(listeners) > 0
}

// Sign has a notification name the client that has sent it, as that client
// knows itself, if it is one of ours.
func (p *Proxy) Sign(server *pool.Address, message []byte) {
	const at = wire.HeaderLen
	if len(message) < at+4 {
		return
	}
	process := processKey{server.Network, server.Addr, binary.BigEndian.Uint32(message[at:])}
	if pid := p.servers.notifier(process); pid != 0 {
		binary.BigEndian.PutUint32(message[at:], pid)
	}
}

// processKey names a process of a server.
type processKey struct {
	network, addr string
	pid           uint32
}

func (s *server) process() processKey {
	return processKey{s.b.Address.Network, s.b.Address.Addr, s.b.PID}
}

// notifier finds who last notified from the backend that is this process.
func (r *servers) notifier(process processKey) uint32 {
	r.Lock()
	defer r.Unlock()
	if s := r.open[process]; s != nil {
		return s.link.Notifier.Load()
	}
	return r.past[process]
}

// pastNotifier is how long it is known who notified from a backend that is
// closed: what it did last may not be committed yet, or not be heard.
const pastNotifier = 10 * time.Second

// bury keeps the notifier of a backend that is being closed. It is called with
// the lock held.
func (r *servers) bury(s *server) {
	process, notifier := s.process(), s.link.Notifier.Load()
	if notifier == 0 {
		return
	}
	if r.past == nil {
		r.past = map[processKey]uint32{}
	}
	r.past[process] = notifier
	time.AfterFunc(pastNotifier, func() {
		r.Lock()
		delete(r.past, process)
		r.Unlock()
	})
}
