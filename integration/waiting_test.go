package integration

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

func TestWhoFindsTheWaitingLineFullIsRefusedAtOnceAndStays(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Database: "pool_size = 1\nmax_waiting = 2"})
	console := connect(t, w.Console())
	holder, late := connect(t, w.DSN()), connect(t, w.DSN())
	must(t, holder, "begin")
	var waits []<-chan error
	for range 2 {
		waits = append(waits, begin(t, connect(t, w.DSN()), "select 1"))
	}
	waitingClients(t, w, console, 2)
	err := runSQL(t.Context(), late, "select 1")
	var e *pgconn.PgError
	if errors.As(err, &e); e == nil || e.Code != "53300" || e.Severity != "ERROR" || e.Hint == "" || !strings.Contains(e.Message, "max_waiting = 2") {
		t.Errorf("%#v", err)
	}
	if conn, err := pgx.Connect(t.Context(), w.DSN("work_mem=77kB")); sqlState(err) != "53300" { // it would wait at its login
		t.Errorf("%v %v", conn, err)
	}
	must(t, holder, "commit")
	for _, done := range waits {
		if err := finished(t, done, patience); err != nil {
			t.Error(err)
		}
	}
	must(t, late, "select 1")
	_, metrics := get(t, w, "/metrics")
	if want := `pgweir_shed_total{database="` + w.DB + `",user="postgres"} 2`; !strings.Contains(metrics, want) {
		t.Errorf("no %s", want)
	}
}

func TestWhoWaitsForLongIsToldSoOnce(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: `query_wait_notify = "0.3s"`, Database: "pool_size = 1"})
	var told atomic.Int32
	config, err := pgx.ParseConfig(w.DSN())
	if err != nil {
		t.Fatal(err)
	}
	config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
		if n.Severity == "NOTICE" && n.Code == "00000" && strings.Contains(n.Message, "waits") {
			told.Add(1)
		}
	}
	c, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	holder := connect(t, w.DSN())
	for turn := range int32(2) {
		must(t, holder, "begin")
		began := time.Now()
		done := begin(t, c, "select 1")
		eventually(t, "it is told", func() bool { return told.Load() > turn })
		if took := time.Since(began); took < 250*time.Millisecond {
			t.Errorf("told after %v", took)
		}
		console := connect(t, w.Console())
		eventually(t, "it has waited for longer still", func() bool { return poolRow(t, w, console)["maxwait"] != "0" })
		must(t, holder, "commit")
		if err := finished(t, done, patience); err != nil {
			t.Error(err)
		}
		if n := told.Load(); n != turn+1 {
			t.Errorf("told %d times, in %d waits", n, turn+1)
		}
	}
	must(t, c, "select 1")
	if n := told.Load(); n != 2 {
		t.Errorf("told %d times", n)
	}
}
