package console

import (
	"strings"
	"time"

	"pgweir/status"
)

var dnsHostsTable = view[status.DNSHost]{
	rows: func(s *status.Snapshot) []status.DNSHost { return s.DNSHosts },
	columns: []column[status.DNSHost]{
		text("hostname", func(h *status.DNSHost) string { return h.Name }),
		int8("ttl", func(h *status.DNSHost) int64 { return int64(h.TTL / time.Second) }),
		text("addrs", func(h *status.DNSHost) string { return strings.Join(h.Addrs, ",") }),
	},
}
