package main

import (
	"fmt"
	"path/filepath"
)

var doorman = &kind{
	name:       "pg_doorman",
	title:      "pg_doorman",
	variable:   "PG_DOORMAN",
	versionArg: "--version",
	args:       func(dir string) []string { return []string{filepath.Join(dir, "pg_doorman.toml")} },
	files:      func(c *conf) map[string]string { return map[string]string{"pg_doorman.toml": doormanConfig(c)} },
	env:        []string{"RUST_LOG=error"},
	unix:       true,
}

func doormanConfig(c *conf) string {
	method := either(c.secret != "", "scram-sha-256", "trust")
	return lines(
		"[general]",
		"host = "+quote(localhost),
		fmt.Sprintf("port = %d", c.port),
		fmt.Sprintf("backlog = %d", backlog),
		when(c.unix, "unix_socket_dir = %s\nunix_socket_mode = \"0777\"", quote(c.socketDir)),
		fmt.Sprintf("max_connections = %d", maxClient),
		"log_client_connections = false",
		"log_client_disconnections = false",
		`admin_username = "admin"`,
		`admin_password = "admin"`,
		fmt.Sprintf(`pg_hba = { content = "local all all %[1]s\nhost all all 127.0.0.1/32 %[1]s" }`, method),
		"tls_mode = "+either(c.cert != "", `"require"`, `"disable"`),
		when(c.cert != "", "tls_certificate = %s\ntls_private_key = %s", quote(c.cert), quote(c.key)),
		fmt.Sprintf("[pools.%s]", database),
		"server_host = "+quote(c.serverHost()),
		fmt.Sprintf("server_port = %d", c.server),
		`pool_mode = "transaction"`,
		fmt.Sprintf("[[pools.%s.users]]", database),
		"username = "+quote(c.user),
		"password = "+quote(c.secret),
		fmt.Sprintf("pool_size = %d", c.pool),
	)
}
