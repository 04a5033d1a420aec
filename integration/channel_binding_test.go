package integration

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestChannelBindingIsUsedOnBothSides logs in with psql to pgweir, which logs in
// to a server that asks for SCRAM over TLS. A side that could not bind would
// refuse, for both require it.
func TestChannelBindingIsUsedOnBothSides(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t, "the authority")
	pg := startTLSCluster(t, ca, "local all all trust", "host all postgres all trust", "hostssl all bound,other all scram-sha-256",
		"host all weak all md5", "host all open all trust")
	execSQL(t, pg.DSN("postgres"), `
		create role bound login password 'geheim'; create role other login password 'pä ss'; create role open login;
		set password_encryption = 'md5'; create role weak login password 'secret'`)
	secret := ask(t, connect(t, pg.DSN("postgres")), "select rolpassword from pg_authid where rolname = 'bound'")
	cert, key := ca.Sign(t, "weir.example", net.IPv4(127, 0, 0, 1))
	options := weirOptions{
		Cluster: pg,
		Top: `auth_type = "scram-sha-256"
client_tls_cert_file = "weir.crt"
client_tls_key_file = "weir.key"
server_tls_sslmode = "verify-full"
server_tls_ca_file = "ca.crt"
server_channel_binding = "require"
server_login_retry = 0
`,
		Tables: fmt.Sprintf("[users.bound]\npassword = %q\n[users.other]\npassword = \"pä\u00a0ss\"\n[users.weak]\npassword = \"secret\"\n[users.open]\npassword = \"x\"", secret),
		Files:  map[string]string{"weir.crt": cert, "weir.key": key, "ca.crt": ca.PEM},
	}
	w := startWeir(t, options)
	verified := func(more ...string) string {
		return w.DSN(append([]string{"sslmode=verify-full", "sslrootcert=" + w.Dir + "/ca.crt"}, more...)...)
	}
	for _, binding := range []string{"require", "prefer", "disable"} {
		for user, password := range map[string]string{"bound": "geheim", "other": "'pä ss'"} {
			dsn := verified("user="+user, "password="+password, "channel_binding="+binding)
			if out, err := tryPsql(t, dsn, "select current_user || ' ' || ssl from pg_stat_ssl where pid = pg_backend_pid()"); err != nil || out != user+" true" {
				t.Errorf("%s, channel_binding=%s: %v, %s", user, binding, err, out)
			}
		}
	}
	if out, err := tryPsql(t, verified("user=bound", "password=wrong", "channel_binding=require"), "select 1"); err == nil || !strings.Contains(out, "password authentication failed") {
		t.Errorf("a wrong password: %v, %s", err, out)
	}
	if out, err := tryPsql(t, w.DSN("user=bound", "password=geheim", "sslmode=disable", "channel_binding=require"), "select 1"); err == nil {
		t.Errorf("bound without TLS: %s", out)
	}
	for user, method := range map[string]string{"weak": "md5", "open": "trust"} {
		password := map[string]string{"weak": "secret", "open": "x"}[user]
		out, err := tryPsql(t, verified("user="+user, "password="+password, "channel_binding=require"), "select 1")
		if err == nil || !strings.Contains(out, "authentication method "+method) || !strings.Contains(out, "server_channel_binding") {
			t.Errorf("%s: %v, %s", user, err, out)
		}
	}

	t.Run("a server that asks for a weaker method is refused", func(t *testing.T) {
		weaker := options
		weaker.Top = strings.Replace(options.Top, `server_channel_binding = "require"`, `server_auth_methods = "scram-sha-256"`, 1)
		w.Rewrite(t, weaker)
		reloadBySignal(t, w)
		out, err := tryPsql(t, verified("user=weak", "password=secret"), "select 1")
		if err == nil || !strings.Contains(out, "authentication method md5, which server_auth_methods does not allow") {
			t.Errorf("%v, %s", err, out)
		}
		if out, err := tryPsql(t, verified("user=bound", "password=geheim"), "select 1"); err != nil {
			t.Errorf("%v, %s", err, out)
		}
		w.Rewrite(t, options)
		reloadBySignal(t, w)
	})

	t.Run("each certificate has its own binding", func(t *testing.T) {
		for name, c := range map[string]struct {
			key       crypto.Signer
			algorithm x509.SignatureAlgorithm
		}{
			"ECDSA with SHA-384": {ecdsaKey(t, elliptic.P384()), x509.ECDSAWithSHA384},
			"ECDSA with SHA-512": {ecdsaKey(t, elliptic.P256()), x509.ECDSAWithSHA512},
			"RSA with SHA-256":   {rsaKey(t), x509.SHA256WithRSA},
			"RSA-PSS":            {rsaKey(t), x509.SHA384WithRSAPSS},
			"Ed25519":            {ed25519Key(t), x509.PureEd25519},
		} {
			cert, key := selfSigned(t, c.key, c.algorithm)
			for file, text := range map[string]string{"weir.crt": cert, "weir.key": key} {
				if err := os.WriteFile(filepath.Join(w.Dir, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			reloadBySignal(t, w)
			binding := "require"
			if c.algorithm == x509.PureEd25519 {
				binding = "prefer" // for which none is defined
			}
			dsn := w.DSN("user=bound", "password=geheim", "sslmode=require", "channel_binding="+binding)
			if out, err := tryPsql(t, dsn, "select current_user"); err != nil || out != "bound" {
				t.Errorf("%s: %v, %s", name, err, out)
			}
		}
	})
}

// tryPsql runs one query with the installed psql and gives the bare answer, or
// what psql says of the failure.
func tryPsql(t *testing.T, dsn, sql string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	cmd := psqlCommand(t, "-X", "-A", "-t", "-d", dsn, "-c", sql)
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return strings.TrimSpace(out.String()), err
}

// reloadBySignal has the program read its configuration, and waits until it has.
func reloadBySignal(t *testing.T, w *weir) {
	t.Helper()
	before := strings.Count(w.Log(), "configuration reloaded")
	w.Signal(t, syscall.SIGHUP)
	eventually(t, "the configuration is reloaded", func() bool { return strings.Count(w.Log(), "configuration reloaded") > before })
}

func ecdsaKey(t *testing.T, curve elliptic.Curve) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func rsaKey(t *testing.T) crypto.Signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func ed25519Key(t *testing.T) crypto.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// selfSigned makes a certificate that its own key has signed so, as PEM.
func selfSigned(t *testing.T, key crypto.Signer, algorithm x509.SignatureAlgorithm) (cert, keyText string) {
	t.Helper()
	template := certificate("weir.example")
	template.SignatureAlgorithm = algorithm
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pemText("CERTIFICATE", der), pemText("PRIVATE KEY", keyDER)
}

// TestAPasswordMayBeAsLongAsPostgreSQLTakesIt sends the longest that fits a
// PasswordMessage, 65535 bytes with its length, and one byte more.
func TestAPasswordMayBeAsLongAsPostgreSQLTakesIt(t *testing.T) {
	t.Parallel()
	longest := strings.Repeat("p", 65535-4-1)
	w := startWeir(t, weirOptions{Top: `auth_type = "password"`, Tables: fmt.Sprintf("[users.postgres]\npassword = %q", longest)})
	if err := tryLogin(t, w.DSN("password="+longest)); err != nil {
		t.Error(err)
	}
	if got := codeOf(t, tryLogin(t, w.DSN("password="+longest+"p"))); got != "08P01" {
		t.Errorf("one byte more: %q", got)
	}
}
