package main

import (
	"time"

	"pgweir/census"
	"pgweir/config"
	"pgweir/health"
	"pgweir/passwords"
	"pgweir/status"
)

// censusSettings have the servers watched that the configuration in force names.
func (f *frontDesk) censusSettings() census.Settings {
	var seen *config.Config // for which targets were made
	var targets []census.Target
	return census.Settings{
		Targets: func() []census.Target { // by one goroutine
			if c := f.proxy.Config(); c != seen {
				users, err := knownUsers(c)
				if err != nil {
					f.log.Warn("the census knows no users", "err", err)
				}
				seen, targets = c, censusTargets(c, users, f.proxy.Backends, f.censusPasswords)
				for i := range targets {
					targets[i].Dial = f.proxy.Dial
				}
			}
			return targets
		},
		Interval: func() time.Duration { return f.proxy.Config().CensusInterval },
		Ours:     func() []status.Backend { return f.proxy.Backends() },
		Judge:    func() census.Judge { return health.New() },
	}
}

// censusPasswords are those of census_user.
func (f *frontDesk) censusPasswords() passwords.List {
	c := f.proxy.Config()
	if c.CensusPassword != "" {
		return passwords.List{Known: []string{string(c.CensusPassword)}}
	}
	return f.proxy.Passwords(c.CensusUser)
}

// censusTargets are the servers that the configuration names, with the login
// that is to ask them. backends tell where their processes are.
func censusTargets(c *config.Config, users map[string]string, backends func() []status.Backend, known func() passwords.List) []census.Target {
	var out []census.Target
	for _, d := range c.Demand(sorted(users)) {
		server := d.Server()
		network, addr := server.Address()
		t := census.Target{Host: addr, Network: network, Addr: addr, Seeds: func() (pids []int) {
			for _, b := range backends() {
				if b.Host == addr {
					pids = append(pids, b.PID)
				}
			}
			return pids
		}}
		if c.CensusUser != "" {
			login := censusLogin(c, &d)
			t.ConnString, t.Encryption, t.Passwords = login.connString(), login.tls, known
		}
		out = append(out, t)
	}
	return out
}

// censusLogin is how census_user logs in to a server, but for the password.
func censusLogin(c *config.Config, d *config.Demand) serverLogin {
	return serverLogin{
		host: hostList([]config.Server{d.Server()}), port: d.Port, user: c.CensusUser, dbname: c.CensusDatabase,
		tls: serverTLSOf(c), auth: serverAuthOf(c), application: "pgweir census",
	}
}
