package integration

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
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

// loadtest is a `pgweir loadtest` under way.
type loadtest struct {
	process        *child.Process
	stdout, stderr logBuffer
}

func startLoadtest(t *testing.T, args ...string) *loadtest {
	t.Helper()
	l := new(loadtest)
	cmd := exec.Command(program, append([]string{"loadtest"}, args...)...)
	cmd.Stdout, cmd.Stderr = &l.stdout, &l.stderr
	var err error
	if l.process, err = child.Start(cmd, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.process.KillGroup)
	return l
}

// writeScript writes a file for --script.
func writeScript(t *testing.T, sql string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "script.sql")
	if err := os.WriteFile(path, []byte(sql), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// ended waits for the end and gives the exit code.
func (l *loadtest) ended(t *testing.T) int {
	t.Helper()
	select {
	case <-l.process.Done():
	case <-time.After(2 * time.Minute):
		t.Fatalf("the load test does not end; so far:\n%s%s", l.stderr.String(), l.stdout.String())
	}
	for _, bad := range []string{"DATA RACE", "panic:", "goroutine 1 ["} {
		if strings.Contains(l.stderr.String(), bad) {
			t.Errorf("the load test says %q:\n%s", bad, l.stderr.String())
		}
	}
	var exit *exec.ExitError
	if err := l.process.Err(); errors.As(err, &exit) {
		return exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	return 0
}

// loadPhase is a phase in the JSON of a load test.
type loadPhase struct {
	Clients     int    `json:"clients"`
	BackendsMax *int   `json:"backends_max"`
	MemoryMax   *int64 `json:"memory_max_bytes"`
	Connect     struct {
		P50, P99 *float64
	} `json:"connect_ms"`
	Latency struct {
		P50, P99 *float64
	} `json:"latency_ms"`
	Transactions int `json:"transactions"`
	Errors       int `json:"errors"`
}

type loadFigures struct {
	Direct, Pooled *loadPhase
}

// figures reads the JSON, which must be all that is on stdout.
func (l *loadtest) figures(t *testing.T) loadFigures {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(l.stdout.String()))
	d.DisallowUnknownFields()
	var f loadFigures
	if err := d.Decode(&f); err != nil {
		t.Fatalf("%v: stdout is %q, stderr:\n%s", err, l.stdout.String(), l.stderr.String())
	}
	if _, err := d.Token(); err != io.EOF {
		t.Errorf("there is more than JSON on stdout: %q", l.stdout.String())
	}
	return f
}

// sane checks what must hold of every phase that has run well.
func (p *loadPhase) sane(t *testing.T, name string, clients int) {
	t.Helper()
	switch {
	case p == nil:
		t.Fatalf("%s: there are no figures", name)
	case p.Clients != clients || p.Errors != 0 || p.Transactions == 0:
		t.Errorf("%s: %d clients, %d errors, %d transactions", name, p.Clients, p.Errors, p.Transactions)
	}
	for what, q := range map[string][2]*float64{"connect": {p.Connect.P50, p.Connect.P99}, "latency": {p.Latency.P50, p.Latency.P99}} {
		if q[0] == nil || q[1] == nil || *q[0] <= 0 || *q[0] > *q[1] {
			t.Errorf("%s: %s quantiles %v", name, what, q)
		}
	}
}

// activity is what a test sees of a load test in the server, at one moment.
type activity struct {
	backends int   // of the database, without the load test's observer
	memory   int64 // of these, in bytes; -1 if it cannot be read
}

// watchActivity looks at a database until stop, and gives all that it has seen.
func watchActivity(t *testing.T, pg *cluster.Cluster, db string) (stop func() []activity) {
	t.Helper()
	conn := connect(t, pg.DSN("postgres"))
	query := fmt.Sprintf(`select coalesce(string_agg(pid::text, ' '), '') from pg_stat_activity
		where datname = '%s' and backend_type = 'client backend' and application_name <> 'pgweir loadtest'`, db)
	var seen []activity
	var watching sync.WaitGroup
	enough := make(chan struct{})
	watching.Go(func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for n := 0; ; n++ {
			results, err := conn.PgConn().Exec(t.Context(), query).ReadAll()
			if err != nil {
				t.Errorf("watching: %v", err)
				return
			}
			pids := strings.Fields(string(results[0].Rows[0][0]))
			a := activity{backends: len(pids), memory: -1}
			if n%10 == 0 {
				a.memory = memoryOf(pids)
			}
			seen = append(seen, a)
			select {
			case <-enough:
				return
			case <-tick.C:
			}
		}
	})
	return func() []activity {
		close(enough)
		watching.Wait()
		return seen
	}
}

// memoryOf adds up Private_Dirty and VmPTE of processes, -1 if we may not.
func memoryOf(pids []string) (sum int64) {
	field := regexp.MustCompile(`(?m)^(?:Private_Dirty|VmPTE):\s+(\d+) kB`)
	for _, pid := range pids {
		for _, name := range []string{"smaps_rollup", "status"} {
			text, err := os.ReadFile("/proc/" + pid + "/" + name)
			if err != nil {
				return -1
			}
			for _, m := range field.FindAllSubmatch(text, -1) {
				kb, err := strconv.ParseInt(string(m[1]), 10, 64)
				if err != nil {
					return -1
				}
				sum += kb << 10
			}
		}
	}
	return sum
}

// TestALoadTestsFiguresAreTheServersOwn: while it runs, the test counts the
// backends itself, and reads their memory.
func TestALoadTestsFiguresAreTheServersOwn(t *testing.T) {
	t.Parallel()
	const clients, size = 40, 5
	w := startWeir(t, weirOptions{Top: fmt.Sprintf("default_pool_size = %d", size)})
	stop := watchActivity(t, w.PG, w.DB)
	report := filepath.Join(t.TempDir(), "report.html")
	l := startLoadtest(t, "--direct", w.Direct(), "--pooled", w.DSN(), "--clients", strconv.Itoa(clients),
		"--duration", "3s", "--ramp", "500ms", "--think", "5ms", "--json", "--html", report)
	code := l.ended(t)
	seen := stop()
	f := l.figures(t)
	if code != 0 {
		t.Errorf("exit code %d\n%s", code, l.stderr.String())
	}
	f.Direct.sane(t, "direct", clients)
	f.Pooled.sane(t, "pooled", clients)

	// The pooled phase is behind the last moment with more backends than fit
	// into the pool.
	var direct, pooled activity
	for _, a := range seen {
		if a.backends > size {
			direct.backends, direct.memory = max(direct.backends, a.backends), max(direct.memory, a.memory)
			pooled = activity{}
			continue
		}
		pooled.backends, pooled.memory = max(pooled.backends, a.backends), max(pooled.memory, a.memory)
	}
	for _, c := range []struct {
		name string
		own  activity
		f    *loadPhase
		want int
	}{{"direct", direct, f.Direct, clients}, {"pooled", pooled, f.Pooled, size}} {
		if c.f.BackendsMax == nil || *c.f.BackendsMax != c.own.backends || c.own.backends != c.want {
			t.Errorf("%s: the load test has seen %v backends, the test %d; %d is right", c.name, c.f.BackendsMax, c.own.backends, c.want)
		}
		if c.own.memory <= 0 {
			t.Logf("%s: the test may not read the memory of backends", c.name)
			continue
		}
		if c.f.MemoryMax == nil {
			t.Errorf("%s: memory is unknown, but the test has read %d", c.name, c.own.memory)
		} else if off := float64(*c.f.MemoryMax) / float64(c.own.memory); off < 0.85 || off > 1.15 {
			t.Errorf("%s: memory of %d, but the test has read %d", c.name, *c.f.MemoryMax, c.own.memory)
		}
	}
	checkReport(t, report, clients)
	for _, want := range []string{"seed ", "direct  ", "pooled  "} {
		if !strings.Contains(l.stderr.String(), want) {
			t.Errorf("the progress does not say %q:\n%s", want, l.stderr.String())
		}
	}
}

// checkReport looks whether a report is well-formed, needs nothing from
// elsewhere, and has lines for both phases that go somewhere.
func checkReport(t *testing.T, path string, clients int) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"http://", "https://", "<script", "url(", "@import", " src=", " href="} {
		if bytes.Contains(text, []byte(bad)) {
			t.Errorf("the report has %q", bad)
		}
	}
	lines := map[string]int{}
	for d := xml.NewDecoder(bytes.NewReader(text)); ; {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("the report is not well-formed: %v", err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "polyline" {
			attrs := map[string]string{}
			for _, a := range e.Attr {
				attrs[a.Name.Local] = a.Value
			}
			lines[attrs["class"]] += len(strings.Fields(attrs["points"]))
		}
	}
	for _, class := range []string{"direct", "pooled", "direct p50", "pooled p50", "direct p99", "pooled p99"} {
		if lines[class] < 8 {
			t.Errorf("the report has %d points of %s", lines[class], class)
		}
	}
	if !bytes.Contains(text, []byte(fmt.Sprintf("<td>%d</td><td>%d</td><td>the same</td>", clients, clients))) {
		t.Errorf("the report's table does not have %d clients", clients)
	}
}

func TestALoadTestOfAPoolAlone(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: "default_pool_size = 3"})
	l := startLoadtest(t, "--pooled", w.DSN(), "--clients", "20", "--duration", "1s", "--ramp", "0")
	if code := l.ended(t); code != 0 {
		t.Errorf("exit code %d\n%s", code, l.stderr.String())
	}
	// The observer goes through the pool too, and shares its backends.
	text := regexp.MustCompile(` {2,}`).ReplaceAllString(l.stdout.String(), " | ")
	for _, want := range []string{"| pooled\n", "| clients | 20\n", "| backends, at most | 3\n", "| errors | 0\n", "| 20 clients through the pool: 3 backends, "} {
		if !strings.Contains(text, want) {
			t.Errorf("the table does not say %q:\n%s", want, l.stdout.String())
		}
	}
}

// TestALoadTestInSessionMode: the observer's backend is its own, and those who
// find no place in the pool are said to wait.
func TestALoadTestInSessionMode(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: "pool_mode = \"session\"\ndefault_pool_size = 8"})
	l := startLoadtest(t, "--pooled", w.DSN(), "--clients", "7", "--duration", "1s", "--ramp", "0", "--json")
	if code := l.ended(t); code != 0 {
		t.Errorf("exit code %d\n%s", code, l.stderr.String())
	}
	f := l.figures(t)
	f.Pooled.sane(t, "pooled", 7)
	if f.Pooled.BackendsMax == nil || *f.Pooled.BackendsMax != 7 {
		t.Errorf("backends: %v, want 7", f.Pooled.BackendsMax)
	}
}

func TestALoadTestRunsAScript(t *testing.T) {
	t.Parallel()
	const clients = 10
	w := startWeir(t, weirOptions{})
	execSQL(t, w.Direct(), "create table runs (client int, random int, again int)")
	script := writeScript(t, "-- :client\ninsert into runs values (:client, :random, :random);\nselect ':client', count(*) from runs where client = :client;\n")
	conn := connect(t, w.Direct())
	for _, protocol := range []string{"simple", "prepared"} {
		must(t, conn, "truncate runs")
		l := startLoadtest(t, "--pooled", w.DSN(), "--script", script, "--clients", strconv.Itoa(clients),
			"--duration", "1s", "--ramp", "0", "--think", "10ms", "--json", "--protocol", protocol, "--seed", "42")
		if code := l.ended(t); code != 0 {
			t.Errorf("%s: exit code %d\n%s", protocol, code, l.stderr.String())
		}
		f := l.figures(t)
		f.Pooled.sane(t, protocol, clients)
		row := rowOf(t, show(t, conn, `select count(*) n, count(distinct client) clients, min(client) least, max(client) most,
			bool_and(random = again and random between 0 and 99999) good, count(distinct random) numbers from runs`), "good", "t")
		n, err := strconv.Atoi(row["n"])
		if err != nil || n < f.Pooled.Transactions || row["clients"] != "10" || row["least"] != "1" || row["most"] != "10" || row["numbers"] == "1" {
			t.Errorf("%s: %d transactions were counted, and left %v (%v)", protocol, f.Pooled.Transactions, row, err)
		}
		if !strings.Contains(l.stderr.String(), "seed 42") {
			t.Errorf("the seed is not said:\n%s", l.stderr.String())
		}
	}
}

func TestALoadTestRunsPgbenchsTransactions(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{})
	l := startLoadtest(t, "--pooled", w.DSN(), "--workload", "tpcb-like", "--clients", "2", "--duration", "1s")
	if code := l.ended(t); code != 1 || !strings.Contains(l.stderr.String(), "pgbench -i") {
		t.Errorf("without its tables: exit code %d\n%s", code, l.stderr.String())
	}
	execSQL(t, w.Direct(), `
		create table pgbench_branches (bid int primary key, bbalance int);
		create table pgbench_tellers (tid int primary key, bid int, tbalance int);
		create table pgbench_accounts (aid int primary key, bid int, abalance int);
		create table pgbench_history (tid int, bid int, aid int, delta int, mtime timestamp);
		insert into pgbench_branches values (1, 0);
		insert into pgbench_tellers select n, 1, 0 from generate_series(1, 10) n;
		insert into pgbench_accounts select n, 1, 0 from generate_series(1, 100000) n`)
	for _, args := range [][]string{{"tpcb-like"}, {"tpcb-like", "--protocol", "prepared"}, {"select-only"}} {
		l := startLoadtest(t, append([]string{"--direct", w.Direct(), "--pooled", w.DSN(), "--clients", "8",
			"--duration", "1s", "--ramp", "0", "--json", "--workload"}, args...)...)
		if code := l.ended(t); code != 0 {
			t.Errorf("%v: exit code %d\n%s", args, code, l.stderr.String())
		}
		f := l.figures(t)
		f.Direct.sane(t, fmt.Sprint("direct ", args), 8)
		f.Pooled.sane(t, fmt.Sprint("pooled ", args), 8)
		conn := connect(t, w.Direct())
		row := rowOf(t, show(t, conn, `select (select count(*) from pgbench_history) n,
			(select sum(delta) from pgbench_history) is not distinct from (select sum(bbalance) from pgbench_branches)
			and (select sum(bbalance) from pgbench_branches) = (select sum(tbalance) from pgbench_tellers)
			and (select sum(bbalance) from pgbench_branches) = (select sum(abalance) from pgbench_accounts) whole`), "whole", "t")
		if n, err := strconv.Atoi(row["n"]); args[0] == "tpcb-like" && (err != nil || n < f.Direct.Transactions+f.Pooled.Transactions) {
			t.Errorf("%v: %s rows of history after %d and %d transactions", args, row["n"], f.Direct.Transactions, f.Pooled.Transactions)
		}
	}
}
