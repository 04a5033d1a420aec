package main

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"pgweir/config"
	"pgweir/web"
)

// httpEvery is how often the files of HTTP are looked at.
const httpEvery = time.Second

// httpServer serves HTTP as the configuration had it at the start: its settings
// change at a restart, what their files hold at any time.
type httpServer struct {
	config *config.Config
	log    *slog.Logger
	ln     net.Listener
	guard  *web.Guard
	files  config.HTTPFiles // whose contents are in force, or were refused
}

// openHTTP listens; nil if that is not wanted. The error is a config.Problem if
// others than this machine could come, and that has not been provided for.
func openHTTP(c *config.Config, log *slog.Logger) (*httpServer, error) {
	if c.HTTPListen == "" {
		return nil, nil
	}
	files, err := c.ReadHTTPFiles()
	if err != nil {
		return nil, err
	}
	keys, err := files.Parse(c)
	if err != nil {
		return nil, err
	}
	ln, err := net.Listen(c.HTTPNetwork(), c.HTTPListen)
	if err != nil {
		return nil, c.Fault(err, "http_listen")
	}
	at, local := boundTo(ln)
	if err := c.CheckHTTP(at); err != nil { // of a name, only now it is known where it leads
		ln.Close()
		return nil, err
	}
	if !local && (c.HTTPTLSCertFile == "" || !c.HTTPProof()) {
		log.Warn(insecureHTTP, "addr", ln.Addr().String())
	}
	hosts := c.HTTPHosts
	if name, _, err := net.SplitHostPort(c.HTTPListen); err == nil && name != "" {
		hosts = append([]string{name}, hosts...)
	}
	return &httpServer{config: c, log: log, ln: ln, files: files, guard: web.NewGuard(web.Access{
		Open: !c.HTTPProof() && (local || c.HTTPInsecure), Hosts: hosts, Keys: httpKeys(c, &keys), Log: log,
	})}, nil
}

// accessGuard is nil if nothing is served.
func (h *httpServer) accessGuard() *web.Guard {
	if h == nil {
		return nil
	}
	return h.guard
}

// insecureHTTP is what the log and `pgweir check` say of http_insecure.
const insecureHTTP = "HTTP is served to other machines without TLS, or without a proof of who asks (http_insecure)"

// boundTo is the address of a listener, and whether only this machine gets there.
func boundTo(ln net.Listener) (at netip.Addr, local bool) {
	if tcp, ok := ln.Addr().(*net.TCPAddr); ok {
		at = tcp.AddrPort().Addr().Unmap()
	}
	return at, at.IsLoopback()
}

func httpKeys(c *config.Config, k *config.HTTPKeys) web.Keys {
	return web.Keys{
		Readers: k.Tokens, Admins: k.AdminTokens, Certificate: k.Certificate, Roots: k.Roots,
		MinVersion: c.ClientTLSOffer.Min, MaxVersion: c.ClientTLSOffer.Max, CipherSuites: c.ClientTLSOffer.Suites,
	}
}

func (h *httpServer) serve(ctx context.Context, src web.Source) {
	h.log.Info("serving HTTP", "addr", h.ln.Addr().String(), "tls", h.config.HTTPTLSCertFile != "", "proof", h.config.HTTPProof())
	if err := web.Serve(ctx, h.ln, web.Handler(src, version, h.guard), h.guard); err != nil {
		h.log.Error("HTTP stopped", "err", err)
	}
}

// follow has new contents of the files take effect, until ctx ends. They are taken
// when two looks have found the same: a file that is just being written is another
// one at the next.
func (h *httpServer) follow(ctx context.Context) {
	last, unread := h.files, false
	tick := time.NewTicker(httpEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		files, err := h.config.ReadHTTPFiles()
		switch {
		case err != nil && !unread:
			h.log.Warn("the files of HTTP cannot be read; what they held is in force", "err", err)
		case err == nil && files.Equal(&last) && !files.Equal(&h.files):
			h.take(&files)
			h.files = files
		}
		if unread = err != nil; !unread {
			last = files
		}
	}
}

func (h *httpServer) take(files *config.HTTPFiles) {
	keys, err := files.Parse(h.config)
	if err != nil {
		h.log.Warn("the files of HTTP are no good; what they held before is in force", "err", err)
		return
	}
	h.guard.Take(httpKeys(h.config, &keys))
	h.log.Info("the files of HTTP have been taken anew", "tokens", len(keys.Tokens), "admin_tokens", len(keys.AdminTokens))
}
