package child

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// shell starts a script that says "ready" when it is.
func shell(t *testing.T, script string) *Process {
	t.Helper()
	cmd := exec.Command("sh", "-c", script)
	// Not StdoutPipe: that is closed when the process is reaped, read or not.
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd.Stdout = in
	p, err := Start(cmd, syscall.SIGKILL)
	in.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.KillGroup(); <-p.Done() })
	if line, err := bufio.NewReader(out).ReadString('\n'); strings.TrimSpace(line) != "ready" {
		t.Fatalf("%q, %v", line, err)
	}
	return p
}

func TestChildHasAProcessGroupOfItsOwn(t *testing.T) {
	p := shell(t, "echo ready; sleep 60")
	group, err := syscall.Getpgid(p.PID())
	if err != nil || group != p.PID() {
		t.Errorf("group %d of process %d, %v", group, p.PID(), err)
	}
}

func TestErrTellsTheExitCode(t *testing.T) {
	p := shell(t, "echo ready; exit 7")
	var exit *exec.ExitError
	if !errors.As(p.Err(), &exit) || exit.ExitCode() != 7 {
		t.Error(p.Err())
	}
	if err := p.Signal(syscall.SIGTERM); err != nil {
		t.Errorf("a signal after the end: %v", err)
	}
	if err := p.Stop(syscall.SIGTERM, time.Minute); err != nil {
		t.Errorf("a stop after the end: %v", err)
	}
}

func TestStopKillsAGroupThatDoesNotListen(t *testing.T) {
	p := shell(t, "trap '' TERM; sleep 60 & echo ready; while :; do sleep 60; done")
	if err := p.Stop(syscall.SIGTERM, time.Millisecond); err == nil {
		t.Error("a stubborn process stopped politely")
	}
	deadline := time.Now().Add(10 * time.Second)
	for tick := time.NewTicker(5 * time.Millisecond); !groupIsZombies(p.PID()); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatal("the group lives on")
		}
	}
}

// groupIsZombies tells whether nothing of a group runs any more: what is left
// waits for its new parent to reap it, which some containers' first process
// never does.
func groupIsZombies(group int) bool {
	out, err := exec.Command("ps", "-axo", "pgid=,stat=").Output()
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		if len(fields) == 2 && fields[0] == strconv.Itoa(group) && fields[1][0] != 'Z' {
			return false
		}
	}
	return true
}

func TestStartReportsAMissingProgram(t *testing.T) {
	if _, err := Start(exec.Command("/no/such/program"), syscall.SIGKILL); err == nil {
		t.Error("started nothing")
	}
}
