package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pgweir/config"
	"pgweir/wire"
)

// newHealthCmd is `pgweir health`: what probes of containers and load balancers run.
func newHealthCmd() *cobra.Command {
	var access httpAccess
	var live bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "health [pgbouncer.ini]",
		Short: "Say by the exit code whether the running pgweir can serve clients",
		Long: `Ends with 0 if the running pgweir can serve clients, and with 1 and the reason if not.

It is asked for /readyz at --url, else at http_listen of the configuration, else at
` + usualHTTP + `. Where the configuration has no http_listen, its Unix socket or
its port must answer. --live asks only whether the process lives.

With --url no configuration is read: a mistake in a file that a running pgweir has
refused is no reason for a probe to end it.`,
		Args:          cobra.MaximumNArgs(1),
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			path, err := configPath(cmd, access.config, args)
			if err != nil {
				return err
			}
			access.config = path
			access.configGiven = len(args) > 0 || cmd.Flags().Changed("config")
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			if err := askHealth(ctx, &access, live); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), "ok")
			return nil
		},
	}
	flags := cmd.Flags()
	access.flags(cmd)
	flags.BoolVar(&live, "live", false, "ask only whether the process lives (/healthz)")
	flags.DurationVar(&timeout, "timeout", 4*time.Second, "how long the answer may take")
	return cmd
}

// maxReason bounds what is read of an answer.
const maxReason = 4 << 10

func askHealth(ctx context.Context, a *httpAccess, live bool) error {
	err := a.find()
	if errors.Is(err, config.ErrNoHTTP) {
		return askPort(ctx, a.read)
	}
	if err != nil {
		return err
	}
	path := "readyz"
	if live {
		path = "healthz"
	}
	return a.askPath(ctx, path)
}

// askPath wants a 200.
func (a *httpAccess) askPath(ctx context.Context, path string) error {
	u, err := url.Parse(a.url)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("--url %q is not an address like %s", a.url, usualHTTP)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.JoinPath(path).String(), nil)
	if err != nil {
		return err
	}
	if a.token != "" {
		req.Header.Set("Authorization", "Bearer "+a.token)
	}
	// No proxy of the environment's: the answer is to be that pgweir's own.
	client := http.Client{
		Transport:     &http.Transport{TLSClientConfig: a.tls, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if err != nil {
		var failed *url.Error
		if errors.As(err, &failed) {
			err = failed.Err
		}
		return fmt.Errorf("no pgweir answers at %s: %w", u.Redacted(), err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxReason))
	if resp.StatusCode != http.StatusOK {
		line, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
		return fmt.Errorf("%s (HTTP %d of %s)", printable(line), resp.StatusCode, u.Redacted())
	}
	return nil
}

// askPort wants an answer to an SSLRequest, which each client may begin with. It comes
// of an event loop, and leaves no line in the log.
func askPort(ctx context.Context, c *config.Config) error {
	network, address, err := ownAddress(c)
	if err != nil {
		return err
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return fmt.Errorf("no pgweir answers at %s: %w", address, err)
	}
	defer conn.Close()
	if until, ok := ctx.Deadline(); ok {
		conn.SetDeadline(until)
	}
	var hello []byte
	if network == "tcp" && fromProxy(c, conn.LocalAddr()) {
		hello = []byte("PROXY UNKNOWN\r\n")
	}
	if _, err := conn.Write(wire.AppendSSLRequest(hello)); err != nil {
		return fmt.Errorf("%s: %w", address, err)
	}
	var answer [1]byte
	if _, err := io.ReadFull(conn, answer[:]); err != nil {
		return fmt.Errorf("%s does not answer as PostgreSQL does: %w", address, err)
	}
	switch answer[0] {
	case 'N':
	case 'S': // an end without a handshake would be a failed one in the log
		return finishHandshake(ctx, conn, address)
	default:
		return fmt.Errorf("%s turns clients away", address)
	}
	return nil
}

func finishHandshake(ctx context.Context, conn net.Conn, address string) error {
	// Nothing is sent over it; whose certificate it is, is for clients to see.
	secure := tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
	if err := secure.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("%s: TLS: %w", address, err)
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
