package health

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgweir/status"
)

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// second is a moment of a scene.
func second(n int) time.Time { return epoch.Add(time.Duration(n) * time.Second) }

// The processes of a healthy server of this machine.
const (
	pmPID = 100 + iota
	ckptPID
	bgwPID
	walPID
	avPID
	llPID
	censusPID
)

// healthy is the evidence of a primary on this machine that has nothing.
func healthy(at int) Evidence {
	e := Evidence{
		Census: &status.Census{
			At:         second(at),
			Server:     status.CensusServer{Version: "17.2", Host: "127.0.0.1:5432", Where: status.Here},
			Postmaster: status.Postmaster{PID: pmPID, Alive: true},
			Limits:     &status.ServerLimits{MaxConnections: 100, SuperuserReserved: 3},
		},
		Asked: true, Reaches: true, Privileged: true, Role: "watcher",
		Started:  second(-3600),
		OSStates: map[int]byte{},
	}
	for pid, kind := range map[int]string{
		pmPID: "postmaster", ckptPID: "checkpointer", bgwPID: "background writer", walPID: "walwriter",
		avPID: "autovacuum launcher", llPID: "logical replication launcher", censusPID: "client backend",
	} {
		p := status.Process{PID: pid, Parent: pmPID, Kind: kind, CPU: 0, Memory: -1}
		switch kind {
		case "client backend":
			p.User, p.Database, p.State, p.Application = "watcher", "postgres", "active", "pgweir census"
		case "postmaster":
			p.Parent = 1
		default:
			p.Wait = "Activity: Main"
		}
		e.add(p)
	}
	slices.SortFunc(e.Census.Processes, func(a, b status.Process) int { return a.PID - b.PID })
	return e
}

func (e *Evidence) add(p status.Process) {
	e.Census.Processes = append(e.Census.Processes, p)
	if e.OSStates != nil {
		e.OSStates[p.PID] = 'S'
	}
}

func (e *Evidence) process(pid int) *status.Process {
	i := slices.IndexFunc(e.Census.Processes, func(p status.Process) bool { return p.PID == pid })
	return &e.Census.Processes[i]
}

func (e *Evidence) remove(pids ...int) {
	e.Census.Processes = slices.DeleteFunc(e.Census.Processes, func(p status.Process) bool { return slices.Contains(pids, p.PID) })
	for _, pid := range pids {
		delete(e.OSStates, pid)
	}
}

// become gives a process another pid.
func (e *Evidence) become(pid, next int) {
	e.process(pid).PID = next
	delete(e.OSStates, pid)
	if e.OSStates != nil {
		e.OSStates[next] = 'S'
	}
}

// refuse is what a failed attempt to ask leaves.
func (e *Evidence) refuse(code, words string) {
	e.Err, e.Code = errors.New("failed to connect to `user=watcher`: server error: FATAL: "+words+" (SQLSTATE "+code+")"), code
	e.unasked()
}

// unasked takes away what only the server could tell.
func (e *Evidence) unasked() {
	e.Started, e.Archiver, e.Blocked, e.Holding, e.Census.Limits, e.Privileged, e.Autovacuum = time.Time{}, nil, nil, nil, nil, false, ""
	for i := range e.Census.Processes {
		e.Census.Processes[i].Wait = ""
	}
}

// down is a server of which nothing is left.
func (e *Evidence) down() {
	e.Err, e.Reaches = errors.New("dial tcp 127.0.0.1:5432: connect: connection refused"), false
	e.unasked()
	e.Census.Processes, e.OSStates, e.Census.Postmaster.Alive = nil, nil, false
}

// remote takes away what only the process table tells.
func (e *Evidence) remote() {
	e.Census.Server.Where, e.Census.Postmaster.PID, e.OSStates = status.Elsewhere, 0, nil
	if e.Census.Processes != nil {
		e.remove(pmPID)
	}
	for i := range e.Census.Processes {
		e.Census.Processes[i].CPU = -1
	}
}

type timeout struct{}

func (timeout) Error() string { return "timeout: context deadline exceeded" }
func (timeout) Timeout() bool { return true }

// step is one reading of a scene: what is different from a healthy server at
// this second, and what has to be found: "id severity since", with a "down" at
// the end if clients cannot be served.
type step struct {
	at     int
	change func(e *Evidence)
	want   []string
	text   []string // parts of texts and advice, all of which are there
}

func play(t *testing.T, j *Judge, steps []step) {
	t.Helper()
	for _, s := range steps {
		e := healthy(s.at)
		if s.change != nil {
			s.change(&e)
		}
		findings := j.Judge(e)
		got, all := []string{}, ""
		for _, f := range findings {
			line := fmt.Sprintf("%s %s %d", f.ID, f.Severity, f.Since.Sub(epoch)/time.Second)
			if f.Down {
				line += " down"
			}
			got = append(got, line)
			all += f.Text + "\n\t" + f.Advice + "\n"
			if f.Text == "" || f.Advice == "" {
				t.Errorf("second %d: %s has no text or advice", s.at, f.ID)
			}
		}
		if !slices.Equal(got, s.want) && len(got)+len(s.want) > 0 {
			t.Fatalf("second %d: found %q, want %q\n%s", s.at, got, s.want, all)
		}
		for _, part := range s.text {
			if !strings.Contains(all, part) {
				t.Errorf("second %d: no %q in\n%s", s.at, part, all)
			}
		}
		if testing.Verbose() && all != "" {
			t.Logf("second %d: %s", s.at, all)
		}
	}
}

// scenes are what happens to a server, reading by reading.
type scenes map[string][]step

func (s scenes) run(t *testing.T) {
	for name, steps := range s {
		t.Run(name, func(t *testing.T) { play(t, New(), steps) })
	}
}

func TestAHealthyServerHasNoFindings(t *testing.T) {
	scenes{
		"a primary here": {{at: 0}, {at: 5}, {at: 10}, {at: 15}, {at: 600}},
		"a primary elsewhere": {
			{at: 0, change: (*Evidence).remote}, {at: 5, change: (*Evidence).remote}, {at: 100, change: (*Evidence).remote},
		},
		"a standby": {{at: 0, change: standby}, {at: 5, change: standby}, {at: 10, change: standby}, {at: 60, change: standby}},
		"a promotion": {
			{at: 0, change: standby}, {at: 5, change: standby}, {at: 10}, {at: 15}, {at: 20},
		},
		"nothing could be read": {{at: 0, change: func(e *Evidence) { e.Census = nil }}},
	}.run(t)
}

func standby(e *Evidence) {
	e.Census.Server.Standby = true
	e.remove(walPID, avPID, llPID)
	e.add(status.Process{PID: 120, Parent: pmPID, Kind: "startup", Wait: "Activity: RecoveryWalStream"})
	e.add(status.Process{PID: 121, Parent: pmPID, Kind: "walreceiver", Wait: "Activity: WalReceiverMain"})
}

// The gravest is first, and what is as grave is in the order of the names.
func TestFindingsAreSorted(t *testing.T) {
	play(t, New(), []step{{
		at: 0,
		change: func(e *Evidence) {
			e.Privileged = false
			e.OSStates[ckptPID], e.OSStates[bgwPID] = 'T', 'T'
			e.Archiver = &Archiver{Failed: 1, LastFailed: second(-1)}
			e.Holding = []Holding{{PID: censusPID, Idle: true, Begun: second(-100)}}
		},
		want: []string{"process_stopped critical 0", "archiver_failing warning 0", "idle_in_transaction warning 0", "census_rights info 0"},
	}})
}

func TestNamesAndMessagesStayOnOneLine(t *testing.T) {
	e := healthy(0)
	e.add(status.Process{PID: 130, Kind: "client backend", User: "a\nb", Database: "c\x1b[2Jd", Application: "e\tf"})
	e.Holding = []Holding{{PID: 130, Idle: true, Begun: second(-100)}}
	for _, f := range New().Judge(e) {
		if strings.ContainsAny(f.Text+f.Advice, "\n\x1b\t") {
			t.Errorf("%q, %q", f.Text, f.Advice)
		}
	}
}

func TestDurationsAreSaidShortly(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0 s", 999 * time.Millisecond: "0 s", 119 * time.Second: "119 s", 2 * time.Minute: "2 min",
		time.Hour: "1 h", 125 * time.Minute: "2 h 5 min", 47 * time.Hour: "47 h", 50 * time.Hour: "2 d",
	} {
		if got := lasting(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

func TestWhatTheServerSaidIsFoundInAnError(t *testing.T) {
	for text, want := range map[string]string{
		"failed to connect to `user=u database=d`:\n\t127.0.0.1:5432 (localhost): server error: FATAL: the database system is starting up (SQLSTATE 57P03)": "the database system is starting up",
		"FATAL: sorry, too many clients already (SQLSTATE 53300)":                 "sorry, too many clients already",
		"ВАЖНО: система баз данных запускается (SQLSTATE 57P03)":                  "система баз данных запускается",
		"dial tcp 127.0.0.1:5432: connect: connection refused":                    "dial tcp 127.0.0.1:5432: connect: connection refused",
		"the database system is shutting down (SQLSTATE 57P03)":                   "the database system is shutting down",
		"ERROR: a: B: c (SQLSTATE 42501)":                                         "c",
		strings.Repeat("é", 400):                                                  strings.Repeat("é", 300) + "…",
		"failed: server error: FATAL: role \"x\" does not exist (SQLSTATE 28000)": `role "x" does not exist`,
	} {
		if got := said(errors.New(text)); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	if got := said(nil); got != "" {
		t.Errorf("nil: %q", got)
	}
}
