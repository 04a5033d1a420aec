package main

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
)

var pgbouncer = &kind{
	name:       "pgbouncer",
	title:      "PgBouncer",
	variable:   "PGBOUNCER",
	installed:  []string{"pgbouncer", "/usr/sbin/pgbouncer"}, // Debian's folder of daemons is not in every user's PATH
	versionArg: "--version",
	args:       func(dir string) []string { return []string{filepath.Join(dir, "pgbouncer.ini")} },
	files: func(c *conf) map[string]string {
		return map[string]string{"pgbouncer.ini": bouncerConfig(c), bouncerUsers: bouncerUserlist(c)}
	},
	asOwner: true,
	unix:    true,
	fair:    true,
}

const bouncerUsers = "userlist.txt"

func bouncerConfig(c *conf) string {
	return lines(
		"[databases]",
		fmt.Sprintf("%s = host=%s port=%d", database, c.serverHost(), c.server),
		"[pgbouncer]",
		"listen_addr = "+either(c.unix, "", localhost),
		fmt.Sprintf("listen_port = %d", c.port),
		fmt.Sprintf("listen_backlog = %d", backlog),
		"unix_socket_dir = "+either(c.unix, c.socketDir, ""),
		"auth_type = "+either(c.secret != "", "scram-sha-256", "trust"),
		"auth_file = "+filepath.Join(c.dir, bouncerUsers),
		"pool_mode = transaction",
		fmt.Sprintf("default_pool_size = %d", c.pool),
		fmt.Sprintf("max_client_conn = %d", maxClient),
		when(atLeast(c.version, 1, 21), "max_prepared_statements = 200"),
		"log_connections = 0",
		"log_disconnections = 0",
		"log_pooler_errors = 0",
		"log_stats = 0",
		when(c.cert != "", "client_tls_sslmode = require\nclient_tls_cert_file = %s\nclient_tls_key_file = %s", c.cert, c.key),
		when(c.fair != nil, "max_db_connections = %d", c.fair.cap()),
	)
}

func bouncerUserlist(c *conf) string {
	text := fmt.Sprintf("\"%s\" \"%s\"\n", c.user, c.secret)
	if c.fair != nil {
		for _, pool := range c.fair.pools {
			text += fmt.Sprintf("\"%s\" \"\"\n", pool.user)
		}
	}
	return text
}

var versionNumber = regexp.MustCompile(`(\d+)\.(\d+)`)

// atLeast tells whether the version that a program says of itself is as new as
// that, or cannot be read.
func atLeast(version string, major, minor int) bool {
	m := versionNumber.FindStringSubmatch(version)
	if m == nil {
		return true
	}
	// So few digits that they matched are a number, or a very new version.
	a, err := strconv.Atoi(m[1])
	b, err2 := strconv.Atoi(m[2])
	return err != nil || err2 != nil || a > major || a == major && b >= minor
}
