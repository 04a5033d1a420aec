package config

import (
	"crypto/sha256"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var (
	tokenOne = strings.Repeat("1", minToken)
	tokenTwo = "two-._~+/" + strings.Repeat("2", minToken) + "=="
)

// httpFolder has good files for all settings of HTTP.
func httpFolder(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	writeKeyPair(t, dir, "a")
	write(t, filepath.Join(dir, "tokens"), tokenOne+"\n")
	write(t, filepath.Join(dir, "admins"), tokenTwo)
	return dir
}

func TestHTTPIsNotServedToOthersByAccident(t *testing.T) {
	dir := httpFolder(t)
	const (
		certificate = "http_tls_cert_file = 'a.crt'\nhttp_tls_key_file = 'a.key'\n"
		tokens      = "http_token_file = 'tokens'\n"
		authorities = "http_tls_ca_file = 'a.crt'\n"
		admins      = "http_admin_token_file = 'admins'\n"
		insecure    = "http_insecure = true\n"

		needsTLS   = "set http_tls_cert_file and http_tls_key_file, or"
		needsProof = "set http_token_file or http_tls_ca_file, or"
		needsBoth  = "set http_tls_cert_file and http_tls_key_file, and http_token_file or http_tls_ca_file, or"
	)
	outside := []string{"0.0.0.0:1", ":1", "[::]:1", "10.0.0.1:1", "[fe80::1%eth0]:1", "[::ffff:10.0.0.1]:1"}
	inside := []string{"127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1", ""}
	for more, want := range map[string]string{
		"": needsBoth, tokens: needsTLS, certificate: needsProof, certificate + admins: needsProof, admins: needsBoth,
		certificate + tokens: "", certificate + authorities: "", certificate + tokens + authorities + admins: "",
		insecure: "", insecure + tokens: "", insecure + certificate: "",
	} {
		for _, listen := range slices.Concat(outside, inside, []string{"localhost:1", "weir.example:1"}) {
			_, err := Parse(filepath.Join(dir, "config.toml"), []byte(more+"http_listen = '"+listen+"'"))
			if want == "" || !slices.Contains(outside, listen) {
				if err != nil {
					t.Errorf("%q with\n%s%v", listen, more, err)
				}
				continue
			}
			line := ":" + string('1'+rune(strings.Count(more, "\n"))) + ": http_listen: "
			if err == nil || !strings.Contains(err.Error(), line) || !strings.Contains(err.Error(), want+" http_insecure = true") {
				t.Errorf("%q with\n%sno %q in %v", listen, more, want, err)
			}
		}
	}
	// Of a name it is seen where it leads when it is listened on.
	c, err := Parse("config.toml", []byte("\nhttp_listen = 'weir.example:1'"))
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := c.HTTPAddress(); ok {
		t.Error("a name is an address")
	}
	if err := c.CheckHTTP(netip.MustParseAddr("10.0.0.1")); err == nil || !strings.HasPrefix(err.Error(), "config.toml:2: ") {
		t.Errorf("outside: %v", err)
	}
	if err := c.CheckHTTP(netip.MustParseAddr("127.0.0.1")); err != nil {
		t.Errorf("inside: %v", err)
	}
}

func TestFilesOfHTTPThatAreNoGoodAreProblems(t *testing.T) {
	dir := httpFolder(t)
	for name, text := range map[string]string{
		"empty": "", "comments": "# none\n\n", "short": "# a comment\n" + strings.Repeat("x", minToken-1) + "\n",
		"long": strings.Repeat("x", maxToken+1), "blank": tokenOne + "\n" + tokenOne + " " + tokenOne, "signs": strings.Repeat("=", minToken),
		"many": strings.Repeat(tokenOne+"\n", maxTokens+1), "both": tokenTwo + "\n" + tokenOne,
	} {
		write(t, filepath.Join(dir, name), text)
	}
	for text, want := range map[string]string{
		"http_token_file = 'empty'":                                    "no token in it",
		"http_token_file = 'comments'":                                 "no token in it",
		"http_admin_token_file = 'short'":                              "line 2: a token has 16 to 512 characters",
		"http_token_file = 'long'":                                     "line 1: ",
		"http_token_file = 'blank'":                                    "line 2: ",
		"http_token_file = 'signs'":                                    "line 1: ",
		"http_token_file = 'many'":                                     "more than 100 tokens",
		"http_token_file = 'none'":                                     "no such file",
		"http_tls_cert_file = 'a.crt'":                                 "set without http_tls_key_file",
		"http_tls_ca_file = 'a.crt'":                                   "http_tls_ca_file: needs http_tls_cert_file",
		"http_admin_token_file = 'tokens'\nhttp_token_file = 'tokens'": "http_admin_token_file: " + filepath.Join(dir, "tokens") + ": a token in it is one of http_token_file",
		"http_admin_token_file = 'both'\nhttp_token_file = 'tokens'":   "http_admin_token_file: " + filepath.Join(dir, "both") + ": a token in it is one of http_token_file",
		"http_hosts = ['a.example', 'b:80']":                           `http_hosts: "b:80" is not a name`,
	} {
		_, err := Parse(filepath.Join(dir, "config.toml"), []byte("\n"+text))
		if err == nil || !strings.Contains(err.Error(), "config.toml:2: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: no %q in %v", text, want, err)
		}
		if err != nil && strings.Contains(err.Error(), tokenOne) {
			t.Errorf("%s: a token is in %v", text, err)
		}
	}
}

func TestFilesOfHTTPAreReadAnew(t *testing.T) {
	dir := httpFolder(t)
	c, err := Parse(filepath.Join(dir, "config.toml"), []byte(`
http_tls_cert_file = 'a.crt'
http_tls_key_file = 'a.key'
http_tls_ca_file = 'a.crt'
http_token_file = 'tokens'
http_admin_token_file = 'admins'
`))
	if err != nil {
		t.Fatal(err)
	}
	before, err := c.ReadHTTPFiles()
	if err != nil {
		t.Fatal(err)
	}
	keys, err := before.Parse(c)
	if err != nil || keys.Certificate == nil || keys.Roots == nil ||
		!slices.Equal(keys.Tokens, []TokenDigest{sha256.Sum256([]byte(tokenOne))}) || !slices.Equal(keys.AdminTokens, []TokenDigest{sha256.Sum256([]byte(tokenTwo))}) {
		t.Errorf("%+v, %v", keys, err)
	}
	for _, name := range []string{"a.crt", "a.key", "tokens", "admins"} {
		path := filepath.Join(dir, name)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		write(t, path, "no good")
		now, err := c.ReadHTTPFiles()
		if err != nil || now.Equal(&before) {
			t.Errorf("%s has changed, and the reading has not: %v", name, err)
		}
		if _, err := now.Parse(c); err == nil || !strings.Contains(err.Error(), "http_") || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
		write(t, path, string(text))
	}
	write(t, filepath.Join(dir, "admins"), tokenTwo+"\n"+tokenOne)
	if now, err := c.ReadHTTPFiles(); err != nil {
		t.Error(err)
	} else if _, err := now.Parse(c); err == nil || !strings.Contains(err.Error(), filepath.Join(dir, "admins")+": a token in it is one of http_token_file") {
		t.Errorf("a token of both: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, "admins")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.ReadHTTPFiles(); err == nil || !strings.Contains(err.Error(), "http_admin_token_file") {
		t.Error(err)
	}
}

func FuzzTokens(f *testing.F) {
	for _, text := range []string{"", "#\n", tokenOne, " " + tokenTwo + "\r\n#" + tokenOne, "\ufeff" + tokenOne + "\n\x00", "=\n"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		digests, err := parseTokens(data)
		if (err == nil) != (len(digests) > 0) || len(digests) > maxTokens {
			t.Fatalf("%d tokens, %v", len(digests), err)
		}
		if err != nil {
			return
		}
		n := 0
		for line := range strings.Lines(strings.TrimPrefix(string(data), "\ufeff")) {
			line = strings.TrimSpace(line)
			if line == "" || line[0] == '#' {
				continue
			}
			if sha256.Sum256([]byte(line)) != digests[n] || strings.ContainsAny(line, " \t\"\x00:") {
				t.Fatalf("line %q", line)
			}
			n++
		}
	})
}
