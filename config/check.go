package config

import (
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// finish does what needs more than one setting, or the file system: it
// completes the configuration and notes what does not fit together.
func (p *parser) finish() {
	p.resolvePaths()
	p.passwords()
	p.listeners()
	p.logins()
	p.proxies()
	p.names()
	p.authentication()
	p.clientTLS()
	p.serverTLS()
	p.http()
	p.serverLogins()
	p.poolSizes()
	p.census()
	for name, db := range p.config.Databases {
		p.database([]string{"databases", name}, db)
	}
	for i, name := range p.config.IgnoreStartupParameters {
		p.config.IgnoreStartupParameters[i] = strings.ToLower(name)
	}
	p.cutNames() // last: the problems above name what stands in the file
}

// resolvePaths makes relative paths start at the configuration file's folder.
func (p *parser) resolvePaths() {
	for i := range settings {
		s := &settings[i]
		if s.kind != kindPath {
			continue
		}
		path := s.at(p.config).(*string)
		if *path == "" || filepath.IsAbs(*path) || s.name == "unix_socket_dir" && isAbstract(*path) {
			continue
		}
		*path = filepath.Join(filepath.Dir(p.config.Path), *path)
		if isAbstract(*path) {
			*path = "./" + *path // a folder of that name
		}
	}
}

// maxSocketPath is how long a Unix socket's path may be on Linux (sun_path).
const maxSocketPath = 107

func (p *parser) listeners() {
	c := p.config
	for _, addr := range c.ListenAddr {
		if addr != "*" && !isHost(addr) {
			p.problem([]string{"listen_addr"}, `listen_addr: %s is not an address, a name or "*" (the port is listen_port's)`, quote(addr))
		}
	}
	if isAbstract(c.UnixSocketDir) && !abstractSockets {
		p.problem([]string{"unix_socket_dir"}, "unix_socket_dir: %s is an abstract socket, which only Linux has", quote(c.UnixSocketDir))
	}
	socket := SocketPath(c.UnixSocketDir, c.ListenPort)
	if c.UnixSocketDir != "" && len(socket) > maxSocketPath {
		p.problem([]string{"unix_socket_dir"}, "unix_socket_dir: the socket's path would have %d bytes, and the system takes %d at most", len(socket), maxSocketPath)
	}
}

// logins finds bounds of logins that would be without effect.
func (p *parser) logins() {
	c := p.config
	if c.MaxLoginsPerAddress > c.MaxLogins {
		p.problem([]string{"max_logins_per_address"}, "max_logins_per_address: %d is more than max_logins, %d", c.MaxLoginsPerAddress, c.MaxLogins)
	}
	if c.LoginFailureDelay > c.LoginFailureDelayMax {
		name := "login_failure_delay_max"
		if !p.given(name) {
			name = "login_failure_delay"
		}
		p.problem([]string{name}, "%s: login_failure_delay, %v, is more than login_failure_delay_max, %v; a login_failure_delay of 0 is none", name, c.LoginFailureDelay, c.LoginFailureDelayMax)
	}
}

func isHostPort(s string) bool {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return false
	}
	_, err = strconv.ParseUint(port, 10, 16)
	return err == nil && (host == "" || isHost(host))
}

// isHost reports whether s is an IP address, or could be a name: resolving it
// is left to when it is used.
func isHost(s string) bool {
	address, _, _ := strings.Cut(s, "%") // fe80::1%eth0
	if net.ParseIP(address) != nil {
		return true
	}
	for _, c := range []byte(s) {
		if !(isBareKey(string(c)) || c == '.') {
			return false
		}
	}
	return s != "" && len(s) <= 253 // RFC 1035, 2.3.4
}

func (p *parser) authentication() {
	c := p.config
	if c.AuthFile != "" {
		data, err := readFile(c.AuthFile)
		if err != nil {
			p.problem([]string{"auth_file"}, "auth_file: %s: %s", printable(c.AuthFile), err)
		}
		c.AuthFileData = data
	}
	p.access()
	if c.AuthUser != "" && c.AuthQuery == "" {
		p.problem([]string{"auth_query"}, "auth_query: is empty, and auth_user is set")
	}
	p.authQuery(nil, c.AuthQuery, c.AuthDBName, c.AsksServers())
	if c.AuthType != "any" {
		return
	}
	for name, db := range c.Databases {
		if db.User == "" {
			path := []string{"databases", name}
			p.problem(path, `%s: needs a user, as auth_type is "any"`, dotted(path))
		}
	}
}

// access finds what an auth_type lacks.
func (p *parser) access() {
	c := p.config
	switch {
	case c.AuthType == "hba" && c.AuthHBAFile == "":
		p.problem([]string{"auth_type"}, `auth_type: "hba" needs auth_hba_file`)
	case c.AuthType != "hba" && c.AuthHBAFile != "":
		p.problem([]string{"auth_hba_file"}, `auth_hba_file: is read only with auth_type = "hba"`)
	case c.AuthType == "cert" && c.ClientTLSCAFile == "":
		p.problem([]string{"auth_type"}, `auth_type: "cert" needs client_tls_ca_file`)
	case c.AuthType == "peer" && c.UnixSocketDir == "":
		p.problem([]string{"auth_type"}, `auth_type: "peer" is for Unix sockets, and unix_socket_dir is empty`)
	}
	switch options := []string{ldapOptions}; {
	case c.AuthType == "ldap" && c.AuthLDAPOptions == "":
		p.problem([]string{"auth_type"}, `auth_type: "ldap" needs auth_ldap_options`)
	case c.AuthType != "ldap" && c.AuthLDAPOptions != "":
		p.problem(options, `auth_ldap_options: is read only with auth_type = "ldap"; a line of auth_hba_file has options of its own`)
	}
	if c.AuthIdentFile != "" && c.AuthType != "hba" {
		p.problem([]string{"auth_ident_file"}, `auth_ident_file: is read only with auth_type = "hba"`)
	}
}

// serverLogins finds settings that leave no way to log in to a server.
func (p *parser) serverLogins() {
	c := p.config
	binding := []string{"server_channel_binding"}
	bound := slices.Contains(c.ServerAuthMethods, "scram-sha-256-plus")
	switch {
	case c.ServerChannelBinding == "require" && c.ServerTLSSSLMode == "disable":
		p.problem(binding, `server_channel_binding: "require" needs TLS, and server_tls_sslmode is "disable"`)
	case c.ServerChannelBinding == "require" && !bound && !slices.Contains(c.ServerAuthMethods, "scram-sha-256"):
		p.problem(binding, `server_channel_binding: "require" needs "scram-sha-256-plus" among server_auth_methods`)
	case c.ServerChannelBinding == "disable" && bound && len(c.ServerAuthMethods) == 1:
		p.problem(binding, `server_channel_binding: "disable" leaves no way to log in, as server_auth_methods is "scram-sha-256-plus"`)
	}
}

// poolSizes finds minimums above their own pool's size. A minimum from a
// wider setting is capped instead (MinPoolSizeFor): it was not meant for that pool alone.
func (p *parser) poolSizes() {
	c := p.config
	if c.MinPoolSize > c.DefaultPoolSize {
		p.problem([]string{"min_pool_size"}, "min_pool_size: %d is more than default_pool_size, %d", c.MinPoolSize, c.DefaultPoolSize)
	}
	for name, db := range c.Databases {
		size, of := c.DefaultPoolSize, "default_pool_size"
		if db.PoolSize != nil {
			size, of = *db.PoolSize, "pool_size"
		}
		if db.MinPoolSize != nil && *db.MinPoolSize > size {
			path := []string{"databases", name, "min_pool_size"}
			p.problem(path, "%s: %d is more than %s, %d", dotted(path), *db.MinPoolSize, of, size)
		}
	}
}

// minCensus is the shortest interval that makes sense: a census costs the server
// a query.
const minCensus = 200 * time.Millisecond

func (p *parser) census() {
	c := p.config
	if c.CensusInterval > 0 && c.CensusInterval < minCensus {
		p.problem([]string{"census_interval"}, "census_interval: %v is less than %v", c.CensusInterval, minCensus)
	}
	if c.CensusPassword != "" && c.CensusUser == "" {
		p.problem([]string{"census_password"}, "census_password: set without census_user, whose password it is")
	}
}

func (p *parser) database(path []string, db *Database) {
	p.servers(path, db)
	p.authQuery(path, db.AuthQuery, db.AuthDBName, db.AuthUser != "" || p.config.AuthUser != "")
	if db.User != "" {
		return
	}
	for _, name := range []string{"password", "password_file", "password_command"} {
		if path := append(path[:len(path):len(path)], name); p.lines.of(path) != 0 && db.Given() {
			p.problem(path, "%s: set without user, whose password it is", dotted(path))
		}
	}
}
