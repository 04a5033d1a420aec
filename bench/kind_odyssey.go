package main

import (
	"fmt"
	"path/filepath"
)

var odyssey = &kind{
	name:       "odyssey",
	title:      "Odyssey",
	variable:   "ODYSSEY",
	versionArg: "--version",
	args:       func(dir string) []string { return []string{filepath.Join(dir, "odyssey.conf")} },
	files:      func(c *conf) map[string]string { return map[string]string{"odyssey.conf": odysseyConfig(c)} },
	asOwner:    true,
	unix:       true,
}

func odysseyConfig(c *conf) string {
	return lines(
		"daemonize no",
		when(c.unix, "unix_socket_dir %q\nunix_socket_mode \"0777\"", c.socketDir),
		fmt.Sprintf("locks_dir %q", c.dir),
		`log_format "%l %m\n"`,
		"log_to_stdout yes",
		"log_config no",
		"log_debug no",
		"log_session no",
		"log_query no",
		"log_stats no",
		fmt.Sprintf("client_max %d", maxClient),
		"listen {",
		when(!c.unix, "\thost %q", localhost),
		fmt.Sprintf("\tport %d\n\tbacklog %d", c.port, backlog),
		"\ttls "+either(c.cert != "", `"require"`, `"disable"`),
		when(c.cert != "", "\ttls_cert_file %q\n\ttls_key_file %q", c.cert, c.key),
		"}",
		fmt.Sprintf("storage \"postgres\" {\n\ttype \"remote\"\n\thost %q\n\tport %d\n}", c.serverHost(), c.server),
		fmt.Sprintf("database %q {\n\tuser %q {", database, c.user),
		"\t\tauthentication "+either(c.secret != "", `"scram-sha-256"`, `"none"`),
		when(c.secret != "", "\t\tpassword %q", c.secret),
		"\t\tstorage \"postgres\"\n\t\tpool \"transaction\"",
		fmt.Sprintf("\t\tpool_size %d", c.pool),
		"\t\tpool_reserve_prepared_statement yes\n\t}\n}",
	)
}
