package integration

import (
	"context"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

// TestPasswordsAreHeldAfterWrongOnes: with a delay of an hour nothing hangs on when it
// is looked.
func TestPasswordsAreHeldAfterWrongOnes(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"password", "md5", "scram-sha-256"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			opts := weirOptions{
				Top:    "auth_type = \"" + method + "\"\nlogin_failure_delay = \"1h\"\nlogin_failure_delay_max = \"1h\"\n",
				Tables: "[users.postgres]\npassword = \"right\"\n[users.app]\npassword = \"right\"\n[users.admin]\npassword = \"right\"\n",
			}
			w := startWeir(t, opts)
			for _, user := range []string{"app", "nobody"} {
				for range 5 {
					if _, err := connectFrom(t, "127.0.0.3", w.DSN("user="+user, "password=wrong")); codeOf(t, err) != "28P01" {
						t.Fatal(err)
					}
				}
			}
			held := map[string]chan error{}
			for user, password := range map[string]string{"app": "right", "nobody": "wrong"} {
				end := make(chan error, 1)
				held[user] = end
				go func() {
					c, err := pgx.ParseConfig(w.DSN("dbname=pgweir", "user="+user, "password="+password))
					if err == nil {
						c.DialFunc = from("127.0.0.3").DialContext
						var conn *pgx.Conn
						if conn, err = pgx.ConnectConfig(context.Background(), c); err == nil {
							conn.Close(context.Background())
						}
					}
					end <- err
				}()
			}
			eventually(t, "both are held, the right one and the one that nobody knows", func() bool {
				return metric(t, w, "pgweir_logins_delayed") == 2
			})
			for _, who := range [][2]string{{"127.0.0.2", "app"}, {"127.0.0.3", "postgres"}} {
				// What is not the console needs a role on the server.
				dsn := w.Console("user="+who[1], "password=right")
				if _, err := connectFrom(t, who[0], dsn); err != nil && !strings.Contains(err.Error(), "42501") {
					t.Errorf("%v: %v", who, err)
				}
			}
			console := connect(t, w.Console("host="+w.Dir, "password=right"))
			row := loginsOf(t, console, "127.0.0.3")
			if row["delayed"] != "2" || row["failing_users"] != "2" || row["failed"] != "10" || row["served"] != "2" {
				t.Errorf("%v", row)
			}
			if n := metric(t, w, "pgweir_logins_failed_total"); n != 10 {
				t.Errorf("the metric says that %v have failed", n)
			}
			opts.Top = strings.ReplaceAll(opts.Top, "\"1h\"", "0")
			w.Rewrite(t, opts)
			w.Signal(t, syscall.SIGHUP)
			if err := <-held["nobody"]; codeOf(t, err) != "28P01" {
				t.Errorf("a wrong password that was held: %v", err)
			}
			if err := <-held["app"]; codeOf(t, err) != "42501" { // no admin
				t.Errorf("a right password that was held: %v", err)
			}
		})
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
	_ = much.write(append(frame('p', "right\x00"), make([]byte, 1<<20)...))
	patient := passwordLogin(t, w, "postgres")
	patient.send(frame('p', "right\x00"))
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
