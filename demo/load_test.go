package demo

import (
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"pgweir/cluster"
)

// TestOnlyWhatBeginsInAWindowCounts holds the clients' transactions up while a window
// begins: they are of the window before.
func TestOnlyWhatBeginsInAWindowCounts(t *testing.T) {
	const clients = 3
	programs, err := cluster.Find(os.Getenv("PGWEIR_TEST_PG_BIN"))
	if err != nil {
		t.Fatal(err)
	}
	db, err := cluster.Start(t.Context(), programs, cluster.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := fill(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	l, err := startLoad(dsn(db.Port), clients)
	if err != nil {
		t.Fatal(err)
	}
	defer l.stop()
	until(t, "each client has an answer", func() bool { return l.answered.Load() == clients })

	conn, err := pgx.Connect(t.Context(), db.DSN(database))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	for _, sql := range []string{"begin", "lock table accounts"} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "each client waits for the lock", func() (all bool) {
		const sql = "select count(*) = $1 from pg_locks where not granted and relation = 'accounts'::regclass"
		if err := conn.QueryRow(t.Context(), sql, clients).Scan(&all); err != nil {
			t.Fatal(err)
		}
		return all
	})
	old := l.current.Load()
	before := old.transactions.Load()
	l.measure()
	if _, err := conn.Exec(t.Context(), "commit"); err != nil {
		t.Fatal(err)
	}
	until(t, "what was held up counts in the window in which it began", func() bool {
		return old.transactions.Load() == before+clients
	})
}

// until waits for a condition, a minute at most.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(time.Minute); !ok(); {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not so: %s", what)
		}
	}
}
