package proxy

import (
	"fmt"

	"pgweir/auth"
	"pgweir/config"
	"pgweir/dns"
	"pgweir/loop"
	"pgweir/secrets"
)

// rules are one configuration in force, with the secrets of the moment: when one
// changes, there are new rules.
type rules struct {
	config *config.Config
	users  *auth.Users
	access *Access
	// connString is for auth_query; nil without an auth_user.
	connString ConnStrings
	// elsewhere is how users are asked for who want no database that there is; nil if
	// nowhere.
	elsewhere *config.AuthQuery
	secrets   *secrets.Store
	timing    timing
	slow      slow
	tls       *tlsRules
	lookup    dns.Lookup // of servers' names
	// keepAlive is for sockets opened or accepted from now on; see tune.
	keepAlive loop.KeepAlive
	ignore    map[string]bool // startup parameters that are dropped, in lower case
	admins    map[string]bool
	stats     map[string]bool
}

// newRules makes the rules of a configuration whose secrets come from a Set.
func (p *Proxy) newRules(c *config.Config, set secrets.Set) (*rules, error) {
	access, err := NewAccess(c)
	if err != nil {
		return nil, err
	}
	lookup, err := ServerLookup(c)
	if err != nil {
		return nil, err
	}
	byKey := map[string]config.Secret{}
	for _, source := range c.SecretSources() {
		byKey[source.Key()] = p.secrets.Value(set, &source)
	}
	r := &rules{access: access, lookup: lookup, secrets: p.secrets, ignore: map[string]bool{}, admins: map[string]bool{}, stats: map[string]bool{}}
	if err := r.setSecrets(c.WithSecrets(func(key string) config.Secret { return byKey[key] }), p.rules.Load(), p.opts.AuthLogins); err != nil {
		return nil, err
	}
	for _, name := range c.IgnoreStartupParameters {
		r.ignore[name] = true
	}
	for _, name := range c.AdminUsers {
		r.admins[name] = true
	}
	for _, name := range c.StatsUsers {
		r.stats[name] = true
	}
	r.timing, r.slow = timingOf(c), slowOf(c)
	r.tls = newTLSRules(c)
	r.keepAlive = keepAliveOf(c)
	return r, nil
}

// renewed are the rules of the same configuration with other secrets.
func (r *rules) renewed(c *config.Config, logins func(*config.Config) ConnStrings) (*rules, error) {
	n := *r
	return &n, n.setSecrets(c, r, logins)
}

// setSecrets takes a configuration that has its secrets. before are the rules until
// now; nil at the start.
func (r *rules) setSecrets(c *config.Config, before *rules, logins func(*config.Config) ConnStrings) error {
	entries, err := AuthEntries(c)
	if err != nil {
		return err
	}
	var old *auth.Users
	if before != nil {
		old = before.users
	}
	users, err := auth.NewAfter(old, entries)
	if err != nil {
		return fmt.Errorf("users: %w", err)
	}
	r.config, r.users = c, users
	if logins != nil {
		r.connString = logins(c)
	}
	r.elsewhere = nil
	if q, ok := c.AuthQueryForNone(); ok {
		r.elsewhere = &q
	}
	if r.access.asksSCRAM() {
		go users.Warm()
	}
	return nil
}

// AuthEntries are all users who are known here, with their secrets: those of the
// auth_file, and then those of [users.NAME], which come before them. The error is
// about one whose secret is malformed.
func AuthEntries(c *config.Config) ([]auth.Entry, error) {
	entries, err := auth.ParseAuthFile(c.AuthFile, c.AuthFileData)
	if err != nil {
		return nil, c.Fault(err, "auth_file")
	}
	for i := range entries {
		entries[i].Name = config.CutName(entries[i].Name)
	}
	for name, u := range c.Users {
		if !u.Given() {
			continue
		}
		// Without a secret, if its source has given none yet: nobody logs in then,
		// and neither the auth_file nor PostgreSQL is asked for another.
		e := auth.Entry{Name: name, Secret: string(u.Password)}
		if _, err := auth.New([]auth.Entry{e}); err != nil {
			return nil, c.Fault(err, "users", name, u.Setting())
		}
		e.Next = string(u.PasswordNext)
		if _, err := auth.New([]auth.Entry{e}); err != nil {
			return nil, c.Fault(err, "users", name, u.NextSetting())
		}
		entries = append(entries, e)
	}
	return entries, nil
}
