package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"pgweir/cluster"
	"pgweir/cluster/child"
)

// censusOf is the JSON of /census, as other programs read it.
type censusOf struct {
	At     time.Time `json:"at"`
	Server struct {
		Version *string `json:"version"`
		Host    string  `json:"host"`
		Local   bool    `json:"local"`
	} `json:"server"`
	Postmaster struct {
		PID   *int `json:"pid"`
		Alive bool `json:"alive"`
	} `json:"postmaster"`
	Processes []processOf `json:"processes"`
	Findings  []struct {
		ID       string    `json:"id"`
		Severity string    `json:"severity"`
		Text     string    `json:"text"`
		Advice   string    `json:"advice"`
		Since    time.Time `json:"since"`
	} `json:"findings"`
}

type processOf struct {
	PID         int        `json:"pid"`
	Parent      *int       `json:"parent"`
	Kind        *string    `json:"kind"`
	Role        string     `json:"role"`
	User        *string    `json:"user"`
	Database    *string    `json:"database"`
	Application *string    `json:"application"`
	State       *string    `json:"state"`
	Wait        *string    `json:"wait"`
	Since       *time.Time `json:"since"`
	CPU         *float64   `json:"cpu_seconds"`
	Memory      *int64     `json:"memory_bytes"`
	Ours        bool       `json:"ours"`
	Client      *struct {
		ID   uint64  `json:"id"`
		Addr string  `json:"addr"`
		Pin  *string `json:"pin"`
	} `json:"client"`
}

func or(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// byPID are the processes of a census but the census's own backend.
func (c *censusOf) byPID() map[int]processOf {
	out := map[int]processOf{}
	for _, p := range c.Processes {
		if or(p.Application) != "pgweir census" {
			out[p.PID] = p
		}
	}
	return out
}

// kinds counts the processes by kind, without the census's own.
func (c *censusOf) kinds() map[string]int {
	out := map[string]int{}
	for _, p := range c.byPID() {
		out[or(p.Kind)]++
	}
	return out
}

// finding tells whether a census has it.
func (c *censusOf) finding(id string) bool {
	for _, f := range c.Findings {
		if f.ID == id {
			return true
		}
	}
	return false
}

// runCensus runs `pgweir census --json`, and fails the test if it does.
func runCensus(t *testing.T, args ...string) *censusOf {
	t.Helper()
	out, errText, code := censusOutput(t, append([]string{"--json"}, args...)...)
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, errText)
	}
	return parseCensus(t, out)
}

// censusOutput runs `pgweir census` and gives what it writes to either side.
func censusOutput(t *testing.T, args ...string) (out, errText string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, append([]string{"census"}, args...)...)
	cmd.Dir = t.TempDir() // with no config.toml
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	_ = cmd.Run() // its exit code tells
	return stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()
}

func parseCensus(t *testing.T, text string) *censusOf {
	t.Helper()
	c := new(censusOf)
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(c); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return c
}

// seen is what the test itself has read of a process.
type seen struct {
	kind, user, database, application, state, wait string
	since                                          string
}

// activityOf reads pg_stat_activity, without the census's own backend.
func activityOf(t *testing.T, conn *pgx.Conn) map[int]seen {
	t.Helper()
	out := map[int]seen{}
	for _, row := range show(t, conn, `
		select pid, backend_type, usename, datname, application_name, state,
		       wait_event_type || ': ' || wait_event as wait,
		       to_char(coalesce(state_change, backend_start) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US') as since
		from pg_stat_activity where application_name <> 'pgweir census'`) {
		pid, err := strconv.Atoi(row["pid"])
		if err != nil {
			t.Fatal(err)
		}
		out[pid] = seen{row["backend_type"], row["usename"], row["datname"], row["application_name"], row["state"], row["wait"], row["since"]}
	}
	return out
}

// told is a census's process in the same words.
func told(p processOf) seen {
	s := seen{or(p.Kind), or(p.User), or(p.Database), or(p.Application), or(p.State), or(p.Wait), ""}
	if p.Since != nil {
		s.since = p.Since.UTC().Format("2006-01-02T15:04:05.000000")
	}
	return s
}

// childrenOf reads /proc: the titles of a process's children, by pid.
func childrenOf(t *testing.T, parent int) map[int]string {
	t.Helper()
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	out := map[int]string{}
	for _, dir := range dirs {
		status, err := os.ReadFile(dir + "/status")
		if err != nil || procNumber(status, "PPid") != parent {
			continue
		}
		title, err := os.ReadFile(dir + "/cmdline")
		pid, numErr := strconv.Atoi(filepath.Base(dir))
		if err == nil && numErr == nil {
			out[pid] = strings.TrimRight(strings.ReplaceAll(string(title), "\x00", " "), " ")
		}
	}
	return out
}

// procNumber is the number of a line "Key:  number …" of /proc; -1 for none.
func procNumber(text []byte, key string) int {
	m := regexp.MustCompile(`(?m)^` + key + `:\s+(\d+)`).FindSubmatch(text)
	if m == nil {
		return -1
	}
	n, err := strconv.Atoi(string(m[1]))
	if err != nil {
		return -1
	}
	return n
}

// started waits until a server that was just started lists these background
// processes: its first clients may come before they have got that far.
func started(t *testing.T, conn *pgx.Conn, kinds ...string) {
	t.Helper()
	eventually(t, "the server lists "+strings.Join(kinds, ", "), func() bool {
		return ask(t, conn, "select count(distinct backend_type) from pg_stat_activity where backend_type in ('"+strings.Join(kinds, "', '")+"')") == strconv.Itoa(len(kinds))
	})
}

// privateMemory is Private_Dirty of smaps_rollup and VmPTE of status, in bytes;
// false if the process has gone.
func privateMemory(pid int) (n int, ok bool) {
	rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, false
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, false
	}
	return (procNumber(rollup, "Private_Dirty") + procNumber(status, "VmPTE")) << 10, true
}

// cpuSeconds is what a process has used, from /proc/PID/stat; false if it has gone.
func cpuSeconds(t *testing.T, pid int) (seconds float64, ok bool) {
	t.Helper()
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, false
	}
	fields := strings.Fields(string(line[bytes.LastIndexByte(line, ')')+1:]))
	user, err := strconv.Atoi(fields[11])
	if err != nil {
		t.Fatal(err)
	}
	system, err := strconv.Atoi(fields[12])
	if err != nil {
		t.Fatal(err)
	}
	return float64(user+system) / 100, true
}

// startStandby makes a standby of a server, which is stopped meanwhile, and
// gives the port it listens on and its postmaster.
func startStandby(t *testing.T, primary *cluster.Cluster) (port, postmaster int) {
	t.Helper()
	if err := primary.Stop(cluster.Fast); err != nil {
		t.Fatal(err)
	}
	data, copied := filepath.Join(primary.Dir, "data"), filepath.Join(primary.Dir, "standby")
	if out, err := exec.Command("cp", "-a", data, copied).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := primary.Restart(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(data)
	if err != nil {
		t.Fatal(err)
	}
	owner := info.Sys().(*syscall.Stat_t)
	write := func(name, text string) {
		t.Helper()
		f, err := os.OpenFile(filepath.Join(copied, name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
		if err := f.Chown(int(owner.Uid), int(owner.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	write("standby.signal", "")
	write("postgresql.conf", fmt.Sprintf("\nprimary_conninfo = 'host=127.0.0.1 port=%d user=postgres application_name=the_standby'\n", primary.Port))
	if port, err = cluster.FreePort(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(programs.Path("postgres"), "-D", copied, "-p", strconv.Itoa(port))
	cmd.Dir = primary.Dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "TITLE_SPACE="+strings.Repeat("-", 256))
	var log logBuffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: owner.Uid, Gid: owner.Gid}}
	}
	standby, err := child.Start(cmd, syscall.SIGQUIT)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := standby.Stop(syscall.SIGQUIT, stopDeadline); err != nil {
			t.Errorf("the standby: %v", err)
		}
		if t.Failed() {
			t.Logf("the standby's log:\n%s", log.String())
		}
	})
	eventuallyWithin(t, time.Minute, "the standby answers", func() bool {
		conn, err := pgx.Connect(t.Context(), dsn(port, "postgres"))
		if err != nil {
			return false
		}
		defer conn.Close(t.Context())
		return ask(t, conn, "select count(*) from pg_stat_wal_receiver where status = 'streaming'") == "1"
	})
	return port, standby.PID()
}
