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
const lookupTime = 5 * time.Second

// httpReach is who can reach what http_listen means.
type httpReach struct {
	outside bool
	refused error // the start would fail with it
	unknown error // the name in http_listen means nothing here
}

func findHTTPReach(ctx context.Context, c *config.Config) (r httpReach) {
	if c.HTTPListen == "" {
		return r
	}
	all := []netip.Addr{}
	if at, ok := c.HTTPAddress(); ok {
		all = append(all, at)
	} else if host, _, err := net.SplitHostPort(c.HTTPListen); err == nil {
		ctx, cancel := context.WithTimeout(ctx, lookupTime)
		defer cancel()
		if all, r.unknown = net.DefaultResolver.LookupNetIP(ctx, "ip", host); r.unknown != nil {
			return r
		}
	}
	for _, at := range all {
		r.outside = r.outside || !at.Unmap().IsLoopback()
		if err := c.CheckHTTP(at); err != nil {
			r.refused = err
		}
	}
	return r
}

func (r *httpReach) warn(out io.Writer, c *config.Config) {
	switch {
	case r.unknown != nil:
		fmt.Fprintf(out, "warning: http_listen: %v\n", r.unknown)
	case r.outside && (c.HTTPTLSCertFile == "" || !c.HTTPProof()):
		fmt.Fprintf(out, "warning: http_listen: %s\n", insecureHTTP)
	}
}
