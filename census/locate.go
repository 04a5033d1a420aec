package census

import (
	"net"
	"strings"
	"time"

	"pgweir/proctable"
)

// clockSlack is how far apart the server and the process table may be about
// when a backend began: it takes the time a moment after it was forked.
const clockSlack = 2 * time.Second

// isPostgres tells a program of PostgreSQL's by its name.
func isPostgres(p proctable.Process) bool {
	return strings.HasPrefix(p.Name, "postgres") || strings.HasPrefix(p.Name, "postmaster")
}

// self is what the server says of our own backend.
type self struct {
	pid            int
	user, database string
	port           string // our own, as the server sees it; "" over a Unix socket
	began          time.Time
	cluster        string
}

// byBackend finds the postmaster as the parent of our own backend. The pid
// that the server gives may be of another machine, or of a container, and
// stand for somebody else here; so the process must have begun when our
// backend did, and its title must be ours.
func byBackend(s self) (backend, pm proctable.Process, ok bool) {
	backend, err := proctable.Read(s.pid)
	if err != nil || !isPostgres(backend) {
		return backend, pm, false
	}
	if d := proctable.Began(backend).Sub(s.began); d < -clockSlack || d > clockSlack {
		return backend, pm, false
	}
	text, err := proctable.Title(s.pid)
	if err != nil || !s.wrote(text) {
		return backend, pm, false
	}
	pm, ok = parent(backend)
	return backend, pm, ok
}

// wrote tells whether a title is our own backend's: it names our user, our
// database and our port. Where a server has little room for titles, they are
// cut short.
func (s self) wrote(text string) bool {
	want := titleBegin
	if s.cluster != "" {
		want += s.cluster + ": "
	}
	want += s.user + " " + s.database + " "
	if len(text) < len(want) {
		return len(text) > len(titleBegin) && strings.HasPrefix(want, text)
	}
	if !strings.HasPrefix(text, want) {
		return false
	}
	t := decodeTitle(text, s.cluster)
	return t.kind != clientBackend || t.port == s.port
}

// bySeeds finds the postmaster as the parent of backends of ours; all of them
// must agree.
func bySeeds(pids []int) (found proctable.Process, ok bool) {
	for _, pid := range pids {
		p, err := proctable.Read(pid)
		if err != nil {
			continue // it may have ended
		}
		text, err := proctable.Title(pid)
		if err != nil {
			continue
		}
		pm, fits := parent(p)
		if t := decodeTitle(text, ""); !isPostgres(p) || t.kind != clientBackend || !fits || ok && !same(pm, found) {
			return proctable.Process{}, false
		}
		found, ok = pm, true
	}
	return found, ok
}

// byPeer finds the postmaster as who listens on a Unix socket.
func byPeer(conn net.Conn) (proctable.Process, bool) {
	pid, err := proctable.Peer(conn)
	if err != nil {
		return proctable.Process{}, false
	}
	p, err := proctable.Read(pid)
	return p, err == nil && isPostgres(p)
}

func parent(p proctable.Process) (proctable.Process, bool) {
	pm, err := proctable.Read(p.Parent)
	return pm, err == nil && isPostgres(pm)
}

// isHere tells whether an address is this machine's.
func isHere(addr net.Addr) bool {
	var ip net.IP
	switch a := addr.(type) {
	case *net.UnixAddr:
		return true
	case *net.TCPAddr:
		ip = a.IP
	default:
		return false
	}
	if ip.IsLoopback() {
		return true
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, a := range own {
		if n, ok := a.(*net.IPNet); ok && n.IP.Equal(ip) {
			return true
		}
	}
	return false
}

// portOf is the port of an address, "" for one without.
func portOf(addr net.Addr) string {
	if a, ok := addr.(*net.TCPAddr); ok {
		_, port, _ := net.SplitHostPort(a.String())
		return port
	}
	return ""
}
