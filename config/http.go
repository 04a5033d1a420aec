package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// Whoever is on this machine may read what HTTP serves. Where others can come, it
// is encrypted and they have to prove who they are, or the file says in so many
// words that neither is wanted.

// http checks the settings of HTTP, and that the files that they name are good:
// who serves HTTP reads them (ReadHTTPFiles), as they may change at any time.
func (p *parser) http() {
	c := p.config
	p.keyPair("http_tls_cert_file", c.HTTPTLSCertFile, "http_tls_key_file", c.HTTPTLSKeyFile)
	p.roots("http_tls_ca_file", c.HTTPTLSCAFile)
	if c.HTTPTLSCAFile != "" && c.HTTPTLSCertFile == "" {
		p.problem([]string{"http_tls_ca_file"}, "http_tls_ca_file: needs http_tls_cert_file and http_tls_key_file: a client shows its certificate to a server that has one")
	}
	readers := p.tokens("http_token_file", c.HTTPTokenFile)
	admins := p.tokens("http_admin_token_file", c.HTTPAdminTokenFile)
	if err := distinct(readers, admins); err != nil {
		p.problem([]string{"http_admin_token_file"}, "http_admin_token_file: %s: %s", printable(c.HTTPAdminTokenFile), err)
	}
	for _, name := range c.HTTPHosts {
		if name != "*" && !isHost(name) {
			p.problem([]string{"http_hosts"}, `http_hosts: %s is not a name or "*" (without a port)`, quote(name))
		}
	}
	if c.HTTPListen == "" {
		return
	}
	if !isHostPort(c.HTTPListen) {
		p.problem([]string{"http_listen"}, `http_listen: %s is not an address and a port such as "127.0.0.1:9127"`, quote(c.HTTPListen))
		return
	}
	c.httpLine = p.lines.of([]string{"http_listen"})
	if at, ok := c.HTTPAddress(); ok {
		if problem, ok := c.CheckHTTP(at).(Problem); ok {
			p.problems = append(p.problems, problem)
		}
	}
}

// tokens reads a file of tokens, if one is named; nil if it is no good.
func (p *parser) tokens(name, path string) (tokens []TokenDigest) {
	if path == "" {
		return nil
	}
	data, err := readFile(path)
	if err == nil {
		tokens, err = parseTokens(data)
	}
	if err != nil {
		p.problem([]string{name}, "%s: %s: %s", name, printable(path), err)
	}
	return tokens
}

// HTTPAddress is the address in http_listen; without one, every address is meant.
// ok is false for a name, of which nobody knows where it leads, and without HTTP.
func (c *Config) HTTPAddress() (at netip.Addr, ok bool) {
	host, _, err := net.SplitHostPort(c.HTTPListen)
	if err != nil {
		return at, false
	}
	if host == "" {
		return netip.IPv6Unspecified(), true
	}
	at, err = netip.ParseAddr(host)
	return at, err == nil
}

// HTTPNetwork is the network of http_listen for net.Listen: an address of IPv4 or
// IPv6 means just that, as in listen_addr.
func (c *Config) HTTPNetwork() string {
	host, _, _ := net.SplitHostPort(c.HTTPListen)
	switch at, err := netip.ParseAddr(host); {
	case err != nil:
		return "tcp"
	case at.Unmap().Is4():
		return "tcp4"
	default:
		return "tcp6"
	}
}

// CheckHTTP tells whether HTTP may be served on an address, which is one of those
// that http_listen means. The error is a Problem that says what to set.
func (c *Config) CheckHTTP(at netip.Addr) error {
	if at.Unmap().IsLoopback() || c.HTTPInsecure {
		return nil
	}
	var missing []string
	if c.HTTPTLSCertFile == "" {
		missing = append(missing, "http_tls_cert_file and http_tls_key_file")
	}
	if !c.HTTPProof() {
		missing = append(missing, "http_token_file or http_tls_ca_file")
	}
	if len(missing) == 0 {
		return nil
	}
	return Problem{File: c.Path, Line: c.httpLine, Text: fmt.Sprintf(
		"http_listen: %s can be reached from other machines, which could read the names of databases, users and clients; set %s, or http_insecure = true if something else keeps others away",
		quote(c.HTTPListen), strings.Join(missing, ", and "))}
}

// HTTPProof tells whether those who ask have to prove that they may.
func (c *Config) HTTPProof() bool { return c.HTTPTokenFile != "" || c.HTTPTLSCAFile != "" }

// ErrNoHTTP is that http_listen is empty.
var ErrNoHTTP = errors.New("http_listen is empty: that pgweir serves no HTTP")

// HTTPURL is where a program on this machine finds what http_listen serves. The
// error says why it finds nothing; it may be ErrNoHTTP.
func (c *Config) HTTPURL() (string, error) {
	if c.HTTPListen == "" {
		return "", fmt.Errorf("%s: %w", c.Path, ErrNoHTTP)
	}
	host, port, err := net.SplitHostPort(c.HTTPListen)
	if err != nil {
		return "", fmt.Errorf("%s: http_listen: %w", c.Path, err)
	}
	if n, err := strconv.Atoi(port); err == nil && n == 0 {
		return "", fmt.Errorf("%s: http_listen is %s, which is any free port; its log says which (\"serving HTTP\"): give that with --url", c.Path, c.HTTPListen)
	}
	if at, ok := c.HTTPAddress(); ok && at.IsUnspecified() {
		host = "127.0.0.1" // it listens on every address
		if at.Is6() && c.HTTPNetwork() == "tcp6" {
			host = "::1"
		}
	}
	scheme := "http"
	if c.HTTPTLSCertFile != "" {
		scheme = "https"
	}
	return scheme + "://" + net.JoinHostPort(host, port), nil
}
