package integration

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sys/unix"
)

// All of 127.0.0.0/8 is this machine's on Linux, so that a test has many addresses.

// from dials from an address.
func from(address string) *net.Dialer {
	return &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}, Timeout: patience}
}

// connectFrom logs in from an address.
func connectFrom(t *testing.T, address, dsn string) (*pgx.Conn, error) {
	t.Helper()
	c, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	c.DialFunc = from(address).DialContext
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, c)
	if err == nil {
		t.Cleanup(func() { conn.Close(context.Background()) })
	}
	return conn, err
}

// silence opens connections from an address that say nothing.
func silence(t *testing.T, w *weir, address string, n int) (all []net.Conn) {
	t.Helper()
	for range n {
		c, err := from(address).Dial("tcp", w.Addr())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		all = append(all, c)
	}
	return all
}

// loginsOf is the row of SHOW LOGINS for an address; nil if there is none.
func loginsOf(t *testing.T, console *pgx.Conn, address string) map[string]string {
	t.Helper()
	for _, row := range show(t, console, "show logins") {
		if row["addr"] == address {
			return row
		}
	}
	return nil
}

// TestWhatIsNoLoginIsCountedByAddress, by SHOW LOGINS and the metric.
func TestWhatIsNoLoginIsCountedByAddress(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{})
	console := connect(t, w.Console())
	const stranger = "127.0.0.78"
	for _, c := range silence(t, w, stranger, 3) {
		if _, err := c.Write([]byte("GET / HTTP/1.1\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "all are counted", func() bool {
		row := loginsOf(t, console, stranger)
		return row != nil && row["garbled"] == "3"
	})
	if row := loginsOf(t, console, stranger); row["failed"] != "0" || row["refused"] != "0" || row["timed_out"] != "0" {
		t.Errorf("they are counted otherwise too: %v", row)
	}
	if n := metric(t, w, "pgweir_logins_garbled_total"); n != 3 {
		t.Errorf("the metric says %v", n)
	}
}

// TestAnAddressThatSaysNothingKeepsNobodyElseOut: neither below max_client_conn, nor
// when it has all of it.
func TestAnAddressThatSaysNothingKeepsNobodyElseOut(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: "max_logins = 100\nmax_client_conn = 320"})
	console := connect(t, w.Console("host="+w.Dir))
	silence(t, w, "127.0.0.3", 300)
	eventually(t, "all have arrived", func() bool {
		row := loginsOf(t, console, "127.0.0.3")
		return row["served"] == "50" && row["waiting"] == "250"
	})
	conn, err := connectFrom(t, "127.0.0.2", w.DSN())
	if err != nil {
		t.Fatalf("with room for more: %v", err)
	}
	must(t, conn, "select 1")
	silence(t, w, "127.0.0.3", 100)
	eventually(t, "some are turned away", func() bool { return loginsOf(t, console, "127.0.0.3")["refused"] != "0" })
	for i := range 5 {
		eventually(t, "another address gets in when the first one has taken all", func() bool {
			_, err = connectFrom(t, fmt.Sprint("127.0.0.", 10+i), w.DSN())
			return err == nil
		})
	}
	eventually(t, "the log tells of it", func() bool { return strings.Contains(w.Log(), "clients are turned away unread") })
	if n := strings.Count(w.Log(), "turned away unread"); n > 3 { // one a minute
		t.Errorf("the log has %d lines of it", n)
	}
	if n := metric(t, w, "pgweir_logins_waiting"); n < 200 {
		t.Errorf("the metric says that %v wait", n)
	}
	if n := metric(t, w, "pgweir_logins_refused_total"); n < 50 {
		t.Errorf("the metric says that %v were refused", n)
	}
}

// metric is the value of a metric without labels.
func metric(t *testing.T, w *weir, name string) float64 {
	t.Helper()
	_, text := get(t, w, "/metrics")
	for line := range strings.SplitSeq(text, "\n") {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			n, err := strconv.ParseFloat(value, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}

func TestABurstFromOneAddressWaitsAndIsServed(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: "auth_type = \"scram-sha-256\"\nmax_logins = 6\nmax_client_conn = 200\nlog_connections = false\nlog_disconnections = false",
		Tables: "[users.postgres]\npassword = \"right\"\n"})
	var all sync.WaitGroup
	for range 200 {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
			defer cancel()
			conn, err := pgx.Connect(ctx, w.DSN("password=right"))
			if err != nil {
				t.Errorf("one of a burst: %v", err)
				return
			}
			t.Cleanup(func() { conn.Close(context.Background()) })
		})
	}
	all.Wait()
	eventually(t, "no login is under way", func() bool {
		return metric(t, w, "pgweir_logins_waiting")+metric(t, w, "pgweir_logins_served") == 0
	})
}

// TestTheConsoleIsReachedBeyondMaxClientConn over TCP as long as the reserve lasts,
// and then over the Unix socket.
func TestTheConsoleIsReachedBeyondMaxClientConn(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: "max_client_conn = 3\nstats_users = [\"watcher\"]", Tables: "[users.postgres]\n[users.watcher]\n[users.other]\n"})
	for range 3 {
		connect(t, w.DSN())
	}
	if code := codeOf(t, tryLogin(t, w.DSN())); code != "53300" {
		t.Errorf("a client too many: %q", code)
	}
	if code := codeOf(t, tryLogin(t, w.Console("user=other"))); code != "42501" {
		t.Errorf("somebody who may not use the console: %q", code)
	}
	must(t, connect(t, w.Console("user=watcher")), "show version")
	var open []*pgx.Conn
	eventually(t, "the reserve is used up", func() bool {
		conn, err := connectFrom(t, "127.0.0.2", w.Console())
		if err != nil {
			if code := codeOf(t, err); code != "53300" {
				t.Fatal(err)
			}
			return true
		}
		open = append(open, conn)
		return false
	})
	if len(open) != 31 {
		t.Errorf("%d sessions of the console are open besides the first", len(open))
	}
	console := connect(t, w.Console("host="+w.Dir))
	if n := metric(t, w, "pgweir_reserve_clients"); n != 33 {
		t.Errorf("the metric says that %v are beyond", n)
	}
	must(t, console, "reload")
	open[0].Close(context.Background())
	eventually(t, "a seat in the reserve is free again", func() bool {
		_, err := connectFrom(t, "127.0.0.2", w.Console())
		return err == nil
	})
}

// TestWhoSaysNothingOnTheReserveLeavesSomeOfIt to other addresses.
func TestWhoSaysNothingOnTheReserveLeavesSomeOfIt(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: "max_client_conn = 1"})
	connect(t, w.DSN())
	silence(t, w, "127.0.0.3", 100)
	eventually(t, "one address has its share of the reserve", func() bool { return metric(t, w, "pgweir_reserve_clients") == 16 })
	conn, err := connectFrom(t, "127.0.0.2", w.Console())
	if err != nil {
		t.Fatal(err)
	}
	must(t, conn, "show version")
	if _, err := connectFrom(t, "127.0.0.2", w.DSN()); codeOf(t, err) != "53300" {
		t.Errorf("a client too many: %v", err)
	}
}

// TestWithoutDescriptorsAcceptingIsTriedAgain, and the log has one line of it.
func TestWithoutDescriptorsAcceptingIsTriedAgain(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{})
	conn := connect(t, w.DSN())
	must(t, conn, "select 1")
	var before unix.Rlimit
	if err := unix.Prlimit(w.PID(), unix.RLIMIT_NOFILE, nil, &before); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir("/proc/" + strconv.Itoa(w.PID()) + "/fd")
	if err != nil {
		t.Fatal(err)
	}
	limit := unix.Rlimit{Cur: uint64(len(files)), Max: before.Max}
	if err := unix.Prlimit(w.PID(), unix.RLIMIT_NOFILE, &limit, nil); err != nil {
		t.Fatal(err)
	}
	silent := silence(t, w, "127.0.0.3", 50)
	eventually(t, "the log tells of it", func() bool { return strings.Contains(w.Log(), "accepting a client failed") })
	for range 50 {
		must(t, conn, "select 1")
	}
	for _, c := range silent {
		c.Close()
	}
	if err := unix.Prlimit(w.PID(), unix.RLIMIT_NOFILE, &before, nil); err != nil {
		t.Fatal(err)
	}
	must(t, connect(t, w.DSN()), "select 1")
	w.Says(t, "accepting a client failed", 1)
}
