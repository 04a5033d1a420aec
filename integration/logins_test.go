package integration

import (
	"context"
	dbsql "database/sql"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/lib/pq"

	"pgweir/cluster"
)

// Every way of a client with every way of the server, for every kind of secret that
// stands between. What must come of it follows from what each side has to prove, and
// with what it can (loginCase.want).

const loginPassword = "geheim-und-lang"

// loginCase is one client that logs in through one pgweir to one role.
type loginCase struct {
	client string     // how the client proves who it is: a word of clientWays
	tls    string     // between client and pgweir: "none", "asked", "direct"
	secret string     // what pgweir is given of the user: a word of loginSecrets
	link   string     // between pgweir and server: a word of loginLinks
	server serverRole // how the server has the role prove who it is
}

var (
	clientWays   = []string{"trust", "password", "md5", "scram", "bound", "cert"}
	loginSecrets = []string{"plain", "md5", "scram", "query"}
	loginLinks   = []string{"none", "tls", "bound"}
)

// serverRole is a role whose name says how it logs in.
type serverRole struct{ name, asks, stored string }

var serverRoles = []serverRole{
	{"by_trust", "nothing", "scram"},
	{"by_cert", "nothing", "scram"},
	{"by_password", "password", "scram"},
	{"by_md5", "md5", "md5"},
	{"by_md5_of_scram", "scram", "scram"}, // the line says md5, and PostgreSQL asks for SCRAM
	{"by_scram", "scram", "scram"},
}

// known is what pgweir knows of the user when it comes to a password: of auth_query,
// the secret that the server has.
func (c *loginCase) known() string {
	if c.secret == "query" {
		return c.server.stored
	}
	return c.secret
}

// needsPassword tells whether the client's way is one of proving a secret.
func (c *loginCase) needsPassword() bool { return c.client != "trust" && c.client != "cert" }

// exchange is what the client is asked for: an MD5 response cannot be held against a
// SCRAM secret, so md5 asks for SCRAM then.
func (c *loginCase) exchange() string {
	switch {
	case !c.needsPassword():
		return "none"
	case c.client == "bound", c.client == "md5" && c.known() == "scram":
		return "scram"
	}
	return c.client
}

// holds is what pgweir can prove with at the server, once the client is in:
//   - what it is given: a password, or an MD5 secret. A SCRAM secret proves nothing by
//     itself. auth_query is asked for who proves a secret only
//   - what the client has shown: a password in clear text, or by SCRAM the key that
//     fits the SCRAM secret
func (c *loginCase) holds() (all []string) {
	if c.secret != "query" || c.needsPassword() {
		switch c.known() {
		case "plain":
			all = append(all, "password")
		case "md5":
			all = append(all, "md5")
		}
	}
	switch c.exchange() {
	case "password":
		all = append(all, "password")
	case "scram":
		if c.known() == "scram" {
			all = append(all, "key")
		}
	}
	return all
}

// want is the SQLSTATE that the client gets, "" for none, and what the error says.
func (c *loginCase) want() (code, says string) {
	switch {
	case c.client == "cert" && c.tls == "none": // no line of pgweir's applies
		return "28P01", "password authentication failed"
	case c.exchange() == "scram" && c.known() == "md5": // SCRAM has nothing to be held against
		return "28P01", "password authentication failed"
	case c.server.name == "by_cert" && c.link == "none": // no line of the server's applies
		return "28000", "pg_hba.conf"
	case c.link == "bound" && c.server.asks != "scram":
		return "08001", `server_channel_binding is "require"`
	}
	answers := map[string][]string{
		"password": {"password"}, "md5": {"password", "md5"}, "scram": {"password", "key"},
	}[c.server.asks]
	holds := c.holds()
	if c.server.asks == "nothing" || slices.ContainsFunc(answers, func(a string) bool { return slices.Contains(holds, a) }) {
		return "", ""
	}
	method := map[string]string{"password": "password", "md5": "md5", "scram": "scram-sha-256"}[c.server.asks]
	return "28P01", fmt.Sprintf("the server asks for the password of user %q by the method %s, and none that answers it is known", c.server.name, method)
}

// why is what the error's detail says where a secret is known that does not serve.
func (c *loginCase) why() string {
	switch {
	case c.secret == "query" && !c.needsPassword():
		return ""
	case c.known() == "md5":
		return "An MD5 secret is known, which answers md5 only."
	case c.known() == "scram" && c.exchange() == "scram":
		return "A SCRAM secret is known, which answers scram-sha-256 only."
	case c.known() == "scram":
		return "only when a client has logged in with it"
	}
	return ""
}

// possible tells whether a client would try: it cannot bind without TLS. How TLS
// begins on this side does not matter to the other, so one role is enough to see it.
func (c *loginCase) possible() bool {
	switch c.tls {
	case "none":
		return c.client != "bound"
	case "direct":
		return c.server.name == "by_scram"
	}
	return true
}

func TestEveryWayOfAClientMeetsEveryWayOfTheServer(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t, "the authority")
	pg := startLoginServer(t, ca)
	for _, secret := range loginSecrets {
		for _, link := range loginLinks {
			t.Run(secret+", server link "+link, func(t *testing.T) {
				t.Parallel()
				w := startLoginWeir(t, pg, ca, secret, link)
				for _, client := range clientWays {
					for _, tls := range []string{"none", "asked", "direct"} {
						for _, role := range serverRoles {
							c := loginCase{client, tls, secret, link, role}
							if c.possible() {
								tryEveryDriver(t, w, &c)
							}
						}
					}
				}
				if log := w.Log(); strings.Contains(log, loginPassword) || strings.Contains(log, "SCRAM-SHA-256$") {
					t.Error("a secret is in the log")
				}
			})
		}
	}
}

// startLoginServer starts a server with serverRoles.
func startLoginServer(t *testing.T, ca *authority) *cluster.Cluster {
	t.Helper()
	cert, key := ca.Sign(t, "server.example", net.IPv4(127, 0, 0, 1))
	pg := startCluster(t, cluster.Options{
		Settings: map[string]string{
			"ssl": "on", "ssl_cert_file": "server.crt", "ssl_key_file": "server.key", "ssl_ca_file": "root.crt",
			// Every role has a backend by each way of a client, in each pgweir.
			"max_connections": fmt.Sprint(50 + len(loginSecrets)*len(loginLinks)*len(clientWays)*len(serverRoles)),
		},
		Files: map[string][]byte{
			"server.crt": []byte(cert), "server.key": []byte(key), "root.crt": []byte(ca.PEM), "pg_ident.conf": []byte("weir pgweir by_cert\n"),
		},
		HBA: []string{
			"local all all trust", "host all postgres all trust", "host all asker,by_scram all scram-sha-256", "host all by_trust all trust",
			"hostssl all by_cert all cert map=weir", "host all by_password all password", "host all by_md5,by_md5_of_scram all md5",
		},
	})
	sql := "create role asker login superuser password '" + loginPassword + "';"
	for _, role := range serverRoles {
		encryption := map[string]string{"md5": "md5", "scram": "scram-sha-256"}[role.stored]
		sql += fmt.Sprintf("set password_encryption = '%s'; create role %s login password '%s';", encryption, role.name, loginPassword)
	}
	execSQL(t, pg.DSN("postgres"), sql)
	return pg
}

// startLoginWeir starts a pgweir with a database for each way of a client, and one
// kind of secret.
func startLoginWeir(t *testing.T, pg *cluster.Cluster, ca *authority, secret, link string) *weir {
	t.Helper()
	db := createDatabase(t, pg)
	top := `auth_type = "hba"
auth_hba_file = "hba.conf"
auth_ident_file = "ident.conf"
client_tls_cert_file = "weir.crt"
client_tls_key_file = "weir.key"
client_tls_ca_file = "ca.crt"
server_login_retry = 0
login_failure_delay = 0
` + map[string]string{
		"none":  "server_tls_sslmode = \"disable\"\n",
		"tls":   "server_tls_sslmode = \"verify-full\"\n",
		"bound": "server_tls_sslmode = \"verify-full\"\nserver_channel_binding = \"require\"\n",
	}[link]
	if link != "none" {
		top += "server_tls_ca_file = \"ca.crt\"\nserver_tls_cert_file = \"at_server.crt\"\nserver_tls_key_file = \"at_server.key\"\n"
	}
	tables, ident := "", ""
	if secret == "query" {
		top += fmt.Sprintf("auth_user = \"asker\"\nauth_dbname = %q\n", db)
		tables = fmt.Sprintf("[users.asker]\npassword = %q\n", loginPassword)
	}
	for _, role := range serverRoles {
		ident += fmt.Sprintf("weir \"the client\" %s\n", role.name)
		if given := loginSecret(t, pg, role, secret); given != "" {
			tables += fmt.Sprintf("[users.%s]\npassword = %q\n", role.name, given)
		}
	}
	hba := "hostssl by_cert all all cert map=weir\n"
	for _, way := range []string{"trust", "password", "md5", "scram", "cert"} {
		tables += fmt.Sprintf("[databases.by_%s]\nhost = \"127.0.0.1\"\nport = PGPORT\ndbname = %q\n", way, db)
		if way != "cert" {
			hba += fmt.Sprintf("host by_%s all all %s\n", way, strings.Replace(way, "scram", "scram-sha-256", 1))
		}
	}
	cert, key := ca.Sign(t, "weir.example", net.IPv4(127, 0, 0, 1))
	clientCert, clientKey := ca.Sign(t, "the client")
	ownCert, ownKey := ca.Sign(t, "pgweir")
	return startWeir(t, weirOptions{Cluster: pg, DB: db, Top: top, Tables: tables, Files: map[string]string{
		"hba.conf": hba, "ident.conf": ident, "ca.crt": ca.PEM, "weir.crt": cert, "weir.key": key,
		"client.crt": clientCert, "client.key": clientKey, "at_server.crt": ownCert, "at_server.key": ownKey,
	}})
}

// loginSecret is what pgweir is given of a role: its SCRAM secret is the server's own,
// if that has one.
func loginSecret(t *testing.T, pg *cluster.Cluster, role serverRole, kind string) string {
	t.Helper()
	switch {
	case kind == "plain":
		return loginPassword
	case kind == "md5":
		return md5Secret(role.name, loginPassword)
	case kind == "scram" && role.stored == "scram":
		return ask(t, connect(t, pg.DSN("postgres")), "select rolpassword from pg_authid where rolname = '"+role.name+"'")
	case kind == "scram":
		return scramSecret(t, loginPassword)
	}
	return ""
}

// tryEveryDriver logs in with pgx, and where it makes a difference with lib/pq and
// with psql, which is libpq.
func tryEveryDriver(t *testing.T, w *weir, c *loginCase) {
	t.Helper()
	code, says := c.want()
	check := func(driver, gotCode, gotText string, failed bool) {
		t.Helper()
		if failed != (code != "") || gotCode != code || !strings.Contains(gotText, says) {
			t.Errorf("%s, client by %s with TLS %s, %s secret, link %s, server %s: %q %s\nwant %q %s",
				driver, c.client, c.tls, c.secret, c.link, c.server.name, gotCode, gotText, code, says)
		}
	}
	err := loginByPgx(t, w, c, code)
	check("pgx", codeOf(t, err), fmt.Sprint(err), err != nil)
	var e *pgconn.PgError
	if errors.As(err, &e) && strings.Contains(says, "none that answers") {
		if !strings.Contains(e.Detail, c.why()) || !strings.Contains(e.Hint, "Set password in [users]") {
			t.Errorf("%+v: no reason in detail %q, hint %q", *c, e.Detail, e.Hint)
		}
	}
	if c.tls != "direct" && c.client != "bound" && c.link == "tls" && (c.server.name == "by_scram" || c.server.name == "by_md5") {
		err := loginByPq(t, w, c)
		var e *pq.Error
		got := ""
		if errors.As(err, &e) {
			got = string(e.Code)
		}
		check("lib/pq", got, fmt.Sprint(err), err != nil)
	}
	if c.tls != "direct" && c.link != "bound" && c.server.name == "by_scram" {
		dsn := loginDSN(w, c)
		if auth := requireAuth(c); code == "" && auth != "" && psqlKnows(t, "require_auth") {
			dsn += " require_auth=" + auth
		}
		out, err := tryPsql(t, dsn, "select current_user")
		if err == nil && out != c.server.name {
			t.Errorf("psql is %q, want %q", out, c.server.name)
		}
		check("psql", code, out, err != nil) // it does not say the SQLSTATE
	}
}

// loginDSN is for libpq and pgx.
func loginDSN(w *weir, c *loginCase) string {
	database, more := "by_"+c.client, []string{"user=" + c.server.name, "password=" + loginPassword}
	if c.client == "bound" {
		database, more = "by_scram", append(more, "channel_binding=require")
	}
	switch c.tls {
	case "asked":
		more = append(more, "sslmode=verify-full", "sslrootcert="+filepath.Join(w.Dir, "ca.crt"))
	case "direct":
		more = append(more, "sslmode=verify-full", "sslnegotiation=direct", "sslrootcert="+filepath.Join(w.Dir, "ca.crt"))
	}
	if c.client == "cert" {
		more = append(more, "sslcert="+filepath.Join(w.Dir, "client.crt"), "sslkey="+filepath.Join(w.Dir, "client.key"))
	}
	return dsn(w.Port, database, more...)
}

// requireAuth is the only method that the client takes.
func requireAuth(c *loginCase) string {
	return strings.Replace(c.exchange(), "scram", "scram-sha-256", 1)
}

func loginByPgx(t *testing.T, w *weir, c *loginCase, code string) error {
	t.Helper()
	dsn := loginDSN(w, c)
	if code == "" {
		dsn += " require_auth=" + requireAuth(c)
	}
	conn, err := pgconn.Connect(t.Context(), dsn)
	if err != nil {
		return err
	}
	defer conn.Close(context.Background())
	results, err := conn.Exec(t.Context(), "select current_user").ReadAll()
	if err == nil && string(results[0].Rows[0][0]) != c.server.name {
		t.Errorf("pgx is %q, want %q", results[0].Rows[0][0], c.server.name)
	}
	return err
}

func loginByPq(t *testing.T, w *weir, c *loginCase) error {
	t.Helper()
	db, err := dbsql.Open("postgres", loginDSN(w, c))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var name string
	if err = db.QueryRowContext(t.Context(), "select current_user").Scan(&name); err == nil && name != c.server.name {
		t.Errorf("lib/pq is %q, want %q", name, c.server.name)
	}
	return err
}

// TestTheRuleOfLoginsIsNotEmpty: a rule that lets all or nobody in tests nothing.
func TestTheRuleOfLoginsIsNotEmpty(t *testing.T) {
	t.Parallel()
	counts := map[string]int{}
	for _, client := range clientWays {
		for _, secret := range loginSecrets {
			for _, link := range loginLinks {
				for _, role := range serverRoles {
					c := loginCase{client, "asked", secret, link, role}
					code, _ := c.want()
					counts[code]++
				}
			}
		}
	}
	for _, code := range []string{"", "28P01", "28000", "08001"} {
		if counts[code] < 20 {
			t.Errorf("%d logins end with %q", counts[code], code)
		}
	}
}
