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
	"pgweir/ldaptest"
)

// Every way of a client with every way of the server, for every kind of secret that
// stands between. What must come of it follows from what each side has to prove, and
// with what it can (loginCase.want).
//
// pgx tries the whole product of the ways over the links of wholeLinks. Over the other
// links, and with other drivers, cases are taken until every pair of ways has occurred
// (everyPair).

const loginPassword = "geheim-und-lang"

// loginCase is one client that logs in through one pgweir to one role.
type loginCase struct {
	client string     // how the client proves who it is: a word of clientWays
	tls    string     // between client and pgweir: a word of loginTLS
	secret string     // what pgweir is given of the user: a word of loginSecrets
	link   string     // between pgweir and server: a word of loginLinks
	server serverRole // how the server has the role prove who it is
}

var (
	clientWays   = []string{"trust", "password", "md5", "scram", "bound", "cert", "peer", "ldap"}
	loginTLS     = []string{"none", "asked", "direct"}
	loginSecrets = []string{"plain", "md5", "scram", "query"}
	wholeLinks   = []string{"none", "tls", "bound"}
	moreLinks    = []string{"allow", "prefer", "require", "verify-ca", "direct"} // "direct" takes PostgreSQL 17
)

// linkSettings are those of a link's pgweir.
var linkSettings = map[string]string{
	"none":      `server_tls_sslmode = "disable"`,
	"tls":       `server_tls_sslmode = "verify-full"`,
	"bound":     "server_tls_sslmode = \"verify-full\"\nserver_channel_binding = \"require\"",
	"allow":     `server_tls_sslmode = "allow"`,
	"prefer":    `server_tls_sslmode = "prefer"`,
	"require":   `server_tls_sslmode = "require"`,
	"verify-ca": `server_tls_sslmode = "verify-ca"`,
	"direct":    "server_tls_sslmode = \"verify-full\"\nserver_tls_negotiation = \"direct\"",
}

// serverRole is how the server has a role prove who it is. There is one for each kind
// of secret, so that one pgweir has them all.
type serverRole struct{ name, asks, stored string }

var serverRoles = []serverRole{
	{"by_trust", "nothing", "scram"},
	{"by_cert", "nothing", "scram"},
	{"by_password", "password", "scram"},
	{"by_md5", "md5", "md5"},
	{"by_md5_of_scram", "scram", "scram"}, // the line says md5, and PostgreSQL asks for SCRAM
	{"by_scram", "scram", "scram"},
}

// as is the role's name where pgweir is given this kind of secret.
func (r serverRole) as(secret string) string { return secret + "_" + r.name }

// asEach are the role's names, as a list of pg_hba.conf.
func (r serverRole) asEach() string {
	var names []string
	for _, secret := range loginSecrets {
		names = append(names, r.as(secret))
	}
	return strings.Join(names, ",")
}

// user is the role that the client asks for.
func (c *loginCase) user() string { return c.server.as(c.secret) }

// encrypted tells whether the backend has TLS: with "allow" only if the server insists.
func (c *loginCase) encrypted() bool {
	return c.link != "none" && (c.link != "allow" || c.server.name == "by_cert")
}

// known is what pgweir knows of the user when it comes to a password: of auth_query,
// the secret that the server has.
func (c *loginCase) known() string {
	if c.secret == "query" {
		return c.server.stored
	}
	return c.secret
}

// needsSecret tells whether what the client proves is held against a secret. An LDAP
// server holds it against its own.
func (c *loginCase) needsSecret() bool {
	return !slices.Contains([]string{"trust", "cert", "peer", "ldap"}, c.client)
}

// exchange is what the client is asked for: an MD5 response cannot be held against a
// SCRAM secret, so md5 asks for SCRAM then.
func (c *loginCase) exchange() string {
	switch {
	case c.client == "ldap":
		return "password"
	case !c.needsSecret():
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
	if c.secret != "query" || c.needsSecret() {
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
	return "28P01", fmt.Sprintf("the server asks for the password of user %q by the method %s, and none that answers it is known", c.user(), method)
}

// why is what the error's detail says where a secret is known that does not serve.
func (c *loginCase) why() string {
	switch {
	case c.secret == "query" && !c.needsSecret():
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

// possible tells whether a client would try: it cannot bind without TLS, which there is
// none of over a Unix socket. How TLS begins on this side does not matter to the other,
// so one role is enough to see it.
func (c *loginCase) possible() bool {
	switch {
	case c.client == "bound" && c.tls == "none", c.client == "peer" && c.tls != "none":
		return false
	case c.tls == "direct":
		return c.server.name == "by_scram"
	}
	return true
}

// loginCases are all that are possible over a link.
func loginCases(links ...string) (all []loginCase) {
	for _, link := range links {
		for _, secret := range loginSecrets {
			for _, client := range clientWays {
				for _, tls := range loginTLS {
					for _, role := range serverRoles {
						c := loginCase{client, tls, secret, link, role}
						if c.possible() {
							all = append(all, c)
						}
					}
				}
			}
		}
	}
	return all
}

// everyPair takes cases until every pair of ways that occurs in them has: always the one
// that has the most pairs which have not.
func everyPair(cases []loginCase) (taken []loginCase) {
	type pair struct {
		ofA, ofB int // what they are ways of
		a, b     string
	}
	pairs := make([][]pair, len(cases))
	missing := map[pair]bool{}
	for i, c := range cases {
		ways := []string{c.client, c.tls, c.secret, c.link, c.server.name}
		for a := range ways {
			for b := range a {
				p := pair{a, b, ways[a], ways[b]}
				pairs[i], missing[p] = append(pairs[i], p), true
			}
		}
	}
	for len(missing) > 0 {
		best, most := 0, 0
		for i := range cases {
			n := 0
			for _, p := range pairs[i] {
				if missing[p] {
					n++
				}
			}
			if n > most {
				best, most = i, n
			}
		}
		for _, p := range pairs[best] {
			delete(missing, p)
		}
		taken = append(taken, cases[best])
	}
	return taken
}

// loginDriver is a driver with the cases that it tries.
type loginDriver struct {
	name  string
	login func(*testing.T, *weir, *loginCase)
	cases []loginCase
}

// loginDrivers are who tries what over these links. The log says what is left out.
func loginDrivers(t *testing.T, links []string) []loginDriver {
	t.Helper()
	all := loginCases(links...)
	more := slices.DeleteFunc(slices.Clone(all), func(c loginCase) bool { return slices.Contains(wholeLinks, c.link) })
	forPq := slices.DeleteFunc(slices.Clone(all), func(c loginCase) bool { return c.client == "bound" || c.tls == "direct" })
	forPsql := all
	if !psqlKnows(t, "sslnegotiation") {
		t.Log("psql's libpq knows no sslnegotiation: it is left out that psql begins with TLS")
		forPsql = slices.DeleteFunc(slices.Clone(all), func(c loginCase) bool { return c.tls == "direct" })
	}
	if !psqlKnows(t, "require_auth") {
		t.Log("psql's libpq knows no require_auth: it is left out that psql is asked for what it should be")
	}
	return []loginDriver{
		{"pgx", tryPgxLogin, append(loginCases(wholeLinks...), everyPair(more)...)},
		{"lib/pq", tryPqLogin, everyPair(forPq)},
		{"psql", tryPsqlLogin, everyPair(forPsql)},
	}
}

func TestEveryWayOfAClientMeetsEveryWayOfTheServer(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t, "the authority")
	pg := startLoginServer(t, ca)
	directory := loginDirectory(t)
	links := slices.Concat(wholeLinks, moreLinks)
	if pg.Programs.Major < 17 {
		t.Logf("PostgreSQL %d knows no direct TLS: it is left out of the links", pg.Programs.Major)
		links = slices.DeleteFunc(links, func(link string) bool { return link == "direct" })
	}
	drivers := loginDrivers(t, links)
	for _, d := range drivers {
		t.Logf("%s logs in %d times", d.name, len(d.cases))
	}
	for _, link := range links {
		t.Run("server link "+link, func(t *testing.T) {
			t.Parallel()
			w := startLoginWeir(t, pg, ca, directory, link)
			for _, d := range drivers {
				for i := range d.cases {
					if c := &d.cases[i]; c.link == link {
						d.login(t, w, c)
					}
				}
			}
			if log := w.Log(); strings.Contains(log, loginPassword) || strings.Contains(log, "SCRAM-SHA-256$") {
				t.Error("a secret is in the log")
			}
		})
	}
}

// loginDirectory starts an LDAP server that has the roles.
func loginDirectory(t *testing.T) *ldaptest.Server {
	t.Helper()
	var entries []ldaptest.Entry
	for _, role := range serverRoles {
		for _, secret := range loginSecrets {
			entries = append(entries, staffEntry(role.as(secret), loginPassword))
		}
	}
	return ldaptest.Serve(t, ldaptest.Options{Entries: entries})
}

// startLoginServer starts a server with serverRoles.
func startLoginServer(t *testing.T, ca *authority) *cluster.Cluster {
	t.Helper()
	cert, key := ca.Sign(t, "server.example", net.IPv4(127, 0, 0, 1))
	ident := ""
	for _, secret := range loginSecrets {
		ident += "weir pgweir " + secret + "_by_cert\n"
	}
	options := cluster.Options{
		Settings: map[string]string{
			"ssl": "on", "ssl_cert_file": "server.crt", "ssl_key_file": "server.key", "ssl_ca_file": "root.crt",
			// Every role has a backend by each way of a client, in each pgweir that is
			// tried with the whole product.
			"max_connections": fmt.Sprint(200 + len(wholeLinks)*len(clientWays)*len(serverRoles)*len(loginSecrets)),
		},
		Files: map[string][]byte{
			"server.crt": []byte(cert), "server.key": []byte(key), "root.crt": []byte(ca.PEM), "pg_ident.conf": []byte(ident),
		},
		HBA: []string{"local all all trust", "host all postgres all trust", "host all asker all scram-sha-256"},
	}
	for _, role := range serverRoles {
		line := map[string]string{
			"by_trust": "host all %s all trust", "by_cert": "hostssl all %s all cert map=weir", "by_password": "host all %s all password",
			"by_md5": "host all %s all md5", "by_md5_of_scram": "host all %s all md5", "by_scram": "host all %s all scram-sha-256",
		}[role.name]
		options.HBA = append(options.HBA, fmt.Sprintf(line, role.asEach()))
	}
	pg := startCluster(t, options)
	sql := "create role asker login superuser password '" + loginPassword + "';"
	for _, role := range serverRoles {
		encryption := map[string]string{"md5": "md5", "scram": "scram-sha-256"}[role.stored]
		for _, secret := range loginSecrets {
			sql += fmt.Sprintf("set password_encryption = '%s'; create role %s login password '%s';", encryption, role.as(secret), loginPassword)
		}
	}
	execSQL(t, pg.DSN("postgres"), sql)
	return pg
}

// startLoginWeir starts a pgweir with a database for each way of a client, which has a
// user of each role for each kind of secret.
func startLoginWeir(t *testing.T, pg *cluster.Cluster, ca *authority, directory *ldaptest.Server, link string) *weir {
	t.Helper()
	db := createDatabase(t, pg)
	top := fmt.Sprintf(`auth_type = "hba"
auth_hba_file = "hba.conf"
auth_ident_file = "ident.conf"
auth_user = "asker"
auth_dbname = %q
client_tls_cert_file = "weir.crt"
client_tls_key_file = "weir.key"
client_tls_ca_file = "ca.crt"
server_login_retry = 0
login_failure_delay = 0
%s
`, db, linkSettings[link])
	if link != "none" {
		top += "server_tls_ca_file = \"ca.crt\"\nserver_tls_cert_file = \"at_server.crt\"\nserver_tls_key_file = \"at_server.key\"\n"
	}
	tables, ident := fmt.Sprintf("[users.asker]\npassword = %q\n", loginPassword), ""
	for _, role := range serverRoles {
		for _, secret := range loginSecrets {
			ident += fmt.Sprintf("weir \"the client\" %[1]s\nos /^.+$ %[1]s\n", role.as(secret))
			if given := loginSecret(t, pg, role, secret); given != "" {
				tables += fmt.Sprintf("[users.%s]\npassword = %q\n", role.as(secret), given)
			}
		}
	}
	hba := ""
	for way, line := range map[string]string{
		"trust": "host %s all all trust", "password": "host %s all all password", "md5": "host %s all all md5", "scram": "host %s all all scram-sha-256",
		"cert": "hostssl %s all all cert map=weir", "peer": "local %s all peer map=os", "ldap": "host %s all all ldap " + fmt.Sprintf(ldapMade, directory.Port),
	} {
		tables += fmt.Sprintf("[databases.by_%s]\nhost = \"127.0.0.1\"\nport = PGPORT\ndbname = %q\n", way, db)
		hba += fmt.Sprintf(line, "by_"+way) + "\n"
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
		return md5Secret(role.as(kind), loginPassword)
	case kind == "scram" && role.stored == "scram":
		return ask(t, connect(t, pg.DSN("postgres")), "select rolpassword from pg_authid where rolname = '"+role.as(kind)+"'")
	case kind == "scram":
		return scramSecret(t, loginPassword)
	}
	return ""
}

// loginQuery says who the backend is, and whether it has TLS.
const loginQuery = "select current_user || ' ' || ssl from pg_stat_get_activity(pg_backend_pid())"

// checkLogin holds the end of a login against what is wanted: the answer to loginQuery,
// or an error's SQLSTATE and text.
func checkLogin(t *testing.T, driver string, c *loginCase, answer, code string, err error) {
	t.Helper()
	wantCode, says := c.want()
	where := fmt.Sprintf("%s, client by %s with TLS %s, %s secret, link %s, server %s", driver, c.client, c.tls, c.secret, c.link, c.server.name)
	if text := fmt.Sprint(err); (err != nil) != (wantCode != "") || code != wantCode || !strings.Contains(text, says) {
		t.Errorf("%s: %q %s\nwant %q %s", where, code, text, wantCode, says)
	}
	if want := fmt.Sprint(c.user(), " ", c.encrypted()); err == nil && answer != want {
		t.Errorf("%s: the backend is %q, want %q", where, answer, want)
	}
}

func tryPgxLogin(t *testing.T, w *weir, c *loginCase) {
	t.Helper()
	wantCode, says := c.want()
	answer, err := loginByPgx(t, w, c, wantCode)
	checkLogin(t, "pgx", c, answer, codeOf(t, err), err)
	var e *pgconn.PgError
	if errors.As(err, &e) && strings.Contains(says, "none that answers") {
		if !strings.Contains(e.Detail, c.why()) || !strings.Contains(e.Hint, "Set password in [users]") {
			t.Errorf("%+v: no reason in detail %q, hint %q", *c, e.Detail, e.Hint)
		}
	}
}

func tryPqLogin(t *testing.T, w *weir, c *loginCase) {
	t.Helper()
	answer, err := loginByPq(t, w, c)
	var e *pq.Error
	code := ""
	if errors.As(err, &e) {
		code = string(e.Code)
	}
	checkLogin(t, "lib/pq", c, answer, code, err)
}

// tryPsqlLogin logs in with libpq, which does not say the SQLSTATE.
func tryPsqlLogin(t *testing.T, w *weir, c *loginCase) {
	t.Helper()
	code, _ := c.want()
	dsn := loginDSN(w, c)
	if code == "" && psqlKnows(t, "require_auth") {
		dsn += " require_auth=" + requireAuth(c)
	}
	out, err := tryPsql(t, dsn, loginQuery)
	if err != nil {
		err = errors.New(out)
	}
	checkLogin(t, "psql", c, out, code, err)
}

// loginDSN is for libpq and pgx.
func loginDSN(w *weir, c *loginCase) string {
	database, more := "by_"+c.client, []string{"user=" + c.user(), "password=" + loginPassword}
	if c.client == "bound" {
		database, more = "by_scram", append(more, "channel_binding=require")
	}
	if c.client == "peer" {
		more = append(more, "host="+w.Dir)
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

func loginByPgx(t *testing.T, w *weir, c *loginCase, code string) (answer string, err error) {
	t.Helper()
	dsn := loginDSN(w, c)
	if code == "" {
		dsn += " require_auth=" + requireAuth(c)
	}
	conn, err := pgconn.Connect(t.Context(), dsn)
	if err != nil {
		return "", err
	}
	defer conn.Close(context.Background())
	results, err := conn.Exec(t.Context(), loginQuery).ReadAll()
	if err != nil {
		return "", err
	}
	return string(results[0].Rows[0][0]), nil
}

func loginByPq(t *testing.T, w *weir, c *loginCase) (answer string, err error) {
	t.Helper()
	db, err := dbsql.Open("postgres", loginDSN(w, c))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.QueryRowContext(t.Context(), loginQuery).Scan(&answer)
	return answer, err
}

// TestTheRuleOfLoginsIsNotEmpty: a rule that lets all or nobody in tests nothing.
func TestTheRuleOfLoginsIsNotEmpty(t *testing.T) {
	t.Parallel()
	counts := map[string]int{}
	for _, c := range loginCases(wholeLinks...) {
		code, _ := c.want()
		counts[code]++
	}
	for _, code := range []string{"", "28P01", "28000", "08001"} {
		if counts[code] < 20 {
			t.Errorf("%d logins end with %q", counts[code], code)
		}
	}
	some := everyPair(loginCases(slices.Concat(wholeLinks, moreLinks)...))
	clear(counts)
	for _, c := range some {
		code, _ := c.want()
		counts[code]++
		counts[c.client+" "+c.link]++
	}
	for _, client := range clientWays {
		for link := range linkSettings {
			if counts[client+" "+link] == 0 {
				t.Errorf("a client by %s never meets link %s", client, link)
			}
		}
	}
	if counts[""] < 10 || counts["28P01"] < 10 {
		t.Errorf("of the %d that are taken, %d come in, and %d have a password too little", len(some), counts[""], counts["28P01"])
	}
}
