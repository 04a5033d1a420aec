package proxy

import (
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Nobody but SHOW CLIENTS and its like wants to know our own end of a client's
// connection, so that is asked of the kernel then, and not kept.

// localEnd is our end as the console shows it; "" if it is not known any more. On the
// client's loop. As in PgBouncer, a Unix socket has listen_port.
func (c *client) localEnd(listenPort int) (addr string, port int) {
	if c.peer.local() {
		return "unix", listenPort
	}
	if c.atConsole() { // the descriptor is that goroutine's
		tcp, _ := c.extra.console.LocalAddr().(*net.TCPAddr)
		return consoleAddr(tcp.AddrPort(), listenPort)
	}
	if c.conn.Closed() { // the descriptor may be another's by now
		return "", 0
	}
	a, err := unix.Getsockname(c.conn.FD())
	if err != nil {
		return "", 0 // it has just broken
	}
	own := peerOf(c.conn.FD(), a)
	return own.addr(), int(own.port)
}

// consoleAddr is an address as the console shows it: one that is not valid is a Unix socket's.
func consoleAddr(a netip.AddrPort, listenPort int) (addr string, port int) {
	if !a.IsValid() {
		return "unix", listenPort
	}
	return a.Addr().Unmap().WithZone("").String(), int(a.Port())
}
