package uring

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"pgweir/cluster/child"
)

func TestProbeTellsWhatTheKernelCanDo(t *testing.T) {
	f, err := Probe()
	if err != nil {
		allowed(t)
		return
	}
	if f.Kernel != kernelRelease() || f.Kernel == "" {
		t.Errorf("the kernel is %q", f.Kernel)
	}
	for _, c := range []struct {
		name         string
		has          bool
		major, minor int
	}{
		{"RegisteredRing", f.RegisteredRing, 5, 18},
		{"DirectDescriptors", f.DirectDescriptors, 5, 19},
		{"NoSQArray", f.NoSQArray, 6, 6},
		{"Bundles", f.Bundles, 6, 10},
		{"IncrementalBuffers", f.IncrementalBuffers, 6, 12},
		{"MinTimeout", f.MinTimeout, 6, 12},
		{"NoIOWait", f.NoIOWait, 6, 15},
	} {
		if !c.has && !olderThan(f.Kernel, c.major, c.minor) {
			t.Errorf("%s is not found in %s", c.name, f.Kernel)
		}
	}
}

func TestARefusalIsASentenceForTheOperator(t *testing.T) {
	for _, c := range []struct {
		call  string
		errno syscall.Errno
		asked need
		at    surroundings
		want  string
	}{
		{"io_uring_setup", unix.EPERM, needSetup, surroundings{release: "6.8.0", disabled: "2"},
			"kernel.io_uring_disabled is 2: nobody may use io_uring"},
		{"io_uring_setup", unix.EPERM, needSetup, surroundings{release: "6.8.0", disabled: "1"},
			"kernel.io_uring_disabled is 1: only root and the group kernel.io_uring_group may use io_uring"},
		{"io_uring_setup", unix.EPERM, needSetup, surroundings{release: "6.8.0", disabled: "0"},
			"io_uring_setup is refused (EPERM): a seccomp profile, like that of a container, or a security module forbids it"},
		{"io_uring_enter", unix.EACCES, needSetup, surroundings{release: "6.8.0"},
			"io_uring_enter is refused (EACCES): a seccomp profile, like that of a container, or a security module forbids it"},
		{"io_uring_setup", unix.ENOSYS, needSetup, surroundings{release: "4.18.0-553.el8"},
			"the kernel is 4.18.0-553.el8: io_uring with DEFER_TASKRUN needs 6.1"},
		{"io_uring_setup", unix.ENOSYS, needSetup, surroundings{release: "6.8.0", disabled: "0"},
			"io_uring_setup is refused (ENOSYS): the kernel (6.8.0) was built without io_uring, or a seccomp profile, like that of a container, hides it"},
		{"io_uring_setup", unix.EINVAL, needSetup, surroundings{release: "5.15.0-91-generic"},
			"the kernel is 5.15.0-91-generic: io_uring with DEFER_TASKRUN needs 6.1"},
		{"io_uring_register", unix.EINVAL, needBufferRing, surroundings{release: "5.18.3"},
			"the kernel is 5.18.3: a ring of provided buffers needs 5.19"},
		{"multishot receive", unix.EINVAL, needReceive, surroundings{release: "5.15"},
			"the kernel is 5.15: multishot receive needs 6.0"},
		{"io_uring_register", unix.EINVAL, needIncremental, surroundings{release: "6.11.2"},
			"the kernel is 6.11.2: incremental consumption of buffers needs 6.12"},
		{"io_uring_register", unix.EINVAL, needBufferRing, surroundings{release: "6.8.0"},
			"io_uring_register is refused (EINVAL) by the kernel (6.8.0), although a ring of provided buffers needs only 5.19"},
		{"io_uring_setup", unix.ENOMEM, needSetup, surroundings{release: "6.14.0", memlock: "64 kB"},
			"io_uring_setup is refused (ENOMEM): the kernel has no memory for it, or RLIMIT_MEMLOCK (64 kB) allows too little"},
		{"io_uring_enter", unix.ETIME, need{}, surroundings{release: "6.14.0"},
			"io_uring_enter has brought no completion for 5s (the kernel is 6.14.0)"},
		{"io_uring_setup", unix.EMFILE, needSetup, surroundings{},
			"io_uring_setup is refused (EMFILE): there are too many open files"},
		{"mmap", unix.ENODEV, need{}, surroundings{release: "6.8.0"},
			"mmap is refused (ENODEV) by the kernel (6.8.0): no such device"},
	} {
		if got := explain(c.call, c.errno, c.asked, c.at); got != c.want {
			t.Errorf("%s, %v:\n%s\nwant\n%s", c.call, c.errno, got, c.want)
		}
	}
}

func TestAReleaseIsOlderThanAVersion(t *testing.T) {
	for _, c := range []struct {
		release string
		want    bool
	}{
		{"5.15.0-91-generic", true}, {"6.0.19", true}, {"6.1.0-18-amd64", false}, {"6.12", false},
		{"10.0.1", false}, {"6.1-rc3", false}, {"", false}, {"next", false},
	} {
		if got := olderThan(c.release, 6, 1); got != c.want {
			t.Errorf("%q: %t", c.release, got)
		}
	}
}

// confined is the variable that makes the test binary probe under a restriction
// and print what Probe says.
const confined = "PGWEIR_TEST_URING_CONFINED"

// confinements are the restrictions, by name.
var confinements = map[string]struct {
	confine func() error
	errno   syscall.Errno
	says    string
}{
	"setup-eperm":    {func() error { return child.Forbid(unix.SYS_IO_URING_SETUP, unix.EPERM) }, unix.EPERM, "io_uring_setup is refused (EPERM): a seccomp profile"},
	"setup-enosys":   {func() error { return child.Forbid(unix.SYS_IO_URING_SETUP, unix.ENOSYS) }, unix.ENOSYS, "io_uring_setup is refused (ENOSYS): the kernel"},
	"enter-eperm":    {func() error { return child.Forbid(unix.SYS_IO_URING_ENTER, unix.EPERM) }, unix.EPERM, "io_uring_enter is refused (EPERM): a seccomp profile"},
	"register-eperm": {func() error { return child.Forbid(unix.SYS_IO_URING_REGISTER, unix.EPERM) }, unix.EPERM, "io_uring_register is refused (EPERM): a seccomp profile"},
	"descriptors":    {fewDescriptors, unix.EMFILE, "io_uring_setup is refused (EMFILE): there are too many open files"},
	"old":            {func() error { return child.Forbid(unix.SYS_IO_URING_SETUP, unix.EINVAL) }, unix.EINVAL, "io_uring with DEFER_TASKRUN needs"},
}

func TestProbeSaysWhatForbidsIt(t *testing.T) {
	if !allowed(t) {
		return
	}
	for name, c := range confinements {
		t.Run(name, func(t *testing.T) {
			says := runConfined(t, name)
			if want := fmt.Sprintf("%d ", c.errno); !strings.HasPrefix(says, want) || !strings.Contains(says, c.says) {
				t.Errorf("%q, want %q", says, want+"… "+c.says)
			}
		})
	}
}

// Not every kernel counts a ring as locked memory: 6.18 does, 6.1 and 6.12 do not.
func TestProbeSaysThatNoMemoryMayBeLocked(t *testing.T) {
	if !allowed(t) {
		return
	}
	says := runConfined(t, "memlock")
	if says != "allowed" && !strings.Contains(says, "RLIMIT_MEMLOCK (0 kB)") {
		t.Errorf("%q", says)
	}
	t.Log(says)
}

func runConfined(t *testing.T, how string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), confined+"="+how, "GORACE=atexit_sleep_ms=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return strings.TrimSpace(string(out))
}

// probeConfined is the test binary as a process that is confined: it prints the
// errno and the sentence of a refusal, or "allowed".
func probeConfined(how string) {
	runtime.LockOSThread()
	confine := confinements[how].confine
	if how == "memlock" {
		confine = noLockedMemory
	}
	if err := confine(); err != nil {
		fmt.Println("cannot be confined:", err)
		return
	}
	_, err := Probe()
	var refusal *Refusal
	switch {
	case err == nil:
		fmt.Println("allowed")
	case !errors.As(err, &refusal):
		fmt.Println("no Refusal:", err)
	default:
		fmt.Println(int(refusal.Errno), refusal)
	}
}

func fewDescriptors() error {
	return unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{})
}

// noLockedMemory takes the limit to zero, and from root what exempts it.
func noLockedMemory() error {
	if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{}); err != nil {
		return err
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	return unix.Capset(&header, &none[0])
}
