package integration

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"pgweir/cluster"
)

// guardedServer is a server that asks for passwords and TLS.
func guardedServer(t *testing.T) (pg *cluster.Cluster, ca, stranger *authority, clientCert, clientKey string) {
	t.Helper()
	ca, stranger = newAuthority(t, "the authority"), newAuthority(t, "another authority")
	cert, key := ca.Sign(t, "server.example", net.IPv4(127, 0, 0, 1))
	clientCert, clientKey = ca.Sign(t, "with_cert")
	pg = startCluster(t, cluster.Options{
		Settings: map[string]string{"ssl": "on", "ssl_cert_file": "server.crt", "ssl_key_file": "server.key", "ssl_ca_file": "root.crt"},
		Files:    map[string][]byte{"server.crt": []byte(cert), "server.key": []byte(key), "root.crt": []byte(ca.PEM)},
		HBA: []string{
			"local all all trust",
			"host all with_password all password", "host all with_md5 all md5", "host all with_scram all scram-sha-256", "host all with_any all md5",
			"hostssl all only_tls all trust", "hostssl all with_cert all cert", "hostnossl all only_plain all trust",
			"hostnossl all only_tls all reject", "hostnossl all with_cert all reject", "hostssl all only_plain all reject",
			"host all refused all reject", "host all all all trust",
		},
	})
	execSQL(t, pg.DSN("postgres"), `
		create role only_tls login; create role only_plain login; create role refused login; create role with_cert login;
		create role with_password login password 'secret';
		set password_encryption = 'md5'; create role with_md5 login password 'secret';
		set password_encryption = 'scram-sha-256'; create role with_scram login password 'secret'; create role with_any login password 'secret'`)
	return pg, ca, stranger, clientCert, clientKey
}

func TestBackendsAreOpenedWhateverTheServerAsksFor(t *testing.T) {
	t.Parallel()
	pg, ca, stranger, clientCert, clientKey := guardedServer(t)
	secret := ask(t, connect(t, pg.DSN("postgres")), "select rolpassword from pg_authid where rolname = 'with_scram'")

	t.Run("password, md5 and scram-sha-256 with the plain password", func(t *testing.T) {
		w := startWeir(t, weirOptions{Cluster: pg, Top: "server_login_retry = 0", Tables: `
[users.with_password]
password = "secret"
[users.with_md5]
password = "secret"
[users.with_scram]
password = "secret"
[users.with_any]
password = "secret"
[users.refused]
password = "secret"
[users.postgres]
[databases.as_scram]
host = "127.0.0.1"
port = PGPORT
dbname = "postgres"
user = "with_scram"
password = "secret"
[databases.as_scram_wrongly]
host = "127.0.0.1"
port = PGPORT
dbname = "postgres"
user = "with_scram"
password = "wrong"
[databases.as_md5_known]
host = "127.0.0.1"
port = PGPORT
dbname = "postgres"
user = "with_md5"
[databases.by_socket]
host = "` + pg.SocketDir + `"
port = PGPORT
dbname = "postgres"
`})
		for user, code := range map[string]string{"with_password": "", "with_md5": "", "with_scram": "", "with_any": "", "postgres": "", "refused": "28000"} {
			err := tryLogin(t, w.DSN("user="+user))
			if got := codeOf(t, err); got != code {
				t.Errorf("%s: %v, want %q", user, err, code)
			}
		}
		for db, code := range map[string]string{"as_scram": "", "as_scram_wrongly": "28P01", "as_md5_known": "", "by_socket": ""} {
			err := tryLogin(t, dsn(w.Port, db))
			if got := codeOf(t, err); got != code {
				t.Errorf("%s: %v, want %q", db, err, code)
			}
		}
		if got := ask(t, connect(t, dsn(w.Port, "as_scram")), "select current_user"); got != "with_scram" {
			t.Errorf("logged in as %s", got)
		}
		saysWhy(t, w, "refused", "user=refused database="+w.DB, "pg_hba.conf or the role keeps the user out, or the user's secret here differs")
		saysWhy(t, w, "a wrong password of the database", "user=with_scram database=as_scram_wrongly", "the database's password here differs from the one at PostgreSQL")
		log := strings.NewReplacer("the user's secret", "", "compare the secrets of", "").Replace(w.Log())
		if strings.Contains(log, "secret") || strings.Contains(w.Log(), "wrong\"") {
			t.Error("a password is in the log")
		}
	})

	t.Run("a SCRAM key is passed through", func(t *testing.T) {
		for _, auth := range []string{"scram-sha-256", "md5"} {
			w := startWeir(t, weirOptions{Cluster: pg, Top: fmt.Sprintf("auth_type = %q\nserver_login_retry = 0", auth), Tables: fmt.Sprintf(
				"[users.with_scram]\npassword = %q\n[users.with_any]\npassword = %q", secret, scramSecret(t, "secret"))})
			for range 3 {
				conn := connect(t, w.DSN("user=with_scram", "password=secret"))
				ask(t, conn, "begin; select ''") // so that the next one needs a backend of its own
			}
			if n := len(w.Backends(t)); n != 3 {
				t.Errorf("%d backends", n)
			}
			// Another salt than the server's: the key is of no use there.
			if got := codeOf(t, tryLogin(t, w.DSN("user=with_any", "password=secret"))); got != "28P01" {
				t.Errorf("with another secret than the server's: %q", got)
			}
			saysWhy(t, w, "another secret", "user=with_any database="+w.DB, "the user's secret here differs from the one at PostgreSQL")
			if strings.Contains(w.Log(), "SCRAM-SHA-256$") || strings.Contains(w.Log(), "user=with_scram database="+w.DB+" server") {
				t.Errorf("a secret is in the log, or a user who was let in: %s", w.Log())
			}
		}
	})

	t.Run("TLS", func(t *testing.T) {
		db := createDatabase(t, pg)
		for _, c := range []struct{ mode, ca, host, user, want string }{
			{"disable", "", "", "postgres", "plain"}, {"disable", "", "", "only_tls", "28000"}, {"disable", "", "", "only_plain", "plain"},
			{"allow", "", "", "postgres", "plain"}, {"allow", "", "", "only_tls", "tls"}, {"allow", "", "", "only_plain", "plain"},
			{"prefer", "", "", "postgres", "tls"}, {"prefer", "", "", "only_tls", "tls"}, {"prefer", "", "", "only_plain", "plain"},
			{"require", "", "", "postgres", "tls"}, {"require", "", "", "only_plain", "28000"}, {"require", "", "", "with_scram", "tls"},
			{"verify-ca", ca.PEM, "", "postgres", "tls"}, {"verify-ca", stranger.PEM, "", "postgres", "08001"}, {"verify-ca", ca.PEM, "localhost", "postgres", "tls"},
			{"verify-full", ca.PEM, "", "postgres", "tls"}, {"verify-full", ca.PEM, "localhost", "postgres", "08001"}, {"verify-full", stranger.PEM, "", "postgres", "08001"},
			{"verify-full", ca.PEM, "", "with_cert", "tls"}, {"verify-full", ca.PEM, "", "only_plain", "28000"},
			{"require", "", pg.SocketDir, "postgres", "plain"}, {"verify-full", "", pg.SocketDir, "postgres", "plain"},
		} {
			t.Run(c.mode+" "+c.host+" "+c.user+" "+c.want, func(t *testing.T) {
				top := fmt.Sprintf("server_login_retry = 0\nserver_tls_sslmode = %q\nserver_tls_cert_file = \"client.crt\"\nserver_tls_key_file = \"client.key\"\n", c.mode)
				if c.ca != "" {
					top += "server_tls_ca_file = \"ca.crt\"\n"
				}
				database := ""
				if c.host != "" {
					database = fmt.Sprintf("host = %q", c.host)
				}
				w := startWeir(t, weirOptions{Cluster: pg, DB: db, Top: top, Database: database,
					Tables: fmt.Sprintf("[users.%s]\npassword = \"secret\"", c.user),
					Files:  map[string]string{"client.crt": clientCert, "client.key": clientKey, "ca.crt": c.ca}})
				conn, err := pgconn.Connect(t.Context(), w.DSN("user="+c.user))
				if err != nil {
					if got := codeOf(t, err); got != c.want {
						t.Errorf("%v, want %s", err, c.want)
					}
					return
				}
				defer conn.Close(t.Context())
				results, err := conn.Exec(t.Context(), "select case when ssl then 'tls' else 'plain' end from pg_stat_ssl where pid = pg_backend_pid(); select md5(repeat('x', 5000000)), repeat('x', 5000000)").ReadAll()
				if err != nil {
					t.Fatal(err)
				}
				if got := string(results[0].Rows[0][0]); got != c.want {
					t.Errorf("the backend is %s, want %s", got, c.want)
				}
				if n := len(results[1].Rows[0][1]); n != 5000000 {
					t.Errorf("%d bytes came", n)
				}
			})
		}
	})
}

// saysWhy looks for the one line of the log about a login that PostgreSQL has
// refused: whose it was, at which server, and what may be wrong here.
func saysWhy(t *testing.T, w *weir, what, whose, why string) {
	t.Helper()
	whose += " server=127.0.0.1:" + strconv.Itoa(w.PG.Port)
	var said string
	eventually(t, what+" is in the log", func() bool {
		for line := range strings.Lines(w.Log()) {
			if said == "" && strings.HasSuffix(line, "\n") && strings.Contains(line, whose) {
				said = line
			}
		}
		return said != ""
	})
	if !strings.Contains(said, why) || !strings.Contains(said, "level=WARN") {
		t.Errorf("%s: the log says %s", what, said)
	}
}

func TestClientsAreEncryptedAsTheModeSays(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t, "the authority")
	cert, key := ca.Sign(t, "weir.example", net.IPv4(127, 0, 0, 1))
	for _, c := range []struct {
		mode string
		want map[string]string // by the client's sslmode: tls, plain or an SQLSTATE, "refused" if the client gives up
	}{
		{"", map[string]string{"disable": "plain", "prefer": "tls", "require": "tls", "verify-full": "tls"}},
		{"disable", map[string]string{"disable": "plain", "allow": "plain", "prefer": "plain", "require": "refused", "verify-full": "refused"}},
		{"allow", map[string]string{"disable": "plain", "allow": "plain", "prefer": "tls", "require": "tls", "verify-full": "tls"}},
		{"prefer", map[string]string{"disable": "plain", "allow": "plain", "prefer": "tls", "require": "tls", "verify-full": "tls"}},
		{"require", map[string]string{"disable": "28000", "allow": "tls", "prefer": "tls", "require": "tls", "verify-full": "tls"}},
	} {
		t.Run("mode "+c.mode, func(t *testing.T) {
			t.Parallel()
			top := "client_tls_cert_file = \"weir.crt\"\nclient_tls_key_file = \"weir.key\"\n"
			if c.mode != "" {
				top += fmt.Sprintf("client_tls_sslmode = %q\n", c.mode)
			}
			w := startWeir(t, weirOptions{Top: top, Files: map[string]string{"weir.crt": cert, "weir.key": key, "ca.crt": ca.PEM}})
			big := strings.Repeat("x", 5_000_000)
			for sslmode, want := range c.want {
				conn, err := pgconn.Connect(t.Context(), w.DSN("sslmode="+sslmode, "sslrootcert="+w.Dir+"/ca.crt"))
				got := "refused"
				var e *pgconn.PgError
				if errors.As(err, &e) {
					got = e.Code
				}
				if err == nil {
					got = "plain"
					if _, ok := conn.Conn().(interface{ NetConn() net.Conn }); ok {
						got = "tls"
					}
					r := conn.ExecParams(t.Context(), "select $1::text, length($1)", [][]byte{[]byte(big)}, nil, nil, nil).Read()
					if r.Err != nil || len(r.Rows) != 1 || string(r.Rows[0][0]) != big {
						t.Errorf("sslmode %s: %v, %d rows", sslmode, r.Err, len(r.Rows))
					}
					_ = conn.Close(t.Context())
				}
				if got != want {
					t.Errorf("sslmode %s: %s (%v), want %s", sslmode, got, err, want)
				}
			}
			// A Unix socket is never encrypted, nor has it to be.
			if got := ask(t, connect(t, w.DSN("host="+w.Dir)), "select 'in'"); got != "in" {
				t.Errorf("through the socket: %s", got)
			}
		})
	}
}
