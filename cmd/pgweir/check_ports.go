package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"pgweir/config"
)

// exporterPort is pgbouncer_exporter's, and pgweir's own for HTTP.
const exporterPort = 9127

// ports warns of addresses that another program listens on.
func (ck *checker) ports(c *config.Config) {
	if ck.taken == nil {
		return
	}
	for _, entry := range c.ListenAddr {
		for _, addr := range listenAddrs(entry) {
			ck.port("listen_port", netip.AddrPortFrom(addr, uint16(c.ListenPort)))
		}
	}
	if c.UnixSocketDir != "" {
		path := config.SocketPath(c.UnixSocketDir, c.ListenPort)
		if err := writableFolder(path); err != nil {
			fmt.Fprintf(ck.out, "warning: unix_socket_dir: %s: %v; a start needs the folder, and the right to write to it\n", c.UnixSocketDir, err)
		} else if socketTaken(path) {
			fmt.Fprintf(ck.out, "warning: unix_socket_dir: a program listens on %s%s\n", path, ownMaybe)
		}
	}
	if c.HTTPListen == "" {
		return
	}
	_, text, _ := net.SplitHostPort(c.HTTPListen)
	port, err := strconv.ParseUint(text, 10, 16)
	if addr, ok := c.HTTPAddress(); ok && err == nil {
		ck.port("http_listen", netip.AddrPortFrom(addr, uint16(port)))
	}
}

const ownMaybe = " already; that may be a running pgweir"

func (ck *checker) port(setting string, at netip.AddrPort) {
	if at.Port() == 0 || !ck.taken(at) {
		return
	}
	text := ownMaybe
	if at.Port() == exporterPort {
		text += ", or pgbouncer_exporter, whose port it is too"
	}
	fmt.Fprintf(ck.out, "warning: %s: a program listens on %s%s\n", setting, at, text)
}

// listenAddrs are the addresses of an entry of listen_addr; none if it is a name that
// means nothing here.
func listenAddrs(entry string) []netip.Addr {
	if entry == "*" {
		return []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()}
	}
	if addr, err := netip.ParseAddr(entry); err == nil {
		return []netip.Addr{addr}
	}
	var addrs []netip.Addr
	names, _ := net.LookupIP(entry) // a start tells of one that is not known
	for _, ip := range names {
		if addr, ok := netip.AddrFromSlice(ip); ok {
			addrs = append(addrs, addr.Unmap())
		}
	}
	return addrs
}

// portTaken tells whether somebody listens on an address. It binds a socket and does
// not listen on it, so that no client can come to it.
func portTaken(at netip.AddrPort) bool {
	addr := at.Addr().Unmap()
	family, to := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Port: int(at.Port()), Addr: addr.As16()})
	if addr.Is4() {
		family, to = unix.AF_INET, &unix.SockaddrInet4{Port: int(at.Port()), Addr: addr.As4()}
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	unix.CloseOnExec(fd)
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	if family == unix.AF_INET6 {
		unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1)
	}
	return errors.Is(unix.Bind(fd, to), unix.EADDRINUSE)
}

// writableFolder is why this user can put no file at path; nil for an abstract socket.
func writableFolder(path string) error {
	if !filepath.IsAbs(path) {
		return nil
	}
	return unix.Access(filepath.Dir(path), unix.W_OK|unix.X_OK)
}

// socketTaken tells whether somebody listens on a Unix socket.
func socketTaken(path string) bool {
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}
