// Package child runs a program that must not outlive this process: it gets a
// process group of its own, so that a terminal's Ctrl-C does not reach it, and
// on Linux a parent-death signal, so that not even kill -9 of this process
// leaves it behind.
//
// It knows nothing of what it runs.
package child

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// Process is a program that was started. Its methods may be called from any
// goroutine.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed once the process is reaped
	err  error         // what Wait said; read it only after done
}

// Start starts cmd. If this process ends first, the kernel sends the child
// deathSignal (Linux only: other systems have nothing like it). Start sets
// cmd.SysProcAttr's Setpgid and keeps the rest of it, such as Credential.
func Start(cmd *exec.Cmd, deathSignal syscall.Signal) (*Process, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	p := &Process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error, 1)
	go p.run(deathSignal, started)
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// PID is the process id, which is also the id of its group.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the process has ended and is reaped.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err waits for the end and returns nil for exit code 0, otherwise an
// *exec.ExitError.
func (p *Process) Err() error {
	<-p.done
	return p.err
}

// Signal sends sig to the process alone. A process that has ended is no error.
func (p *Process) Signal(sig syscall.Signal) error {
	err := p.cmd.Process.Signal(sig)
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// Stop sends sig and, if the process has not ended after grace, SIGKILL to its
// whole group. It returns when the process has ended.
func (p *Process) Stop(sig syscall.Signal, grace time.Duration) error {
	if err := p.Signal(sig); err != nil {
		return err
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.done:
		return nil
	case <-timer.C:
		p.KillGroup()
		<-p.done
		return errors.New("did not end in time and was killed")
	}
}

// KillGroup sends SIGKILL to the process and all that it started and that did
// not leave its group.
func (p *Process) KillGroup() {
	select {
	case <-p.done: // the number may belong to others by now
	default:
		_ = syscall.Kill(-p.PID(), syscall.SIGKILL)
	}
}
