package integration

import (
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
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
