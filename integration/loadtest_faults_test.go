package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"pgweir/cluster"
)

func TestALoadTestSaysWhenTheServerAllowsFewerClients(t *testing.T) {
	t.Parallel()
	const connections, reserved = 20, 3
	pg := startCluster(t, cluster.Options{Settings: map[string]string{
		"max_connections": strconv.Itoa(connections), "superuser_reserved_connections": strconv.Itoa(reserved), "max_wal_senders": "2",
	}})
	execSQL(t, pg.DSN("postgres"), "create role app login; create role two login connection limit 3")
	closed := func() {
		eventually(t, "its connections are closed", func() bool { return len(backendsIn(t, pg, "postgres")) == 0 })
	}
	closed()
	for _, c := range []struct {
		user string
		want int // one connection is the observer's
	}{{"postgres", connections - 1}, {"app", connections - reserved - 1}, {"two", 2}} {
		l := startLoadtest(t, "--direct", dsn(pg.Port, "postgres", "user="+c.user), "--clients", "60",
			"--duration", "1s", "--ramp", "0", "--think", "20ms", "--json")
		if code := l.ended(t); code != 0 {
			t.Errorf("%s: exit code %d", c.user, code)
		}
		f := l.figures(t)
		f.Direct.sane(t, c.user, c.want)
		if f.Pooled != nil {
			t.Errorf("%s: there is a phase that was not asked for", c.user)
		}
		if f.Direct.BackendsMax == nil || *f.Direct.BackendsMax != c.want {
			t.Errorf("%s: backends %v, want %d", c.user, f.Direct.BackendsMax, c.want)
		}
		if want := fmt.Sprintf("only %d of 60 clients were let in", c.want); !strings.Contains(l.stderr.String(), want) || !strings.Contains(l.stderr.String(), "53300") {
			t.Errorf("%s: it does not say %q:\n%s", c.user, want, l.stderr.String())
		}
		closed()
	}
}

// TestALoadTestCountsErrors: they end neither the client nor the test.
func TestALoadTestCountsErrors(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{})
	for _, c := range []struct {
		sql  string
		want []string
		some bool // some transactions succeed
	}{
		{sql: "select 1/0", want: []string{"(22012)", "division by zero", "not one transaction"}},
		{sql: "begin; select :random", want: []string{"left its transaction open", "not one transaction"}},
		{sql: "begin; select 1/(:random % 2); commit", want: []string{"(22012)"}, some: true},
	} {
		l := startLoadtest(t, "--pooled", w.DSN(), "--script", writeScript(t, c.sql), "--clients", "8", "--duration", "1s", "--ramp", "0", "--json")
		if code := l.ended(t); code != 0 {
			t.Errorf("%s: exit code %d", c.sql, code)
		}
		f := l.figures(t)
		if f.Pooled == nil || f.Pooled.Errors == 0 || f.Pooled.Clients != 8 || (f.Pooled.Transactions > 0) != c.some {
			t.Errorf("%s: %+v", c.sql, f.Pooled)
		}
		for _, part := range c.want {
			if !strings.Contains(l.stderr.String(), part) {
				t.Errorf("%s: it does not say %q:\n%s", c.sql, part, l.stderr.String())
			}
		}
	}
	servedWithin(t, connect(t, w.DSN()), patience)
}

func TestALoadTestThatIsInterruptedShowsWhatItHas(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{})
	server := connect(t, w.PG.DSN("postgres"))
	for _, c := range []struct {
		name, until string // what it says before it is interrupted
		both        bool
		more        []string
	}{
		{name: "connecting", until: `direct  connecting: [1-9]`, more: []string{"--ramp", "1m"}},
		{name: "direct", until: `direct  \d+ s`},
		{name: "pooled", until: `pooled  \d+ s`, both: true, more: []string{"--duration", "5s"}},
		// A transaction that goes on must not keep it, nor go on afterwards.
		{name: "asleep", until: `direct  \d+ s`, more: []string{"--script", writeScript(t, "select pg_sleep(600)")}},
	} {
		report := filepath.Join(t.TempDir(), "report.html")
		l := startLoadtest(t, append([]string{"--direct", w.Direct(), "--pooled", w.DSN(), "--clients", "10", "--ramp", "0",
			"--duration", "10m", "--json", "--html", report}, c.more...)...)
		said := regexp.MustCompile(c.until)
		eventually(t, "it is on its way", func() bool { return said.MatchString(l.stderr.String()) })
		if err := l.process.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		if code := l.ended(t); code != 0 {
			t.Errorf("%s: exit code %d\n%s", c.name, code, l.stderr.String())
		}
		f := l.figures(t)
		if f.Direct == nil || f.Direct.Clients < 1 || f.Direct.Errors != 0 || (f.Pooled != nil) != c.both {
			t.Errorf("%s: %+v", c.name, f)
		}
		if text, err := os.ReadFile(report); err != nil || !strings.Contains(string(text), "was interrupted") {
			t.Errorf("%s: the report does not say so (%v)", c.name, err)
		}
		eventually(t, "nothing of it is left in the server", func() bool {
			return ask(t, server, "select count(*) from pg_stat_activity where datname = '"+w.DB+
				"' and application_name like 'pgweir loadtest%' and state <> 'idle'") == "0"
		})
	}
}

// TestALoadTestOutlivesTheServersRestart: clients that lose their connection
// connect again.
func TestALoadTestOutlivesTheServersRestart(t *testing.T) {
	t.Parallel()
	pg := startCluster(t, cluster.Options{})
	l := startLoadtest(t, "--direct", pg.DSN("postgres"), "--clients", "5", "--ramp", "0", "--think", "20ms", "--duration", "10m", "--json")
	told := func(what string) func() bool {
		said := regexp.MustCompile(what)
		return func() bool { return said.MatchString(l.stderr.String()) }
	}
	eventually(t, "it measures", told(`direct  \d+ s  5 clients`))
	if err := pg.Stop(cluster.Fast); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the clients are gone, and nothing is known of backends", told(`  0 clients  backends unknown  memory unknown`))
	if err := pg.Restart(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "they are back, and counted", told(`  5 clients  backends 5  .*  \d+ errors`))
	if err := l.process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if code := l.ended(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	f := l.figures(t)
	if f.Direct == nil || f.Direct.Clients != 5 || f.Direct.Errors < 5 || !strings.Contains(l.stderr.String(), "57P01") {
		t.Errorf("%+v\n%s", f.Direct, l.stderr.String())
	}
}

func TestALoadTestThatCannotBeRunSaysWhy(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{})
	free, err := cluster.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	nobody := dsn(free, "x")
	dir := t.TempDir()
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "--direct or --pooled must be given"},
		{[]string{"--direct", ""}, "--direct: the address is empty"},
		{[]string{"--direct", "host"}, "--direct: cannot parse"},
		{[]string{"--pooled", "postgres://h:port/x"}, "--pooled: cannot parse"},
		{[]string{"--pooled", w.DSN("sslmode=perhaps")}, "sslmode is invalid"},
		{[]string{"--direct", nobody}, fmt.Sprintf("--direct: postgres@127.0.0.1:%d/x: nothing is listening there", free)},
		{[]string{"--direct", w.Direct(), "--pooled", nobody}, "--pooled: postgres@127.0.0.1"},
		{[]string{"--direct", "host=" + dir + " user=x"}, "nothing is listening there"},
		{[]string{"--direct", w.Direct("dbname=not_there")}, `database "not_there" does not exist`},
		{[]string{"--pooled", w.DSN("dbname=not_there")}, "not_there"},
		{[]string{"--pooled", w.DSN(), "--clients", "0"}, "clients: 0 is out of range"},
		{[]string{"--pooled", w.DSN(), "--clients", "-1"}, "clients: -1 is out of range"},
		{[]string{"--pooled", w.DSN(), "--clients", "many"}, "many"},
		{[]string{"--pooled", w.DSN(), "--duration", "-5s"}, "duration: -5s is out of range"},
		{[]string{"--pooled", w.DSN(), "--duration", "soon"}, `"soon" is no duration`},
		{[]string{"--pooled", w.DSN(), "--ramp", "-1"}, "ramp: -1s is out of range"},
		{[]string{"--pooled", w.DSN(), "--think", "-1s"}, "think: -1s is out of range"},
		{[]string{"--pooled", w.DSN(), "--workload", "slect-only"}, `unknown workload "slect-only"; did you mean "select-only"?`},
		{[]string{"--pooled", w.DSN(), "--workload", "idle", "--script", "x"}, "only one of them"},
		{[]string{"--pooled", w.DSN(), "--script", filepath.Join(dir, "none.sql")}, "none.sql: no such file"},
		{[]string{"--pooled", w.DSN(), "--script", writeScript(t, "-- nothing\n")}, "no statement in the script"},
		{[]string{"--pooled", w.DSN(), "--script", writeScript(t, "select 1;\n\\set x 1\n")}, "line 2 of the script"},
		{[]string{"--pooled", w.DSN(), "--protocol", "carrier-pigeon"}, "simple and prepared"},
		{[]string{"--pooled", w.DSN(), "--html", filepath.Join(dir, "no", "where.html")}, "--html: "},
		{[]string{"--pooled", w.DSN(), "--duration", "1s", "extra"}, "extra"},
	} {
		l := startLoadtest(t, append(c.args, "--json")...)
		if code := l.ended(t); code != 1 {
			t.Errorf("%q: exit code %d", c.args, code)
		}
		if !strings.Contains(l.stderr.String(), "pgweir: ") || !strings.Contains(l.stderr.String(), c.want) {
			t.Errorf("%q: it does not say %q:\n%s", c.args, c.want, l.stderr.String())
		}
		if l.stdout.String() != "" {
			t.Errorf("%q: stdout has %q", c.args, l.stdout.String())
		}
	}
	// A report that could not be made leaves no empty file.
	report := filepath.Join(dir, "report.html")
	if code := startLoadtest(t, "--direct", nobody, "--html", report).ended(t); code != 1 {
		t.Errorf("exit code %d", code)
	}
	if _, err := os.Stat(report); !os.IsNotExist(err) {
		t.Errorf("a report is there: %v", err)
	}
}

// TestALoadTestWhosePoolDoesNotWorkShowsTheDirectPhase: what was measured is
// shown, and the exit code says that it is not all.
func TestALoadTestWhosePoolDoesNotWorkShowsTheDirectPhase(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{})
	l := startLoadtest(t, "--direct", w.Direct(), "--pooled", w.DSN("user=nobody"), "--clients", "4", "--duration", "2s", "--ramp", "0", "--json")
	if code := l.ended(t); code != 1 {
		t.Errorf("exit code %d", code)
	}
	f := l.figures(t)
	f.Direct.sane(t, "direct", 4)
	if f.Pooled != nil || !strings.Contains(l.stderr.String(), "pgweir: --pooled: nobody@127.0.0.1") {
		t.Errorf("%+v\n%s", f.Pooled, l.stderr.String())
	}
}

// TestALoadTestMeasuresWhatBeginsWhenAllAreIn: a client's first transaction, which
// takes long here, is none of those whose times are told.
func TestALoadTestMeasuresWhatBeginsWhenAllAreIn(t *testing.T) {
	t.Parallel()
	const slow = 3000 // ms
	w := startWeir(t, weirOptions{})
	script := writeScript(t, fmt.Sprintf(`select pg_sleep(case current_setting('x.warm', true) when 'yes' then 0 else %d / 1000.0 end);
		select set_config('x.warm', 'yes', false);`, slow))
	l := startLoadtest(t, "--direct", w.Direct(), "--pooled", w.DSN(), "--script", script,
		"--clients", "4", "--duration", "1s", "--ramp", "0", "--json")
	if code := l.ended(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	f := l.figures(t)
	f.Direct.sane(t, "direct", 4)
	f.Pooled.sane(t, "pooled", 4)
	for name, p := range map[string]*loadPhase{"direct": f.Direct, "pooled": f.Pooled} {
		if *p.Latency.P99 >= slow {
			t.Errorf("%s: p99 is %v ms", name, *p.Latency.P99)
		}
	}
}
