package integration

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"pgweir/cluster"
)

func TestReplicationConnectionsPassThrough(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"transaction", "session"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			w := startWeir(t, weirOptions{Top: `pool_mode = "` + mode + `"`, Database: "pool_size = 2"})
			direct := net.JoinHostPort("127.0.0.1", strconv.Itoa(w.PG.Port))
			for _, kind := range []string{"database", "true", "on"} {
				s := &script{name: kind, startup: []string{"replication", kind}, steps: sqls("SHOW search_path", "IDENTIFY", "SHOW work_mem")}
				if want, got := transcribe(t, direct, w.DB, s, nil), transcribe(t, w.Addr(), w.DB, s, nil); want != got {
					t.Errorf("replication = %s: differs behind\n%s", kind, differing(want, got))
				}
			}
			system := psql(t, w.Direct("replication=database"), "-Atc", "IDENTIFY_SYSTEM")
			if got := psql(t, w.DSN("replication=database"), "-Atc", "IDENTIFY_SYSTEM"); strings.Split(got, "|")[0] != strings.Split(system, "|")[0] {
				t.Errorf("%s, want %s", got, system)
			}
			streamWAL(t, w)
			// Nobody else gets a backend that has replicated.
			conn := connect(t, w.DSN())
			if got := ask(t, conn, "select backend_type from pg_stat_activity where pid = pg_backend_pid()"); got != "client backend" {
				t.Errorf("an ordinary client is on a %s", got)
			}
			eventually(t, "the walsender has ended", func() bool {
				return ask(t, conn, "select count(*) from pg_stat_replication where application_name = '"+w.DB+"'") == "0"
			})
		})
	}
}

// streamWAL reads WAL through COPY BOTH, answers as a standby does, and ends
// the stream in good order.
func streamWAL(t *testing.T, w *weir) {
	t.Helper()
	c := rawLogin(t, w.Addr(), "postgres", w.DB, "replication", "database", "application_name", w.DB)
	c.Say(t, query("IDENTIFY_SYSTEM"))
	position := strings.Fields(c.until(t, 'Z'))[2]
	c.Say(t, query("START_REPLICATION PHYSICAL "+position+" TIMELINE 1"))
	if m, ok := c.Next(t).(*pgproto3.CopyBothResponse); !ok {
		t.Fatalf("no CopyBothResponse: %+v", m)
	}
	execSQL(t, w.Direct(), "create table written (a int); insert into written select generate_series(1, 10000)")
	bytes := 0
	for bytes < 500_000 {
		switch m := c.Next(t).(type) {
		case *pgproto3.CopyData:
			if m.Data[0] == 'w' {
				bytes += len(m.Data)
			}
			// Standby status update: nothing is written, an answer is not asked for.
			c.Say(t, &pgproto3.CopyData{Data: append([]byte{'r'}, make([]byte, 33)...)})
		default:
			t.Fatalf("in the stream: %+v", m)
		}
	}
	c.Say(t, done)
	for {
		switch m := c.Next(t).(type) {
		case *pgproto3.ReadyForQuery:
			c.Say(t, bye)
			return
		case *pgproto3.ErrorResponse:
			t.Fatalf("%+v", m)
		}
	}
}

func TestPgBasebackupAndPgReceivewalWork(t *testing.T) {
	t.Parallel()
	// On a server of its own: where others write, pg_receivewal may begin behind
	// its end, and receive nothing.
	w := startWeir(t, weirOptions{Cluster: startCluster(t, cluster.Options{}), Database: "pool_size = 4", Tables: "[databases.replication]\nhost = \"127.0.0.1\"\nport = PGPORT\n[users.postgres]"})
	// The tools are not in every build of PostgreSQL, and refuse a server that
	// is newer than they are: then the protocol is followed by hand above, and
	// here it must at least be the tool's own refusal that comes.
	dir, major := replicationTools(t)
	env := append(os.Environ(), "PGHOST=127.0.0.1", "PGPORT="+strconv.Itoa(w.Port), "PGUSER=postgres", "PGSSLMODE=disable")
	target := filepath.Join(t.TempDir(), "backup")
	cmd := exec.Command(filepath.Join(dir, "pg_basebackup"), "-D", target, "-X", "stream", "-c", "fast", "-d", "dbname="+w.DB)
	cmd.Env = env
	out, err := cmd.CombinedOutput()
	if major < w.PG.Programs.Major {
		if err == nil || !strings.Contains(string(out), "version") {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, w.Log())
	}
	if _, err := os.Stat(filepath.Join(target, "PG_VERSION")); err != nil {
		t.Error(err)
	}
	wal := t.TempDir()
	end := psql(t, w.Direct(), "-Atc", "select pg_current_wal_lsn() + 100; create table more as select generate_series(1, 1000)")
	cmd = exec.Command(filepath.Join(dir, "pg_receivewal"), "-D", wal, "--no-sync", "--no-loop", "--endpos", strings.Fields(end)[0], "-d", "dbname="+w.DB)
	cmd.Env = env
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if files, err := os.ReadDir(wal); err != nil || len(files) == 0 {
		t.Errorf("nothing was received: %v", err)
	}
}

// replicationTools finds a folder with pg_basebackup, and of which version it is.
func replicationTools(t *testing.T) (dir string, major int) {
	t.Helper()
	candidates := []string{programs.Dir}
	if path, err := exec.LookPath("pg_basebackup"); err == nil {
		candidates = append(candidates, filepath.Dir(path))
	}
	if p, err := cluster.Find(""); err == nil {
		candidates = append(candidates, p.Dir)
	}
	more, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	for _, dir := range append(candidates, more...) {
		out, err := exec.Command(filepath.Join(dir, "pg_basebackup"), "--version").Output()
		if err != nil {
			continue
		}
		if _, err := fmt.Sscanf(string(out), "pg_basebackup (PostgreSQL) %d", &major); err == nil {
			return dir, major
		}
	}
	t.Fatal("there is no pg_basebackup: scripts/install-postgres installs it with the server")
	return "", 0
}
