package config

import (
	"fmt"
	"io/fs"
	"os"
	"slices"
	"syscall"
)

// SecretFile is a file that holds what opens a door.
type SecretFile struct{ Setting, Path string }

// SecretFiles are the configuration file, if it holds a secret in clear text, and
// the files of passwords and keys that it names. Whether the auth_file is one, too,
// says who can read it.
func (c *Config) SecretFiles() (out []SecretFile) {
	if c.holdsSecret {
		out = append(out, SecretFile{"the configuration", c.Path})
	}
	for _, s := range c.SecretSources() {
		if s.File != "" {
			out = append(out, SecretFile{s.Setting, s.File})
		}
	}
	for _, f := range []SecretFile{
		{"client_tls_key_file", c.ClientTLSKeyFile}, {"server_tls_key_file", c.ServerTLSKeyFile}, {"http_tls_key_file", c.HTTPTLSKeyFile},
		{"http_token_file", c.HTTPTokenFile}, {"http_admin_token_file", c.HTTPAdminTokenFile},
	} {
		if f.Path != "" {
			out = append(out, f)
		}
	}
	return out
}

// Exposure words who can read the file besides pgweir; "" if nobody who should not.
// As with libpq's key files, the group may if it is pgweir's and root owns the file.
func (f SecretFile) Exposure() string {
	info, err := os.Stat(f.Path)
	if err != nil {
		return "" // who needs the file says it
	}
	by := ""
	switch mode := info.Mode().Perm(); {
	case mode&0o004 != 0:
		by = "everybody"
	case mode&0o040 != 0 && !ownGroup(info):
		by = "its group"
	default:
		return ""
	}
	return fmt.Sprintf("%s: %s can be read by %s (mode %04o); 0600 is right, or 0640 if it is root's and the group pgweir's",
		f.Setting, printable(f.Path), by, info.Mode().Perm())
}

// ownGroup tells whether the file is root's and its group one of this process's.
// Root itself, who may only be checking it, has all groups.
func ownGroup(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || st.Uid != 0 {
		return false
	}
	groups, _ := os.Getgroups()
	return os.Geteuid() == 0 || os.Getegid() == int(st.Gid) || slices.Contains(groups, int(st.Gid))
}
