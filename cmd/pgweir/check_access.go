package main

import (
	"context"
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
func (ck *checker) explain(ctx context.Context, path string, who client) error {
	c, _, err := readConfig(path)
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
	roles := &rolesAsked{ask: func() (map[string]bool, error) { return ck.rolesOf(ctx, c, &asks) }}
	text := access.Explain(asks, roles.member)
	if ctx.Err() != nil {
		return errInterrupted
	}
	fmt.Fprint(ck.out, text)
	if roles.err != nil {
		fmt.Fprintf(ck.out, "warning: which roles user %q is a member of could not be asked: %v\n"+
			"While that is so, clients for which it counts are refused, whatever the lines behind say.\n", asks.User, roles.err)
	}
	return nil
}

// rolesAsked are a user's roles, which are asked for if they count, and once.
type rolesAsked struct {
	ask   func() (map[string]bool, error)
	asked bool
	roles map[string]bool
	err   error
}

// member is for hba.Facts.
func (r *rolesAsked) member(_, group string) (is, known bool) {
	if !r.asked {
		r.roles, r.err = r.ask()
		r.asked = true
	}
	return r.roles[group], r.err == nil
}

// rolesOf asks the server that the client's database is on.
func (ck *checker) rolesOf(ctx context.Context, c *config.Config, who *hba.Client) (map[string]bool, error) {
	c, _ = withSecrets(ctx, c)
	q, ok := c.AuthQueryFor(who.Database)
	if !ok {
		return nil, fmt.Errorf("database %q is not configured, or has no auth_user", who.Database)
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return ck.askRoles(ctx, authSource(c, q), passwordsOf(c, q.User), who.User)
}
