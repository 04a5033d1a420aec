package secrets

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"pgweir/config"
)

const (
	// maxOutput bounds what a command may print, of which the first line counts.
	maxOutput = 128 << 10
	// maxComplaint is how much of its standard error the log has.
	maxComplaint = 1 << 10
	// lingering is how long a process that the command has left behind may hold its
	// output open.
	lingering = time.Second
)

// failedRun is why a command has given no password, and what it said of that.
type failedRun struct {
	err       error
	complaint string // from its standard error, in one line
}

func (e *failedRun) Error() string {
	if e.complaint == "" {
		return e.err.Error()
	}
	return e.err.Error() + ": " + e.complaint
}

func (e *failedRun) Unwrap() error { return e.err }

// Run runs a command and gives the password that it prints. Its environment is
// pgweir's own, its standard input is empty. The error never has what it printed.
func Run(ctx context.Context, s *config.SecretSource) (config.Secret, error) {
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.Command[0], s.Command[1:]...)
	cmd.Dir = s.Dir
	// A group of its own, which ends with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = lingering
	out, complaint := &bounded{max: maxOutput}, &bounded{max: maxOutput, cut: true}
	cmd.Stdout, cmd.Stderr = out, complaint
	err := cmd.Run()
	secret, lineErr := config.SecretLine(out.kept)
	switch {
	case ctx.Err() == context.DeadlineExceeded:
		err = fmt.Errorf("it has not ended within password_command_timeout (%v)", s.Timeout)
	case out.full:
		err = fmt.Errorf("it prints more than %d bytes", maxOutput)
	case errors.Is(err, exec.ErrWaitDelay):
		err = nil // it has ended well itself
	}
	if err == nil {
		err = lineErr
	}
	if err != nil {
		return "", &failedRun{err, complaint.complaint(out.kept)}
	}
	return secret, nil
}

// bounded keeps the first bytes that are written to it. The buffer is not embedded:
// it would be read into past Write.
type bounded struct {
	kept []byte
	max  int
	cut  bool // what is more is no error
	full bool
}

var errFull = errors.New("too much output")

func (b *bounded) Write(p []byte) (int, error) {
	room := min(len(p), b.max-len(b.kept))
	b.kept = append(b.kept, p[:room]...)
	if room < len(p) {
		b.full = true
		if !b.cut {
			return room, errFull
		}
	}
	return len(p), nil
}

// complaint is what was written, in one line, without any line of the output: a
// program that traces itself repeats the password.
func (b *bounded) complaint(output []byte) string {
	text := string(b.kept)
	for line := range strings.SplitSeq(string(output), "\n") {
		if line = strings.TrimSpace(line); line != "" {
			text = strings.ReplaceAll(text, line, "********")
		}
	}
	text = strings.Join(strings.Fields(text), " ")
	return strings.ToValidUTF8(text[:min(len(text), maxComplaint)], "")
}
