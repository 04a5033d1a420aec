package config

import (
	"net"
	"slices"
	"strconv"
	"strings"
)

// Server is one of the hosts that a database is on.
type Server struct {
	Host string // name, address, socket folder beginning with "/", or "@name"; "": PostgreSQL's usual socket folder
	Port int
}

// Servers are the database's hosts, in their order: one at least. One may be there several
// times.
func (d *Database) Servers() []Server {
	names := strings.Split(d.Host, ",")
	servers := make([]Server, len(names))
	for i, name := range names {
		servers[i] = Server{strings.TrimSpace(name), d.Port}
	}
	return servers
}

// EachServer are the database's hosts, each once.
func (d *Database) EachServer() (servers []Server) {
	for _, s := range d.Servers() {
		if !slices.Contains(servers, s) {
			servers = append(servers, s)
		}
	}
	return servers
}

// At names where the database is: the addresses of its hosts, with commas between.
func (d *Database) At() string {
	var all []string
	for _, s := range d.Servers() {
		_, address := s.Address()
		all = append(all, address)
	}
	return strings.Join(all, ",")
}

// LoadBalanceHostsShown is load_balance_hosts where it counts: "" of a database on one host.
func (d *Database) LoadBalanceHostsShown() string {
	if len(d.Servers()) < 2 {
		return ""
	}
	return d.LoadBalanceHosts
}

// SocketDir is the folder of the server's Unix socket, or "@name" for an
// abstract one, and whether it is reached through one.
func (s Server) SocketDir() (string, bool) {
	switch {
	case s.Host == "":
		return defaultSocketDir(), true
	case s.Host[0] == '/' || isAbstract(s.Host):
		return s.Host, true
	}
	return "", false
}

// Address is where the server listens, for net.Dial: "tcp" with host:port, or
// "unix" with the socket's path.
func (s Server) Address() (network, address string) {
	if dir, ok := s.SocketDir(); ok {
		return "unix", SocketPath(dir, s.Port)
	}
	return "tcp", net.JoinHostPort(s.Host, strconv.Itoa(s.Port))
}

// servers finds hosts that could be none.
func (p *parser) servers(path []string, db *Database) {
	path = append(path[:len(path):len(path)], "host")
	all := db.Servers()
	for _, s := range all {
		switch host := s.Host; {
		case host == "" && len(all) > 1:
			p.problem(path, "%s: %s has an empty entry; hosts stand with one comma between two", dotted(path), quote(db.Host))
		case host == "" && db.Host != "":
			p.problem(path, "%s: %s names no host", dotted(path), quote(db.Host))
		case host == "" || strings.HasPrefix(host, "/") || isHost(host):
		case !isAbstract(host):
			p.problem(path, `%s: %s is not a name, an address or a folder beginning with "/"`, dotted(path), quote(host))
		case !abstractSockets:
			p.problem(path, "%s: %s is an abstract socket, which only Linux has", dotted(path), quote(host))
		}
	}
}
