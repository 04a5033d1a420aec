package integration

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// turnedAway connects, and wants to be refused for one limit.
func turnedAway(t *testing.T, dsn, setting string) {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), dsn)
	if err == nil {
		conn.Close(context.Background())
		t.Errorf("a client more than %s allows is let in", setting)
		return
	}
	var e *pgconn.PgError
	if code := sqlState(err); code != "53300" {
		t.Errorf("SQLSTATE %s: %v", code, err)
	}
	if errors.As(err, &e); e == nil || e.Message != "client connections exceeded ("+setting+")" {
		t.Errorf("not because of %s: %v", setting, err)
	}
}

func TestClientsOfADatabaseAUserAndAnAddressAreLimited(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{
		Top: `admin_users = ["postgres"]
			stats_users = ["cl_two"]
			max_db_client_connections = 1
			max_user_client_connections = 2
			max_client_conn_per_address = 6`,
		Database: "max_db_client_connections = 5",
		Tables: `[databases.narrow]
			host = "127.0.0.1"
			port = PGPORT
			dbname = "postgres"
			[users.postgres]
			max_user_client_connections = 0
			[users.cl_two]
			[users.cl_other]`,
	})
	roles(t, w, "cl_two", "cl_other")
	console := connect(t, w.Console())
	connect(t, w.DSN("user=cl_two"))
	gone := connect(t, w.DSN("user=cl_two"))
	turnedAway(t, w.DSN("user=cl_two"), "max_user_client_connections")
	connect(t, w.Console("user=cl_two")) // who reads there is bound as all others are, but for the console
	connect(t, dsn(w.Port, "narrow"))
	turnedAway(t, dsn(w.Port, "narrow"), "max_db_client_connections")
	for range 3 {
		connect(t, w.DSN())
	}
	turnedAway(t, w.DSN(), "max_db_client_connections")
	row := rowOf(t, show(t, console, "show databases"), "name", w.DB)
	if row["max_client_connections"] != "5" || row["current_client_connections"] != "5" {
		t.Errorf("show databases: %v", row)
	}
	row = rowOf(t, show(t, console, "show users"), "name", "cl_two")
	if row["max_user_client_connections"] != "2" || row["current_client_connections"] != "2" {
		t.Errorf("show users: %v", row)
	}
	gone.Close(context.Background())
	eventually(t, "who has gone is not counted", func() bool {
		return rowOf(t, show(t, console, "show users"), "name", "cl_two")["current_client_connections"] == "1"
	})
	connect(t, w.DSN("user=cl_other")) // the sixth of this address; the console's is none
	execSQL(t, w.Console(), "reload")  // nothing is counted anew
	w.Rewrite(t, weirOptions{Top: "max_client_conn_per_address = 6"})
	execSQL(t, w.Console(), "reload")
	turnedAway(t, w.DSN(), "max_client_conn_per_address")
	connect(t, w.DSN("host="+w.Dir))
	connect(t, w.Console())
}

// TestCountsOfClientsComeBackWhicheverWayTheyLeave has clients log in, guess wrong,
// vanish at any point and be refused, all at once.
func TestCountsOfClientsComeBackWhicheverWayTheyLeave(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{
		Top: `auth_type = "scram-sha-256"
			max_user_client_connections = 6
			log_connections = false
			log_disconnections = false
			login_failure_delay = 0
			workers = 2`,
		Tables: "[users.postgres]\npassword = \"right\"\nmax_user_client_connections = 0\n[users.storm]\npassword = \"right\"",
	})
	roles(t, w, "storm")
	console := connect(t, w.Console("password=right"))
	count := func() string {
		return rowOf(t, show(t, console, "show users"), "name", "storm")["current_client_connections"]
	}
	var storm sync.WaitGroup
	for range 16 {
		storm.Go(func() {
			for range 15 {
				leaveSomehow(t, w)
			}
		})
	}
	over := make(chan struct{})
	go func() {
		storm.Wait()
		close(over)
	}()
	for ended := false; !ended; {
		select {
		case <-over:
			ended = true
		default:
		}
		var n int
		if fmt.Sscan(count(), &n); n > 6 {
			t.Errorf("%d clients, at most 6", n)
		}
	}
	eventually(t, "nobody is counted any more", func() bool { return count() == "0" })
	if n := rowOf(t, show(t, console, "show databases"), "name", w.DB)["current_client_connections"]; n != "0" {
		t.Errorf("%s clients of the database", n)
	}
}

// leaveSomehow logs in, or begins to, and goes.
func leaveSomehow(t *testing.T, w *weir) {
	ctx := context.Background()
	switch rand.N(5) {
	case 0:
		if conn, err := pgx.Connect(ctx, w.DSN("user=storm", "password=wrong")); err == nil {
			conn.Close(ctx)
			t.Error("a wrong password is let in")
		}
	case 1: // in the midst of the exchange
		c := dialWire(t, w.Addr())
		_ = c.write(startupPacket(protocol30, "user", "storm", "database", w.DB))
		if rand.N(2) == 0 {
			_, _, _ = c.read()
		}
		c.vanish(rand.N(2) == 0)
	default:
		// Some have parameters that a backend is opened for, and wait at their login.
		conn, err := pgx.Connect(ctx, w.DSN("user=storm", "password=right", fmt.Sprintf("work_mem=%dkB", 64+rand.N(4))))
		switch {
		case err == nil && rand.N(2) == 0:
			_ = conn.PgConn().Conn().Close()
		case err == nil:
			conn.Close(ctx)
		case sqlState(err) != "53300":
			t.Error(err)
		}
	}
}
