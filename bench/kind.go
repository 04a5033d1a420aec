package main

import "fmt"

// kind is a pooler as a program: how it is found, configured and started.
type kind struct {
	name       string // of its flag
	title      string
	variable   string   // of the environment, that names the program
	installed  []string // where it is looked for if nobody names it
	versionArg string
	// args are its arguments; dir holds the files.
	args func(dir string) []string
	// files are its configuration, by name.
	files func(c *conf) map[string]string
	env   []string // besides ours
	// asOwner: it runs as PostgreSQL's user, since it refuses to be root.
	asOwner bool
	unix    bool // it listens on Unix sockets too
	fair    bool // a cap over pools can be set
}

// otherKinds are those that pgweir is measured beside. PgDog, Odyssey and
// pg_doorman are measured only if somebody names their programs.
var otherKinds = []*kind{pgbouncer, pgdog, odyssey, doorman}

// setup is what a work asks of every pooler's configuration.
type setup struct {
	pool  int  // backends; 0 is poolSize
	scram bool // clients log in by SCRAM-SHA-256, else by trust
	tls   bool // clients use TLS
	fair  *fairTest
}

const (
	poolSize  = 20
	maxClient = 20_000
	backlog   = 4_096 // connections that the kernel holds until they are accepted
	database  = "bench"
)

// conf is what a configuration says, in the words of every pooler.
type conf struct {
	dir       string // of the configuration files
	socketDir string // of PostgreSQL's and the poolers' Unix sockets
	unix      bool   // Unix sockets on both sides; else TCP
	port      int
	server    int // PostgreSQL's port
	user      string
	secret    string // of the user, for SCRAM; "" is trust
	cert, key string // files; "" is no TLS
	pool      int
	fair      *fairTest // pools with a cap; nil is none
	settings  []setting // of a variant
	version   string
}

// serverHost is where the pooler finds PostgreSQL.
func (c *conf) serverHost() string {
	if c.unix {
		return c.socketDir
	}
	return localhost
}

// either chooses a word.
func either(is bool, yes, no string) string {
	if is {
		return yes
	}
	return no
}

// lines are the parts of a configuration that are not empty.
func lines(parts ...string) string {
	text := ""
	for _, p := range parts {
		if p != "" {
			text += p + "\n"
		}
	}
	return text
}

// when is a line of a configuration, or none.
func when(is bool, format string, args ...any) string {
	if !is {
		return ""
	}
	return fmt.Sprintf(format, args...)
}
