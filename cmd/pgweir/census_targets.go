package main

import (
	"time"

	"pgweir/census"
	"pgweir/config"
	"pgweir/health"
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
					f.log.Warn("the census knows no passwords", "err", err)
				}
				seen, targets = c, censusTargets(c, users, f.proxy.Backends)
			}
			return targets
		},
		Interval: func() time.Duration { return f.proxy.Config().CensusInterval },
		Ours:     func() []status.Backend { return f.proxy.Backends() },
		Judge:    func() census.Judge { return health.New() },
	}
}

// censusTargets are the servers that the configuration names, with the login
// that is to ask them. backends tell where their processes are.
func censusTargets(c *config.Config, users map[string]string, backends func() []status.Backend) []census.Target {
	var out []census.Target
	for _, d := range c.Demand(sorted(users)) {
		db := config.Database{Host: d.Host, Port: d.Port}
		network, addr := db.Address()
		t := census.Target{Host: addr, Network: network, Addr: addr, Seeds: func() (pids []int) {
			for _, b := range backends() {
				if b.Host == addr {
					pids = append(pids, b.PID)
				}
			}
			return pids
		}}
		if c.CensusUser != "" {
			login := serverLogin{
				host: d.Host, port: d.Port, user: c.CensusUser, password: string(c.CensusPassword), dbname: c.CensusDatabase,
				tls: serverTLSOf(c), auth: serverAuthOf(c), application: "pgweir census",
			}
			if dir, ok := db.SocketDir(); ok {
				login.host = dir
			}
			if login.password == "" && isPlain(users[c.CensusUser]) {
				login.password = users[c.CensusUser]
			}
			t.ConnString, t.Encryption = login.connString(), login.tls
		}
		out = append(out, t)
	}
	return out
}
