package uring

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Refusal is the error of a kernel that does not let us use io_uring, or not as
// it is needed. Error is a sentence for the operator.
type Refusal struct {
	Call   string        // the system call: io_uring_setup, io_uring_enter, …
	Errno  syscall.Errno // its answer, or that of an operation
	Reason string
}

func (r *Refusal) Error() string { return r.Reason }

func (r *Refusal) Unwrap() error { return r.Errno }

// need is what was asked of the kernel, and the first version that has it.
type need struct {
	what         string // with its verb: "multishot receive needs"
	major, minor int
}

var (
	needSetup       = need{"io_uring with DEFER_TASKRUN needs", 6, 1}
	needBufferRing  = need{"a ring of provided buffers needs", 5, 19}
	needReceive     = need{"multishot receive needs", 6, 0}
	needIncremental = need{"incremental consumption of buffers needs", 6, 12}
)

// surroundings is what an answer of the kernel may be explained by.
type surroundings struct {
	release  string // uname -r
	disabled string // kernel.io_uring_disabled, "" of a kernel without it
	memlock  string // RLIMIT_MEMLOCK, as ulimit -l shows it
}

func lookAround() surroundings {
	s := surroundings{release: kernelRelease(), memlock: "unknown"}
	if text, err := os.ReadFile("/proc/sys/kernel/io_uring_disabled"); err == nil {
		s.disabled = strings.TrimSpace(string(text))
	}
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit) == nil {
		s.memlock = "unlimited"
		if limit.Cur != unix.RLIM_INFINITY {
			s.memlock = strconv.FormatUint(limit.Cur/1024, 10) + " kB"
		}
	}
	return s
}

func kernelRelease() string {
	var name unix.Utsname
	if unix.Uname(&name) != nil {
		return ""
	}
	release, _, _ := bytes.Cut(name.Release[:], []byte{0})
	return string(release)
}

// olderThan tells whether a release ("5.15.0-91-generic") is before a version. An
// unreadable one is not.
func olderThan(release string, major, minor int) bool {
	var a, b int
	if n, _ := fmt.Sscanf(release, "%d.%d", &a, &b); n != 2 {
		return false
	}
	return a < major || a == major && b < minor
}

func refused(call string, errno syscall.Errno, asked need) *Refusal {
	return &Refusal{Call: call, Errno: errno, Reason: explain(call, errno, asked, lookAround())}
}

// explain is the sentence for an answer of the kernel.
func explain(call string, errno syscall.Errno, asked need, s surroundings) string {
	answer := fmt.Sprintf("%s is refused (%s)", call, unix.ErrnoName(errno))
	old := asked.what != "" && olderThan(s.release, asked.major, asked.minor)
	switch {
	case s.disabled == "2" && errno == unix.EPERM:
		return "kernel.io_uring_disabled is 2: nobody may use io_uring"
	case s.disabled == "1" && errno == unix.EPERM:
		return "kernel.io_uring_disabled is 1: only root and the group kernel.io_uring_group may use io_uring"
	case errno == unix.EPERM || errno == unix.EACCES:
		return answer + ": a seccomp profile, like that of a container, or a security module forbids it"
	case old && (errno == unix.ENOSYS || errno == unix.EINVAL):
		return fmt.Sprintf("the kernel is %s: %s %d.%d", s.release, asked.what, asked.major, asked.minor)
	case errno == unix.ENOSYS:
		return fmt.Sprintf("%s: the kernel (%s) was built without io_uring, or a seccomp profile, like that of a container, hides it", answer, s.release)
	case errno == unix.ENOMEM:
		return fmt.Sprintf("%s: the kernel has no memory for it, or RLIMIT_MEMLOCK (%s) allows too little", answer, s.memlock)
	case errno == unix.ETIME:
		return fmt.Sprintf("%s has brought no completion for %v (the kernel is %s)", call, probeTimeout, s.release)
	case errno == unix.EMFILE || errno == unix.ENFILE:
		return answer + ": there are too many open files"
	case errno == unix.EINVAL && asked.what != "":
		return fmt.Sprintf("%s by the kernel (%s), although %s only %d.%d", answer, s.release, asked.what, asked.major, asked.minor)
	}
	return fmt.Sprintf("%s by the kernel (%s): %s", answer, s.release, errno.Error())
}

// errnoOf is the errno in an error of a system call.
func errnoOf(err error) syscall.Errno {
	var errno syscall.Errno
	errors.As(err, &errno)
	return errno
}
