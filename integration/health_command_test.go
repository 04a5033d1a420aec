package integration

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"pgweir/cluster"
	"pgweir/cluster/child"
)

// healthIs runs `pgweir health` and wants a word of its answer, or "ok" and exit code 0.
func healthIs(t *testing.T, want string, args ...string) {
	t.Helper()
	out, code := pgweir(t, append([]string{"health"}, args...)...)
	if wantCode := map[bool]int{true: 0, false: 1}[want == "ok"]; code != wantCode || !strings.Contains(out, want) {
		t.Errorf("health %s: %d, %s, want %q", strings.Join(args, " "), code, out, want)
	}
}

func TestHealthSaysWhetherClientsCanBeServed(t *testing.T) {
	t.Parallel()
	pg := startCluster(t, cluster.Options{})
	w := startWeir(t, weirOptions{Cluster: pg, Database: "host = '127.0.0.1'"})
	base := w.HTTP("")
	eventually(t, "PostgreSQL has been reached", func() bool {
		_, code := pgweir(t, "health", "-c", w.ConfigPath())
		return code == 0
	})
	healthIs(t, "ok", "-c", w.ConfigPath())
	healthIs(t, "ok", w.ConfigPath())
	healthIs(t, "ok", "--url", base, "--live")
	healthIs(t, "config.toml", "-c", filepath.Join(w.Dir, "none", "config.toml"))
	healthIs(t, "not an address", "--url", "somewhere")

	w.WriteConfig(t, "no configuration")
	healthIs(t, "http_listen", "-c", w.ConfigPath())
	healthIs(t, "ok", "--url", base)

	if err := pg.Stop(cluster.Fast); err != nil {
		t.Fatal(err)
	}
	eventually(t, "PostgreSQL is missed", func() bool {
		out, code := pgweir(t, "health", "--url", base)
		return code == 1 && strings.Contains(out, "not ready")
	})
	healthIs(t, "ok", "--url", base, "--live")
}

func TestHealthKnowsAPgweirWithoutHTTPByItsPort(t *testing.T) {
	t.Parallel()
	const quiet = "http_listen = ''\n"
	key := map[string]string{}
	cert, private := newAuthority(t, "authority").Sign(t, "localhost")
	key["server.crt"], key["server.key"] = cert, private
	const tls = "client_tls_sslmode = 'require'\nclient_tls_cert_file = 'server.crt'\nclient_tls_key_file = 'server.key'\n"
	for name, top := range map[string]string{
		"Unix socket": "",
		"TCP":         "unix_socket_dir = ''\n",
		"any address": "unix_socket_dir = ''\nlisten_addr = '*'\n",
		"TLS":         "unix_socket_dir = ''\n" + tls,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := startWeir(t, weirOptions{Top: quiet + top, Files: key})
			healthIs(t, "ok", "-c", w.ConfigPath())
			// The log has a line of a client that comes after it, and none of health.
			sslmode := map[bool]string{true: "sslmode=require", false: "sslmode=disable"}[name == "TLS"]
			conn := connect(t, w.DSN(sslmode))
			w.Says(t, "client connected", 1)
			if log := w.Log(); strings.Contains(log, "login") || strings.Contains(log, "TLS") {
				t.Errorf("the log tells of health: %s", log)
			}
			conn.Close(t.Context())
		})
	}
	port, err := cluster.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	path := writeConfig(t, quiet+"unix_socket_dir = ''\nlisten_port = "+strconv.Itoa(port)+"\n[databases.a]\n")
	healthIs(t, "no pgweir answers", "-c", path)
	healthIs(t, "listens nowhere", "-c", writeConfig(t, quiet+"unix_socket_dir = ''\nlisten_addr = ''\n[databases.a]\n"))
}

func TestHealthWithoutHTTPKnowsWhetherPostgreSQLIsThere(t *testing.T) {
	t.Parallel()
	pg := startCluster(t, cluster.Options{})
	w := startWeir(t, weirOptions{Cluster: pg, Top: "http_listen = ''\n", Database: "host = '127.0.0.1'"})
	eventually(t, "PostgreSQL has been reached", func() bool {
		out, code := pgweir(t, "health", "-c", w.ConfigPath())
		return code == 0 && strings.Contains(out, "ok: clients can be served")
	})
	if err := pg.Stop(cluster.Fast); err != nil {
		t.Fatal(err)
	}
	eventually(t, "PostgreSQL is missed", func() bool {
		out, code := pgweir(t, "health", "-c", w.ConfigPath())
		return code == 1 && strings.Contains(out, "not ready: ")
	})
	healthIs(t, "ok", "-c", w.ConfigPath(), "--live")
	if log := w.Log(); strings.Contains(log, "client connected") || strings.Contains(log, "client disconnected") {
		t.Errorf("the log tells of health: %s", log)
	}
}

func TestHealthNamesWhatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	with, without := startWeir(t, weirOptions{}), startWeir(t, weirOptions{Top: "http_listen = ''\n"})
	url := with.HTTP("")
	for _, w := range []*weir{with, without} {
		w.Signal(t, syscall.SIGSTOP)
		defer w.Signal(t, syscall.SIGCONT)
	}
	healthIs(t, "no pgweir answers at "+url+" within 500ms", "--url", url, "--timeout", "500ms")
	healthIs(t, "no pgweir answers at "+without.SocketPath()+" within 500ms", "-c", without.ConfigPath(), "--timeout", "500ms")
}

func TestSystemdsWatchdogHearsOfAProgramThatWorks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := filepath.Join(dir, "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: at, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	hears := func(want string) {
		t.Helper()
		for deadline := time.Now().Add(patience); ; {
			socket.SetReadDeadline(deadline)
			buf := make([]byte, 1000)
			n, err := socket.Read(buf)
			if err != nil {
				t.Fatalf("systemd is not told %s: %v", want, err)
			}
			if string(buf[:n]) == want {
				return
			}
		}
	}
	cmd := exec.Command(program, "serve", "-c", writeConfig(t, "http_listen = ''\nunix_socket_dir = '"+dir+"'\nlisten_addr = ''\n[databases.a]\n"))
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+at, "WATCHDOG_USEC=20000")
	log := new(logBuffer)
	cmd.Stderr = log
	p, err := child.Start(cmd, syscall.SIGKILL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { p.Signal(syscall.SIGKILL); <-p.Done() }()
	for _, want := range []string{"READY=1", "WATCHDOG=1", "WATCHDOG=1", "WATCHDOG=1"} {
		hears(want)
	}
	p.Signal(syscall.SIGTERM)
	hears("STOPPING=1")
	<-p.Done()
	if code := cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d: %s", code, log)
	}
}
