package integration

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"pgweir/cluster"
	"pgweir/ldaptest"
)

// staff are the entries of the tests; they may be searched by the reader only.
var staff = []ldaptest.Entry{
	staffEntry("ann", "geheim"), staffEntry("bob", "bob's"), staffEntry("twin", "geheim"), staffEntry("ann, jr", "geheim"),
	{DN: "uid=twin,ou=guests,dc=example,dc=net", Password: "geheim", Attributes: map[string][]string{"uid": {"twin"}}},
	{DN: "uid=guest,ou=guests,dc=example,dc=net", Password: "geheim", Attributes: map[string][]string{"uid": {"guest"}, "mail": {"guest@example.net"}}},
	{DN: "cn=reader,dc=example,dc=net", Password: "liest alles"},
}

func staffEntry(uid, password string) ldaptest.Entry {
	return ldaptest.Entry{
		DN: "uid=" + strings.ReplaceAll(uid, ",", `\,`) + ",ou=staff,dc=example,dc=net", Password: password,
		Attributes: map[string][]string{"uid": {uid}, "mail": {uid + "@example.net"}},
	}
}

const (
	ldapMade   = `ldapserver=127.0.0.1 ldapport=%d ldapprefix="uid=" ldapsuffix=",ou=staff,dc=example,dc=net"`
	ldapLooked = `ldapserver=127.0.0.1 ldapport=%d ldapbasedn="dc=example,dc=net" ldapbinddn="cn=reader,dc=example,dc=net" ldapbindpasswd="liest alles"`
	ldapURL    = `ldapurl="ldap://127.0.0.1:%d/ou=staff,dc=example,dc=net?mail?one" ldapbinddn="cn=reader,dc=example,dc=net" ldapbindpasswd="liest alles"`
	ldapFilter = `ldapserver="127.0.0.1" ldapport=%d ldapbasedn="dc=example,dc=net" ldapsearchfilter="(|(uid=$username)(mail=$username))" ldapbinddn="cn=reader,dc=example,dc=net" ldapbindpasswd="liest alles"`
)

func startLDAP(t *testing.T, opts ldaptest.Options) *ldaptest.Server {
	t.Helper()
	opts.Entries, opts.Readers = staff, []string{"cn=reader,dc=example,dc=net"}
	return ldaptest.Serve(t, opts)
}

// ldapTLS is what an LDAP server on 127.0.0.1 shows.
func ldapTLS(t *testing.T, ca *authority) *tls.Config {
	t.Helper()
	cert, key := ca.Sign(t, "ldap.example", net.IPv4(127, 0, 0, 1))
	pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}}
}

// startStaff starts a server that has the staff as roles, and asks everybody for a
// password over TCP.
func startStaff(t *testing.T, hba ...string) *cluster.Cluster {
	t.Helper()
	pg := startCluster(t, cluster.Options{HBA: append([]string{"local all all trust", "host all postgres all trust"}, hba...)})
	execSQL(t, pg.DSN("postgres"), `
		create role ann login password 'geheim'; create role bob login password 'bob''s'; create role twin login password 'geheim';
		create role guest login password 'geheim'; create role "ann, jr" login password 'geheim'; create role "x)(uid=ann" login password 'geheim';
		create role "*" login password 'geheim'; create role "ann@example.net" login password 'geheim'; create role "guest,ou=guests" login password 'geheim';
		create role nobody_there login password 'geheim'`)
	return pg
}

// TestAnLDAPServerSaysWhoLogsIn: with the password that it has vouched for, the client
// is logged in to PostgreSQL too.
func TestAnLDAPServerSaysWhoLogsIn(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t, "the authority")
	plain := startLDAP(t, ldaptest.Options{TLS: ldapTLS(t, ca)})
	secure := startLDAP(t, ldaptest.Options{TLS: ldapTLS(t, ca), Immediate: true})
	pg := startStaff(t, "host all all all scram-sha-256")
	lines := []string{
		"local all postgres trust",
		"host made,pgweir all all ldap " + fmt.Sprintf(ldapMade, plain.Port),
		"host looked all all ldap " + fmt.Sprintf(ldapLooked, plain.Port),
		"host url all all ldap " + fmt.Sprintf(ldapURL, plain.Port),
		"host filter all all ldap " + fmt.Sprintf(ldapFilter, plain.Port),
		"host ldaps all all ldap ldapscheme=ldaps " + fmt.Sprintf(ldapMade, secure.Port),
		"host starttls all all ldap ldaptls=1 " + fmt.Sprintf(ldapLooked, plain.Port),
		"host stranger all all ldap ldaptls=1 " + fmt.Sprintf(strings.Replace(ldapMade, "127.0.0.1", "localhost", 1), plain.Port),
	}
	w := startWeir(t, weirOptions{
		Cluster: pg,
		Top:     "auth_type = \"hba\"\nauth_hba_file = \"hba.conf\"\nldap_tls_ca_file = \"ca.crt\"\nlogin_failure_delay = 0\nserver_login_retry = 0\nadmin_users = [\"postgres\", \"ann\"]",
		Tables:  "[databases.\"*\"]\nhost = \"127.0.0.1\"\nport = PGPORT\n[users.postgres]\n",
		Files:   map[string]string{"hba.conf": strings.Join(lines, "\n") + "\n", "ca.crt": ca.PEM},
	})
	for _, name := range []string{"made", "looked", "url", "filter", "ldaps", "starttls", "stranger"} {
		execSQL(t, pg.DSN("postgres"), "create database "+name)
	}
	const in, refused = "", "password authentication failed for user"
	for _, c := range []struct{ db, user, password, want, reason string }{
		{"made", "ann", "geheim", in, ""},
		{"made", "bob", "bob's", in, ""},
		{"made", "ann, jr", "geheim", in, ""},
		{"made", "ann", "wrong", refused, `hba.conf:2: LDAP server 127.0.0.1`},
		{"made", "nobody_there", "geheim", refused, "Invalid Credentials"},
		{"made", "guest,ou=guests", "geheim", refused, `uid=guest\\\\,ou=guests,ou=staff`},
		{"looked", "ann", "geheim", in, ""},
		{"looked", "guest", "geheim", in, ""},
		{"looked", "ann", "wrong", refused, "hba.conf:3: LDAP server 127.0.0.1"},
		{"looked", "twin", "geheim", refused, "has more than one entry"},
		{"looked", "nobody_there", "geheim", refused, "has no entry for"},
		{"looked", "x)(uid=ann", "geheim", refused, "is not looked for"},
		{"looked", "*", "geheim", refused, "is not looked for"},
		{"url", "ann@example.net", "geheim", in, ""},
		{"url", "guest@example.net", "geheim", refused, ""},
		{"filter", "ann", "geheim", in, ""},
		{"filter", "ann@example.net", "geheim", in, ""},
		{"ldaps", "ann", "geheim", in, ""},
		{"ldaps", "ann", "wrong", refused, "hba.conf:6"},
		{"starttls", "ann", "geheim", in, ""},
		{"starttls", "ann", "wrong", refused, "hba.conf:7"},
		{"stranger", "ann", "geheim", refused, "StartTLS: "},
	} {
		dsn := dsn(w.Port, c.db, "user='"+c.user+"'", `password='`+strings.ReplaceAll(c.password, "'", `\'`)+`'`)
		out, err := tryPsql(t, dsn, "select session_user")
		if c.want == in && (err != nil || out != c.user) || c.want != in && (err == nil || !strings.Contains(out, c.want)) {
			t.Errorf("%s as %s with %q: %v, %s\nwant %q", c.db, c.user, c.password, err, out, c.want)
		}
		eventually(t, "the log says why: "+c.reason, func() bool { return strings.Contains(w.Log(), c.reason) })
	}
	if out, err := tryPsql(t, w.Console("user=ann", "password=geheim"), "show config"); err != nil || strings.Contains(out, "liest alles") {
		t.Errorf("the console: %v, %s", err, out)
	}
	if strings.Contains(w.Log(), "geheim") || strings.Contains(w.Log(), "liest alles") || strings.Contains(w.Log(), "bob's") {
		t.Error("a password is in the log")
	}
	for _, filter := range plain.Searches() {
		if strings.Contains(filter, ")(uid=ann)") || strings.Contains(filter, "=*") {
			t.Errorf("the LDAP server was asked for %s", filter)
		}
	}
	out, code := pgweir(t, "check", "-c", w.ConfigPath(), "--as", "ann", "--database", "looked", "--from", "127.0.0.1")
	if code != 0 || !strings.Contains(out, "method ldap") || !strings.Contains(out, "ldapbindpasswd=***") || strings.Contains(out, "liest alles") {
		t.Errorf("check: %d, %s", code, out)
	}
	out, _ = pgweir(t, "check", "-c", w.ConfigPath())
	if want := "hba.conf:8: nobody can log in by LDAP: LDAP server localhost:"; !strings.Contains(out, want) || strings.Count(out, "by LDAP") != 1 {
		t.Errorf("check: %s", out)
	}
}

func TestAnEmptyPasswordGoesToNoLDAPServer(t *testing.T) {
	t.Parallel()
	server := startLDAP(t, ldaptest.Options{})
	w := startWeir(t, weirOptions{
		Cluster: startStaff(t, "host all all all trust"),
		Top:     "auth_type = \"ldap\"\nlogin_failure_delay = 0\nserver_login_retry = 0\nauth_ldap_options = '" + fmt.Sprintf(ldapMade, server.Port) + "'",
	})
	if got := refusedAs(t, w, "ann", ""); got != "28P01" {
		t.Errorf("an empty password: %q", got)
	}
	if got := server.Binds(); len(got) != 0 {
		t.Errorf("the server was sent %q", got)
	}
	if got := loggedInAs(t, w, "ann", "geheim"); got != "ann ann" {
		t.Errorf("ann is %q", got)
	}
	if got := server.Binds(); !slices.Equal(got, []string{"uid=ann,ou=staff,dc=example,dc=net ok"}) {
		t.Errorf("the server was sent %q", got)
	}
	if got := methodAsked(t, w, "nobody"); got != methodAsked(t, w, "ann") {
		t.Errorf("an unknown user is asked for %s", got)
	}
	wrong, e := refusalOf(t, w, "ann", "wrong"), new(pgconn.PgError)
	if *e = refusalOf(t, w, "nobody", "wrong"); e.Code != "28P01" || e.Message != strings.Replace(wrong.Message, `"ann"`, `"nobody"`, 1) || e.Detail != wrong.Detail || e.Hint != wrong.Hint {
		t.Errorf("an unknown user reads %+v, and a wrong password %+v", e, wrong)
	}
}

// TestLDAPLinesGiveTheVerdictsThatPostgreSQLGives, where PostgreSQL is built with LDAP;
// otherwise those that are written here.
func TestLDAPLinesGiveTheVerdictsThatPostgreSQLGives(t *testing.T) {
	t.Parallel()
	server := startLDAP(t, ldaptest.Options{})
	var lines []string
	options := map[string]string{"made": ldapMade, "looked": ldapLooked, "url": ldapURL, "filter": ldapFilter}
	for name, options := range options {
		lines = append(lines, "host "+name+" all all ldap "+fmt.Sprintf(options, server.Port))
	}
	has := strings.Contains(ask(t, connect(t, shared.DSN("postgres")), "select setting from pg_config where name = 'CONFIGURE'"), "--with-ldap")
	theirs := lines
	if !has {
		theirs = []string{"host all all all trust"}
	}
	pg := startStaff(t, theirs...)
	w := startWeir(t, weirOptions{
		Cluster: pg,
		Top:     "auth_type = \"hba\"\nauth_hba_file = \"hba.conf\"\nlogin_failure_delay = 0\nserver_login_retry = 0",
		Tables:  "[databases.\"*\"]\nhost = \"" + pg.SocketDir + "\"\nport = PGPORT\n[users.postgres]\n",
		Files:   map[string]string{"hba.conf": strings.Join(lines, "\n") + "\nlocal all all trust\n"},
	})
	for name := range options {
		execSQL(t, pg.DSN("postgres"), "create database "+name)
	}
	compared := 0
	for _, c := range []struct{ db, user, password, want string }{
		{"made", "ann", "geheim", "in"}, {"made", "ann", "wrong", "out"}, {"made", "ann", "", "out"}, {"made", "bob", "bob's", "in"},
		{"made", "guest", "geheim", "out"}, {"made", "guest,ou=guests", "geheim", "out"}, {"made", "*", "geheim", "out"},
		{"looked", "ann", "geheim", "in"}, {"looked", "guest", "geheim", "in"}, {"looked", "twin", "geheim", "out"}, {"looked", "ann", "", "out"},
		{"looked", "*", "geheim", "out"}, {"looked", "x)(uid=ann", "geheim", "out"}, {"looked", "ann, jr", "geheim", "in"},
		{"looked", "nobody_there", "geheim", "out"}, {"looked", "ann@example.net", "geheim", "out"},
		{"url", "ann@example.net", "geheim", "in"}, {"url", "ann", "geheim", "out"}, {"url", "guest@example.net", "geheim", "out"},
		{"filter", "ann", "geheim", "in"}, {"filter", "ann@example.net", "geheim", "in"}, {"filter", "ann@example.net", "wrong", "out"},
	} {
		verdict := func(port int) string {
			config, err := pgconn.ParseConfig(dsn(port, c.db))
			if err != nil {
				t.Fatal(err)
			}
			config.User, config.Password = c.user, c.password
			conn, err := pgconn.ConnectConfig(t.Context(), config)
			if err != nil {
				codeOf(t, err)
				return "out"
			}
			conn.Close(context.Background())
			return "in"
		}
		if got := verdict(w.Port); got != c.want {
			t.Errorf("%s as %q with %q: %s", c.db, c.user, c.password, got)
		}
		if has {
			compared++
			if got := verdict(pg.Port); got != c.want {
				t.Errorf("%s as %q with %q: PostgreSQL says %s", c.db, c.user, c.password, got)
			}
		}
	}
	t.Logf("%d verdicts are PostgreSQL's", compared)
}

// TestAnLDAPServerThatSaysNothingHoldsUpNobodyElse and a client that goes meanwhile is
// forgotten.
func TestAnLDAPServerThatSaysNothingHoldsUpNobodyElse(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	accepted := make(chan net.Conn, 100)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- conn
		}
	}()
	w := startWeir(t, weirOptions{
		Top:    "auth_type = \"hba\"\nauth_hba_file = \"hba.conf\"",
		Tables: "[users.postgres]\n",
		Files: map[string]string{"hba.conf": "host all postgres all trust\nhost all all all ldap " +
			fmt.Sprintf(ldapMade, l.Addr().(*net.TCPAddr).Port) + "\n"},
	})
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	waits := make(chan error, 1)
	go func() {
		config, err := pgconn.ParseConfig(w.DSN("user=ann", "password=geheim"))
		if err == nil {
			_, err = pgconn.ConnectConfig(ctx, config)
		}
		waits <- err
	}()
	first := <-accepted
	defer first.Close()
	for range 3 {
		connect(t, w.DSN()).Close(context.Background())
	}
	leave() // the client goes, and with it the question
	<-waits
	if err := tillEnd(first); err != nil {
		t.Errorf("the question goes on without its client: %v", err)
	}
	go func() {
		config, err := pgconn.ParseConfig(w.DSN("user=ann", "password=geheim"))
		if err == nil {
			_, err = pgconn.ConnectConfig(t.Context(), config)
		}
		waits <- err
	}()
	(<-accepted).Close() // the server goes
	if err := <-waits; err == nil || codeOf(t, err) != "28P01" {
		t.Errorf("%v", err)
	}
	w.Says(t, "hba.conf:2: LDAP server 127.0.0.1", 1)
}

// tillEnd reads all that comes on a connection.
func tillEnd(c net.Conn) error {
	_, err := c.Read(make([]byte, 1<<16))
	for err == nil {
		_, err = c.Read(make([]byte, 1<<16))
	}
	if err.Error() == "EOF" || strings.Contains(err.Error(), "reset") {
		return nil
	}
	return err
}

func TestMistakesInLDAPOptionsAreToldWithTheirPlace(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Files: map[string]string{"hba.conf": "local all all trust\n"}})
	for _, c := range []struct{ top, lines, want string }{
		{"auth_type = \"ldap\"", "", `auth_type: "ldap" needs auth_ldap_options`},
		{"auth_type = \"ldap\"\nauth_ldap_options = \"ldapserver=a\"", "", `config.toml:2: auth_ldap_options: authentication method "ldap" requires argument "ldapbasedn"`},
		{"auth_type = \"ldap\"\nauth_ldap_options = \"ldapserver=a ldapbasedn=dc=x ldapprefx=b ldapbindpasswd=geheim\"", "", `did you mean "ldapprefix"?`},
		{"auth_type = \"md5\"\nauth_ldap_options = \"ldapserver=a\"", "", `is read only with auth_type = "ldap"`},
		{"", "\nlocal all all ldap ldapserver=a ldapprefix=x ldapbasedn=y ldapbindpasswd=geheim", `hba.conf:2: cannot use ldapbasedn,`},
		{"", "local all all ldap ldapserver=a ldapbasedn=dc=x ldapsearchfilter=(uid", `hba.conf:1: "(uid" is no LDAP filter`},
		{"ldap_tls_ca_file = \"none.crt\"", "local all all trust", "ldap_tls_ca_file: "},
	} {
		opts := w.opts
		if opts.Top = c.top; c.lines != "" {
			opts.Top += "\nauth_type = \"hba\"\nauth_hba_file = \"hba.conf\""
			if err := os.WriteFile(w.Dir+"/hba.conf", []byte(c.lines+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		w.Rewrite(t, opts)
		if out, code := pgweir(t, "check", "-c", w.ConfigPath()); code != 1 || !strings.Contains(out, c.want) || strings.Contains(out, "geheim") {
			t.Errorf("%s %s: %d, %s\nwant %s", c.top, c.lines, code, out, c.want)
		}
	}
}
