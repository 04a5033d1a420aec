package main

import (
	"fmt"
	"path/filepath"
	"strconv"
)

var pgweir = &kind{
	name:       "pgweir",
	title:      "pgweir",
	versionArg: "version",
	args:       func(dir string) []string { return []string{"serve", "-c", filepath.Join(dir, "config.toml")} },
	files:      func(c *conf) map[string]string { return map[string]string{"config.toml": weirConfig(c)} },
	unix:       true,
	fair:       true,
}

func weirConfig(c *conf) string {
	listen, sockets := quote(localhost), `""`
	if c.unix {
		listen, sockets = "[]", quote(c.socketDir)
	}
	top := []setting{
		{"listen_addr", listen},
		{"listen_port", strconv.Itoa(c.port)},
		{"listen_backlog", strconv.Itoa(backlog)},
		{"unix_socket_dir", sockets},
		{"http_listen", `""`},
		{"auth_type", quote(either(c.secret != "", "scram-sha-256", "trust"))},
		{"pool_mode", `"transaction"`},
		{"default_pool_size", strconv.Itoa(c.pool)},
		{"max_client_conn", strconv.Itoa(maxClient)},
		{"log_level", `"warn"`},
		{"log_connections", "false"},
		{"log_disconnections", "false"},
		{"shutdown_timeout", `"3s"`},
	}
	if c.cert != "" {
		top = append(top, setting{"client_tls_sslmode", `"require"`},
			setting{"client_tls_cert_file", quote(c.cert)}, setting{"client_tls_key_file", quote(c.key)})
	}
	if c.fair != nil {
		top = append(top, setting{"max_db_connections", strconv.Itoa(c.fair.most)})
	}
	text := ""
	for _, s := range override(top, c.settings) {
		text += s.name + " = " + s.value + "\n"
	}
	text += fmt.Sprintf("\n[databases.%s]\nhost = %s\nport = %d\n\n[users.%s]\n", database, quote(c.serverHost()), c.server, quote(c.user))
	if c.secret != "" {
		text += "password = " + quote(c.secret) + "\n"
	}
	if c.fair != nil {
		for _, pool := range c.fair.pools {
			text += fmt.Sprintf("[users.%s]\npool_weight = %d\n", pool.user, pool.weight)
		}
	}
	return text
}
