package integration

import (
	"context"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

// wrongs gives a wrong password on so many connections from an address, each of which
// waits for its answer until the test ends.
func wrongs(t *testing.T, w *weir, address, user string, n int) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	t.Cleanup(func() { cancel(); done.Wait() })
	for range n {
		c, err := pgx.ParseConfig(w.DSN("dbname=pgweir", "user="+user, "password=wrong"))
		if err != nil {
			t.Fatal(err)
		}
		c.DialFunc = from(address).DialContext
		done.Go(func() {
			if conn, err := pgx.ConnectConfig(ctx, c); err == nil {
				_ = conn.Close(context.Background())
			}
		})
	}
}

// TestWrongPasswordsAreToldOfLater: with a delay of an hour nothing hangs on when it is
// looked. Right ones are answered at once, until there are many wrong ones.
func TestWrongPasswordsAreToldOfLater(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"password", "md5", "scram-sha-256"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			opts := weirOptions{
				Top:    "auth_type = \"" + method + "\"\nlogin_failure_delay = \"1h\"\nlogin_failure_delay_max = \"1h\"\n",
				Tables: "[users.postgres]\npassword = \"right\"\n[users.app]\npassword = \"right\"\n",
			}
			w := startWeir(t, opts)
			for _, user := range []string{"app", "nobody"} {
				for range 5 {
					if _, err := connectFrom(t, "127.0.0.3", w.DSN("user="+user, "password=wrong")); codeOf(t, err) != "28P01" {
						t.Fatal(err)
					}
				}
				wrongs(t, w, "127.0.0.3", user, 1)
			}
			eventually(t, "that one more was wrong is not told, of the one who is there as of the one who is not", func() bool {
				return metric(t, w, "pgweir_logins_delayed") == 2
			})
			console := connect(t, w.Console("host="+w.Dir, "password=right"))
			row := loginsOf(t, console, "127.0.0.3")
			if row["delayed"] != "2" || row["failing_users"] != "2" || row["failed"] != "10" || row["served"] != "2" {
				t.Errorf("%v", row)
			}
			wrongs(t, w, "127.0.0.3", "app", 20)
			eventually(t, "some of many wait to be judged", func() bool { return metric(t, w, "pgweir_logins_delayed") == 22 })
			for _, who := range [][2]string{{"127.0.0.2", "app"}, {"127.0.0.3", "postgres"}} {
				// What is not the console needs a role on the server.
				dsn := w.Console("user="+who[1], "password=right")
				if _, err := connectFrom(t, who[0], dsn); err != nil && !strings.Contains(err.Error(), "42501") {
					t.Errorf("%v: %v", who, err)
				}
			}
			if n := metric(t, w, "pgweir_logins_failed_total"); n != 10 {
				t.Errorf("the metric says that %v have failed", n)
			}
		})
	}
}

func TestARightPasswordIsAnsweredAtOnceAfterWrongOnes(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{
		Top:    "auth_type = \"scram-sha-256\"\nlogin_failure_delay = \"1h\"\nlogin_failure_delay_max = \"1h\"\n",
		Tables: "[users.postgres]\npassword = \"right\"\n",
	})
	for range 5 {
		if code := codeOf(t, tryLogin(t, w.DSN("password=wrong"))); code != "28P01" {
			t.Fatal(code)
		}
	}
	wrongs(t, w, "127.0.0.1", "postgres", 10)
	eventually(t, "wrong ones are not told of", func() bool { return metric(t, w, "pgweir_logins_delayed") == 10 })
	if err := tryLogin(t, w.DSN("password=right")); err != nil {
		t.Error(err)
	}
}

// TestWhoIsHeldKeepsLittleAndIsEnded: what a client sends ahead is bounded, and
// client_login_timeout holds.
func TestWhoIsHeldKeepsLittleAndIsEnded(t *testing.T) {
	t.Parallel()
	opts := weirOptions{
		Top:    "auth_type = \"password\"\nlogin_failure_delay = \"1h\"\nlogin_failure_delay_max = \"1h\"",
		Tables: "[users.postgres]\npassword = \"right\"\n",
	}
	w := startWeir(t, opts)
	for range 5 {
		if code := codeOf(t, tryLogin(t, w.DSN("password=wrong"))); code != "28P01" {
			t.Fatal(code)
		}
	}
	much := passwordLogin(t, w, "postgres")
	_ = much.write(append(frame('p', "wrong\x00"), make([]byte, 1<<20)...))
	patient := passwordLogin(t, w, "postgres")
	patient.send(frame('p', "wrong\x00"))
	eventually(t, "it is held", func() bool { return metric(t, w, "pgweir_logins_delayed") >= 1 })
	opts.Top += "\nclient_login_timeout = \"1s\""
	w.Rewrite(t, opts)
	w.Signal(t, syscall.SIGHUP)
	much.ended(promptly) // by what it has sent, or the timeout if no more than that was read
	if code := patient.ended(promptly); code != "08P01" {
		t.Errorf("ended with %q", code)
	}
	if n := metric(t, w, "pgweir_logins_timed_out_total"); n == 0 {
		t.Error("none has timed out")
	}
}
