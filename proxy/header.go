package proxy

import "pgweir/wire"

// A proxy in front of pgweir (HAProxy, a load balancer of a cloud) says with the
// header of the PROXY protocol where a connection comes from. That is the client's
// address from then on, for lines of pg_hba.conf, limits and logs alike. Who may say so
// is proxy_protocol_networks: from elsewhere a header is a malformed startup packet,
// or anybody could have any address. A client on a Unix socket has none: what is asked
// of it (local, peer) is known of the kernel.

// sendsHeader tells whether a connection from there must begin with a header.
func (r *rules) sendsHeader(from peer) bool {
	if from.local() || len(r.config.ProxyProtocolFrom) == 0 {
		return false
	}
	addr := from.netAddr()
	for _, network := range r.config.ProxyProtocolFrom {
		if network.Contains(addr) {
			return true
		}
	}
	return false
}

// header takes the header of the PROXY protocol. Without a right one the connection
// ends without a word: whoever is there does not speak for its client.
func (l *login) header(p []byte) (n int, more bool) {
	h, n, err := wire.DecodeProxyHeader(p)
	if err != nil {
		l.why = "proxy_protocol_networks has its address"
		l.fail(wire.Fatalf(wire.CodeProtocolViolation, "%s", err))
		return 0, false
	}
	if n == 0 {
		return 0, false
	}
	l.stage, l.first = stageStart, stageStart
	if h.Client.IsValid() {
		l.via, l.c.peer = l.c.peer, peerAt(h.Client)
		return n, l.moved()
	}
	return n, true
}

// told adds to a line of the log how many of its kind and address had none since the last
// one, and which proxy has told the client's address.
func (l *login) told(attrs []any, unsaid int) []any {
	if unsaid > 0 {
		attrs = append(attrs, "unsaid", unsaid)
	}
	if l.via != (peer{}) {
		attrs = append(attrs, "proxy", l.via.addr())
	}
	return attrs
}
