package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"pgweir/config"
)

// lookupTime bounds the look-up of the name in http_listen.
const lookupTime = 10 * time.Second

// httpReach is who can reach what http_listen means.
type httpReach struct {
	outside bool
	refused error // the start would fail with it
}

func findHTTPReach(ctx context.Context, c *config.Config) (r httpReach) {
	if c.HTTPListen == "" {
		return r
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	host, _, _ := net.SplitHostPort(c.HTTPListen)
	all := []netip.Addr{}
	if at, ok := c.HTTPAddress(); ok {
		all = append(all, at)
	} else {
		var err error
		if all, err = net.DefaultResolver.LookupNetIP(ctx, "ip", host); err != nil {
			r.refused = c.Fault(err, "http_listen")
			return r
		}
	}
	for _, at := range all {
		r.outside = r.outside || !at.Unmap().IsLoopback()
		if err := c.CheckHTTP(at); err != nil {
			r.refused = err
		}
	}
	if r.refused != nil {
		return r
	}
	// On any port: the one that is meant may be a running pgweir's.
	ln, err := new(net.ListenConfig).Listen(ctx, c.HTTPNetwork(), net.JoinHostPort(host, "0"))
	if err != nil {
		r.refused = c.Fault(err, "http_listen")
		return r
	}
	ln.Close()
	return r
}

func (r *httpReach) warn(out io.Writer, c *config.Config) {
	if r.outside && (c.HTTPTLSCertFile == "" || !c.HTTPProof()) {
		fmt.Fprintf(out, "warning: http_listen: %s\n", insecureHTTP)
	}
}
