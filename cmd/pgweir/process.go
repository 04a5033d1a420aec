package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// logFile is a log that can be renamed: Reopen goes on in a new file of its name, and
// MoveTo in one of another name.
type logFile struct {
	mu   sync.Mutex
	path string   // guarded by mu
	file *os.File // guarded by mu
}

func openLog(path string) (*logFile, error) {
	l := &logFile{}
	return l, l.MoveTo(path)
}

// Reopen opens the file of the name anew. If it cannot be, the one before goes on.
func (l *logFile) Reopen() error { return l.MoveTo(l.Path()) }

// Path is the file's name.
func (l *logFile) Path() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.path
}

// MoveTo goes on in the file at path. If it cannot be opened, the one before goes on.
func (l *logFile) MoveTo(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("logfile: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		l.file.Close()
	}
	l.path, l.file = path, f
	return nil
}

func (l *logFile) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Write(p)
}

// openLogs are the places that log lines go to: logs, which may be nil, and the file.
func openLogs(logs io.Writer, path string) (io.Writer, *logFile, error) {
	if logs == nil {
		logs = io.Discard
	}
	if path == "" {
		return logs, nil, nil
	}
	file, err := openLog(path)
	if err != nil {
		return nil, nil, err
	}
	if logs == io.Discard {
		return file, file, nil
	}
	return io.MultiWriter(file, logs), file, nil // stderr last: it may have no reader
}

// writePID writes the process's number into a file, which must not be that of another
// process that is running, and gives what removes it. Without a path it does nothing.
// A file with the process's own number is of one that has gone: in a container that is
// started again the numbers are the same.
func writePID(path string) (remove func(), err error) {
	if path == "" {
		return func() {}, nil
	}
	if data, err := os.ReadFile(path); err == nil {
		pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
		if err != nil || pid <= 0 || pid != os.Getpid() && !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			return nil, fmt.Errorf("pidfile: %s is there, and its process may be running", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("pidfile: %w", err)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("pidfile: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, fmt.Errorf("pidfile: %w", err)
	}
	_, err = fmt.Fprintln(f, os.Getpid())
	if err = errors.Join(err, f.Close()); err != nil {
		os.Remove(path)
		return nil, fmt.Errorf("pidfile: %w", err)
	}
	return func() { os.Remove(path) }, nil
}

// becomeUser has the process go on as a user of the operating system; "" is whoever
// has started it.
func becomeUser(name string) error {
	if name == "" {
		return nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return fmt.Errorf("user: %w", err)
	}
	uid, uidErr := strconv.Atoi(u.Uid)
	gid, gidErr := strconv.Atoi(u.Gid)
	if err := errors.Join(uidErr, gidErr); err != nil {
		return fmt.Errorf("user %s: %w", name, err)
	}
	if os.Getuid() == uid {
		return nil
	}
	if os.Getuid() != 0 {
		return fmt.Errorf("user %s: only root can become another user", name)
	}
	var groups []int
	ids, err := u.GroupIds()
	for _, id := range ids {
		if n, err := strconv.Atoi(id); err == nil {
			groups = append(groups, n)
		}
	}
	if err == nil {
		err = errors.Join(syscall.Setgroups(groups), syscall.Setgid(gid), syscall.Setuid(uid))
	}
	if err != nil {
		return fmt.Errorf("user %s: %w", name, err)
	}
	return nil
}
