package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"pgweir/pgbouncer"
)

// A daemon is the same program once more, in a session of its own: a Go program cannot
// go on as its own fork. It tells its parent by a pipe that it is ready, or why not, so
// that the parent's end says whether the start was good.

// daemonVar has the number of the pipe's descriptor in the daemon's environment.
const daemonVar = "PGWEIR_DAEMON_FD"

// toParent is the pipe in the daemon; nil elsewhere, and once it is ready.
var toParent *os.File

// becomeDaemon takes what startDaemon has left for its child.
func becomeDaemon() {
	fd, err := strconv.Atoi(os.Getenv(daemonVar))
	if err != nil {
		return
	}
	os.Unsetenv(daemonVar) // for what the daemon starts
	syscall.CloseOnExec(fd)
	toParent = os.NewFile(uintptr(fd), "parent")
}

func isDaemon() bool { return toParent != nil }

const readyWord = "ready\n"

// tellParent lets the parent end: err is nil if the daemon is ready. Without a parent
// it does nothing.
func tellParent(err error) {
	if toParent == nil {
		return
	}
	text := readyWord
	if err != nil {
		text = err.Error()
	}
	io.WriteString(toParent, text)
	toParent.Close()
	toParent = nil
}

// startDaemon starts the daemon, and waits until it is ready or has failed.
func startDaemon(p pgbouncer.Process) error {
	if p.PIDFile == "" {
		return errors.New("-d: needs a pidfile in the configuration")
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("-d: %w", err)
	}
	read, write, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("-d: %w", err)
	}
	defer read.Close()
	cmd := exec.Command(self)
	cmd.Args = os.Args
	cmd.Env = append(os.Environ(), daemonVar+"=3")
	cmd.ExtraFiles = []*os.File{write}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	write.Close()
	if err != nil {
		return fmt.Errorf("-d: %w", err)
	}
	said, err := io.ReadAll(io.LimitReader(read, 64<<10))
	switch {
	case string(said) == readyWord:
		return nil
	case len(said) > 0:
		return errors.New(string(said))
	case err != nil:
		return fmt.Errorf("-d: %w", err)
	}
	return errors.New("-d: the daemon has ended before it was ready")
}
