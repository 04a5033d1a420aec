package integration

import (
	"context"
	"crypto/tls"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// certLogin is a login with a certificate, and how it ends: with an SQLSTATE and an
// error that says so, "tls" for a handshake that fails, "" for none.
type certLogin struct {
	what, user string
	dsn        []string
	code, says string
}

func (c certLogin) try(t *testing.T, w *weir) {
	t.Helper()
	config, err := pgconn.ParseConfig(w.DSN(append([]string{"user=" + c.user}, c.dsn...)...))
	if err != nil {
		t.Fatal(err)
	}
	if config.TLSConfig != nil && len(config.TLSConfig.Certificates) > 0 {
		// crypto/tls alone would not show one that the server has not asked for.
		own := config.TLSConfig.Certificates[0]
		config.TLSConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &own, nil }
	}
	conn, err := pgconn.ConnectConfig(t.Context(), config)
	if err == nil {
		_, err = conn.Exec(t.Context(), "select current_user").ReadAll()
		_ = conn.Close(context.Background())
	}
	got := ""
	if e := new(pgconn.PgError); errors.As(err, &e) {
		got = e.Code
	} else if err != nil {
		got = "tls"
	}
	if got != c.code || !strings.Contains(fmt.Sprint(err), c.says) {
		t.Errorf("%s as %s: %q, %v\nwant %q %s", c.what, c.user, got, err, c.code, c.says)
	}
}

// certifiedAs are the parameters with which a client shows a certificate of this subject.
func certifiedAs(t *testing.T, ca *authority, subject pkix.Name) []string {
	t.Helper()
	template := certificate("")
	template.Subject = subject
	cert, key := ca.sign(t, template)
	dir := t.TempDir()
	for file, text := range map[string]string{"client.crt": cert, "client.key": key} {
		if err := os.WriteFile(dir+"/"+file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return []string{"sslmode=require", "sslcert=" + dir + "/client.crt", "sslkey=" + dir + "/client.key"}
}

// certFiles are a certificate of pgweir's, and the settings that name it and the
// authority of clients.
func certFiles(t *testing.T, ca *authority) (top string, files map[string]string) {
	t.Helper()
	cert, key := ca.Sign(t, "weir.example", net.IPv4(127, 0, 0, 1))
	return "client_tls_cert_file = \"weir.crt\"\nclient_tls_key_file = \"weir.key\"\nclient_tls_ca_file = \"ca.crt\"\nlogin_failure_delay = 0\n",
		map[string]string{"weir.crt": cert, "weir.key": key, "ca.crt": ca.PEM}
}

const (
	needsCertificate = "connection requires a valid client certificate"
	wrongCertificate = "certificate authentication failed for user"
	wrongPassword    = "password authentication failed for user"
)

// TestClientsOverTCPNeedACertificateWhereTheModeVerifiesIt, of any name, and the method
// has its say after that.
func TestClientsOverTCPNeedACertificateWhereTheModeVerifiesIt(t *testing.T) {
	t.Parallel()
	ca, stranger := newAuthority(t, "the authority"), newAuthority(t, "another authority")
	top, files := certFiles(t, ca)
	options := weirOptions{
		Top:    top + "auth_type = \"scram-sha-256\"\nclient_tls_sslmode = \"verify-ca\"",
		Tables: "[users.postgres]\npassword = \"geheim\"", Files: files,
	}
	w := startWeir(t, options)
	named, strange := certified(t, ca, "anybody"), certified(t, stranger, "postgres")
	for _, mode := range []string{"verify-ca", "verify-full"} {
		if mode != "verify-ca" {
			options.Top = strings.Replace(options.Top, `"verify-ca"`, `"`+mode+`"`, 1)
			w.Rewrite(t, options)
			reloadBySignal(t, w)
		}
		for _, c := range []certLogin{
			{"without TLS", "postgres", []string{"sslmode=disable", "password=geheim"}, "28000", "an encrypted connection is required"},
			{"without a certificate", "postgres", []string{"sslmode=require", "password=geheim"}, "28000", needsCertificate},
			{"with a stranger's", "postgres", append(strange, "password=geheim"), "tls", ""},
			{"with one", "postgres", append(named, "password=geheim"), "", ""},
			{"with one, and a wrong password", "postgres", append(named, "password=wrong"), "28P01", wrongPassword},
			{"over a Unix socket", "postgres", []string{"host=" + w.Dir, "password=geheim"}, "", ""},
			{"over a Unix socket with a wrong password", "postgres", []string{"host=" + w.Dir, "password=wrong"}, "28P01", wrongPassword},
		} {
			c.what = mode + ", " + c.what
			c.try(t, w)
		}
	}
}

func TestAuthTypeCertTakesTheCommonNameForTheUser(t *testing.T) {
	t.Parallel()
	createRole(t, "cert_alone")
	ca, stranger := newAuthority(t, "the authority"), newAuthority(t, "another authority")
	top, files := certFiles(t, ca)
	w := startWeir(t, weirOptions{Top: top + `auth_type = "cert"`, Files: files})
	own := certified(t, ca, "cert_alone")
	for _, c := range []certLogin{
		{"with its own", "cert_alone", own, "", ""},
		{"with another's", "postgres", own, "28000", wrongCertificate},
		{"with a stranger's", "cert_alone", certified(t, stranger, "cert_alone"), "tls", ""},
		{"without one", "cert_alone", []string{"sslmode=require"}, "28000", needsCertificate},
		{"without TLS", "cert_alone", []string{"sslmode=disable"}, "28000", needsCertificate},
		{"over a Unix socket", "cert_alone", []string{"host=" + w.Dir}, "28000", needsCertificate},
	} {
		c.try(t, w)
	}
	if got := ask(t, connect(t, w.DSN(append(own, "user=cert_alone")...)), "select current_user"); got != "cert_alone" {
		t.Errorf("PostgreSQL takes it for %s", got)
	}
}

func TestAuthTypePeerTakesTheOperatingSystemsUser(t *testing.T) {
	t.Parallel()
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	createRole(t, `"`+me.Username+`"`)
	createRole(t, "peer_stranger")
	w := startWeir(t, weirOptions{Top: `auth_type = "peer"`})
	for _, c := range []certLogin{
		{"over a Unix socket", me.Username, []string{"host=" + w.Dir}, "", ""},
		{"over a Unix socket", "peer_stranger", []string{"host=" + w.Dir}, "28000", "Peer authentication failed for user"},
		{"over TCP", me.Username, nil, "28000", "Peer authentication failed for user"},
	} {
		c.try(t, w)
	}
	if got := ask(t, connect(t, w.DSN("host="+w.Dir, "user="+me.Username)), "select current_user"); got != me.Username {
		t.Errorf("PostgreSQL takes it for %s", got)
	}
	w.Says(t, "peer is for Unix sockets", 1)
}

// TestLinesSayWhichNameOfACertificateCounts and maps, whose it is.
func TestLinesSayWhichNameOfACertificateCounts(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"dn_exact", "dn_pattern", "dn_any", "team_ann", "team_bob"} {
		createRole(t, name)
	}
	ca, stranger := newAuthority(t, "the authority"), newAuthority(t, "another authority")
	top, files := certFiles(t, ca)
	files["hba.conf"] = `hostssl all dn_exact,dn_pattern  all cert clientname=DN map=dn
hostssl all dn_any               all scram-sha-256 clientcert=verify-ca
hostssl all team_ann,team_bob    all cert map=team
local   all all                      trust
`
	files["ident.conf"] = `dn   "CN=Ann,OU=Ops,O=Corp"     dn_exact
dn   "/^CN=[^,]*,OU=Ops,O=Corp$" dn_pattern
team /^(.*)@example\.net$       team_\1
`
	w := startWeir(t, weirOptions{
		Top:    top + "auth_type = \"hba\"\nauth_hba_file = \"hba.conf\"\nauth_ident_file = \"ident.conf\"",
		Tables: "[users.postgres]\n[users.dn_any]\npassword = \"geheim\"", Files: files,
	})
	corp := func(cn, unit string) []string {
		return certifiedAs(t, ca, pkix.Name{CommonName: cn, OrganizationalUnit: []string{unit}, Organization: []string{"Corp"}})
	}
	ann, zoe := corp("Ann", "Ops"), corp("Zoe", "Ops")
	mail := certified(t, ca, "ann@example.net")
	for _, c := range []certLogin{
		{"with the whole name", "dn_exact", ann, "", ""},
		{"with another common name", "dn_exact", zoe, "28000", wrongCertificate},
		{"with another unit", "dn_exact", corp("Ann", "Sales"), "28000", wrongCertificate},
		{"with a common name alone", "dn_exact", certified(t, ca, "Ann"), "28000", wrongCertificate},
		{"with a common name that reads like all", "dn_exact", certified(t, ca, "Ann,OU=Ops,O=Corp"), "28000", wrongCertificate},
		{"with a name of the pattern", "dn_pattern", ann, "", ""},
		{"with another of the pattern", "dn_pattern", zoe, "", ""},
		{"with one that has more", "dn_pattern", corp("Ann,OU=Ops", "Ops"), "28000", wrongCertificate},
		{"with the user's own name", "dn_pattern", certified(t, ca, "dn_pattern"), "28000", wrongCertificate},

		{"with any certificate", "dn_any", append(zoe, "password=geheim"), "", ""},
		{"with any, and a wrong password", "dn_any", append(zoe, "password=wrong"), "28P01", wrongPassword},
		{"without one", "dn_any", []string{"sslmode=require", "password=geheim"}, "28000", needsCertificate},
		{"with a stranger's", "dn_any", append(certified(t, stranger, "dn_any"), "password=geheim"), "tls", ""},

		{"with the address", "team_ann", mail, "", ""},
		{"with another's address", "team_bob", mail, "28000", wrongCertificate},
		{"with more than the address", "team_ann", certified(t, ca, "ann@example.net.evil"), "28000", wrongCertificate},
		{"with the user's own name", "team_ann", certified(t, ca, "team_ann"), "28000", wrongCertificate},
	} {
		c.try(t, w)
	}
}
