package integration

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// saidAll are the notices so far.
func (n *heardNotices) saidAll() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.said)
}

func TestAReloadSaysWhatHasChangedAndNoSecret(t *testing.T) {
	t.Parallel()
	opts := weirOptions{
		Top:      "auth_type = \"trust\"\nauth_file = \"users.txt\"\n",
		Database: "pool_size = 3",
		Tables:   "[users.postgres]\npassword = \"secret one\"\n[databases.gone]\n",
		Files:    map[string]string{"users.txt": "\"ann\" \"secret one\"\n\"bob\" \"secret one\"\n"},
	}
	w := startWeir(t, opts)
	console := connectHearing(t, w.Console())
	must(t, console.Conn, "RELOAD")
	if got := console.saidAll(); !slices.Equal(got, []string{"nothing has changed"}) {
		t.Errorf("RELOAD says %q", got)
	}
	w.Says(t, "configuration reloaded, nothing has changed", 1)

	opts.Top += "default_pool_size = 7\nquery_wait_timeout = \"31s\"\n"
	opts.Database = "pool_mode = \"session\""
	opts.Tables = "[users.postgres]\npassword = \"secret two\"\n[databases.came]\n"
	if err := os.WriteFile(filepath.Join(w.Dir, "users.txt"), []byte("\"ann\" \"secret two\"\n\"eve\" \"secret two\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.WriteConfig(t, strings.Replace(w.config(opts), fmt.Sprintf("listen_port = %d", w.Port), "listen_port = 1", 1))
	must(t, console.Conn, "RELOAD")
	want := []string{
		"default_pool_size changed from 5 to 7",
		"query_wait_timeout changed from 30s to 31s",
		"databases.came added",
		"databases.gone removed",
		"databases." + w.DB + ".pool_size unset, was 3",
		"databases." + w.DB + ".pool_mode set to session",
		"users.postgres.password changed",
		"auth_file.ann.password changed",
		"auth_file.bob removed",
		"auth_file.eve added",
		fmt.Sprintf("listen_port changed from %d to 1 at a restart only", w.Port),
	}
	if got := console.saidAll()[1:]; !slices.Equal(got, want) {
		t.Errorf("RELOAD says\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	w.Says(t, "configuration reloaded\" changes=10", 1)
	for _, change := range want[:10] {
		w.Says(t, "msg=\"the configuration has changed\" change=\""+change+"\"", 1)
	}
	if strings.Contains(w.Log(), "secret") {
		t.Error("a secret is in the log")
	}
}

// reloadAnswer is what POST /reload says.
type reloadAnswer struct {
	Changes, Pending []struct{ Setting, Kind, Before, After, Text string }
	Error            string
}

func TestAReloadOverHTTP(t *testing.T) {
	t.Parallel()
	opts := weirOptions{
		Top:   "http_token_file = \"tokens\"\nhttp_admin_token_file = \"admins\"\n",
		Files: map[string]string{"tokens": readersToken + "\n", "admins": adminsToken + "\n"},
	}
	w := startWeir(t, opts)
	url := w.HTTP("/reload")
	for name, c := range map[string]struct {
		caller
		method string
		code   int
	}{
		"nobody":                   {caller{}, http.MethodPost, 401},
		"a wrong token":            {caller{token: adminsToken + "x"}, http.MethodPost, 401},
		"a reader":                 {caller{token: readersToken}, http.MethodPost, 403},
		"GET":                      {caller{token: adminsToken}, http.MethodGet, 405},
		"HEAD":                     {caller{token: adminsToken}, http.MethodHead, 405},
		"DELETE":                   {caller{token: adminsToken}, http.MethodDelete, 405},
		"an admin with a password": {caller{token: adminsToken, basic: true}, http.MethodPost, 200},
	} {
		a := c.asks(t, c.method, url, nil)
		if a.code != c.code || c.code == 405 && a.header.Get("Allow") != "POST" {
			t.Errorf("%s: %d %s, want %d", name, a.code, a.body, c.code)
		}
	}
	for header, value := range map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "http://evil.example"} {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, url, nil)
		req.SetBasicAuth("whoever", adminsToken) // a browser adds it by itself
		req.Header.Set(header, value)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 403 {
			t.Errorf("%s: %s: %d", header, value, resp.StatusCode)
		}
	}
	post := func(code int) (a reloadAnswer) {
		t.Helper()
		got := caller{token: adminsToken}.asks(t, http.MethodPost, url, nil)
		if err := json.Unmarshal([]byte(got.body), &a); got.code != code || err != nil || !strings.HasPrefix(got.header.Get("Content-Type"), "application/json") {
			t.Fatalf("%d %s, want %d (%v)", got.code, got.body, code, err)
		}
		return a
	}
	if a := post(200); a.Changes == nil || len(a.Changes) != 0 || a.Pending == nil || len(a.Pending) != 0 {
		t.Errorf("nothing has changed, and it says %+v", a)
	}
	opts.Top += "default_pool_size = 7\nworkers = 3\n"
	w.Rewrite(t, opts)
	a := post(200)
	if len(a.Changes) != 1 || a.Changes[0].Setting != "default_pool_size" || a.Changes[0].Kind != "changed" || a.Changes[0].Before != "5" || a.Changes[0].After != "7" {
		t.Errorf("changes: %+v", a.Changes)
	}
	if len(a.Pending) != 1 || a.Pending[0].Setting != "workers" || a.Pending[0].After != "3" {
		t.Errorf("pending: %+v", a.Pending)
	}
	w.WriteConfig(t, "default_pool_size = 8\nno_such = 1\n")
	if a := post(422); !strings.Contains(a.Error, "config.toml:2: unknown setting") {
		t.Errorf("it says %q", a.Error)
	}
	console := connect(t, w.Console())
	if got := rowOf(t, show(t, console, "show config"), "key", "default_pool_size")["value"]; got != "7" {
		t.Errorf("default_pool_size is %s", got)
	}
}

func TestWithoutAdminTokensNobodyReloadsOverHTTP(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{})
	if a := (caller{}).asks(t, http.MethodPost, w.HTTP("/reload"), nil); a.code != 403 {
		t.Errorf("POST: %d %s", a.code, a.body)
	}
	if a := (caller{}).asks(t, http.MethodPost, w.HTTP("/pools"), nil); a.code != 405 || a.header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST of another path: %d %s", a.code, a.body)
	}
	if strings.Contains(w.Log(), "reloaded") {
		t.Error("it has reloaded")
	}
}

// TestAReloadThatFailsLateLeavesTheLogLevel: what fails last of all has changed nothing.
func TestAReloadThatFailsLateLeavesTheLogLevel(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{})
	w.WriteConfig(t, "log_level = \"debug\"\n"+w.Config()+"\n[users.ann]\npassword = \"SCRAM-SHA-256$no\"\n")
	w.Signal(t, syscall.SIGHUP)
	w.Says(t, "reload failed", 1)
	client := connect(t, w.DSN())
	must(t, client, "select 1")
	if err := client.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.Says(t, "client disconnected", 1)
	if strings.Contains(w.Log(), "level=DEBUG") {
		t.Error("the log has lines of level debug")
	}
}

func TestSIGUSR1PausesAndSIGUSR2Resumes(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{})
	client := connect(t, w.DSN())
	must(t, client, "select 1")
	w.Signal(t, syscall.SIGUSR1)
	w.Says(t, "SIGUSR1, all databases are paused", 1)
	if n := len(w.Backends(t)); n != 0 {
		t.Errorf("there are %d backends in a pause", n)
	}
	w.Signal(t, syscall.SIGUSR1)
	w.Says(t, "SIGUSR1 has not paused\" err=", 1)
	console := connect(t, w.Console())
	waits := begin(t, client, "select 1")
	waitingClients(t, w, console, 1)
	w.Signal(t, syscall.SIGUSR2)
	if err := finished(t, waits, patience); err != nil {
		t.Error(err)
	}
	w.Says(t, "SIGUSR2, all databases are resumed", 1)
	w.Signal(t, syscall.SIGUSR2)
	w.Says(t, "SIGUSR2 has not resumed\" err=", 1)
}

func TestSIGQUITEndsAtOnce(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: "shutdown_timeout = \"60s\""})
	client := connect(t, w.DSN())
	must(t, client, "begin")
	w.Signal(t, syscall.SIGQUIT)
	if code := w.Exited(t, patience); code != 0 {
		t.Errorf("exit code %d", code)
	}
	w.Says(t, "SIGQUIT, ending at once", 1)
}

// TestSuspendIsGivenUpAfterItsTimeout: a client does not read what is for it.
func TestSuspendIsGivenUpAfterItsTimeout(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: "suspend_timeout = \"0.2s\""})
	console := connect(t, w.Console())
	deaf := rawLogin(t, w.Addr(), "postgres", w.DB)
	deaf.Say(t, &pgproto3.Query{String: "select repeat('x', 1000) from generate_series(1, 100000)"})
	eventually(t, "SUSPEND waits for the client that does not read, and is given up", func() bool {
		err := runSQL(t.Context(), console, "SUSPEND")
		if err == nil { // there is nothing for it yet, or all of it has been taken
			must(t, console, "RESUME")
			return false
		}
		if sqlState(err) != "55P03" {
			t.Fatalf("SUSPEND: %v", err)
		}
		return true
	})
	other := connect(t, w.DSN())
	must(t, other, "select 1") // nothing is held up
}
