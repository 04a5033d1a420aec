package integration

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// reload has the program read its configuration, over the console.
func reload(t *testing.T, console *pgx.Conn) {
	t.Helper()
	must(t, console, "RELOAD")
}

// canLogIn tries to connect and gives the error.
func canLogIn(t *testing.T, dsn string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn)
	if err == nil {
		err = runSQL(ctx, conn, "select 1")
		_ = conn.Close(ctx)
	}
	return err
}

func TestAReloadPutsNewSizesUsersAndDatabasesInForce(t *testing.T) {
	t.Parallel()
	opts := weirOptions{
		Top:      `auth_type = "scram-sha-256"`,
		Database: "pool_size = 1",
		Tables:   "[users.postgres]\npassword = \"one\"\n",
	}
	w := startWeir(t, opts)
	console := connect(t, w.Console("password=one"))
	clients := make([]*pgx.Conn, 4)
	for i := range clients {
		clients[i] = connect(t, w.DSN("password=one"))
	}
	must(t, clients[0], "begin")
	waits := []<-chan error{begin(t, clients[1], "begin"), begin(t, clients[2], "begin")}
	waitingClients(t, w, console, 2)
	if n := len(w.Backends(t)); n != 1 {
		t.Errorf("%d backends with pool_size 1", n)
	}

	// More backends: those who wait get them at once.
	opts.Database = "pool_size = 3"
	w.Rewrite(t, opts)
	reload(t, console)
	for _, done := range waits {
		if err := finished(t, done, patience); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(w.Backends(t)); n != 3 {
		t.Errorf("%d backends with pool_size 3", n)
	}
	// Fewer: nobody is cut off, and those too many go as they come back.
	opts.Database = "pool_size = 1"
	opts.Tables = fmt.Sprintf("[users.postgres]\npassword = \"two\"\n[users.newcomer]\npassword = \"three\"\n[databases.%s_too]\nhost = \"127.0.0.1\"\nport = PGPORT\ndbname = %q\n", w.DB, w.DB)
	execSQL(t, w.Direct(), "drop role if exists newcomer; create role newcomer login")
	w.Rewrite(t, opts)
	w.Signal(t, syscall.SIGHUP)
	eventually(t, "the log says that it is reloaded", func() bool { return strings.Count(w.Log(), "configuration reloaded") == 2 })
	for _, c := range clients[:3] {
		must(t, c, "select 1")
		must(t, c, "commit")
	}
	for _, c := range clients { // who is in stays in
		must(t, c, "select 1")
	}
	backendCount(t, w, 1)
	// Secrets are the new ones for those who come now.
	if err := canLogIn(t, w.DSN("password=one")); sqlState(err) != "28P01" {
		t.Errorf("with the old password: %v", err)
	}
	for _, dsn := range []string{w.DSN("password=two"), w.DSN("user=newcomer", "password=three"), w.DSN("password=two", "dbname="+w.DB+"_too")} {
		if err := canLogIn(t, dsn); err != nil {
			t.Errorf("%s: %v", dsn, err)
		}
	}
	// And what is taken away is gone for those who come now.
	opts.Tables = "[users.postgres]\npassword = \"two\"\n"
	w.Rewrite(t, opts)
	reload(t, console)
	if err := canLogIn(t, w.DSN("user=newcomer", "password=three")); sqlState(err) != "28P01" {
		t.Errorf("a user who is no more: %v", err)
	}
	if err := canLogIn(t, w.DSN("password=two", "dbname="+w.DB+"_too")); sqlState(err) != "3D000" {
		t.Errorf("a database that is no more: %v", err)
	}
}

func TestAReloadOfABadFileChangesNothingAndSaysWhy(t *testing.T) {
	t.Parallel()
	opts := weirOptions{Database: "pool_size = 2"}
	w := startWeir(t, opts)
	console, client := connect(t, w.Console()), connect(t, w.DSN())
	must(t, client, "begin")
	good := w.Config()
	before := fmt.Sprint(show(t, console, "show config"), show(t, console, "show databases"))
	failed := 0
	for what, bad := range map[string]struct{ text, want string }{
		"an unknown setting":      {"default_pool_size = 7\nquery_wait_timeuot = \"3s\"\n", "config.toml:2"},
		"a wrong type":            {"default_pool_size = 7\npool_mode = 3\n", "config.toml:2"},
		"a value out of range":    {"default_pool_size = 7\n\nmax_client_conn = -1\n", "config.toml:3"},
		"no TOML":                 {"default_pool_size = 7\npool_mode = \n", "config.toml:2"},
		"an auth_file that isn't": {"default_pool_size = 7\nauth_file = \"missing.txt\"\n", "config.toml:2"},
	} {
		w.WriteConfig(t, bad.text)
		err := runSQL(t.Context(), console, "RELOAD")
		if sqlState(err) != "F0000" || !strings.Contains(err.Error(), bad.want) {
			t.Errorf("%s: RELOAD said %v, want F0000 and %s", what, err, bad.want)
		}
		w.Signal(t, syscall.SIGHUP)
		failed += 2 // by the console, and by the signal
		w.Says(t, "reload failed", failed)
		if !strings.Contains(w.Log(), bad.want) {
			t.Errorf("%s: the log does not say where", what)
		}
	}
	if err := os.Remove(w.ConfigPath()); err != nil {
		t.Fatal(err)
	}
	if err := runSQL(t.Context(), console, "RELOAD"); sqlState(err) != "F0000" {
		t.Errorf("without a file: %v", err)
	}
	if after := fmt.Sprint(show(t, console, "show config"), show(t, console, "show databases")); after != before {
		t.Errorf("the configuration was\n%s\nand is\n%s", before, after)
	}
	must(t, client, "commit")
	w.WriteConfig(t, good)
	reload(t, console)
	servedWithin(t, client, patience)
}

func TestAReloadKeepsWhatTakesARestart(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{})
	console := connect(t, w.Console())
	w.WriteConfig(t, strings.Replace(w.Config(), fmt.Sprintf("listen_port = %d", w.Port), "listen_port = 1", 1))
	reload(t, console)
	if got := rowOf(t, show(t, console, "show config"), "key", "listen_port")["value"]; got != fmt.Sprint(w.Port) {
		t.Errorf("listen_port is %s in SHOW CONFIG", got)
	}
	w.Says(t, fmt.Sprintf("settings have changed that take effect at a restart only\" settings=\"[listen_port changed from %d to 1]\"", w.Port), 1)
}

func TestAReloadReadsTheAuthFileAgain(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{
		Top:    "auth_type = \"md5\"\nauth_file = \"users.txt\"",
		Files:  map[string]string{"users.txt": `"postgres" "one"` + "\n"},
		Tables: "[users.postgres]\n",
	})
	console := connect(t, w.Console("password=one"))
	if err := canLogIn(t, w.DSN("password=one")); err != nil {
		t.Fatal(err)
	}
	users := filepath.Join(w.Dir, "users.txt")
	if err := os.WriteFile(users, []byte(`"postgres" "two"`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := canLogIn(t, w.DSN("password=one")); err != nil {
		t.Errorf("before the reload: %v", err)
	}
	reload(t, console)
	if err := canLogIn(t, w.DSN("password=one")); sqlState(err) != "28P01" {
		t.Errorf("the old password: %v", err)
	}
	if err := canLogIn(t, w.DSN("password=two")); err != nil {
		t.Errorf("the new password: %v", err)
	}
	if err := os.WriteFile(users, []byte(`"postgres" "unfinished`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := runSQL(t.Context(), console, "RELOAD"); sqlState(err) != "F0000" || !strings.Contains(err.Error(), "config.toml:2: auth_file: "+users+":1: ") {
		t.Errorf("with a broken auth_file: %v", err)
	}
	if err := canLogIn(t, w.DSN("password=two")); err != nil {
		t.Errorf("after a reload that failed: %v", err)
	}
}

// TestReloadsUnderLoadAreNoticedByNobody: again and again, with sizes that differ.
func TestReloadsUnderLoadAreNoticedByNobody(t *testing.T) {
	t.Parallel()
	opts := weirOptions{Top: "workers = 2", Database: "pool_size = 3"}
	w := startWeir(t, opts)
	console := connect(t, w.Console())
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	count := takeCensus(t, w.PG)
	var load sync.WaitGroup
	for range 10 {
		conn := connect(t, w.DSN())
		load.Go(func() {
			for ctx.Err() == nil {
				for _, sql := range []string{"begin", "select pg_sleep(0.002)", "commit", "select 1"} {
					if err := runSQL(context.Background(), conn, sql); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	end := time.Now().Add(2 * time.Second)
	for i := 0; time.Now().Before(end); i++ {
		opts.Database = fmt.Sprintf("pool_size = %d", 1+i%4)
		w.Rewrite(t, opts)
		if i%2 == 0 {
			reload(t, console)
		} else {
			w.Signal(t, syscall.SIGHUP)
		}
	}
	stop()
	load.Wait()
	if most := count.end(t)[w.DB]; most > 4 {
		t.Errorf("%d backends, never more than 4 were allowed", most)
	}
}
