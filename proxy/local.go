package proxy

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

// Nobody but SHOW CLIENTS and its like wants to know our own end of a client's
// connection, so that is asked of the kernel then, and not kept.

// localEnd is our end as the console shows it; "" if it is not known any more. On the
// client's loop. As in PgBouncer, a Unix socket has listen_port.
func (c *client) localEnd(listenPort int) (addr string, port int) {
	var own peer
	switch {
	case c.peer.local():
		return "unix", listenPort
	case c.atConsole(): // the descriptor is that goroutine's
		own = c.extra.consoleEnd
	case c.conn.Closed(): // the descriptor may be another's by now
		return "", 0
	default:
		var err error
		if own, err = c.ownEnd(); err != nil {
			return "", 0 // it has just broken
		}
	}
	return own.addr(), int(own.port)
}

// ownEnd asks the kernel for our end, as long as the descriptor is the client's loop's.
func (c *client) ownEnd() (peer, error) {
	a, err := unix.Getsockname(c.conn.FD())
	if err != nil {
		return peer{}, err
	}
	return peerOf(c.conn.FD(), a), nil
}

// consoleAddr is an address as the console shows it: one that is not valid is a Unix socket's.
func consoleAddr(a netip.AddrPort, listenPort int) (addr string, port int) {
	if !a.IsValid() {
		return "unix", listenPort
	}
	return a.Addr().Unmap().WithZone("").String(), int(a.Port())
}
