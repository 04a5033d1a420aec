package pool

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"pgweir/wire"
)

// Cancels of a server's backends are connections of their own, for each of which
// PostgreSQL starts a process that lives for a moment. They are bounded:
//
//  1. who cancels a query (package proxy) has one request on its way for a backend
//  2. maxCancels are passed on at a time to one server; the others wait, each a backend's

// maxCancels is how many cancel requests are passed on to a server at a time.
const maxCancels = 16

// The ends of a cancel request that has not been passed on.
var (
	errWithdrawn  = errors.New("withdrawn")
	errNoKey      = errors.New("the server has given no key for it")
	errCancelWait = errors.New("it was not passed on within cancel_wait_timeout")
)

// CancelRequest says when a cancel request is no longer wanted that has not been
// passed on yet. The zero value is wanted to the end.
type CancelRequest struct {
	Withdrawn <-chan struct{} // is closed then
	Wanted    func() bool     // is asked once its turn has come; on any goroutine
}

// CancelQuery asks PostgreSQL to cancel what a backend is doing, and returns when it
// has done so, or has failed to. settled tells that no signal is on its way any more;
// without that, PostgreSQL has been asked and has not said that it is done.
//
// The request goes to the address that the backend is connected to: its host's name may
// lead to another server by now.
func (p *Pool) CancelQuery(b *Backend, r CancelRequest) (settled bool, err error) {
	if len(b.Key) == 0 {
		return true, errNoKey
	}
	s := p.Settings()
	gate := &p.budget.cancels
	p.cancelsWaiting.Add(1)
	err = gate.enter(b.peer(), s.CancelWait, r.Withdrawn)
	p.cancelsWaiting.Add(-1)
	if err != nil {
		return true, err
	}
	defer gate.leave(b.peer())
	if r.Wanted != nil && !r.Wanted() {
		return true, errWithdrawn
	}
	p.cancelsActive.Add(1)
	defer p.cancelsActive.Add(-1)
	return p.passCancel(b, s.ConnectTimeout)
}

func (p *Pool) passCancel(b *Backend, timeout time.Duration) (settled bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	there := b.Address
	there.Addr = b.peer()
	conn, err := p.transport.connect(ctx, there)
	if err != nil {
		return true, err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(timeout))
	secured := conn
	if b.TLS != "" {
		if secured, err = p.transport.negotiate(conn, there, true); err != nil {
			return true, err
		}
	}
	if _, err := secured.Write(wire.AppendCancelRequest(nil, b.PID, b.Key)); err != nil {
		return false, err
	}
	// PostgreSQL closes the connection when the signal has been sent.
	var buf [1]byte
	var late net.Error
	if _, err := secured.Read(buf[:]); errors.As(err, &late) && late.Timeout() {
		return false, errors.New("the server did not close the connection of a cancel request within server_connect_timeout")
	}
	return true, nil
}

// peer is the address that the backend is connected to, as Address.Addr.
func (b *Backend) peer() string {
	if b.remote != "" {
		return b.remote
	}
	return b.Address.Addr
}

// remoteAddr is where a connection leads to, as Address.Addr; "" where the address that
// was asked for says it, as a socket's path does.
func remoteAddr(conn net.Conn) string {
	if tcp, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		return tcp.String()
	}
	return ""
}

// cancelGates bound the cancel requests for each server.
type cancelGates struct {
	mu    sync.Mutex
	gates map[string]*cancelGate // by address; those that nobody stands at are removed
}

type cancelGate struct {
	places chan struct{}
	users  int // in it and waiting; guarded by cancelGates.mu
}

// enter waits for a place at a server, which leave gives back if there is no error.
// wait is how long at most, 0 for ever.
func (g *cancelGates) enter(server string, wait time.Duration, withdrawn <-chan struct{}) error {
	g.mu.Lock()
	gate := g.gates[server]
	if gate == nil {
		gate = &cancelGate{places: make(chan struct{}, maxCancels)}
		if g.gates == nil {
			g.gates = map[string]*cancelGate{}
		}
		g.gates[server] = gate
	}
	gate.users++
	g.mu.Unlock()
	err := gate.enter(wait, withdrawn)
	if err != nil {
		g.quit(server, gate)
	}
	return err
}

func (g *cancelGate) enter(wait time.Duration, withdrawn <-chan struct{}) error {
	select {
	case <-withdrawn:
		return errWithdrawn
	default:
	}
	var late <-chan time.Time
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case g.places <- struct{}{}:
		return nil
	case <-withdrawn:
		return errWithdrawn
	case <-late:
		return errCancelWait
	}
}

// leave gives a place back.
func (g *cancelGates) leave(server string) {
	g.mu.Lock()
	gate := g.gates[server]
	g.mu.Unlock()
	<-gate.places
	g.quit(server, gate)
}

func (g *cancelGates) quit(server string, gate *cancelGate) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if gate.users--; gate.users == 0 {
		delete(g.gates, server)
	}
}

// Withdrawn tells that a cancel request has come to its end because it was withdrawn.
func Withdrawn(err error) bool { return errors.Is(err, errWithdrawn) }
