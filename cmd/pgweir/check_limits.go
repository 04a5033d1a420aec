package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"pgweir/config"
	"pgweir/passwords"
	"pgweir/status"
)

// serverLimits asks for a server's limits as whoever can log in there: the pools' users,
// else census_user or auth_user, who have passwords where the users' secrets are SCRAM's.
// census_user is tried in any case, and what fails of it is printed.
func (ck *checker) serverLimits(ctx context.Context, c *config.Config, d *config.Demand, users map[string]string) (status.ServerLimits, error) {
	limits, err := ck.firstAnswer(ctx, serverLogins(c, d, users))
	if err != nil && unreachable(err) {
		return limits, err // which is the census's error too
	}
	if c.CensusUser != "" {
		seen, failed := ck.askWith(ctx, censusLogin(c, d), censusPasswordsOf(c))
		if failed != nil && unreachable(failed) {
			return seen, failed
		} else if failed != nil {
			fmt.Fprintf(ck.out, "warning: server %s: census_user cannot log in: %s\n", serverName(d.Host, d.Port), failed)
		} else if err != nil {
			return seen, nil
		}
	}
	if err == nil {
		return limits, nil
	}
	for _, part := range d.Databases {
		q, ok := c.AuthQueryFor(part.Database.Name)
		if !ok || !slices.Contains(q.Database.Servers(), d.Server()) {
			continue
		}
		login := authLogin(c, q)
		login.host = hostList([]config.Server{d.Server()})
		if login.dbname == "" || login.dbname == "*" {
			login.dbname = "postgres"
		}
		// What fails is said of auth_query.
		if seen, failed := ck.askWith(ctx, login, passwordsOf(c, q.User)); failed == nil {
			return seen, nil
		}
		break
	}
	return limits, err
}

// askWith asks with one password after the other.
func (ck *checker) askWith(ctx context.Context, login serverLogin, list passwords.List) (limits status.ServerLimits, err error) {
	err = new(passwords.Login).Try(ctx, list, func(password string) (err error) {
		login.password = password
		limits, err = ck.ask(ctx, login)
		return err
	})
	return limits, err
}

// censusPasswordsOf are those of census_user, as the census has them.
func censusPasswordsOf(c *config.Config) passwords.List {
	if c.CensusPassword != "" {
		return passwords.List{Known: []string{string(c.CensusPassword)}}
	}
	return passwordsOf(c, c.CensusUser)
}

// firstAnswer asks as each login in turn; the error is the first one's.
func (ck *checker) firstAnswer(ctx context.Context, logins []serverLogin) (status.ServerLimits, error) {
	var first error
	for _, login := range logins {
		limits, err := ck.ask(ctx, login)
		if err == nil {
			return limits, nil
		}
		if first == nil {
			first = err
		}
		if unreachable(err) {
			break
		}
	}
	if first == nil {
		first = errors.New("no user with a plain-text password is known")
	}
	return status.ServerLimits{}, first
}
