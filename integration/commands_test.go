package integration

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"pgweir/cluster"
	"pgweir/cluster/child"
)

func TestCheckAcceptsAGoodConfigurationAndWarnsOfTooManyBackends(t *testing.T) {
	t.Parallel()
	pg := startCluster(t, cluster.Options{Settings: map[string]string{"max_connections": "20", "superuser_reserved_connections": "3", "max_wal_senders": "2"}})
	config := func(size int) string {
		// No ports, as check warns of those that somebody has.
		return fmt.Sprintf("listen_addr = []\nunix_socket_dir = \"\"\nhttp_listen = \"\"\n[databases.app]\nhost = \"127.0.0.1\"\nport = %d\ndbname = \"postgres\"\npool_size = %d\nuser = \"postgres\"\n", pg.Port, size)
	}
	out, code := pgweir(t, "check", "-c", writeConfig(t, config(5)))
	if code != 0 || !strings.Contains(out, "ok") || strings.Contains(out, "warning") {
		t.Errorf("a good one: exit code %d\n%s", code, out)
	}
	out, code = pgweir(t, "check", "-c", writeConfig(t, config(18)))
	if code != 0 || !strings.Contains(out, "warning") || !strings.Contains(out, "18 backends") || !strings.Contains(out, "gives 17") {
		t.Errorf("one that asks for too much: exit code %d\n%s", code, out)
	}
	if err := pg.Stop(cluster.Fast); err != nil {
		t.Fatal(err)
	}
	out, code = pgweir(t, "check", "-c", writeConfig(t, config(18)))
	if code != 0 || !strings.Contains(out, "not compared") {
		t.Errorf("when the server is down: exit code %d\n%s", code, out)
	}
}

// TestABadConfigurationIsRefusedWithItsPlace: by check and by serve alike.
func TestABadConfigurationIsRefusedWithItsPlace(t *testing.T) {
	t.Parallel()
	for what, bad := range map[string]struct {
		text string
		want []string
	}{
		"an unknown setting":                 {"listen_port = 1\ndefault_pool_sise = 7\n", []string{"config.toml:2: ", "default_pool_sise", "default_pool_size"}},
		"an unknown one of a database":       {"[databases.app]\nhost = \"x\"\n\npool_sizes = 3\n", []string{"config.toml:4: ", "pool_sizes", "pool_size"}},
		"an unknown one of a user":           {"[users.bob]\npassord = \"x\"\n", []string{"config.toml:2: ", "password"}},
		"a wrong type":                       {"\nmax_client_conn = \"many\"\n", []string{"config.toml:2: ", "max_client_conn"}},
		"a value out of range":               {"listen_port = 70000\n", []string{"config.toml:1: ", "65535"}},
		"a word that is none":                {"pool_mode = \"transactions\"\n", []string{"config.toml:1: ", "transaction"}},
		"a duration that is none":            {"query_wait_timeout = \"soon\"\n", []string{"config.toml:1: ", "query_wait_timeout"}},
		"no TOML":                            {"pool_mode = \"session\n", []string{"config.toml:1: "}},
		"two mistakes":                       {"pool_mod = 1\nlisten_prt = 2\n", []string{"config.toml:1: ", "config.toml:2: "}},
		"a name for HTTP that isn't there":   {"\nhttp_listen = \"nowhere.invalid:0\"\n", []string{"config.toml:2: http_listen: "}},
		"an address for HTTP of others":      {"http_insecure = true\nhttp_listen = \"192.0.2.1:0\"\n", []string{"config.toml:2: http_listen: "}},
		"a name to listen on that isn't":     {"http_listen = \"\"\nlisten_addr = \"nowhere.invalid\"\n", []string{"config.toml:2: listen_addr: no socket could be opened: "}},
		"addresses to listen on, but others": {"http_listen = \"\"\nlisten_addr = \"192.0.2.1, 203.0.113.77\"\n", []string{"config.toml:2: listen_addr: no socket could be opened: ", "203.0.113.77"}},
		"a certificate that isn't there":     {"client_tls_cert_file = \"a.pem\"\nclient_tls_key_file = \"b.pem\"\n", []string{"config.toml:1: "}},
	} {
		path := writeConfig(t, bad.text)
		for _, command := range []string{"check", "serve"} {
			out, code := pgweir(t, command, "-c", path)
			if code != 1 {
				t.Errorf("%s: %s exits with %d", what, command, code)
			}
			for _, want := range bad.want {
				if !strings.Contains(out, want) {
					t.Errorf("%s: %s does not say %q:\n%s", what, command, want, out)
				}
			}
		}
	}
	if out, code := pgweir(t, "check", "-c", filepath.Join(t.TempDir(), "none.toml")); code != 1 || !strings.Contains(out, "none.toml") {
		t.Errorf("without a file: %d %s", code, out)
	}
}

// TestTheConfigurationInTheRepositoryIsGood: what it shows is what there is.
func TestTheConfigurationInTheRepositoryIsGood(t *testing.T) {
	t.Parallel()
	if out, code := pgweir(t, "check", "-c", "../config.toml"); code != 0 {
		t.Errorf("exit code %d\n%s", code, out)
	}
	// Every setting that it shows as a comment is one, with a value that is good.
	text, err := os.ReadFile("../config.toml")
	if err != nil {
		t.Fatal(err)
	}
	shown := regexp.MustCompile(`(?m)^#([a-z0-9_]+ = )`).ReplaceAllString(string(text), "$1")
	shown = regexp.MustCompile(`(?m)^#(\[)`).ReplaceAllString(shown, "$1")
	if out, code := pgweir(t, "check", "-c", writeConfig(t, shown)); code != 0 {
		t.Errorf("with all settings: exit code %d\n%s", code, out)
	}
}

func TestVersionAndHelp(t *testing.T) {
	t.Parallel()
	if out, code := pgweir(t, "version"); code != 0 || !regexp.MustCompile(`^pgweir \d+\.\d+\.\d+ \(go.*\)\n$`).MatchString(out) {
		t.Errorf("version: %d %q", code, out)
	}
	out, code := pgweir(t, "--help")
	for _, command := range []string{"serve", "check", "demo", "version"} {
		if code != 0 || !strings.Contains(out, command) {
			t.Errorf("--help: %d %q", code, out)
		}
	}
	if _, code := pgweir(t, "sreve"); code != 1 {
		t.Errorf("an unknown command: exit code %d", code)
	}
}

func TestTheLogHasALineForEachLoginAndEachEndAndNoneForQueriesOrSecrets(t *testing.T) {
	t.Parallel()
	const secret, wrong = "Tr0ub4dor-and-3", "incorrect-horse-9"
	for _, format := range []string{"text", "json"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			w := startWeir(t, weirOptions{
				Top:    fmt.Sprintf("log_format = %q\nlog_level = \"debug\"\nauth_type = \"md5\"", format),
				Tables: fmt.Sprintf("[users.postgres]\npassword = %q\n", secret),
			})
			const clients, queries = 3, 40
			for i := range clients {
				c := connect(t, w.DSN("password="+secret, fmt.Sprintf("application_name=app%d", i)))
				for range queries {
					must(t, c, "select 'a secret value' as much")
					must(t, c, "begin; commit")
				}
				_ = c.Close(t.Context())
			}
			if err := canLogIn(t, w.DSN("password="+wrong)); sqlState(err) != "28P01" {
				t.Fatal(err)
			}
			eventually(t, "all have left", func() bool { return strings.Count(w.Log(), "client disconnected") == clients })
			w.Signal(t, syscall.SIGTERM)
			w.Exited(t, patience)
			log := w.Log()
			ids := map[string]int{}
			lines := 0
			for scan := bufio.NewScanner(strings.NewReader(log)); scan.Scan(); lines++ {
				line := scan.Text()
				id := regexp.MustCompile(`\bclient=(\d+)`).FindStringSubmatch(line)
				msg := line
				if format == "json" {
					var entry map[string]any
					if err := json.Unmarshal([]byte(line), &entry); err != nil {
						t.Fatalf("not JSON: %s", line)
					}
					if entry["time"] == nil || entry["level"] == nil {
						t.Errorf("no time or level: %s", line)
					}
					msg = entry["msg"].(string)
					id = nil
					if n, ok := entry["client"].(float64); ok {
						id = []string{"", strconv.Itoa(int(n))}
					}
				}
				for _, what := range []string{"client connected", "client disconnected", "login failed"} {
					if !strings.Contains(msg, what) {
						continue
					}
					if id == nil {
						t.Errorf("no client's id: %s", line)
						continue
					}
					ids[what+" "+id[1]]++
				}
				if strings.Contains(msg, "backend opened") && !regexp.MustCompile(`backend"?[=:]\d`).MatchString(line) {
					t.Errorf("no backend's id: %s", line)
				}
			}
			if len(ids) != 2*clients+1 {
				t.Errorf("lines of logins and ends: %v", ids)
			}
			for what, n := range ids {
				if n != 1 {
					t.Errorf("%q stands in the log %d times", what, n)
				}
			}
			if lines > 40 {
				t.Errorf("%d lines for %d clients with %d queries", lines, clients, 2*queries*clients)
			}
			for _, s := range []string{secret, wrong, "a secret value", "select"} {
				if strings.Contains(log, s) {
					t.Errorf("the log has %q", s)
				}
			}
		})
	}
}

func TestLoginsAndEndsCanBeLeftOutOfTheLog(t *testing.T) {
	t.Parallel()
	opts := weirOptions{Top: "log_connections = false\nlog_disconnections = false"}
	w := startWeir(t, opts)
	if err := canLogIn(t, w.DSN()); err != nil {
		t.Fatal(err)
	}
	console := connect(t, w.Console())
	// Else its end could be logged, if it is dealt with after the reload only.
	eventually(t, "the client has left", func() bool { return poolRow(t, w, console)["cl_active"] == "0" })
	opts.Top = "log_connections = true\nlog_disconnections = true"
	w.Rewrite(t, opts)
	reload(t, console)
	if strings.Contains(w.Log(), "connected") {
		t.Error("a login was logged")
	}
	if err := canLogIn(t, w.DSN()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "from then on they are logged", func() bool {
		return strings.Count(w.Log(), "client connected") == 1 && strings.Count(w.Log(), "client disconnected") == 1
	})
}

// demoIn runs `pgweir demo` with a folder of its own for all that it makes.
func demoIn(t *testing.T, dir string, out *logBuffer, args ...string) *child.Process {
	t.Helper()
	if err := os.Chmod(dir, 0o755); err != nil { // PostgreSQL may run as somebody else
		t.Fatal(err)
	}
	args = append([]string{"demo", "--clients", "12", "--pool", "3", "--seconds", "1"}, args...)
	if bin := os.Getenv("PGWEIR_TEST_PG_BIN"); bin != "" {
		args = append(args, "--pg-bin", bin)
	}
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Env = append(os.Environ(), "TMPDIR="+dir)
	p, err := child.Start(cmd, syscall.SIGTERM)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.KillGroup)
	return p
}

// nothingLeft looks for files, and for processes that have them open or work there.
func nothingLeft(t *testing.T, dir string) {
	t.Helper()
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("files are left: %v %v", left, err)
	}
	procs, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range procs {
		env, err := os.ReadFile(p)
		if err == nil && strings.Contains(string(env), "TMPDIR="+dir+"\x00") {
			cmd, _ := os.ReadFile(filepath.Join(filepath.Dir(p), "cmdline"))
			t.Errorf("a process is left: %q", cmd)
		}
	}
}

func TestDemoOnceComparesAndLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("/tmp", "demo-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	var out logBuffer
	p := demoIn(t, dir, &out, "--once")
	select {
	case <-p.Done():
	case <-time.After(3 * time.Minute):
		t.Fatalf("the demo does not end; so far:\n%s", out.String())
	}
	if err := p.Err(); err != nil {
		t.Errorf("the demo ended with %v:\n%s", err, out.String())
	}
	if !strings.Contains(out.String(), "12") || !regexp.MustCompile(`(?i)backends`).MatchString(out.String()) {
		t.Errorf("the demo said:\n%s", out.String())
	}
	nothingLeft(t, dir)
}

func TestADemoThatIsInterruptedLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	var done sync.WaitGroup
	for _, moment := range []string{"direct", "Ctrl-C ends"} { // on its way, and when it stays up
		done.Go(func() {
			dir, err := os.MkdirTemp("/tmp", "demo-")
			if err != nil {
				t.Error(err)
				return
			}
			defer os.RemoveAll(dir)
			var out logBuffer
			p := demoIn(t, dir, &out)
			deadline := time.After(3 * time.Minute)
			tick := time.NewTicker(5 * time.Millisecond)
			defer tick.Stop()
			for !strings.Contains(out.String(), moment) {
				select {
				case <-tick.C:
				case <-deadline:
					t.Errorf("the demo does not say %q:\n%s", moment, out.String())
					return
				case <-p.Done():
					t.Errorf("the demo ended with %v:\n%s", p.Err(), out.String())
					return
				}
			}
			if err := p.Signal(syscall.SIGINT); err != nil {
				t.Error(err)
			}
			select {
			case <-p.Done():
			case <-deadline:
				t.Errorf("the demo does not end:\n%s", out.String())
			}
			nothingLeft(t, dir)
		})
	}
	done.Wait()
}

func TestADemoThatStaysUpOutlivesACrashOfABackend(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("/tmp", "demo-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	var out logBuffer
	p := demoIn(t, dir, &out)
	var port []string
	says := func(what, pattern string) {
		t.Helper()
		eventuallyWithin(t, 3*time.Minute, "the demo says "+what, func() bool {
			select {
			case <-p.Done():
				t.Fatalf("the demo ended with %v:\n%s", p.Err(), out.String())
			default:
			}
			port = regexp.MustCompile(pattern).FindStringSubmatch(out.String())
			return port != nil
		})
	}
	says("where PostgreSQL is", `PostgreSQL  psql -h 127.0.0.1 -p (\d+) (?s:.*)until Ctrl-C `)
	conn := connect(t, "host=127.0.0.1 user=postgres dbname=demo port="+port[1])
	pid, err := strconv.Atoi(ask(t, conn, "select min(pid) from pg_stat_activity where usename = 'demo'"))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	says("that all its clients are back", `asking pg_stat_activity: (?s:.*)until Ctrl-C +clients 12 `)

	postmaster, err := filepath.Glob(filepath.Join(dir, "*", "*", "postmaster.pid"))
	if err != nil || len(postmaster) != 1 {
		t.Fatal(postmaster, err)
	}
	data, err := os.ReadFile(postmaster[0])
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(data), "\n")
	if pid, err = strconv.Atoi(line); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.Done():
	case <-time.After(time.Minute):
		t.Fatalf("the demo does not end:\n%s", out.String())
	}
	if p.Err() == nil || !strings.Contains(out.String(), "the postmaster has ended") {
		t.Errorf("the demo ended with %v:\n%s", p.Err(), out.String())
	}
	nothingLeft(t, dir)
}
