package config

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestEveryFileWithASecretIsLookedAt(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, 0o604); err != nil { // whatever the umask is
		t.Fatal(err)
	}
	c := &Config{Path: file, holdsSecret: true, ClientTLSKeyFile: file, ServerTLSKeyFile: file,
		HTTPTLSKeyFile: file, HTTPTokenFile: file, HTTPAdminTokenFile: file}
	var found []string
	for _, f := range c.SecretFiles() {
		if f.Exposure() == "" {
			t.Errorf("%s: that everybody can read it is not seen", f.Setting)
		}
		found = append(found, f.Setting)
	}
	want := []string{"the configuration", "client_tls_key_file", "server_tls_key_file", "http_tls_key_file", "http_token_file", "http_admin_token_file"}
	if !slices.Equal(found, want) {
		t.Errorf("%q are looked at, want %q", found, want)
	}
	if err := os.Chmod(file, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, f := range c.SecretFiles() {
		if text := f.Exposure(); text != "" {
			t.Errorf("%s: %s", f.Setting, text)
		}
	}
}
