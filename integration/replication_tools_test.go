package integration

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"pgweir/cluster"
)

// TestReplicationToolsWorkBesideAFullPool: the pool's one backend is another client's, and
// a third waits for it.
func TestReplicationToolsWorkBesideAFullPool(t *testing.T) {
	t.Parallel()
	// On a server of its own: where others write, pg_receivewal may begin behind
	// its end, and receive nothing.
	settings := map[string]string{"wal_level": "logical"}
	w := startWeir(t, weirOptions{
		Cluster: startCluster(t, cluster.Options{Settings: settings}), Top: "max_db_connections = 1\nmax_user_connections = 1\nquery_wait_timeout = 0",
		Database: "pool_size = 1", Tables: "[databases.replication]\nhost = \"127.0.0.1\"\nport = PGPORT\n[users.postgres]",
	})
	// The tools are not in every build of PostgreSQL, and refuse a server that
	// is newer than they are: then the protocol is followed by hand elsewhere, and
	// here it must at least be the tool's own refusal that comes.
	dir, major := replicationTools(t, w.PG.Programs.Major)
	if major != w.PG.Programs.Major {
		t.Logf("there are no replication tools of PostgreSQL %d, only of %d: it is left out that a backup of theirs starts", w.PG.Programs.Major, major)
	}
	tool := func(name string, args ...string) *exec.Cmd {
		cmd := exec.Command(filepath.Join(dir, name), append(args, "-d", "dbname="+w.DB)...)
		cmd.Env = append(os.Environ(), "PGHOST=127.0.0.1", "PGPORT="+strconv.Itoa(w.Port), "PGUSER=postgres", "PGSSLMODE=disable")
		return cmd
	}
	execSQL(t, w.Direct(), "create table kept as select generate_series(1, 10000) i")
	busy, waiting := connect(t, w.DSN()), connect(t, w.DSN())
	must(t, busy, "begin")
	answer := begin(t, waiting, "select 1")
	waitingClients(t, w, connect(t, w.Console()), 1)

	target := filepath.Join(t.TempDir(), "backup")
	out, err := tool("pg_basebackup", "-D", target, "-X", "stream", "-c", "fast").CombinedOutput()
	if major < w.PG.Programs.Major {
		t.Logf("tools of PostgreSQL %d refuse a server of %d: the rest is left out", major, w.PG.Programs.Major)
		if err == nil || !strings.Contains(string(out), "version") {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, w.Log())
	}
	t.Run("the backup starts", func(t *testing.T) {
		if major != w.PG.Programs.Major {
			return // only the server's own version reads it
		}
		restored := startCluster(t, cluster.Options{Backup: target})
		if n := ask(t, connect(t, dsn(restored.Port, w.DB)), "select count(*) from kept"); n != "10000" {
			t.Errorf("%s rows", n)
		}
	})
	t.Run("pg_receivewal", func(t *testing.T) {
		wal := t.TempDir()
		end := psql(t, w.Direct(), "-Atc", "select pg_current_wal_lsn() + 100; create table more as select generate_series(1, 1000)")
		if out, err := tool("pg_receivewal", "-D", wal, "--no-sync", "--no-loop", "--endpos", strings.Fields(end)[0]).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if files, err := os.ReadDir(wal); err != nil || len(files) == 0 {
			t.Errorf("nothing was received: %v", err)
		}
	})
	t.Run("pg_recvlogical", func(t *testing.T) {
		if out, err := tool("pg_recvlogical", "--slot", "changes", "--create-slot", "-P", "pgoutput").CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		execSQL(t, w.Direct(), "create publication everything for all tables")
		execSQL(t, w.Direct(), "insert into kept values (4711)")
		end := psql(t, w.Direct(), "-Atc", "select pg_current_wal_lsn()")
		var stderr bytes.Buffer
		cmd := tool("pg_recvlogical", "--slot", "changes", "--start", "--no-loop", "--endpos", strings.TrimSpace(end), "-f", "-",
			"-o", "proto_version=1", "-o", "publication_names=everything")
		cmd.Stderr = &stderr
		if out, err := cmd.Output(); err != nil || !strings.Contains(string(out), "4711") {
			t.Errorf("%v\n%q\n%s", err, out, stderr.String())
		}
		if out, err := tool("pg_recvlogical", "--slot", "changes", "--drop-slot").CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
	select {
	case err := <-answer:
		t.Fatalf("who waited for the pool's backend got it, or an error: %v", err)
	default:
	}
	must(t, busy, "commit")
	if err := finished(t, answer, patience); err != nil {
		t.Error(err)
	}
}

// replicationTools finds a folder with pg_basebackup, and of which version it is: the
// server's own if there is one, otherwise the newest.
func replicationTools(t *testing.T, server int) (dir string, major int) {
	t.Helper()
	candidates := []string{programs.Dir}
	if path, err := exec.LookPath("pg_basebackup"); err == nil {
		candidates = append(candidates, filepath.Dir(path))
	}
	if p, err := cluster.Find(""); err == nil {
		candidates = append(candidates, p.Dir)
	}
	more, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	for _, candidate := range append(candidates, more...) {
		out, err := exec.Command(filepath.Join(candidate, "pg_basebackup"), "--version").Output()
		if err != nil {
			continue
		}
		version := 0
		if _, err := fmt.Sscanf(string(out), "pg_basebackup (PostgreSQL) %d", &version); err != nil {
			continue
		}
		if version == server {
			return candidate, version
		}
		if version > major {
			dir, major = candidate, version
		}
	}
	if major == 0 {
		t.Fatal("there is no pg_basebackup: scripts/install-postgres installs it with the server")
	}
	return dir, major
}
