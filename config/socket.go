package config

import (
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// abstractSockets tells whether the system has Unix sockets without a file
// (unix(7)).
const abstractSockets = runtime.GOOS == "linux"

// isAbstract tells whether a socket folder stands for an abstract socket: it
// begins with "@", as in PostgreSQL's unix_socket_directories and libpq's host.
func isAbstract(dir string) bool { return strings.HasPrefix(dir, "@") }

// SocketPath is the Unix socket of a folder and a port, for net.Dial and
// net.Listen. Of an abstract one, "@name/.s.PGSQL.5432", every byte counts; "@"
// stands for a NUL, and there is no file.
func SocketPath(dir string, port int) string {
	name := ".s.PGSQL." + strconv.Itoa(port)
	if filepath.IsAbs(dir) {
		return filepath.Join(dir, name)
	}
	return dir + "/" + name
}
