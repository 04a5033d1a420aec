package proxy

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Dial connects to a server, with the settings tcp_* that are in force. The addresses of
// its name are tried one after the other.
func (p *Proxy) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	r := p.rules.Load()
	d := net.Dialer{KeepAlive: -1, Control: func(network, _ string, raw syscall.RawConn) error {
		if !strings.HasPrefix(network, "tcp") {
			return nil
		}
		return raw.Control(func(fd uintptr) { r.tune(int(fd)) })
	}}
	name, port, ok := nameIn(network, addr)
	if !ok {
		return d.DialContext(ctx, network, addr)
	}
	addrs, err := p.names.Addrs(ctx, name)
	if err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, ctx.Err() // which says nothing of the addresses
	}
	var first error
	for i, a := range addrs {
		conn, err := dialBefore(ctx, &d, netip.AddrPortFrom(a, port), len(addrs)-i)
		if err == nil {
			return conn, nil
		}
		p.names.Failed(name, a)
		if first == nil {
			first = err
		}
	}
	p.names.Expire(name) // it may have moved
	return nil, first
}

// dialBefore connects to one of so many addresses, with its share of the time.
func dialBefore(ctx context.Context, d *net.Dialer, to netip.AddrPort, left int) (net.Conn, error) {
	if deadline, ok := ctx.Deadline(); ok && left > 1 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/time.Duration(left))
		defer cancel()
	}
	return d.DialContext(ctx, "tcp", to.String())
}

// nameIn is the name in a server's address, if there is one, and its port.
func nameIn(network, addr string) (name string, port uint16, ok bool) {
	if network != "tcp" {
		return "", 0, false
	}
	host, service, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, false
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return "", 0, false
	}
	n, err := strconv.ParseUint(service, 10, 16)
	return host, uint16(n), err == nil
}
