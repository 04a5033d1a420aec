package main

import (
	"fmt"

	"pgweir/config"
	"pgweir/pgbouncer"
	"pgweir/proxy"
)

// consoleUsers warns of admin_users and stats_users as whom nobody can log in.
func (ck *checker) consoleUsers(c *config.Config, access *proxy.Access, secrets map[string]string) {
	if !access.NeedsSecrets() {
		return
	}
	why := "no secret of that user is known"
	if c.AuthUser != "" {
		if c.AuthDBName != "" {
			return // PostgreSQL is asked, and may know
		}
		why += ", and PostgreSQL is asked about users of the console only if auth_dbname is set"
	}
	for _, list := range []struct {
		setting string
		names   []string
	}{{"admin_users", c.AdminUsers}, {"stats_users", c.StatsUsers}} {
		for _, name := range list.names {
			// By these names pgweir's own user of the operating system comes in.
			own := config.IsConsole(name) && c.UnixSocketDir != ""
			if secrets[name] == "" && !own {
				fmt.Fprintf(ck.out, "warning: %s: nobody can log in as %q: %s\n", list.setting, name, why)
			}
		}
	}
}

// ofPgBouncer tells of lines of a pgbouncer.ini that ask for what they do not get.
func (ck *checker) ofPgBouncer(loaded *pgbouncer.Loaded) {
	if loaded == nil {
		return
	}
	for _, n := range pgbouncer.Matters(loaded.Notes) {
		fmt.Fprintf(ck.out, "warning: %s:%d: %s: %s\n", n.At.File, n.At.Line, n.Setting, n.Text)
	}
}
