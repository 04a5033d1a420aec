package proxy

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"pgweir/config"
	"pgweir/loop"
)

// listener is one socket that clients connect to.
type listener struct {
	addr net.Addr
	tcp  bool
	file string // a Unix socket's; "" if it has none
	loop *loop.Listener
	on   *worker
}

// listen opens all sockets of the configuration, or none.
func (p *Proxy) listen(c *config.Config) error {
	opened, err := p.bindTCP(c, lookupAddrs)
	if err != nil {
		return err
	}
	port := c.ListenPort
	if len(opened) > 0 {
		port = opened[0].Addr().(*net.TCPAddr).Port // 0 was any
	}
	if c.UnixSocketDir != "" {
		l, err := bindUnix(config.SocketPath(c.UnixSocketDir, port), c.UnixSocketMode)
		if err != nil {
			closeAll(opened)
			return fmt.Errorf("unix_socket_dir: %w", err)
		}
		opened = append(opened, l)
	}
	for i, l := range opened {
		if err := p.serve(l, c.ListenBacklog); err != nil {
			closeAll(opened[i:])
			return err
		}
	}
	return nil
}

// serve puts a listening socket on the first loop.
func (p *Proxy) serve(nl net.Listener, backlog int) error {
	l := &listener{addr: nl.Addr(), tcp: true, on: p.workers[0]}
	if a, ok := l.addr.(*net.UnixAddr); ok {
		l.tcp = false
		if hasFile(a.Name) {
			l.file = a.Name
		}
	}
	fd, err := loop.TakeListener(nl)
	if err != nil {
		return err
	}
	unix.Listen(fd, backlog) // changes the backlog of a socket that listens already
	l.on.do(func() {
		l.loop, err = l.on.loop.Listen(fd,
			func(fd int, peer unix.Sockaddr) { p.accept(fd, peer, l) },
			p.acceptFailed)
	})
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.mu.listeners = append(p.mu.listeners, l)
	p.mu.Unlock()
	p.log.Info("listening", "addr", l.addr.String())
	return nil
}

// Addrs are the addresses that clients can connect to.
func (p *Proxy) Addrs() (out []net.Addr) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.mu.listeners {
		out = append(out, l.addr)
	}
	return out
}

func (p *Proxy) closeListeners() {
	p.mu.Lock()
	listeners := p.mu.listeners
	p.mu.listeners = nil
	p.mu.Unlock()
	for _, l := range listeners {
		if l.file != "" {
			os.Remove(l.file)
		}
		l.on.do(l.loop.Close)
	}
}

// accept takes a new connection in, on the listener's loop.
func (p *Proxy) accept(fd int, peer unix.Sockaddr, l *listener) {
	if l.tcp {
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		// A client that has gone meanwhile is noticed soon enough.
		_ = p.rules.Load().keepAlive.Set(fd)
	}
	p.arrive(fd, peerOf(fd, peer), l)
}

// peer is where a client comes from, in less memory than a net.Addr takes.
type peer struct {
	ip   [16]byte // of a Unix socket: the number of the operating system's user
	port uint16
	kind byte // 0 Unix socket, 4, 6
}

func peerOf(fd int, a unix.Sockaddr) (p peer) {
	switch a := a.(type) {
	case *unix.SockaddrInet4:
		p.kind, p.port = 4, uint16(a.Port)
		copy(p.ip[:], a.Addr[:])
	case *unix.SockaddrInet6:
		p.kind, p.port, p.ip = 6, uint16(a.Port), a.Addr
	default:
		uid, err := peerUID(fd)
		if err != nil {
			uid = -1 // together with all others of whom nothing is known
		}
		binary.BigEndian.PutUint32(p.ip[:], uint32(uid))
	}
	return p
}

// addr is the address as the console shows it.
func (p peer) addr() string {
	switch p.kind {
	case 4:
		return net.IP(p.ip[:4]).String()
	case 6:
		return net.IP(p.ip[:]).String()
	}
	return "unix"
}

// String is the address with the port, "10.0.0.1:5555", or "unix".
func (p peer) String() string {
	if p.kind == 0 {
		return p.addr()
	}
	return net.JoinHostPort(p.addr(), strconv.Itoa(int(p.port)))
}
