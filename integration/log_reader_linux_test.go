package integration

import (
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sys/unix"

	"pgweir/cluster/child"
)

// TestWhoReadsTheLogMayHangAndEnd: neither holds up a client, and pgweir goes on.
func TestWhoReadsTheLogMayHangAndEnd(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{})
	if err := w.process.Stop(syscall.SIGTERM, stopDeadline); err != nil {
		t.Fatal(err)
	}
	r, stderr, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := unix.FcntlInt(stderr.Fd(), unix.F_SETPIPE_SZ, 4096); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "serve", "-c", w.ConfigPath())
	cmd.Stderr = stderr
	w.process, err = child.Start(cmd, syscall.SIGKILL)
	_ = stderr.Close()
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "pgweir lets clients in", func() bool {
		conn, err := pgx.Connect(t.Context(), w.DSN())
		if err != nil {
			return false
		}
		return conn.Close(t.Context()) == nil
	})
	// Each login and each end is a line of some 150 bytes.
	for range 60 {
		conn := connect(t, w.DSN())
		must(t, conn, "select 1")
		if err := conn.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		must(t, connect(t, w.DSN()), "select 1")
	}
}
