package proctable

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// sleeper is a child of ours that does nothing until the test ends.
func sleeper(t *testing.T) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sleep", "600")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for ; !condition(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

func TestAChildIsSeenWithItsParentStateAndTitle(t *testing.T) {
	before := time.Now()
	child := sleeper(t)
	pid := child.Process.Pid
	eventually(t, "it sleeps", func() bool {
		title, err := Title(pid)
		p, readErr := Read(pid)
		return err == nil && readErr == nil && title == "sleep 600" && p.State == 'S' && p.Name == "sleep"
	})
	children, err := Children(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(children, func(p Process) bool { return p.PID == pid })
	if i < 0 {
		t.Fatalf("%d is not in %v", pid, children)
	}
	p := children[i]
	if p.Parent != os.Getpid() || p.CPU > time.Second {
		t.Errorf("%+v", p)
	}
	if began := Began(p); began.Before(before.Add(-time.Second)) || began.After(time.Now().Add(time.Second)) {
		t.Errorf("it began at %v, the test at %v", began, before)
	}
	if err := child.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is stopped", func() bool { p, err := Read(pid); return err == nil && p.State == 'T' })
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is a zombie, and holds nothing", func() bool {
		p, err := Read(pid)
		_, memErr := MemoryOf(pid)
		return err == nil && p.State == 'Z' && errors.Is(memErr, fs.ErrNotExist)
	})
	_ = child.Wait()
	for what, err := range map[string]error{
		"Read":     second(Read(pid)),
		"Title":    second(Title(pid)),
		"MemoryOf": second(MemoryOf(pid)),
		"Children": second(Children(pid)),
	} {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s of a process that has ended: %v", what, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestTheListOfChildrenIsThatOfTheWholeTable(t *testing.T) {
	var want []int
	for range 5 {
		want = append(want, sleeper(t).Process.Pid)
	}
	children, err := Children(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	all, err := allPIDs()
	if err != nil {
		t.Fatal(err)
	}
	var got, byTable []int
	for _, p := range children {
		got = append(got, p.PID)
	}
	for _, pid := range all {
		if p, err := Read(pid); err == nil && p.Parent == os.Getpid() {
			byTable = append(byTable, pid)
		}
	}
	slices.Sort(byTable)
	if !slices.Equal(got, byTable) {
		t.Errorf("%v, and by the whole table %v", got, byTable)
	}
	for _, pid := range want {
		if !slices.Contains(got, pid) {
			t.Errorf("%d is not in %v", pid, got)
		}
	}
}

func TestMemoryGrowsByWhatAProcessWrites(t *testing.T) {
	measure := func() int64 {
		t.Helper()
		m, err := MemoryOf(os.Getpid())
		if err != nil || m.Estimated || m.Bytes <= 0 {
			t.Fatal(m, err)
		}
		return m.Bytes
	}
	const size = 64 << 20
	pages, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Munmap(pages) }()
	before := measure()
	for i := 0; i < size; i += 4096 {
		pages[i] = 1
	}
	if grown := measure() - before; grown < size*9/10 || grown > size*13/10 {
		t.Errorf("64 MB were written, and memory grew by %d", grown)
	}
}

// As somebody else, who may not look into our pages, there is an estimate.
func TestWithoutRightsMemoryIsEstimated(t *testing.T) {
	const role = "PGWEIR_TEST_LOOK_AT"
	if os.Getenv(role) != "" {
		m, err := MemoryOf(os.Getppid())
		if err != nil || !m.Estimated || m.Bytes < 1<<20 {
			t.Errorf("%+v, %v", m, err)
		}
		return
	}
	if os.Geteuid() != 0 {
		// Process 1 is root's.
		if m, err := MemoryOf(1); err != nil || !m.Estimated {
			t.Errorf("%+v, %v", m, err)
		}
		return
	}
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("/tmp", "pgweir-proctable-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	copied := filepath.Join(dir, "proctable.test")
	if err := errors.Join(os.WriteFile(copied, self, 0o755), os.Chmod(dir, 0o755)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(copied, "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), role+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "PASS: "+t.Name()) {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestThePeerOfASocketIsWhoListens(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if pid, err := Peer(conn); err != nil || pid != os.Getpid() {
		t.Errorf("%d, %v", pid, err)
	}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	other, err := net.Dial("tcp", tcp.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if pid, err := Peer(other); err == nil {
		t.Errorf("of a TCP connection: %d", pid)
	}
}

func BenchmarkRead(b *testing.B) {
	for b.Loop() {
		if _, err := Read(os.Getpid()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMemoryOf(b *testing.B) {
	for b.Loop() {
		if _, err := MemoryOf(os.Getpid()); err != nil {
			b.Fatal(err)
		}
	}
}
