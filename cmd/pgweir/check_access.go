package main

import (
	"fmt"
	"net/netip"

	"pgweir/auth/hba"
	"pgweir/config"
	"pgweir/proxy"
)

// client is whom `pgweir check --as` is asked about.
type client struct {
	user, database, from string
	tls, replication     bool
}

// explain prints how a client is to show who it is, and by which line. The error is
// errCheckFailed if the configuration, or the address, is no good; it is printed.
func (ck *checker) explain(path string, who client) error {
	c, err := config.Load(path)
	if err != nil {
		fmt.Fprintln(ck.out, err)
		return errCheckFailed
	}
	access, err := proxy.NewAccess(c)
	if err != nil {
		fmt.Fprintln(ck.out, err)
		return errCheckFailed
	}
	asks := hba.Client{Local: who.from == "local", TLS: who.tls, Database: who.database, User: who.user, Replication: who.replication}
	switch {
	case who.replication:
		asks.Database = ""
	case who.database == "":
		asks.Database = who.user
	}
	if !asks.Local {
		if asks.Addr, err = netip.ParseAddr(who.from); err != nil {
			fmt.Fprintf(ck.out, "--from %s: neither an IP address nor \"local\"\n", who.from)
			return errCheckFailed
		}
	}
	if asks.Local && asks.TLS {
		fmt.Fprintln(ck.out, "--tls: there is no TLS over a Unix socket; give an address with --from")
		return errCheckFailed
	}
	fmt.Fprint(ck.out, access.Explain(asks))
	return nil
}
