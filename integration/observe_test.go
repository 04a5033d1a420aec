package integration

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// sqlState is the SQLSTATE that an error carries, "" if it carries none.
func sqlState(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// runSQL runs a simple query that may fail; it may be used on any goroutine.
func runSQL(ctx context.Context, conn *pgx.Conn, sql string) error {
	_, err := conn.PgConn().Exec(ctx, sql).ReadAll()
	return err
}

// must runs a simple query that may not fail.
func must(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if err := runSQL(t.Context(), conn, sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// begin starts a simple query and gives a channel that its error comes from.
func begin(t *testing.T, conn *pgx.Conn, sql string) <-chan error {
	done := make(chan error, 1)
	go func() { done <- runSQL(t.Context(), conn, sql) }()
	return done
}

// finished waits for what begin began.
func finished(t *testing.T, done <-chan error, within time.Duration) error {
	t.Helper()
	select {
	case err := <-done:
		return err
	case <-time.After(within):
		t.Fatalf("not answered within %v", within)
		return nil
	}
}

// servedWithin fails the test if a query is not answered soon.
func servedWithin(t *testing.T, conn *pgx.Conn, limit time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	if err := runSQL(ctx, conn, "select 1"); err != nil {
		t.Fatalf("a client is not served (within %v): %v", limit, err)
	}
}

// show gives the rows of a simple query as maps from column to text; NULL is "".
func show(t *testing.T, conn *pgx.Conn, sql string) []map[string]string {
	t.Helper()
	results, err := conn.PgConn().Exec(t.Context(), sql).ReadAll()
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	var rows []map[string]string
	for _, r := range results {
		for _, values := range r.Rows {
			row := map[string]string{}
			for i, f := range r.FieldDescriptions {
				row[f.Name] = string(values[i])
			}
			rows = append(rows, row)
		}
	}
	return rows
}

// poolRow is the row of SHOW POOLS for w's database and user postgres.
func poolRow(t *testing.T, w *weir, console *pgx.Conn) map[string]string {
	t.Helper()
	return rowOf(t, show(t, console, "show pools"), "database", w.DB, "user", w.Role())
}

// rowOf finds the one row with these values of these columns.
func rowOf(t *testing.T, rows []map[string]string, columnsAndValues ...string) map[string]string {
	t.Helper()
	var found []map[string]string
	for _, row := range rows {
		fits := true
		for i := 0; i < len(columnsAndValues); i += 2 {
			fits = fits && row[columnsAndValues[i]] == columnsAndValues[i+1]
		}
		if fits {
			found = append(found, row)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d rows with %v in %v", len(found), columnsAndValues, rows)
	}
	return found[0]
}

// waitingClients waits until so many clients wait for a backend.
func waitingClients(t *testing.T, w *weir, console *pgx.Conn, n int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d clients are waiting", n), func() bool {
		return poolRow(t, w, console)["cl_waiting"] == strconv.Itoa(n)
	})
}

// running waits until the server works on a query whose text begins with this.
func running(t *testing.T, w *weir, direct *pgx.Conn, prefix string, n int) {
	t.Helper()
	sql := fmt.Sprintf("select count(*) from pg_stat_activity where datname = '%s' and state = 'active' and starts_with(query, '%s')", w.DB, prefix)
	eventually(t, fmt.Sprintf("%d times %q is running", n, prefix), func() bool {
		return ask(t, direct, sql) == strconv.Itoa(n)
	})
}

// get asks for a path over HTTP.
func get(t *testing.T, w *weir, path string) (code int, body string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.HTTP(path), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// peakMemory is the most memory that the program has had resident, in bytes.
func (w *weir) peakMemory(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.PID()))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(text)
	if m == nil {
		t.Fatalf("no VmHWM in %s", text)
	}
	kb, err := strconv.Atoi(string(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	return kb << 10
}
