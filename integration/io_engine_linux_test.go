package integration

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"pgweir/cluster/child"
)

// forbidding is the variable with which the test's program has io_uring_setup refused,
// as Docker does it, and becomes the program of its arguments.
const forbidding = "PGWEIR_TEST_FORBID_IO_URING"

func init() {
	if os.Getenv(forbidding) == "" {
		return
	}
	err := child.Forbid(unix.SYS_IO_URING_SETUP, unix.EPERM)
	if err == nil {
		err = syscall.Exec(os.Args[1], os.Args[1:], os.Environ())
	}
	fmt.Fprintln(os.Stderr, "the test cannot forbid io_uring:", err)
	os.Exit(1)
}

// withoutIOUring are options of a pgweir to which io_uring_setup is refused.
func withoutIOUring(t *testing.T, top string) weirOptions {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return weirOptions{Top: top, Through: self, Env: []string{forbidding + "=1"}}
}

// refusedBy begins the sentence for a refusal, which is another one where the kernel
// itself forbids io_uring.
const refusedBy = "io_uring_setup is refused (EPERM): a seccomp profile"

func TestWhereIOUringIsRefusedEpollServes(t *testing.T) {
	t.Parallel()
	w := startWeir(t, withoutIOUring(t, `io_engine = "auto"`))
	w.Says(t, "io_uring is not used", 1)
	w.Says(t, "io_engine=epoll", 2) // in the line of that, and when it is ready
	conn := connect(t, w.DSN())
	if got := ask(t, conn, "select sum(n) from generate_series(1, 100000) n"); got != "5000050000" {
		t.Errorf("the sum is %s", got)
	}
	console := connect(t, w.Console())
	state := show(t, console, "show state")
	if got := rowOf(t, state, "key", "io_engine")["value"]; got != "epoll" {
		t.Errorf("the engine is %s", got)
	}
	reason := rowOf(t, state, "key", "io_engine_reason")["value"]
	if !strings.HasPrefix(reason, refusedBy) && !strings.HasPrefix(reason, "kernel.io_uring_disabled") {
		t.Errorf("the reason is %q", reason)
	}
	if !strings.Contains(w.Log(), reason) {
		t.Errorf("%q is not in the log", reason)
	}
	if rows := show(t, console, "show mem"); len(rows) != 0 {
		t.Errorf("there are buffers: %v", rows)
	}
	if rows := show(t, connect(t, dsn(w.Port, "pgbouncer")), "show state"); len(rows) != 3 {
		t.Errorf("on database pgbouncer: %v", rows)
	}
	figures := series(t, w)
	if figures.sum("pgweir_io_engine_info", `engine="epoll"`, `reason="`+reason) != 1 || figures["pgweir_io_engine_buffer_bytes"] != 0 {
		t.Errorf("the metrics do not say that: %v", figures)
	}
	if text, err := check(t, w); err != nil || !strings.Contains(text, "io_engine: epoll: "+reason+"\n") {
		t.Errorf("check says %v\n%s", err, text)
	}
}

func TestAStartThatNeedsIOUringFailsWhereItIsRefused(t *testing.T) {
	t.Parallel()
	w := startWeir(t, withoutIOUring(t, `io_engine = "auto"`))
	w.WriteConfig(t, "io_engine = \"io_uring\"\nlisten_addr = []\nunix_socket_dir = \"\"\nhttp_listen = \"\"\n")
	want := w.ConfigPath() + ":1: io_engine: io_uring cannot be used: "
	if text, err := check(t, w); err == nil || !strings.Contains(text, want) {
		t.Errorf("check says %v\n%s", err, text)
	}
	if text, err := w.command("serve").CombinedOutput(); err == nil || !strings.Contains(string(text), want) || strings.Contains(string(text), "is ready") {
		t.Errorf("serve says %v\n%s", err, text)
	}
}

// TestTheEngineInUseIsShown, whichever it is here.
func TestTheEngineInUseIsShown(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: "io_engine = \"auto\"\nworkers = 2\n"})
	must(t, connect(t, w.DSN()), "select 1")
	console := connect(t, w.Console())
	state := show(t, console, "show state")
	engine := rowOf(t, state, "key", "io_engine")["value"]
	w.Says(t, "io_engine="+engine, map[bool]int{true: 1, false: 2}[engine == "io_uring"])
	figures := series(t, w)
	if figures.sum("pgweir_io_engine_info", fmt.Sprintf("engine=%q", engine)) != 1 || figures["pgweir_io_engine_retreats_total"] != 0 {
		t.Errorf("the metrics do not say that: %v", figures)
	}
	text, err := check(t, w)
	if err != nil || !strings.Contains(text, "io_engine: "+engine+": ") {
		t.Errorf("check says %v\n%s", err, text)
	}
	mem := show(t, console, "show mem")
	if engine == "epoll" {
		if len(mem) != 0 || figures["pgweir_io_engine_buffer_bytes"] != 0 {
			t.Errorf("there are buffers: %v", mem)
		}
		return
	}
	row := rowOf(t, mem, "name", "io_uring_buffers")
	if total := row["memtotal"]; total != fmt.Sprint(2<<20) || figures["pgweir_io_engine_buffer_bytes"] != 2<<20 {
		t.Errorf("of two loops: %v, %v", row, figures["pgweir_io_engine_buffer_bytes"])
	}
}
