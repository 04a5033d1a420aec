package integration

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"pgweir/cluster"
)

// putFile replaces a file beside the configuration in one step.
func putFile(t *testing.T, w *weir, name, text string) {
	t.Helper()
	path := filepath.Join(w.Dir, name)
	if err := os.WriteFile(path+".next", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".next", path); err != nil {
		t.Fatal(err)
	}
}

// shownName is the name in the certificate that a new client is shown.
func shownName(t *testing.T, w *weir) string {
	t.Helper()
	c, err := shaken(t, dialWire(t, w.Addr()).conn, "postgresql")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].DNSNames[0]
}

// TestCertificatesAreRenewedWithoutAReload, and nobody is dropped.
func TestCertificatesAreRenewedWithoutAReload(t *testing.T) {
	t.Parallel()
	createRole(t, "renewing")
	ca := newAuthority(t, "the authority")
	cert, key := ca.Sign(t, "old.example", net.IPv4(127, 0, 0, 1))
	w := startWeir(t, weirOptions{
		Top: `auth_type = "scram-sha-256"
client_tls_cert_file = "weir.crt"
client_tls_key_file = "weir.key"
client_tls_ca_file = "ca.crt"
`,
		Tables: "[users.renewing]\npassword = \"geheim\"",
		Files:  map[string]string{"weir.crt": cert, "weir.key": key, "ca.crt": ca.PEM},
	})
	login := []string{"user=renewing", "password=geheim", "sslmode=require"}
	old := connect(t, w.DSN(login...))
	bound := func(when string) {
		t.Helper()
		dsn := w.DSN(append(login, "channel_binding=require", "sslcert=none")...)
		if out, err := tryPsql(t, dsn, "select current_user"); err != nil || out != "renewing" {
			t.Errorf("%s, bound: %v, %s", when, err, out)
		}
		if got := ask(t, old, "select 'the old one'"); got != "the old one" {
			t.Errorf("%s: the client from before reads %q", when, got)
		}
	}
	bound("before")

	cert, key = ca.Sign(t, "new.example", net.IPv4(127, 0, 0, 1))
	putFile(t, w, "weir.crt", cert)
	eventually(t, "a certificate without its key is warned of", func() bool {
		return strings.Contains(w.Log(), "new certificates are no good; clients see the old ones")
	})
	if name := shownName(t, w); name != "old.example" {
		t.Errorf("%s is shown", name)
	}
	bound("half-written")
	putFile(t, w, "weir.key", key)
	eventually(t, "the new certificate is shown", func() bool { return shownName(t, w) == "new.example" })
	bound("renewed")

	t.Run("the authorities of clients too", func(t *testing.T) {
		next := newAuthority(t, "the next authority")
		in := func(by *authority) bool {
			_, err := tryPsql(t, w.DSN(append(login, certified(t, by, "renewing")...)...), "select 1")
			return err == nil
		}
		if !in(ca) || in(next) {
			t.Fatal("before, not only the old authority's clients come in")
		}
		putFile(t, w, "ca.crt", next.PEM)
		eventually(t, "the new authority's clients come in", func() bool { return in(next) })
		if in(ca) {
			t.Error("the old authority's clients still come in")
		}
	})
	if n := strings.Count(w.Log(), "are no good"); n != 1 || strings.Contains(w.Log(), "configuration reloaded") {
		t.Errorf("warned %d times; the log is\n%s", n, w.Log())
	}
}

// TestAServersCertificateIsTakenWhereLibpqTakesIt: one with a common name alone
// counts, and what is wrong with one is said in words.
func TestAServersCertificateIsTakenWhereLibpqTakesIt(t *testing.T) {
	t.Parallel()
	ca, other := newAuthority(t, "the authority"), newAuthority(t, "another")
	cert, key := ca.SignCommonName(t, "localhost")
	pg := startCluster(t, cluster.Options{
		Settings: map[string]string{"ssl": "on", "ssl_cert_file": "server.crt", "ssl_key_file": "server.key"},
		Files:    map[string][]byte{"server.crt": []byte(cert), "server.key": []byte(key)},
		HBA:      []string{"local all all trust", "host all all all trust"},
	})
	options := weirOptions{
		Cluster: pg,
		Top: `server_tls_sslmode = "verify-full"
server_tls_ca_file = "ca.crt"
server_login_retry = 0
census_interval = "0.2s"
census_user = "postgres"
`,
		Database: "host = \"localhost\"\nuser = \"postgres\"",
		Files:    map[string]string{"ca.crt": ca.PEM, "other.crt": other.PEM},
	}
	w := startWeir(t, options)
	if got := ask(t, connect(t, w.DSN()), "select ssl from pg_stat_ssl where pid = pg_backend_pid()"); got != "t" {
		t.Error(got)
	}
	if out, code := pgweir(t, "check", "-c", w.ConfigPath()); code != 0 || strings.Contains(out, "not compared") {
		t.Errorf("check: %d, %s", code, out)
	}
	console := connect(t, w.Console())
	eventually(t, "the census sees the server", func() bool {
		for _, row := range show(t, console, "show processes") {
			if row["kind"] == "checkpointer" {
				return true
			}
		}
		return false
	})
	for _, c := range []struct{ from, to, want string }{
		{`host = "localhost"`, `host = "127.0.0.1"`, `its certificate is for "localhost", not for "127.0.0.1"`},
		{"ca.crt", "other.crt", `is signed by "CN=the authority", an authority that is not in server_tls_ca_file`},
	} {
		wrong := options
		wrong.Top, wrong.Database = strings.Replace(wrong.Top, c.from, c.to, 1), strings.Replace(wrong.Database, c.from, c.to, 1)
		w.Rewrite(t, wrong)
		reloadBySignal(t, w)
		if err := tryLogin(t, w.DSN()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v\nwant %q", err, c.want)
		}
	}
	w.Rewrite(t, options)
	reloadBySignal(t, w)
}

// TestFilesOfTheServersSideAreReadAtEachLogin without a reload: the authorities, and what
// pgweir shows of itself.
func TestFilesOfTheServersSideAreReadAtEachLogin(t *testing.T) {
	t.Parallel()
	ca, other := newAuthority(t, "the authority"), newAuthority(t, "another")
	cert, key := ca.Sign(t, "server.example", net.IPv4(127, 0, 0, 1))
	pg := startCluster(t, cluster.Options{
		Settings: map[string]string{"ssl": "on", "ssl_cert_file": "server.crt", "ssl_key_file": "server.key", "ssl_ca_file": "root.crt"},
		Files:    map[string][]byte{"server.crt": []byte(cert), "server.key": []byte(key), "root.crt": []byte(ca.PEM)},
		HBA:      []string{"local all all trust", "host all postgres all trust", "hostssl all all all trust clientcert=verify-ca"},
	})
	first, firstKey := ca.Sign(t, "the first")
	second, secondKey := ca.Sign(t, "the second")
	w := startWeir(t, weirOptions{
		Cluster: pg,
		Top: `server_tls_sslmode = "verify-full"
server_tls_ca_file = "ca.crt"
server_tls_cert_file = "own.crt"
server_tls_key_file = "own.key"
server_login_retry = 0
`,
		Files: map[string]string{"ca.crt": ca.PEM, "own.crt": first, "own.key": firstKey},
	})
	roles := 0
	// asANewOne logs in as a role that has no backend yet: what the certificate of
	// pgweir's is that the server has seen, or the error.
	asANewOne := func() (string, error) {
		t.Helper()
		roles++
		name := fmt.Sprintf("new_%d", roles)
		execSQL(t, pg.DSN("postgres"), "create role "+name+" login")
		conn, err := pgconn.Connect(t.Context(), w.DSN("user="+name))
		if err != nil {
			return "", err
		}
		defer conn.Close(context.Background())
		results, err := conn.Exec(t.Context(), "select client_dn from pg_stat_ssl where pid = pg_backend_pid()").ReadAll()
		if err != nil {
			return "", err
		}
		return string(results[0].Rows[0][0]), nil
	}
	for _, step := range []struct {
		what        string
		files       map[string]string
		shown, says string
	}{
		{"at first", nil, "/CN=the first", ""},
		{"another authority", map[string]string{"ca.crt": other.PEM}, "", "is not in server_tls_ca_file"},
		{"no authority", map[string]string{"ca.crt": "nonsense"}, "", "server_tls_ca_file"},
		{"both authorities", map[string]string{"ca.crt": other.PEM + ca.PEM}, "/CN=the first", ""},
		{"a certificate without its key", map[string]string{"own.crt": second}, "", "server_tls_cert_file"},
		{"the key too", map[string]string{"own.key": secondKey}, "/CN=the second", ""},
	} {
		for name, text := range step.files {
			putFile(t, w, name, text)
		}
		shown, err := asANewOne()
		if shown != step.shown || (err == nil) != (step.says == "") || !strings.Contains(fmt.Sprint(err), step.says) {
			t.Errorf("%s: the server saw %q, %v; want %q, %q", step.what, shown, err, step.shown, step.says)
		}
	}
	if strings.Contains(w.Log(), "configuration reloaded") {
		t.Error("the configuration was reloaded")
	}
}

// TestTheEndOfACertificateIsSeenEverywhere: the harness' own are good for an hour.
func TestTheEndOfACertificateIsSeenEverywhere(t *testing.T) {
	t.Parallel()
	w, _ := startWithTLS(t, weirOptions{Top: `client_tls_ca_file = "ca.crt"`})
	path := filepath.Join(w.Dir, "weir.crt")
	pair, err := tls.LoadX509KeyPair(path, filepath.Join(w.Dir, "weir.key"))
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "both are warned of", func() bool { return strings.Count(w.Log(), "a certificate expires within a day") == 2 })
	console := connect(t, w.Console(simpleProtocol))
	eventually(t, "what was read is shown", func() bool { // it is warned of a moment before
		return rowsWith(show(t, console, "show findings"), "id", "certificate_expiry") == 1
	})
	row := rowOf(t, show(t, connect(t, w.Console()), "show certificates"), "setting", "client_tls_cert_file")
	if row["file"] != path || row["subject"] != "CN=weir.example" || len(row["seconds_left"]) != 4 {
		t.Errorf("SHOW CERTIFICATES: %v", row)
	}
	id := fmt.Sprintf(`pgweir_tls_certificate_expiry_timestamp_seconds{file="%s",setting="client_tls_cert_file"}`, path)
	if got := series(t, w)[id]; got != float64(leaf.NotAfter.Unix()) {
		t.Errorf("%s is %v, want %d", id, got, leaf.NotAfter.Unix())
	}
	finding := rowOf(t, show(t, connect(t, w.Console()), "show findings"), "id", "certificate_expiry")
	if finding["server"] != "pgweir" || finding["severity"] != "critical" || !strings.Contains(finding["text"], path) {
		t.Errorf("SHOW FINDINGS: %v", finding)
	}
	if got := series(t, w)[`pgweir_findings{id="certificate_expiry",server="pgweir",severity="critical"}`]; got != 1 {
		t.Errorf("the finding is not among the metrics: %v", got)
	}
	if _, page := get(t, w, "/"); !strings.Contains(page, "1 critical finding") || !strings.Contains(page, path) {
		t.Errorf("the page has it not:\n%s", page)
	}
	out, code := pgweir(t, "check", "-c", w.ConfigPath())
	if want := `warning: client_tls_cert_file: the certificate "CN=weir.example" in ` + path + " expires in 0 hours"; code != 0 || !strings.Contains(out, want) {
		t.Errorf("check: %d, no %q in\n%s", code, want, out)
	}
}
