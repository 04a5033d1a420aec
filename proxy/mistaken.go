package proxy

import (
	"bytes"

	"pgweir/wire"
)

// httpMethods are the first four bytes of requests over HTTP.
var httpMethods = [][]byte{[]byte("GET "), []byte("HEAD"), []byte("POST"), []byte("OPTI")}

// mistaken says, for the log, what a client speaks whose first bytes p are no startup
// packet: "" if nobody knows. Mostly something in front of pgweir is set up otherwise
// than pgweir is.
func (l *login) mistaken(p []byte) string {
	switch {
	case len(p) < 4:
		return ""
	case wire.BeginsProxyHeader(p) && l.via != (peer{}):
		return "a second header of the PROXY protocol"
	case wire.BeginsProxyHeader(p) && l.c.peer.local():
		return "a header of the PROXY protocol, which is not for Unix sockets"
	case wire.BeginsProxyHeader(p):
		return "a header of the PROXY protocol, and proxy_protocol_networks does not have its address"
	}
	for _, method := range httpMethods {
		if bytes.HasPrefix(p, method) {
			return "a request over HTTP, which is for the port of http_listen"
		}
	}
	return ""
}
