package integration

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

// TestClientsThatStayForAMomentCostFewServerLogins has many clients come and go
// whose startup parameters are all alike, or all unlike.
func TestClientsThatStayForAMomentCostFewServerLogins(t *testing.T) {
	t.Parallel()
	const clients = 300
	for name, c := range map[string]struct {
		params func(i int) string
		shows  string
		want   func(i int) string // "" for what PostgreSQL itself says
	}{
		"long names":               {func(i int) string { return fmt.Sprintf("application_name=%s%d", strings.Repeat("x", 60), i) }, "application_name", nil},
		"names that are not ASCII": {func(i int) string { return fmt.Sprintf("application_name=bär%d", i) }, "application_name", nil},
		"long ones of that kind":   {func(i int) string { return fmt.Sprintf("application_name=%d%s", i, strings.Repeat("ä", 40)) }, "application_name", nil},
		"the same options":         {func(int) string { return "options='-c work_mem=7MB -c statement_timeout=1min'" }, "work_mem", func(int) string { return "7MB" }},
		"options of their own":     {func(i int) string { return fmt.Sprintf("options='-c app.tenant=t%d'", i) }, "app.tenant", func(i int) string { return fmt.Sprintf("t%d", i) }},
		"a setting of their own":   {func(i int) string { return fmt.Sprintf("options='-c work_mem=%dkB'", 101+2*i) }, "work_mem", func(i int) string { return fmt.Sprintf("%dkB", 101+2*i) }},
		"time zones":               {func(i int) string { return fmt.Sprintf("timezone=<x>%d:%02d", i/60, i%60) }, "timezone", func(i int) string { return "" }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := startWeir(t, weirOptions{Database: "pool_size = 3"})
			for i := range clients {
				conn, err := pgx.Connect(t.Context(), w.DSN(c.params(i)))
				if err != nil {
					t.Fatal(err)
				}
				got := ask(t, conn, "show "+c.shows)
				if c.want != nil && c.want(i) != "" && got != c.want(i) {
					t.Errorf("client %d has %s %q, want %q", i, c.shows, got, c.want(i))
				}
				if (c.want == nil || c.want(i) == "") && i%50 == 0 {
					direct := connect(t, w.Direct(c.params(i)))
					want := ask(t, direct, "show "+c.shows)
					if reported := conn.PgConn().ParameterStatus(c.shows); got != want || c.shows == "application_name" && reported != want {
						t.Errorf("client %d has %s %q, reported as %q, want %q", i, c.shows, got, reported, want)
					}
				}
				conn.Close(t.Context())
			}
			if n := serverLogins(t, w); n > 3 {
				t.Errorf("%d server logins for %d clients", n, clients)
			}
		})
	}
}

// TestALoginOutlivesTheBackendThatItAsks stops the one idle backend, so that a
// login whose startup parameters are new waits for its answer.
func TestALoginOutlivesTheBackendThatItAsks(t *testing.T) {
	t.Parallel()
	for name, signals := range map[string][]syscall.Signal{
		"it is ended":     {syscall.SIGTERM, syscall.SIGCONT},
		"it stays silent": nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := startWeir(t, weirOptions{Top: "server_connect_timeout = \"5s\"", Database: "pool_size = 2"})
			pid, err := strconv.Atoi(ask(t, connect(t, w.DSN()), "select pg_backend_pid()"))
			if err != nil {
				t.Fatal(err)
			}
			signal := func(s syscall.Signal) {
				if err := syscall.Kill(pid, s); err != nil {
					t.Error(err)
				}
			}
			signal(syscall.SIGSTOP)
			t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGCONT) })
			in := make(chan error, 1)
			go func() {
				conn, err := pgx.Connect(t.Context(), w.DSN("options='-c work_mem=5MB'"))
				if err == nil {
					err = conn.Close(t.Context())
				}
				in <- err
			}()
			console := connect(t, w.Console(simpleProtocol))
			eventually(t, "the backend is asked", func() bool { return poolRow(t, w, console)["sv_active"] == "1" })
			for _, s := range signals {
				signal(s)
			}
			if err := <-in; err != nil {
				t.Error(err)
			}
		})
	}
}
