package proxy

import (
	"net"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"pgweir/config"
	"pgweir/loop"
)

// listener is one socket that clients connect to.
type listener struct {
	addr   net.Addr
	tcp    bool
	defers bool   // tcp_defer_accept is on; the loop's
	file   string // a Unix socket's; "" if it has none
	loop   *loop.Listener
	on     *worker
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
			return c.Fault(err, "unix_socket_dir")
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
	if err := l.deferAccept(fd, p.rules.Load()); err != nil {
		p.log.Warn("tcp_defer_accept", "addr", l.addr.String(), "err", err)
	}
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

// deferAccept puts tcp_defer_accept on the socket, whose descriptor is fd.
func (l *listener) deferAccept(fd int, r *rules) error {
	if !l.tcp || r.config.TCPDeferAccept == l.defers {
		return nil
	}
	l.defers = r.config.TCPDeferAccept
	return loop.DeferAccept(fd, l.defers)
}

// retune puts rules that are about to be in force on the sockets, and returns when
// clients that connect have them.
func (p *Proxy) retune(r *rules) {
	p.mu.Lock()
	listeners := slices.Clone(p.mu.listeners)
	p.mu.Unlock()
	for _, l := range listeners {
		l.on.do(func() {
			fd, open := l.loop.FD()
			if !open {
				return
			}
			if l.tcp {
				_ = r.keepAlive.PassOn(fd) // see tune
			}
			if err := l.deferAccept(fd, r); err != nil {
				p.log.Warn("tcp_defer_accept", "addr", l.addr.String(), "err", err)
			}
		})
	}
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
		p.rules.Load().tuneAccepted(fd)
	}
	p.arrive(fd, peerOf(fd, peer), l)
}
