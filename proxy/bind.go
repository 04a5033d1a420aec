package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"pgweir/config"
	"pgweir/loop"
)

// candidate is one address to listen on.
type candidate struct {
	entry string // of listen_addr
	addr  netip.Addr
}

// missing tells whether a failure only says that the machine does not have IPv4
// or IPv6, and "*" was asked for: whatever there is.
func (c *candidate) missing(err error) bool {
	return c.entry == "*" && (errors.Is(err, syscall.EAFNOSUPPORT) || errors.Is(err, syscall.EADDRNOTAVAIL))
}

// lookup gives the addresses of an entry of listen_addr.
type lookup func(entry string) ([]netip.Addr, error)

// lookupAddrs is the lookup of the system's resolver.
func lookupAddrs(entry string) ([]netip.Addr, error) {
	if entry == "*" {
		return []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()}, nil
	}
	if addr, err := netip.ParseAddr(entry); err == nil {
		return []netip.Addr{addr}, nil
	}
	return net.DefaultResolver.LookupNetIP(context.Background(), "ip", entry)
}

// bindTCP opens the sockets of listen_addr, all on one port, as PostgreSQL does
// those of listen_addresses (ListenServerPort): what cannot be opened is warned
// of, and it is an error only if nothing can.
func (p *Proxy) bindTCP(c *config.Config, lookup lookup) ([]net.Listener, error) {
	if len(c.ListenAddr) == 0 {
		return nil, nil
	}
	var failed []string
	candidates := candidatesOf(c, lookup, func(entry string, err error) {
		failed = append(failed, err.Error())
		p.log.Warn("listen_addr: no address is known for a name", "name", entry, "err", err)
	})
	opened, errs := bindOnePort(candidates, c.ListenPort, keepAliveOf(c))
	for i, err := range errs {
		switch {
		case err == nil:
		case candidates[i].missing(err) && len(opened) > 0:
			p.log.Info("listen_addr: the machine lacks a kind of address", "addr", candidates[i].addr, "err", err)
		default:
			failed = append(failed, err.Error())
			p.log.Warn("listen_addr: an address cannot be listened on", "addr", candidates[i].addr, "err", err)
		}
	}
	if len(opened) == 0 {
		return nil, noSocket(c, failed)
	}
	return opened, nil
}

func noSocket(c *config.Config, failed []string) error {
	return c.Fault(fmt.Errorf("no socket could be opened: %s", strings.Join(failed, "; ")), "listen_addr")
}

// candidatesOf are the addresses of listen_addr, each once; unknown is told of names
// that have none.
func candidatesOf(c *config.Config, lookup lookup, unknown func(entry string, err error)) (out []candidate) {
	for _, entry := range c.ListenAddr {
		addrs, err := lookup(entry)
		if err != nil {
			unknown(entry, err)
		}
		for _, addr := range addrs {
			addr = addr.Unmap()
			if !slices.ContainsFunc(out, func(c candidate) bool { return c.addr == addr }) {
				out = append(out, candidate{entry, addr})
			}
		}
	}
	return out
}

// TryListen finds what of listen_addr this machine cannot listen on, whatever the port:
// listen_port may be a running pgweir's. The error is that of a start, if it is all.
func TryListen(c *config.Config) (failed []string, err error) {
	candidates := candidatesOf(c, lookupAddrs, func(_ string, err error) { failed = append(failed, err.Error()) })
	opened := 0
	for _, at := range candidates {
		l, errs := bindAll([]candidate{at}, 0, keepAliveOf(c))
		opened += len(l)
		closeAll(l)
		if errs[0] != nil && !at.missing(errs[0]) {
			failed = append(failed, errs[0].Error())
		}
	}
	if opened == 0 && len(failed) > 0 {
		return nil, noSocket(c, failed)
	}
	return failed, nil
}

// portTries bounds how often another free port is looked for.
const portTries = 10

// bindOnePort opens a socket for each candidate; errs has the failure of each.
// With port 0 the system picks a port for the first, and another if a later one
// cannot have it.
func bindOnePort(candidates []candidate, port int, passOn loop.KeepAlive) (opened []net.Listener, errs []error) {
	for try := 1; ; try++ {
		opened, errs = bindAll(candidates, port, passOn)
		taken := slices.ContainsFunc(errs, func(err error) bool { return errors.Is(err, syscall.EADDRINUSE) })
		if port != 0 || !taken || try == portTries {
			return opened, errs
		}
		closeAll(opened)
	}
}

func bindAll(candidates []candidate, port int, passOn loop.KeepAlive) (opened []net.Listener, errs []error) {
	sockets := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) { _ = passOn.PassOn(int(fd)) }) // see tune
	}}
	sockets.SetMultipathTCP(false) // it makes every connection dearer, also those that do not use it
	for _, c := range candidates {
		// With "tcp" the system would take IPv4 clients on "::" as well.
		network := "tcp6"
		if c.addr.Is4() {
			network = "tcp4"
		}
		address := net.JoinHostPort(c.addr.String(), strconv.Itoa(port))
		l, err := sockets.Listen(context.Background(), network, address)
		errs = append(errs, err)
		if err == nil {
			opened = append(opened, l)
			port = l.Addr().(*net.TCPAddr).Port
		}
	}
	return opened, errs
}

func closeAll(opened []net.Listener) {
	for _, l := range opened {
		l.Close()
	}
}

// bindUnix makes a Unix socket. One that is left over from a process that
// has gone is replaced; one that answers is somebody else's. An abstract socket
// has no file, and so is never left over and has no mode.
func bindUnix(path string, mode os.FileMode) (net.Listener, error) {
	if conn, err := net.DialTimeout("unix", path, time.Second); err == nil {
		conn.Close()
		return nil, fmt.Errorf("another process is listening on %s", path)
	}
	if hasFile(path) {
		if st, err := os.Lstat(path); err == nil && st.Mode().Type() == os.ModeSocket {
			os.Remove(path)
		}
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil || !hasFile(path) {
		return l, err
	}
	l.SetUnlinkOnClose(false)
	if err := os.Chmod(path, mode.Perm()); err != nil {
		l.Close()
		os.Remove(path)
		return nil, err
	}
	return l, nil
}

// hasFile tells whether a Unix socket has a file: an abstract one has none.
func hasFile(path string) bool { return !strings.HasPrefix(path, "@") }
