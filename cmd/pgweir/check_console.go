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
	ck.missing("admin_users", c.AdminUsers, secrets, why)
	ck.missing("stats_users", c.StatsUsers, secrets, why)
}

func (ck *checker) missing(setting string, names []string, secrets map[string]string, why string) {
	for _, name := range names {
		if secrets[name] == "" {
			fmt.Fprintf(ck.out, "warning: %s: nobody can log in as %q: %s\n", setting, name, why)
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
