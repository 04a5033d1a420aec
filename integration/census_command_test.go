package integration

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"pgweir/cluster"
)

func TestTheCensusCommandDrawsATree(t *testing.T) {
	t.Parallel()
	pg := startCluster(t, cluster.Options{})
	conn := connect(t, dsn(pg.Port, "postgres", "application_name='a b'"))
	must(t, conn, "select 1")
	started(t, conn, "checkpointer", "walwriter")
	out, errText, code := censusOutput(t, "--dsn", pg.DSN("postgres"))
	if code != 0 || errText != "" {
		t.Fatalf("exit code %d: %s", code, errText)
	}
	lines := strings.Split(out, "\n")
	if !strings.HasPrefix(lines[0], "PostgreSQL "+ask(t, conn, "select split_part(current_setting('server_version'), ' ', 1)")+fmt.Sprintf(" at 127.0.0.1:%d, on this machine", pg.Port)) {
		t.Errorf("it begins with %q", lines[0])
	}
	if strings.Contains(out, "\x1b") {
		t.Error("it has colours, and is no terminal")
	}
	for _, want := range []string{
		fmt.Sprintf("%d  postmaster", pg.PID()), "checkpointer", "walwriter", "postgres@postgres", "  a b",
		"pgweir census", "client backends", "of memory beside what they share",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
}

func TestTheCensusCommandGoesOnUntilItIsInterrupted(t *testing.T) {
	t.Parallel()
	pg := startCluster(t, cluster.Options{})
	cmd := exec.Command(program, "census", "--watch", "--dsn", pg.DSN("postgres"))
	var out logBuffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	eventually(t, "there are two censuses", func() bool { return strings.Count(out.String(), "  postmaster ") >= 2 })
	if err := pg.Stop(cluster.Fast); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it says that the server is gone", func() bool { return strings.Contains(out.String(), "postmaster_gone") })
	if err := pg.Restart(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it sees the new one", func() bool {
		return strings.Contains(out.String(), fmt.Sprintf("%d  postmaster", pg.PID()))
	})
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := finished(t, ended, patience); err != nil {
		t.Errorf("%v\n%s", err, out.String())
	}
}

func TestTheCensusCommandSaysWhatIsWrongWithItsInput(t *testing.T) {
	t.Parallel()
	free, err := cluster.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	nowhere := fmt.Sprintf("127.0.0.1:%d", free)
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }))
	defer other.Close()
	none := httptest.NewServer(http.NotFoundHandler())
	defer none.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	noHTTP := writeConfig(t, "http_listen = \"\"\n")
	bad := writeConfig(t, "http_lisen = \"\"\n")
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"--dsn", "host=127.0.0.1 port=x password=secret"}, []string{"--dsn", "invalid port"}},
		{[]string{"--dsn", fmt.Sprintf("host=127.0.0.1 port=%d user=postgres password=secret", free)}, []string{nowhere, "connection refused"}},
		{[]string{"--dsn", shared.DSN("no_such_database")}, []string{"no_such_database", "3D000"}},
		{[]string{"--dsn", "host=" + silent.Addr().(*net.TCPAddr).IP.String() + fmt.Sprintf(" port=%d user=postgres sslmode=disable", silent.Addr().(*net.TCPAddr).Port)}, []string{"no answer in time"}},
		{[]string{"--url", "http://" + nowhere}, []string{"no pgweir answers at http://" + nowhere, "--dsn"}},
		{[]string{"--url", other.URL}, []string{"is no census"}},
		{[]string{"--url", none.URL}, []string{"404"}},
		{[]string{"--url", "nonsense"}, []string{`"nonsense"`, "http://127.0.0.1:9127"}},
		{[]string{"-c", "/no/such/config.toml"}, []string{"/no/such/config.toml", "no such file"}},
		{[]string{"-c", noHTTP}, []string{"http_listen is empty", "--dsn"}},
		{[]string{"-c", bad}, []string{"http_lisen", "http_listen"}},
		{[]string{"--dsn", "x", "--url", "y"}, []string{"dsn", "url"}},
		{[]string{"too much"}, []string{"too much"}},
	} {
		out, errText, code := censusOutput(t, c.args...)
		if code != 1 || out != "" || strings.Contains(errText, "secret") || strings.Count(errText, "\n") > 3 {
			t.Errorf("%q: exit code %d, %q, %q", c.args, code, out, errText)
		}
		for _, want := range c.want {
			if !strings.Contains(errText, want) {
				t.Errorf("%q: %q is not in %q", c.args, want, errText)
			}
		}
	}
}
