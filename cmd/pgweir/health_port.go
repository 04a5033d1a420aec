package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"

	"pgweir/census"
	"pgweir/config"
	"pgweir/proxy"
	"pgweir/wire"
)

// askWithoutHTTP asks the console over the Unix socket what /readyz says. Who is not let
// in there can only see whether clients are answered.
func (h *healthCheck) askWithoutHTTP(ctx context.Context) (seen string, err error) {
	network, address, err := ownAddress(h.read)
	if err != nil {
		return "", err
	}
	if h.live {
		return address + " answers", h.askPort(ctx, network, address)
	}
	why := "there is no unix_socket_dir"
	if network == "unix" {
		err := h.askConsole(ctx, address)
		var stranger *notLetIn
		if !errors.As(err, &stranger) {
			return "clients can be served", err
		}
		why = "its console lets in only who runs as the same user: " + stranger.Error()
	}
	return fmt.Sprintf("%s answers; whether PostgreSQL does was not asked, as there is no http_listen, and %s", address, why),
		h.askPort(ctx, network, address)
}

// notLetIn is why the console is no help.
type notLetIn struct{ error }

// askConsole wants a pgweir that is ready. The error may be a *notLetIn.
func (h *healthCheck) askConsole(ctx context.Context, address string) error {
	// A password that is asked for is not given: a wrong one would be held against others.
	c, err := pgconn.ParseConfig("host=localhost user=pgweir dbname=pgweir sslmode=disable connect_timeout=0 require_auth=none")
	if err != nil {
		return err
	}
	c.Host, c.Port, c.ValidateConnect = h.read.UnixSocketDir, uint16(h.read.ListenPort), nil
	c.RuntimeParams = map[string]string{"application_name": proxy.HealthApplication}
	census.ReachAbstract(c)
	conn, err := pgconn.ConnectConfig(ctx, c)
	var said *pgconn.PgError
	var network *net.OpError
	switch {
	case err == nil:
	case errors.As(err, &said) && said.Code == wire.CodeCannotConnectNow:
		return fmt.Errorf("not ready: %s", printable(said.Message))
	case errors.As(err, &said):
		return &notLetIn{errors.New(printable(said.Message))}
	case errors.Is(err, context.DeadlineExceeded):
		return h.silent(address, context.DeadlineExceeded)
	case errors.As(err, &network):
		return h.silent(address, network)
	default:
		return &notLetIn{errors.New("it asks for a password")}
	}
	defer conn.Close(ctx)
	results, err := conn.Exec(ctx, "SHOW STATE").ReadAll()
	if err != nil {
		return h.silent(address, err)
	}
	state := map[string]string{}
	for _, r := range results {
		for _, row := range r.Rows {
			state[string(row[0])] = string(row[1])
		}
	}
	if state["ready"] != "yes" {
		return fmt.Errorf("not ready: %s", printable(state["not_ready_because"]))
	}
	return nil
}

// askPort wants an answer to an SSLRequest, which each client may begin with. It comes
// of an event loop, and leaves no line in the log.
func (h *healthCheck) askPort(ctx context.Context, network, address string) error {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return h.silent(address, err)
	}
	defer conn.Close()
	if until, ok := ctx.Deadline(); ok {
		conn.SetDeadline(until)
	}
	var hello []byte
	if network == "tcp" && fromProxy(h.read, conn.LocalAddr()) {
		hello = []byte("PROXY UNKNOWN\r\n")
	}
	if _, err := conn.Write(wire.AppendSSLRequest(hello)); err != nil {
		return h.silent(address, err)
	}
	var answer [1]byte
	if _, err := io.ReadFull(conn, answer[:]); err != nil {
		return h.silent(address, err)
	}
	switch answer[0] {
	case 'N':
	case 'S': // an end without a handshake would be a failed one in the log
		return h.finishHandshake(ctx, conn, address)
	default:
		return fmt.Errorf("%s turns clients away", address)
	}
	return nil
}

func (h *healthCheck) finishHandshake(ctx context.Context, conn net.Conn, address string) error {
	// Nothing is sent over it; whose certificate it is, is for clients to see.
	secure := tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
	if err := secure.HandshakeContext(ctx); err != nil {
		return h.silent(address, fmt.Errorf("TLS: %w", err))
	}
	return secure.Close()
}

// ownAddress is where a pgweir with this configuration is reached from its own machine.
func ownAddress(c *config.Config) (network, address string, err error) {
	if c.UnixSocketDir != "" {
		return "unix", config.SocketPath(c.UnixSocketDir, c.ListenPort), nil
	}
	if len(c.ListenAddr) == 0 {
		return "", "", fmt.Errorf("%s: it listens nowhere", c.Path)
	}
	host := c.ListenAddr[0]
	if at, err := netip.ParseAddr(host); host == "*" || err == nil && at == netip.IPv4Unspecified() {
		host = "127.0.0.1"
	} else if err == nil && at == netip.IPv6Unspecified() {
		host = "::1"
	}
	return "tcp", net.JoinHostPort(host, strconv.Itoa(c.ListenPort)), nil
}

// fromProxy tells whether who connects from an address must send a PROXY header.
func fromProxy(c *config.Config, from net.Addr) bool {
	tcp, ok := from.(*net.TCPAddr)
	if !ok {
		return false
	}
	at := tcp.AddrPort().Addr().Unmap().WithZone("")
	return slices.ContainsFunc(c.ProxyProtocolFrom, func(p netip.Prefix) bool { return p.Contains(at) })
}
