package integration

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"pgweir/cluster"
)

// refusedWith connects and gives the error that the login ends with.
func refusedWith(t *testing.T, dsn string) pgconn.PgError {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn)
	if err == nil {
		_ = conn.Close(ctx)
		t.Fatalf("%s was let in", dsn)
	}
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		t.Fatalf("%s: an error without a SQLSTATE: %v", dsn, err)
	}
	return *e
}

// TestTheServersRefusalsReachTheClientAsTheyAre compares every field of the
// error with the one that PostgreSQL gives directly.
func TestTheServersRefusalsReachTheClientAsTheyAre(t *testing.T) {
	t.Parallel()
	pg := startCluster(t, cluster.Options{HBA: []string{
		"host all postgres 127.0.0.1/32 trust",
		"host all barred 127.0.0.1/32 reject",
		"host all alice 127.0.0.1/32 scram-sha-256",
		"host all bob 127.0.0.1/32 md5",
		"host all eve,limited,nologin,ghost,public_only 127.0.0.1/32 trust",
	}})
	w := startWeir(t, weirOptions{
		Cluster: pg,
		Top:     "server_login_retry = \"200ms\"\nquery_wait_timeout = \"500ms\"",
		Tables: `
			[databases.gone]
			host = "127.0.0.1"
			port = PGPORT
			dbname = "there_is_no_such_database"
			[databases.closed]
			host = "127.0.0.1"
			port = PGPORT
			[databases.full]
			host = "127.0.0.1"
			port = PGPORT
			[users.postgres]
			[users.alice]
			password = "wrong"
			[users.bob]
			password = "wrong"
			[users.barred]
			[users.nobody_in_hba]
			[users.nologin]
			[users.ghost]
			[users.limited]
			[users.eve]
		`,
	})
	execSQL(t, w.Direct(), `
		set password_encryption = 'scram-sha-256';
		create role alice login password 'right';
		set password_encryption = 'md5';
		create role bob login password 'right';
		create role barred login; create role nobody_in_hba login; create role nologin nologin;
		create role limited login connection limit 0; create role eve login;`)
	execSQL(t, w.Direct(), "create database closed")
	execSQL(t, w.Direct(), "create database \"full\" connection limit 0")
	execSQL(t, w.Direct(), "revoke connect on database closed from public")

	for user, code := range map[string]string{
		"alice": "28P01", "bob": "28P01", "barred": "28000", "nobody_in_hba": "28000",
		"nologin": "28000", "ghost": "28000", "limited": "53300",
	} {
		want := refusedWith(t, w.Direct("user="+user, "password=wrong"))
		if want.Code != code {
			t.Errorf("PostgreSQL refuses %s with %s, not %s", user, want.Code, code)
		}
		if got := refusedWith(t, w.DSN("user="+user, "password=wrong")); got != want && !waitedFor(got, want) {
			t.Errorf("%s is refused with %+v, directly with %+v", user, got, want)
		}
	}
	for db, code := range map[string]string{"gone": "3D000", "closed": "42501", "full": "53300"} {
		name := db
		if db == "gone" {
			name = "there_is_no_such_database"
		}
		want := refusedWith(t, dsn(pg.Port, name, "user=eve"))
		if want.Code != code {
			t.Errorf("PostgreSQL refuses database %s with %s, not %s", db, want.Code, code)
		}
		if got := refusedWith(t, dsn(w.Port, db, "user=eve")); got != want && !waitedFor(got, want) {
			t.Errorf("database %s is refused with %+v, directly with %+v", db, got, want)
		}
	}
	servedWithin(t, connect(t, w.DSN()), patience)
	// When the reason is gone, so is the refusal.
	execSQL(t, w.Direct(), "alter role limited connection limit -1; alter role nologin login")
	for _, user := range []string{"limited", "nologin"} {
		eventually(t, user+" is let in", func() bool {
			conn, err := pgx.Connect(t.Context(), w.DSN("user="+user))
			if err != nil {
				return false
			}
			_ = conn.Close(t.Context())
			return true
		})
	}
}

// waitedFor tells whether an error is that of a client which has waited until the server
// has room, and names the one that the server gave.
func waitedFor(got, want pgconn.PgError) bool {
	return want.Code == "53300" && got.Code == want.Code && strings.Contains(got.Message, "query_wait_timeout") &&
		strings.Contains(got.Detail, want.Message)
}

// TestAServerThatIsFullRefusesOrIsSharedOut: who has no backend at all waits, and is
// told of the server's 53300; a pool that cannot grow goes on with what it has.
func TestAServerThatIsFullRefusesOrIsSharedOut(t *testing.T) {
	t.Parallel()
	pg := startCluster(t, cluster.Options{Settings: map[string]string{
		"max_connections": "12", "superuser_reserved_connections": "3", "max_wal_senders": "0",
	}})
	w := startWeir(t, weirOptions{Cluster: pg, Top: "default_pool_size = 8\nquery_wait_timeout = \"3s\"", Tables: "[users.postgres]\n[users.app]\n"})
	execSQL(t, w.Direct(), "create role app login")
	// Two of the pool's have to do for all.
	early := []*pgx.Conn{connect(t, w.DSN("user=app")), connect(t, w.DSN("user=app"))}
	for _, c := range early {
		must(t, c, "begin")
	}
	for _, c := range early {
		must(t, c, "commit")
	}
	var hogs []*pgx.Conn
	defer func() {
		for _, c := range hogs {
			_ = c.Close(context.Background())
		}
	}()
	// A connection that was closed before may still have its place for a moment.
	eventually(t, "the server is full", func() bool {
		if conn, err := pgx.Connect(t.Context(), w.Direct()); err == nil {
			hogs = append(hogs, conn)
		}
		return len(hogs)+len(early) == 12
	})
	var answers []<-chan error
	for range 8 {
		answers = append(answers, begin(t, connect(t, w.DSN("user=app")), "select pg_sleep(0.05)"))
	}
	for _, a := range answers {
		if err := finished(t, a, patience); err != nil {
			t.Errorf("a client of a pool that could not grow: %v", err)
		}
	}
	// Another pool has none.
	want := refusedWith(t, w.Direct())
	got := refusedWith(t, w.DSN())
	if !waitedFor(got, want) {
		t.Errorf("refused with %+v, directly with %+v", got, want)
	}
	for _, c := range hogs {
		_ = c.Close(context.Background())
	}
	hogs = nil
	eventually(t, "the server has room and is used", func() bool {
		conn, err := pgx.Connect(t.Context(), w.DSN())
		if err != nil {
			return false
		}
		defer conn.Close(t.Context())
		return runSQL(t.Context(), conn, "select 1") == nil
	})
}

// TestALoginThatIsRefusedIsNotTriedAllTheTime: the server's reason comes at
// once for server_login_retry; then it is asked again.
func TestALoginThatIsRefusedIsNotTriedAllTheTime(t *testing.T) {
	t.Parallel()
	pg := startCluster(t, cluster.Options{HBA: []string{"host all postgres all trust", "host all all all scram-sha-256"},
		Settings: map[string]string{"log_connections": "on"}})
	w := startWeir(t, weirOptions{
		Cluster: pg, Top: `server_login_retry = "1s"`,
		Tables: "[users.postgres]\n[users.alice]\npassword = \"new\"\n",
	})
	execSQL(t, w.Direct(), "create role alice login password 'old'")
	const tries = 60
	start := time.Now()
	for range tries {
		if e := refusedWith(t, w.DSN("user=alice", "password=new")); e.Code != "28P01" {
			t.Fatalf("refused with %+v", e)
		}
	}
	took := time.Since(start)
	logins := strings.Count(pg.Log(), `password authentication failed for user "alice"`)
	if most := 6 + int(took/time.Second); logins > most {
		t.Errorf("%d clients in %v made %d logins to the server, want at most %d", tries, took, logins, most)
	}
	execSQL(t, w.Direct(), "alter role alice password 'new'")
	eventually(t, "the right password is used", func() bool {
		conn, err := pgx.Connect(t.Context(), w.DSN("user=alice", "password=new"))
		if err != nil {
			return false
		}
		_ = conn.Close(t.Context())
		return true
	})
}

// TestAServerThatAcceptsAndSaysNothingIsGivenUp, whatever it has said before.
func TestAServerThatAcceptsAndSaysNothingIsGivenUp(t *testing.T) {
	t.Parallel()
	for what, says := range map[string]string{
		"nothing":                   "",
		"half a message":            "R\x00\x00",
		"AuthenticationOk alone":    "R\x00\x00\x00\x08\x00\x00\x00\x00",
		"something else altogether": "HTTP/1.1 400 Bad Request\r\n\r\n",
		"a wild length":             "R\x7f\xff\xff\xff",
		"a gigabyte of notices":     "N\x40\x00\x00\x00",
		"another authentication":    "R\x00\x00\x00\x08\x00\x00\x00\x07",
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			ends := make(chan time.Time, 100)
			go func() {
				for {
					conn, err := l.Accept()
					if err != nil {
						return
					}
					go func() {
						defer conn.Close()
						_, _ = io.WriteString(conn, says)
						_, _ = io.Copy(io.Discard, conn)
						ends <- time.Now()
					}()
				}
			}()
			w := startWeir(t, weirOptions{
				Top: "server_connect_timeout = \"5s\"\nquery_wait_timeout = \"6s\"\nserver_tls_sslmode = \"disable\"",
				Tables: fmt.Sprintf("[databases.silent]\nhost = \"127.0.0.1\"\nport = %d\n",
					l.Addr().(*net.TCPAddr).Port),
			})
			start := time.Now()
			e := refusedWith(t, dsn(w.Port, "silent"))
			if took := time.Since(start); took > patience/2 {
				t.Errorf("the client heard of it after %v", took)
			}
			if !strings.HasPrefix(e.Code, "08") && e.Code != "0A000" {
				t.Errorf("refused with %+v", e)
			}
			select {
			case <-ends:
			case <-time.After(patience):
				t.Error("the connection to the server is left open")
			}
			// The other database does not notice.
			servedWithin(t, connect(t, w.DSN()), patience)
		})
	}
}

func TestQueryWaitTimeoutEndsTheWaitAndNotTheClient(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"transaction", "session"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			opts := weirOptions{Top: `pool_mode = "` + mode + `"`, Database: "pool_size = 1"}
			w := startWeir(t, opts)
			console, holder := connect(t, w.Console(simpleProtocol)), connect(t, w.DSN())
			must(t, holder, "begin")
			opts.Top += "\nquery_wait_timeout = \"1s\"" // the first backend may take longer
			w.Rewrite(t, opts)
			reload(t, console)
			var took time.Duration
			if mode == "session" {
				start := time.Now()
				if e := refusedWith(t, w.DSN()); e.Code != "53300" || !strings.Contains(e.Message, "query_wait_timeout") {
					t.Errorf("refused with %+v", e)
				}
				took = time.Since(start)
			} else {
				waits := connect(t, w.DSN())
				start := time.Now()
				err := runSQL(t.Context(), waits, "select 1")
				took = time.Since(start)
				if sqlState(err) != "53300" || !strings.Contains(err.Error(), "query_wait_timeout") {
					t.Errorf("got %v", err)
				}
				must(t, holder, "commit")
				eventually(t, "the backend is idle", func() bool { return poolRow(t, w, console)["sv_idle"] == "1" })
				servedWithin(t, waits, patience)
			}
			if took < 900*time.Millisecond || took > patience/2 {
				t.Errorf("after %v, want a second", took)
			}
		})
	}
}
