package integration

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// TestPgxWorksInEveryModeThatApplies: pgx's default prepares named statements,
// which session mode alone has.
func TestPgxWorksInEveryModeThatApplies(t *testing.T) {
	t.Parallel()
	for poolMode, execModes := range map[string][]string{
		"transaction": {"simple_protocol", "exec", "describe_exec"},
		"session":     {"simple_protocol", "exec", "describe_exec", "cache_statement", "cache_describe"},
	} {
		w := startWeir(t, weirOptions{Top: `pool_mode = "` + poolMode + `"`, Database: "pool_size = 4"})
		execSQL(t, w.Direct(), "create table pairs (id bigserial primary key, worker int, word text, doc jsonb)")
		for _, execMode := range execModes {
			t.Run(poolMode+" "+execMode, func(t *testing.T) {
				config, err := pgxpool.ParseConfig(w.DSN("default_query_exec_mode=" + execMode))
				if err != nil {
					t.Fatal(err)
				}
				config.MaxConns = 8
				if poolMode == "session" {
					config.MaxConns = 4
				}
				db, err := pgxpool.NewWithConfig(t.Context(), config)
				if err != nil {
					t.Fatal(err)
				}
				defer db.Close()
				var workers sync.WaitGroup
				for i := range 8 {
					workers.Go(func() {
						if err := pgxWork(t.Context(), db, i); err != nil {
							t.Errorf("worker %d: %v", i, err)
						}
					})
				}
				workers.Wait()
			})
		}
	}
}

// pgxWork writes and reads what only this worker can have written.
func pgxWork(ctx context.Context, db *pgxpool.Pool, worker int) error {
	for round := range 15 {
		word := fmt.Sprintf("%d/%d", worker, round)
		var id int64
		if err := db.QueryRow(ctx, "insert into pairs (worker, word, doc) values ($1, $2, $3) returning id",
			worker, word, fmt.Sprintf(`{"round": %d}`, round)).Scan(&id); err != nil {
			return err
		}
		err := pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
			var got string
			if err := tx.QueryRow(ctx, "select word from pairs where id = $1 and worker = $2", id, worker).Scan(&got); err != nil {
				return err
			}
			if got != word {
				return fmt.Errorf("read %q, wrote %q", got, word)
			}
			_, err := tx.Exec(ctx, "update pairs set word = word || '!' where id = $1", id)
			return err
		})
		if err != nil {
			return err
		}
		batch := &pgx.Batch{}
		for i := range 5 {
			batch.Queue("select $1::int", worker*100+i).QueryRow(func(row pgx.Row) error {
				var n int
				if err := row.Scan(&n); err != nil {
					return err
				}
				if n != worker*100+i {
					return fmt.Errorf("a batch of worker %d read %d", worker, n)
				}
				return nil
			})
		}
		if err := db.SendBatch(ctx, batch).Close(); err != nil {
			return err
		}
		n, err := db.CopyFrom(ctx, pgx.Identifier{"pairs"}, []string{"worker", "word"}, pgx.CopyFromRows([][]any{{worker, "copied"}, {worker, "too"}}))
		if err != nil || n != 2 {
			return fmt.Errorf("copied %d: %w", n, err)
		}
	}
	return nil
}

// psycopg2Script is what a Python program does. It prints "fine" at its end.
const psycopg2Script = `
import sys, threading, datetime, io
import psycopg2, psycopg2.extras
dsn = sys.argv[1]

def work(me, faults):
    try:
        for turn in range(10):
            with psycopg2.connect(dsn, application_name="python %d" % me) as c:
                with c.cursor() as q:
                    q.execute("select %s::int, %s::text, %s::timestamptz, current_setting('application_name')",
                              (me, "naïve \\ 'x'", datetime.datetime(2024, 2, 29, tzinfo=datetime.timezone.utc)))
                    row = q.fetchone()
                    assert row[:2] == (me, "naïve \\ 'x'") and row[3] == "python %d" % me, row
                    q.execute("insert into words values (%s, %s) returning word", (me, "w"))
                    assert q.fetchone() == ("w",)
                    psycopg2.extras.execute_values(q, "insert into words values %s", [(me, str(i)) for i in range(50)])
                    out = io.StringIO()
                    q.copy_expert("copy (select %d from generate_series(1, 1000)) to stdout" % me, out)
                    assert out.getvalue() == ("%d\n" % me) * 1000
                    q.copy_expert("copy words from stdin", io.StringIO("%d\tcopied\n" % me))
                with c.cursor("named cursor") as q:
                    q.itersize = 7
                    q.execute("select i from generate_series(1, 100) i")
                    assert [r[0] for r in q] == list(range(1, 101))
                try:
                    with c.cursor() as q:
                        q.execute("select 1/0")
                    raise AssertionError("no error")
                except psycopg2.errors.DivisionByZero:
                    c.rollback()
            c.close()
    except BaseException as e:
        faults.append("%d: %r" % (me, e))

faults = []
threads = [threading.Thread(target=work, args=(i, faults)) for i in range(6)]
for t in threads: t.start()
for t in threads: t.join()
print("\n".join(faults) or "fine")
`

func TestPsycopg2Works(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"transaction", "session"} {
		w := startWeir(t, weirOptions{Top: `pool_mode = "` + mode + `"`, Database: "pool_size = 3"})
		execSQL(t, w.Direct(), "create table words (worker int, word text)")
		out, err := exec.CommandContext(t.Context(), python(t), "-c", psycopg2Script, w.DSN()).CombinedOutput()
		if err != nil || string(out) != "fine\n" {
			t.Errorf("%s mode: %v\n%s", mode, err, out)
		}
	}
}

// python finds the Python that has psycopg2: the system's, or the first in PATH.
func python(t *testing.T) string {
	t.Helper()
	for _, p := range []string{"/usr/bin/python3", "python3"} {
		if exec.Command(p, "-c", "import psycopg2").Run() == nil {
			return p
		}
	}
	t.Fatalf("no Python with psycopg2: scripts/install-postgres installs it (PATH is %s)", os.Getenv("PATH"))
	return ""
}
