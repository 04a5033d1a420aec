package proctable

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

const root = procfs.DefaultMountPoint

func file(pid int, name string) string { return filepath.Join(root, strconv.Itoa(pid), name) }

// gone makes fs.ErrNotExist of what the kernel says of a process that ended
// while we had one of its files open.
func gone(pid int, err error) error {
	if errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("process %d: %w", pid, fs.ErrNotExist)
	}
	return err
}

// Read is the row of one process. A census reads hundreds of them, so it is
// three calls of the kernel: nothing here can block.
func Read(pid int) (Process, error) {
	path := file(pid, "stat")
	fd, err := ignoringEINTR(func() (int, error) { return unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0) })
	if err != nil {
		return Process{}, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	var line [2048]byte // the kernel's line has at most some 600 bytes
	n, err := ignoringEINTR(func() (int, error) { return unix.Read(fd, line[:]) })
	if err != nil {
		return Process{}, gone(pid, &fs.PathError{Op: "read", Path: path, Err: err})
	}
	return parseStat(line[:n])
}

func ignoringEINTR(call func() (int, error)) (n int, err error) {
	for {
		if n, err = call(); err != syscall.EINTR {
			return n, err
		}
	}
}

// Title is what ps shows: the arguments of a process with blanks between, or
// what it has written over them. It is empty for a process that has ended and
// whose parent has not noticed.
func Title(pid int) (string, error) {
	text, err := os.ReadFile(file(pid, "cmdline"))
	if err != nil {
		return "", gone(pid, err)
	}
	return strings.TrimRight(strings.ReplaceAll(string(text), "\x00", " "), " "), nil
}

// Began is when a process began, by the clock on the wall, as it runs now.
func Began(p Process) time.Time {
	var up unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &up); err != nil {
		return time.Time{}
	}
	return time.Now().Add(time.Duration(p.Birth)*tick - time.Duration(up.Nano()))
}

// MemoryOf is the memory of a process. It walks over all its page tables, which
// takes about a millisecond for each 256 MB that the process has touched,
// shared buffers included.
func MemoryOf(pid int) (Memory, error) {
	proc, err := procfs.NewProc(pid)
	if err != nil {
		return Memory{}, gone(pid, err)
	}
	rollup, rollupErr := proc.ProcSMapsRollup()
	if rollupErr = gone(pid, rollupErr); errors.Is(rollupErr, fs.ErrNotExist) {
		return Memory{}, rollupErr
	}
	st, err := proc.NewStatus()
	if err != nil {
		return Memory{}, gone(pid, err)
	}
	if rollupErr != nil {
		if st.RssAnon == 0 {
			return Memory{}, rollupErr
		}
		return Memory{Bytes: int64(st.RssAnon + st.VmPTE), Estimated: true}, nil
	}
	if rollup.Rss == 0 { // it is just ending, and has given its memory back
		return Memory{}, fmt.Errorf("process %d: %w", pid, fs.ErrNotExist)
	}
	return Memory{Bytes: int64(rollup.PrivateDirty + st.VmPTE)}, nil
}

// Peer is the process at the other end of a Unix socket's connection: the one
// that listens there, if the connection was dialled.
func Peer(conn net.Conn) (int, error) {
	c, ok := conn.(syscall.Conn)
	if _, unixSocket := conn.(*net.UnixConn); !ok || !unixSocket {
		return 0, fmt.Errorf("%T is no Unix socket", conn)
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return 0, err
	}
	if credErr != nil {
		return 0, credErr
	}
	if cred.Pid <= 0 { // it lives where we cannot see it, as in a container
		return 0, fmt.Errorf("the peer's process: %w", fs.ErrNotExist)
	}
	return int(cred.Pid), nil
}

// childPIDs asks the kernel for a list, which is quick, and may leave one out
// when another ends just then: so it is asked twice. A kernel that has no such
// list makes us look at every process.
func childPIDs(pid int) ([]int, error) {
	var pids []int
	for range 2 {
		threads, err := os.ReadDir(file(pid, "task"))
		if err != nil {
			return nil, gone(pid, err)
		}
		for _, thread := range threads {
			text, err := os.ReadFile(filepath.Join(file(pid, "task"), thread.Name(), "children"))
			switch {
			case err == nil:
			case threadGone(pid, thread.Name()):
				continue
			default:
				return allPIDs()
			}
			for word := range strings.FieldsSeq(string(text)) {
				if child, err := strconv.Atoi(word); err == nil {
					pids = append(pids, child)
				}
			}
		}
	}
	return pids, nil
}

func threadGone(pid int, thread string) bool {
	_, err := os.Stat(filepath.Join(file(pid, "task"), thread))
	return err != nil
}

func allPIDs() ([]int, error) {
	procs, err := procfs.AllProcs()
	if err != nil {
		return nil, err
	}
	pids := make([]int, len(procs))
	for i, p := range procs {
		pids[i] = p.PID
	}
	return pids, nil
}
