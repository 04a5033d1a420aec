package main

import (
	"fmt"
	"path/filepath"
)

// pgdog listens on TCP only. Its client side has no secrets but passwords.
var pgdog = &kind{
	name:       "pgdog",
	title:      "PgDog",
	variable:   "PGDOG",
	versionArg: "--version",
	args: func(dir string) []string {
		return []string{"--config", filepath.Join(dir, "pgdog.toml"), "--users", filepath.Join(dir, "users.toml")}
	},
	files: func(c *conf) map[string]string {
		return map[string]string{"pgdog.toml": dogConfig(c), "users.toml": dogUsers(c)}
	},
	env: []string{"RUST_LOG=error"},
}

func dogConfig(c *conf) string {
	return lines(
		"[general]",
		"host = "+quote(localhost),
		fmt.Sprintf("port = %d", c.port),
		fmt.Sprintf("default_pool_size = %d", c.pool),
		`pooler_mode = "transaction"`,
		"auth_type = "+quote(either(c.secret != "", "scram", "trust")),
		when(c.cert != "", "tls_certificate = %s\ntls_private_key = %s\ntls_client_required = true", quote(c.cert), quote(c.key)),
		"[[databases]]",
		"name = "+quote(database),
		"host = "+quote(c.serverHost()),
		fmt.Sprintf("port = %d", c.server),
	)
}

func dogUsers(c *conf) string {
	return lines("[[users]]", "name = "+quote(c.user), "database = "+quote(database), "password = "+quote(scramPassword))
}
