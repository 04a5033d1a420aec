package cluster

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// owner is the unprivileged user that PostgreSQL runs as when we are root,
// which it refuses to be. A nil owner stands for ourselves.
type owner struct {
	name     string
	uid, gid int
}

// unprivileged picks the user to run PostgreSQL as: nil when we are not root.
func unprivileged() (*owner, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.Atoi(u.Uid)
		if err != nil {
			continue
		}
		gid, err := strconv.Atoi(u.Gid)
		if err != nil {
			continue
		}
		return &owner{name: name, uid: uid, gid: gid}, nil
	}
	return nil, fmt.Errorf("PostgreSQL does not run as root, and there is neither a user postgres nor nobody to run it as")
}

func (o *owner) attr() *syscall.SysProcAttr {
	if o == nil {
		return &syscall.SysProcAttr{}
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(o.uid), Gid: uint32(o.gid)}}
}

func (o *owner) chown(path string) error {
	if o == nil {
		return nil
	}
	return os.Chown(path, o.uid, o.gid)
}

// canReach tells whether the owner can get at what is inside dir: every
// folder on the way must let it through.
func (o *owner) canReach(dir string) bool {
	if o == nil {
		return true
	}
	for ; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return false
		}
		stat, ok := info.Sys().(*syscall.Stat_t)
		if info.Mode()&0o001 == 0 && (!ok || int(stat.Uid) != o.uid) {
			return false
		}
		if dir == filepath.Dir(dir) {
			return true
		}
	}
}

// maxSocketPath is the room for a path in sockaddr_un, less the final NUL: 107
// bytes on Linux, 103 on macOS and the BSDs. The smaller one serves for all.
const maxSocketPath = 103

// makeFolder makes the temporary folder, which also holds the socket: in
// TMPDIR, unless its name is too long for a socket or the owner cannot reach it.
func makeFolder(o *owner) (string, error) {
	const longest = "/pgweir-4294967295/.s.PGSQL.65535"
	var reasons []string
	for _, parent := range []string{os.TempDir(), "/tmp", "/var/tmp"} {
		parent, err := filepath.Abs(parent)
		if err == nil {
			// The kernel names folders by their real path, and so must we.
			parent, err = filepath.EvalSymlinks(parent)
		}
		switch {
		case err != nil:
			reasons = append(reasons, err.Error())
			continue
		case len(parent)+len(longest) > maxSocketPath:
			reasons = append(reasons, parent+" is too long a name for a socket's folder")
			continue
		case !o.canReach(parent):
			reasons = append(reasons, fmt.Sprintf("the user %s cannot reach %s", o.name, parent))
			continue
		}
		dir, err := os.MkdirTemp(parent, "pgweir-") // mode 0700
		if err != nil {
			reasons = append(reasons, err.Error())
			continue
		}
		if err := o.chown(dir); err != nil {
			_ = os.Remove(dir)
			return "", err
		}
		return dir, nil
	}
	return "", fmt.Errorf("no place for a temporary cluster: %s", strings.Join(reasons, "; "))
}

// FreePort finds a port that is free on 127.0.0.1 at this moment. It lies
// below the range from which systems take the ports of outgoing connections:
// while a server is down, one of its own clients could else be given the
// server's port, or even end up connected to itself. Nor is it one of those
// that were found last, whose server may be down only to start again.
func FreePort() (int, error) {
	const low, high = 20000, 32000
	var last error
	for range 100 {
		port := low + rand.IntN(high-low)
		if !found.add(port) {
			continue
		}
		l, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			last = err
			continue
		}
		return port, l.Close()
	}
	return 0, fmt.Errorf("no free port on 127.0.0.1: %w", last)
}

// found are the ports that FreePort has looked at last.
var found recentPorts

// recentPorts remembers so many ports.
type recentPorts struct {
	mu    sync.Mutex
	ports [4000]int
	next  int // the place of the oldest
}

// add remembers a port; it is false for one that is remembered already.
func (r *recentPorts) add(port int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if slices.Contains(r.ports[:], port) {
		return false
	}
	r.ports[r.next] = port
	r.next = (r.next + 1) % len(r.ports)
	return true
}
