package demo

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// behaviour tells the stand-in for pgweir, which is this test binary, what to
// do when it is run as `serve -c FILE`.
const behaviour = "PGWEIR_TEST_STANDIN"

func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "serve" {
		if err := standIn(os.Args[3], os.Getenv(behaviour)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(3)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// standIn joins every client to a connection of its own to PostgreSQL: the
// opposite of a pooler.
func standIn(config, behave string) error {
	if behave == "refuse" {
		return fmt.Errorf("%s: refused on purpose", config)
	}
	signal.Ignore(syscall.SIGHUP) // asks pgweir to read its configuration again
	settings, err := numbersIn(config)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:"+settings["listen_port"])
	if err != nil {
		return err
	}
	for n := 0; ; n++ {
		client, err := listener.Accept()
		if err != nil {
			return err
		}
		if behave == "die" && n == 2 { // the first is the question whether we are ready
			return fmt.Errorf("died on purpose")
		}
		server, err := net.Dial("tcp", "127.0.0.1:"+settings["port"])
		if err != nil {
			return err
		}
		join := func(to, from net.Conn) {
			_, _ = io.Copy(to, from)
			_ = to.Close()
		}
		go join(server, client)
		go join(client, server)
	}
}

func numbersIn(config string) (map[string]string, error) {
	data, err := os.ReadFile(config)
	if err != nil {
		return nil, err
	}
	settings := map[string]string{}
	for line := range strings.Lines(string(data)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), " = "); ok {
			settings[key] = value
		}
	}
	return settings, nil
}

// output collects what the demo writes, and can be waited for.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{}
}

func newOutput() *output { return &output{more: make(chan struct{}, 1)} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	select {
	case o.more <- struct{}{}:
	default:
	}
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// waitFor returns once the text was written, or the deadline is over.
func (o *output) waitFor(text string) {
	for deadline := time.After(time.Minute); !strings.Contains(o.String(), text); {
		select {
		case <-o.more:
		case <-deadline:
			return
		}
	}
}

// options of a small demo, whose temporary files go into a folder of the test
// that must be empty in the end.
func options(t *testing.T, out io.Writer) Options {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("/tmp", "pgweir-test-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o1777); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", dir)
	t.Cleanup(func() {
		left, err := os.ReadDir(dir)
		if err != nil || len(left) != 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return Options{
		PGBin: os.Getenv("PGWEIR_TEST_PG_BIN"), Program: program,
		Clients: 4, Pool: 4, Phase: time.Second, Once: true, Out: out,
	}
}

func TestComparisonShowsBothMeasurements(t *testing.T) {
	out := newOutput()
	if err := Run(t.Context(), options(t, out)); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{
		"1  4 clients straight to PostgreSQL",
		"2  the same 4 through pgweir",
		fmt.Sprintf("  %-36s%22s%22s", "backends at most, pg_stat_activity", "4", "4"),
		fmt.Sprintf("  %-36s%22s%22s", "backends at most, process table", "4", "4"),
		fmt.Sprintf("  %-36s%22s%22s", "errors", "0", "0"),
		"4 clients: 4 backends",
		"nothing is left behind",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

func TestBackendsBeyondThePoolAreAFailure(t *testing.T) {
	opts := options(t, io.Discard)
	opts.Pool = 2
	err := Run(t.Context(), opts)
	// The backend of the question whether the stand-in is ready may be there still.
	if !slices.Contains([]string{"4 backends exceeded the pool of 2", "5 backends exceeded the pool of 2"}, fmt.Sprint(err)) {
		t.Error(err)
	}
}

func TestPgweirThatDoesNotStartIsQuoted(t *testing.T) {
	t.Setenv(behaviour, "refuse")
	err := Run(t.Context(), options(t, io.Discard))
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "refused on purpose") {
		t.Error(err)
	}
}

func TestPgweirThatDiesIsQuoted(t *testing.T) {
	t.Setenv(behaviour, "die")
	err := Run(t.Context(), options(t, io.Discard))
	if err == nil || !strings.Contains(err.Error(), "died on purpose") {
		t.Error(err)
	}
}

func TestInterruptionAtAnyTimeLeavesNothing(t *testing.T) {
	for at, want := range map[string]string{
		"pgweir demo":           "interrupted",
		"1  4 clients":          "interrupted",
		"direct  1 s":           "interrupted",
		"2  the same 4":         "interrupted",
		"Ctrl-C ends all of it": "",
	} {
		t.Run(at, func(t *testing.T) {
			out := newOutput()
			opts := options(t, out)
			opts.Once = false
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go func() { out.waitFor(at); cancel() }()
			got := ""
			if err := Run(ctx, opts); err != nil {
				got = err.Error()
			}
			if got != want {
				t.Errorf("got %q\n%s", got, out)
			}
		})
	}
}

func TestOptionsOutOfRangeAreRefused(t *testing.T) {
	for want, change := range map[string]func(*Options){
		"clients: 0 is out of range (1 to 10000)":                                                    func(o *Options) { o.Clients = 0 },
		"clients: 10001 is out of range (1 to 10000)":                                                func(o *Options) { o.Clients = 10001 },
		"pool: 5 is out of range (1 to the number of clients, 4)":                                    func(o *Options) { o.Pool = 5 },
		"pool: 0 is out of range (1 to the number of clients, 4)":                                    func(o *Options) { o.Pool = 0 },
		"seconds: 0 is out of range (1 to 3600)":                                                     func(o *Options) { o.Phase = 0 },
		"no usable PostgreSQL programs in /nowhere: stat /nowhere/initdb: no such file or directory": func(o *Options) { o.PGBin = "/nowhere" },
	} {
		opts := options(t, io.Discard)
		change(&opts)
		if err := Run(t.Context(), opts); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestLiveLinesStayWithinTheTerminal(t *testing.T) {
	l := &load{}
	p := picture{load: l, window: l.measure(), label: "pooled", progress: "connecting"}
	l.connected.Store(1234)
	p.sample = sample{byServer: 10, byTable: 11}
	lines := drawing(p, "=", 80)
	want := []string{
		"   clients    1,234  " + strings.Repeat("=", 56),
		"   backends      10  =",
		"   processes     11  =",
		"   memory unknown, 0 transactions/s, p50 / p99 –, 0 errors, connecting",
	}
	for i := range want {
		if lines[i] != want[i] {
			t.Errorf("%q, want %q", lines[i], want[i])
		}
	}
	if got := cut("ab–cd", 3); got != "ab–" {
		t.Errorf("%q", got)
	}
	scan := bufio.NewScanner(strings.NewReader(plain(p)))
	if scan.Scan(); scan.Text() != "   pooled  connecting   clients 1,234  backends 10 (process table 11)  memory unknown  0 tx/s  errors 0" || scan.Scan() {
		t.Errorf("%q", plain(p))
	}
}
