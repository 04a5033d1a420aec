package integration

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"pgweir/cluster/child"
)

// hangingProgram writes a program that sleeps, with a child that does; running gives
// the process group of its run, once there is one, and waits for that.
func hangingProgram(t *testing.T) (path string, running func() int) {
	t.Helper()
	dir, write := sourceFolder(t)
	write("hangs.sh", "#!/bin/sh\ncd \"$(dirname \"$0\")\"\nsleep 60 &\necho $$ > pid.next\nmv pid.next pid\nwait\n")
	return filepath.Join(dir, "hangs.sh"), func() (pid int) {
		t.Helper()
		eventually(t, "the command runs", func() bool {
			data, _ := os.ReadFile(filepath.Join(dir, "pid"))
			pid, _ = strconv.Atoi(strings.TrimSpace(string(data)))
			return pid > 0
		})
		t.Cleanup(func() { syscall.Kill(-pid, syscall.SIGKILL) })
		return pid
	}
}

// nothingRuns: no process of a group is left.
func nothingRuns(t *testing.T, group int) {
	t.Helper()
	eventually(t, "no process of the command is left", func() bool { return syscall.Kill(-group, 0) == syscall.ESRCH })
}

// TestACheckThatIsInterruptedLeavesNoCommandBehind, with and without --as.
func TestACheckThatIsInterruptedLeavesNoCommandBehind(t *testing.T) {
	t.Parallel()
	for name, more := range map[string][]string{
		"the whole":  nil,
		"one client": {"--as", "bob", "--database", "app", "--from", "127.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hangs, running := hangingProgram(t)
			if err := os.WriteFile(filepath.Join(filepath.Dir(hangs), "hba.conf"), []byte("host all +staff 127.0.0.1/32 trust\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(filepath.Dir(hangs), "config.toml")
			text := "auth_type = \"hba\"\nauth_hba_file = \"hba.conf\"\nauth_user = \"ann\"\npassword_command_timeout = \"600s\"\n" +
				"[databases.app]\nhost = \"127.0.0.1\"\n[users.ann]\npassword_command = [\"" + hangs + "\"]\n"
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			cmd := exec.Command(program, append([]string{"check", "-c", path}, more...)...)
			cmd.Stdout, cmd.Stderr = &out, &out
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			group := running()
			if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 1 || !strings.Contains(out.String(), "interrupted") || strings.Contains(out.String(), ": ok") {
				t.Errorf("%v: %s", err, &out)
			}
			nothingRuns(t, group)
		})
	}
}

// TestAReloadThatWaitsForACommandHoldsNothingUp: neither a password that changes
// meanwhile nor the end.
func TestAReloadThatWaitsForACommandHoldsNothingUp(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(t *testing.T, w *weir){
		"SIGTERM": func(t *testing.T, w *weir) { w.Signal(t, syscall.SIGTERM) },
		"SHUTDOWN": func(t *testing.T, w *weir) {
			execSQL(t, w.Console("host="+w.Dir, "user=pgweir", "default_query_exec_mode=simple_protocol"), "SHUTDOWN")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hangs, running := hangingProgram(t)
			dir, write := sourceFolder(t)
			write("pw", "old\n")
			opts := weirOptions{
				Top:    "auth_type = \"scram-sha-256\"\nlogin_failure_delay = 0\npassword_command_timeout = \"600s\"",
				Tables: "[users.postgres]\npassword_file = \"" + filepath.Join(dir, "pw") + "\"\n",
			}
			w := startWeir(t, opts)
			opts.Tables += "[users.other]\npassword_command = [\"" + hangs + "\"]\n"
			w.Rewrite(t, opts)
			w.Signal(t, syscall.SIGHUP)
			group := running()
			for range 3 {
				w.Signal(t, syscall.SIGHUP)
			}
			write("pw", "new\n")
			eventually(t, "a new password is taken", func() bool {
				conn, err := pgx.Connect(t.Context(), w.DSN("password=new"))
				if err != nil {
					return false
				}
				conn.Close(t.Context())
				return true
			})
			end(t, w)
			if code := w.Exited(t, patience); code != 0 {
				t.Errorf("exit code %d", code)
			}
			nothingRuns(t, group)
			if strings.Contains(w.Log(), "configuration reloaded") {
				t.Error("a configuration without one of its passwords was put in force")
			}
		})
	}
}

func TestASignalEndsAStartThatWaitsForACommand(t *testing.T) {
	t.Parallel()
	hangs, running := hangingProgram(t)
	cmd := exec.Command(program, "serve", "-c", writeConfig(t, "listen_port = 1\nhttp_listen = \"\"\npassword_command_timeout = \"600s\"\n"+
		"[databases.db]\nhost = \"127.0.0.1\"\n[users.app]\npassword_command = [\""+hangs+"\"]\n"))
	w := &weir{log: new(logBuffer)}
	cmd.Stdout, cmd.Stderr = w.log, w.log
	var err error
	if w.process, err = child.Start(cmd, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.process.KillGroup)
	group := running()
	w.Signal(t, syscall.SIGHUP)
	w.Signal(t, syscall.SIGTERM)
	if code := w.Exited(t, patience); code != 0 {
		t.Errorf("exit code %d: %s", code, w.Log())
	}
	nothingRuns(t, group)
	w.Says(t, "pgweir has stopped before it was ready", 1)
}
