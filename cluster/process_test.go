package cluster

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func joinSorted(pids []int) string {
	slices.Sort(pids)
	var words []string
	for _, pid := range pids {
		words = append(words, strconv.Itoa(pid))
	}
	return strings.Join(words, " ")
}

func sharedMemoryID(t *testing.T, c *Cluster) int {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(c.data, "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(strings.Split(string(content), "\n")[6])
	id, err := strconv.Atoi(fields[1])
	if err != nil {
		t.Fatal(err)
	}
	if !sharedMemoryExists(id) {
		t.Fatalf("no segment %d", id)
	}
	return id
}

func sharedMemoryExists(id int) bool {
	var info unix.SysvShmDesc
	_, err := unix.SysvShmCtl(id, unix.IPC_STAT, &info)
	return err == nil || err == unix.EACCES
}

func TestTitlesTellClientBackendsFromTheRest(t *testing.T) {
	for title, want := range map[string]bool{
		"postgres: app shop 127.0.0.1(40122) idle":                        true,
		"postgres: app shop [local] SELECT":                               true,
		"postgres: app shop ::1(40122) idle in transaction":               true,
		"postgres: main: app shop db.example.org(5) authentication":       true,
		"postgres: two words also two [local] idle":                       true,
		"postgres: app shop [local]":                                      true,
		"postgres: walsender repl 10.0.0.2(5) streaming 0/3000148":        false,
		"postgres: main: walsender repl [local] idle":                     false,
		"postgres: checkpointer":                                          false,
		"postgres: checkpointer ":                                         false,
		"postgres: background writer":                                     false,
		"postgres: autovacuum worker shop":                                false,
		"postgres: logical replication launcher":                          false,
		"postgres: logical replication apply worker for subscription 164": false,
		"postgres: parallel worker for PID 4711":                          false,
		"postgres: io worker 0":                                           false,
		"/usr/lib/postgresql/15/bin/postgres -D /tmp/data -p 5432":        false,
		"": false,
	} {
		if got := isClientBackend(title); got != want {
			t.Errorf("%q: %t", title, got)
		}
	}
}

func TestFreePortStaysOutOfTheEphemeralRange(t *testing.T) {
	for range 20 {
		port, err := FreePort()
		if err != nil || port < 20000 || port >= 32000 {
			t.Fatalf("%d, %v", port, err)
		}
	}
}

// TestFreePortGivesNoPortTwiceInARow: a server that is down for a while finds
// its port free.
func TestFreePortGivesNoPortTwiceInARow(t *testing.T) {
	given := map[int]bool{}
	for range 2000 {
		port, err := FreePort()
		if err != nil || given[port] {
			t.Fatalf("%d, given before: %v, %v", port, given[port], err)
		}
		given[port] = true
	}
}
