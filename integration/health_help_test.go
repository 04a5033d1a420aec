package integration

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"pgweir/cluster"
)

// noticed is how long something that is wrong may go unnoticed, and how long it
// may be told of when it is over.
const noticed = 15 * time.Second

// finding is one of /census.
type finding struct {
	ID, Severity, Text, Advice string
	Since                      time.Time
}

// healthAnswer is what a test of health reads of /census.
type healthAnswer struct {
	At         time.Time
	Postmaster struct {
		PID   *int
		Alive bool
	}
	Findings []finding
}

// watched starts a pgweir that looks at its server every second, as somebody
// who may see everything unless top says otherwise.
func watched(t *testing.T, pg *cluster.Cluster, top string) *weir {
	t.Helper()
	top += "\ncensus_interval = \"1s\"\n"
	if !strings.Contains(top, "census_user") {
		top += "census_user = \"postgres\"\n"
	}
	db := createDatabase(t, pg)
	top += "census_database = \"" + db + "\"\n" // only there relations have names
	return startWeir(t, weirOptions{Cluster: pg, DB: db, Top: top})
}

// findings are those of the last reading, which there is one of within a few
// seconds of the start.
func findings(t *testing.T, w *weir) healthAnswer {
	t.Helper()
	var a healthAnswer
	eventually(t, "there is a census", func() bool {
		code, body := get(t, w, "/census")
		if code != http.StatusOK {
			return false
		}
		a = healthAnswer{}
		if err := json.Unmarshal([]byte(body), &a); err != nil {
			t.Fatalf("/census: %v\n%s", err, body)
		}
		return true
	})
	return a
}

func (a healthAnswer) find(id string) (finding, bool) {
	for _, f := range a.Findings {
		if f.ID == id {
			return f, true
		}
	}
	return finding{}, false
}

// isFound waits until there is a finding that has all of these words in it.
func isFound(t *testing.T, w *weir, id string, words ...string) finding {
	t.Helper()
	return isFoundWithin(t, w, noticed, id, words...)
}

func isFoundWithin(t *testing.T, w *weir, limit time.Duration, id string, words ...string) finding {
	t.Helper()
	begun := time.Now()
	var found finding
	var last healthAnswer
	defer func() {
		if found.ID == "" {
			t.Logf("the last reading: %+v", last)
		}
	}()
	eventuallyWithin(t, limit, fmt.Sprintf("%s is found, with %q", id, words), func() bool {
		last = findings(t, w)
		f, ok := last.find(id)
		for _, word := range words {
			ok = ok && strings.Contains(f.Text+" "+f.Advice, word)
		}
		if ok {
			found = f
		}
		return ok
	})
	t.Logf("after %v: %s (%s): %s | %s", time.Since(begun).Round(100*time.Millisecond), id, found.Severity, found.Text, found.Advice)
	return found
}

// isOver waits until a finding has gone, in a reading that was taken later.
func isOver(t *testing.T, w *weir, id string) {
	t.Helper()
	isOverWithin(t, w, id, noticed)
}

// nothingIsFound waits until nothing is told of any more.
func nothingIsFound(t *testing.T, w *weir) {
	t.Helper()
	var last healthAnswer
	defer func() {
		if len(last.Findings) > 0 {
			t.Logf("the last reading: %+v", last)
		}
	}()
	eventuallyWithin(t, noticed, "nothing is found", func() bool {
		last = findings(t, w)
		return len(last.Findings) == 0
	})
}

// isReady waits until /readyz says that clients can be served.
func isReady(t *testing.T, w *weir) {
	t.Helper()
	eventuallyWithin(t, noticed, "/readyz says that clients are served", func() bool {
		code, _ := get(t, w, "/readyz")
		return code == http.StatusOK
	})
}

func isOverWithin(t *testing.T, w *weir, id string, limit time.Duration) healthAnswer {
	t.Helper()
	begun := time.Now()
	var a healthAnswer
	eventuallyWithin(t, limit, id+" is over", func() bool {
		a = findings(t, w)
		_, still := a.find(id)
		return a.At.After(begun) && !still
	})
	t.Logf("%s was over after %v", id, time.Since(begun).Round(100*time.Millisecond))
	return a
}

// pidOf is the one process of a kind, by the server's own word. One that was
// just started may come to be listed after its first clients are in.
func pidOf(t *testing.T, conn *pgx.Conn, kind string) int {
	t.Helper()
	started(t, conn, kind)
	pid, err := strconv.Atoi(ask(t, conn, "select pid from pg_stat_activity where backend_type = '"+kind+"'"))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// signal is sent to a process of PostgreSQL's.
func signal(t *testing.T, pid int, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, s); err != nil {
		t.Fatalf("signal %v to %d: %v", s, pid, err)
	}
}

// idOf is the number that SHOW CLIENTS gives to a connection.
func idOf(t *testing.T, w *weir, c *pgx.Conn) string {
	t.Helper()
	_, port, err := net.SplitHostPort(c.PgConn().Conn().LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	console := connect(t, w.Console("default_query_exec_mode=simple_protocol"))
	return rowOf(t, show(t, console, "show clients"), "port", port)["id"]
}
