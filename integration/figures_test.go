package integration

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

// TestTheFiguresOfTheConsoleAndOfHTTPAreTrue under a load that is known.
func TestTheFiguresOfTheConsoleAndOfHTTPAreTrue(t *testing.T) {
	t.Parallel()
	for _, workers := range []int{1, 2} {
		t.Run(fmt.Sprintf("%d loops", workers), func(t *testing.T) {
			t.Parallel()
			w := startWeir(t, weirOptions{Top: fmt.Sprintf("workers = %d", workers), Database: "pool_size = 3"})
			console, direct := connect(t, w.Console("application_name=watcher")), connect(t, w.Direct())
			load := startKnownLoad(t, w)
			waitingClients(t, w, console, 2)

			row := poolRow(t, w, console)
			for column, want := range map[string]string{
				"cl_active": "5", "cl_waiting": "2", "sv_active": "3", "sv_idle": "0", "sv_login": "0", "sv_used": "0",
				"sv_tested": "0", "cl_active_cancel_req": "0", "cl_waiting_cancel_req": "0", "pool_mode": "transaction",
			} {
				if row[column] != want {
					t.Errorf("SHOW POOLS: %s is %s, want %s", column, row[column], want)
				}
			}
			load.linked(t, w, console, direct)
			loadIsCounted(t, w, console)
			savings(t, w, 7, 3, 4)

			// The figures go back as the load does.
			load.atRest(t)
			eventually(t, "nobody is active", func() bool {
				row := poolRow(t, w, console)
				return row["cl_active"] == "7" && row["cl_waiting"] == "0" && row["sv_active"] == "0" && row["sv_idle"] == "3" && row["maxwait"] == "0"
			})
			for _, c := range slices.Concat(load.holders, load.waiters, load.resting) {
				_ = c.Close(t.Context())
			}
			eventually(t, "nobody is there", func() bool { return poolRow(t, w, console)["cl_active"] == "0" })
			savings(t, w, 0, 3, 0)
		})
	}
}

// knownLoad is two clients at rest, three in a transaction, which have all the
// backends, and two that wait. Their application_names are what they are.
type knownLoad struct {
	holders, waiters, resting []*pgx.Conn
	waits                     []<-chan error
}

func startKnownLoad(t *testing.T, w *weir) *knownLoad {
	t.Helper()
	l := new(knownLoad)
	for i := range 3 {
		c := connect(t, w.DSN(fmt.Sprintf("application_name=holder%d", i)))
		must(t, c, "begin")
		l.holders = append(l.holders, c)
	}
	for i := range 2 {
		l.resting = append(l.resting, connect(t, w.DSN(fmt.Sprintf("application_name=resting%d", i))))
	}
	for i := range 2 {
		c := connect(t, w.DSN(fmt.Sprintf("application_name=waiter%d", i)))
		l.waiters = append(l.waiters, c)
		l.waits = append(l.waits, begin(t, c, "select 1"))
	}
	return l
}

// atRest ends the transactions, so that those that wait are served.
func (l *knownLoad) atRest(t *testing.T) {
	t.Helper()
	for _, c := range l.holders {
		must(t, c, "commit")
	}
	for _, done := range l.waits {
		if err := finished(t, done, patience); err != nil {
			t.Error(err)
		}
	}
}

// linked looks in SHOW CLIENTS and SERVERS at who is linked to whom, with
// PostgreSQL as the witness.
func (l *knownLoad) linked(t *testing.T, w *weir, console, direct *pgx.Conn) {
	t.Helper()
	pids := map[string]string{} // by application_name
	for _, row := range show(t, direct, "select pid, application_name from pg_stat_activity where datname = current_database() and state = 'idle in transaction'") {
		pids[row["application_name"]] = row["pid"]
	}
	clients, servers := show(t, console, "show clients"), show(t, console, "show servers")
	if len(clients) != 8 || len(servers) != 3 {
		t.Errorf("%d clients and %d servers, want 8 with this one and 3", len(clients), len(servers))
	}
	for i, c := range l.holders {
		name := fmt.Sprintf("holder%d", i)
		client := rowOf(t, clients, "application_name", name)
		server := rowOf(t, servers, "ptr", client["link"])
		if client["state"] != "active" || client["database"] != w.DB || client["user"] != "postgres" || client["addr"] != "127.0.0.1" {
			t.Errorf("client: %v", client)
		}
		if server["remote_pid"] != pids[name] || server["link"] != client["ptr"] || server["state"] != "active" || server["port"] != strconv.Itoa(w.PG.Port) {
			t.Errorf("%s has backend %s, and its server is %v", name, pids[name], server)
		}
		if port := localPort(t, c); client["port"] != port {
			t.Errorf("%s is on port %s, not %s", name, port, client["port"])
		}
	}
	for i := range l.resting {
		if c := rowOf(t, clients, "application_name", fmt.Sprintf("resting%d", i)); c["state"] != "idle" || c["link"] != "" {
			t.Errorf("a resting client: %v", c)
		}
	}
	for i := range l.waiters {
		if c := rowOf(t, clients, "application_name", fmt.Sprintf("waiter%d", i)); c["state"] != "waiting" || c["link"] != "" {
			t.Errorf("a waiting client: %v", c)
		}
	}
}

// loadIsCounted looks for a knownLoad in SHOW DATABASES, USERS, LISTS and SAVINGS.
func loadIsCounted(t *testing.T, w *weir, console *pgx.Conn) {
	t.Helper()
	db := rowOf(t, show(t, console, "show databases"), "name", w.DB)
	if db["current_connections"] != "3" || db["pool_size"] != "3" || db["current_client_connections"] != "7" || db["port"] != strconv.Itoa(w.PG.Port) {
		t.Errorf("SHOW DATABASES: %v", db)
	}
	if u := rowOf(t, show(t, console, "show users"), "name", "postgres"); u["current_connections"] != "3" || u["current_client_connections"] != "7" {
		t.Errorf("SHOW USERS: %v", u)
	}
	lists := map[string]string{}
	for _, row := range show(t, console, "show lists") {
		lists[row["list"]] = row["items"]
	}
	if lists["used_clients"] != "8" || lists["used_servers"] != "3" || lists["free_servers"] != "0" || lists["login_clients"] != "0" || lists["databases"] != "1" {
		t.Errorf("SHOW LISTS: %v", lists)
	}
	total := rowOf(t, show(t, console, "show savings"), "database", "(total)")
	if total["clients"] != "7" || total["backends"] != "3" || total["saved"] != "4" || total["ratio"] != "2.33" ||
		total["client_logins"] != "7" || total["server_logins"] != "3" {
		t.Errorf("SHOW SAVINGS: %v", total)
	}
}

// TestOurEndOfEachConnectionIsShown, with PostgreSQL as the witness for backends.
func TestOurEndOfEachConnectionIsShown(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t, "the authority")
	cert, key := ca.Sign(t, "weir.example")
	w := startWeir(t, weirOptions{
		Top:      "client_tls_cert_file = \"weir.crt\"\nclient_tls_key_file = \"weir.key\"",
		Files:    map[string]string{"weir.crt": cert, "weir.key": key},
		Database: "pool_size = 5",
	})
	port := strconv.Itoa(w.Port)
	for name, more := range map[string][2]string{
		"tcp": {"host=127.0.0.1", "127.0.0.1"}, "tls": {"sslmode=require", "127.0.0.1"}, "local": {"host=" + w.Dir, "unix"},
	} {
		c := connect(t, w.DSN("application_name="+name, more[0]))
		must(t, c, "begin")
		console := connect(t, w.Console("application_name=console_"+name, more[0]))
		clients, servers := show(t, console, "show clients"), show(t, console, "show servers")
		for _, of := range []string{name, "console_" + name} {
			if row := rowOf(t, clients, "application_name", of); row["local_addr"] != more[1] || row["local_port"] != port {
				t.Errorf("%s: %v", of, row)
			}
		}
		server := rowOf(t, servers, "link", rowOf(t, clients, "application_name", name)["ptr"])
		end := ask(t, c, "select host(client_addr) || ':' || client_port from pg_stat_activity where pid = pg_backend_pid()")
		if got := server["local_addr"] + ":" + server["local_port"]; got != end {
			t.Errorf("the backend of %s comes from %s, and is shown with %s", name, end, got)
		}
	}
}

// localPort is the port that a client has its end on.
func localPort(t *testing.T, c *pgx.Conn) string {
	t.Helper()
	addr := c.PgConn().Conn().LocalAddr().String()
	return addr[strings.LastIndexByte(addr, ':')+1:]
}

// savings compares /savings, /pools and /metrics with what is known.
func savings(t *testing.T, w *weir, clients, backends, saved int) {
	t.Helper()
	var s struct {
		Clients, Backends, Saved int
		Peak                     struct{ Clients, Backends, Saved int }
		MemorySource             string `json:"memory_source"`
		Pools                    []struct {
			Database, User           string
			Clients, Backends, Saved int
		}
	}
	_, body := get(t, w, "/savings")
	if err := json.Unmarshal([]byte(body), &s); err != nil {
		t.Fatalf("/savings: %v in %s", err, body)
	}
	if s.Clients != clients || s.Backends != backends || s.Saved != saved || len(s.Pools) != 1 || s.Pools[0].Clients != clients ||
		s.Pools[0].Database != w.DB || s.Pools[0].User != "postgres" {
		t.Errorf("/savings: %s", body)
	}
	var p struct {
		Pools []struct {
			Database       string
			ClientsActive  int `json:"clients_active"`
			ClientsWaiting int `json:"clients_waiting"`
			ServersActive  int `json:"servers_active"`
			ServersIdle    int `json:"servers_idle"`
		}
	}
	_, body = get(t, w, "/pools")
	if err := json.Unmarshal([]byte(body), &p); err != nil {
		t.Fatalf("/pools: %v in %s", err, body)
	}
	found := 0
	for _, pool := range p.Pools {
		if pool.Database != w.DB {
			continue
		}
		found++
		if pool.ClientsActive+pool.ClientsWaiting != clients || pool.ServersActive+pool.ServersIdle != backends {
			t.Errorf("/pools: %+v", pool)
		}
	}
	if found != 1 {
		t.Errorf("/pools has it %d times", found)
	}
	_, metrics := get(t, w, "/metrics")
	lines := strings.Split(metrics, "\n")
	for _, want := range []string{
		fmt.Sprintf("pgweir_clients %d", clients), fmt.Sprintf("pgweir_backends %d", backends),
		fmt.Sprintf("pgweir_saved_backends %d", saved), "pgweir_ready 1",
		fmt.Sprintf("pgweir_pool_size{database=%q,user=\"postgres\"} 3", w.DB),
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("/metrics has no line %s", want)
		}
	}
}

// TestTheCountersOfSHOWSTATSAreTrue after a script that is known.
func TestTheCountersOfSHOWSTATSAreTrue(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Database: "pool_size = 1"})
	console := connect(t, w.Console())
	c := connect(t, w.DSN())
	for range 10 {
		must(t, c, "select 1")
	}
	must(t, c, "begin; select pg_sleep(0.3); commit") // one Query message
	for _, sql := range []string{"begin", "select 1", "commit"} {
		must(t, c, sql)
	}
	_ = runSQL(t.Context(), c, "select 1/0")
	for range 5 { // Parse, Bind, Describe, Execute, Sync
		if r := c.PgConn().ExecParams(t.Context(), "select $1::int", [][]byte{[]byte("1")}, nil, nil, nil).Read(); r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	stats := rowOf(t, show(t, console, "show stats"), "database", w.DB)
	totals := rowOf(t, show(t, console, "show stats_totals"), "database", w.DB)
	for column, want := range map[string]int{
		"query_count":              10 + 1 + 3 + 1 + 5,
		"xact_count":               10 + 1 + 1 + 1 + 5,
		"client_parse_count":       5,
		"bind_count":               5,
		"client_login_count":       1,
		"server_assignment_count":  10 + 1 + 1 + 1 + 5, // none is the login's, to learn what the server says
		"query_time/more than":     300_000,
		"xact_time/more than":      300_000,
		"query_time/less than":     60_000_000, // nor are these nanoseconds
		"wait_time/less than":      60_000_000,
		"received/more than":       200,
		"sent/more than":           500,
		"received/less than":       4000,
		"server_parse_count/equal": 5,
	} {
		column, how, _ := strings.Cut(column, "/")
		got, err := strconv.Atoi(stats["total_"+column])
		if err != nil {
			t.Fatalf("total_%s is %q", column, stats["total_"+column])
		}
		if how == "more than" && got < want || how == "less than" && got > want || (how == "" || how == "equal") && got != want {
			t.Errorf("total_%s is %d, want %s %d", column, got, how, want)
		}
		name := column
		if column == "received" || column == "sent" {
			name = "bytes_" + column
		}
		if totals[name] != stats["total_"+column] {
			t.Errorf("SHOW STATS_TOTALS has %s for %s, SHOW STATS has %s", totals[name], name, stats["total_"+column])
		}
	}
}

func TestTheConsoleAnswersToPsqlAndToDrivers(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{})
	servedWithin(t, connect(t, w.DSN()), patience)
	for _, name := range []string{"pgweir", "pgbouncer"} {
		for _, table := range []string{"POOLS", "CLIENTS", "SERVERS", "STATS", "STATS_TOTALS", "STATS_AVERAGES", "DATABASES",
			"USERS", "LISTS", "CONFIG", "VERSION", "SAVINGS", "STATE", "MEM", "SOCKETS", "ACTIVE_SOCKETS", "TOTALS", "FDS", "HELP"} {
			out, err := exec.Command("psql", w.DSN("dbname="+name), "-X", "-A", "-v", "ON_ERROR_STOP=1", "-c", "SHOW "+table+";").CombinedOutput()
			if err != nil || len(out) == 0 {
				t.Errorf("psql, %s, SHOW %s: %v %s", name, table, err, out)
			}
		}
	}
	out, err := exec.Command("psql", w.DSN("dbname=pgweir"), "-X", "-A", "-c", "show pools").CombinedOutput()
	header := "database|user|cl_active|cl_waiting|cl_active_cancel_req|cl_waiting_cancel_req|sv_active|sv_active_cancel|sv_being_canceled|sv_idle|sv_used|sv_tested|sv_login|maxwait|maxwait_us|pool_mode|load_balance_hosts"
	if err != nil || !strings.HasPrefix(string(out), header) {
		t.Errorf("SHOW POOLS: %v %s", err, out)
	}
	for _, mode := range []string{"cache_statement", "cache_describe", "describe_exec", "exec", "simple_protocol"} {
		conn := connect(t, dsn(w.Port, "pgweir", "default_query_exec_mode="+mode))
		for range 2 {
			rows, err := conn.Query(t.Context(), "show lists")
			if err != nil {
				t.Fatalf("pgx, %s: %v", mode, err)
			}
			lists, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (s string, err error) {
				var n int
				err = row.Scan(&s, &n)
				return s, err
			})
			if err != nil || len(lists) < 10 || lists[0] != "databases" {
				t.Errorf("pgx, %s: %v %v", mode, lists, err)
			}
		}
	}
	script := fmt.Sprintf(`
import psycopg2
c = psycopg2.connect("host=127.0.0.1 port=%d user=postgres dbname=pgbouncer")
c.autocommit = True
q = c.cursor()
q.execute("SHOW POOLS")
print([d[0] for d in q.description][0], len(q.fetchall()))
`, w.Port)
	python := exec.Command("/usr/bin/python3", "-c", script)
	if out, err := python.CombinedOutput(); err != nil || !strings.HasPrefix(string(out), "database ") {
		t.Errorf("psycopg2: %v %s", err, out)
	}
}

func TestStatsUsersMayLookAndOthersMayNotComeIn(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{
		Top:    "stats_users = [\"watcher\"]\nadmin_users = [\"postgres\"]",
		Tables: "[users.postgres]\n[users.watcher]\n[users.stranger]\n",
	})
	victim := connect(t, w.DSN())
	must(t, victim, "select 1")
	watcher := connect(t, w.Console("user=watcher"))
	for _, table := range []string{"pools", "clients", "servers", "stats", "lists", "config", "version", "savings", "users", "databases"} {
		must(t, watcher, "show "+table)
	}
	id := rowOf(t, show(t, watcher, "show clients"), "database", w.DB)["id"]
	for _, sql := range []string{"RELOAD", "SHUTDOWN", "SHUTDOWN WAIT_FOR_CLIENTS", "KILL_CLIENT " + id, "SHOW FDS", "PAUSE", "RESUME", "KILL " + w.DB,
		"kill_client " + id, "/* */ Reload;"} {
		if err := runSQL(t.Context(), watcher, sql); sqlState(err) != "42501" {
			t.Errorf("a stats user's %s: %v", sql, err)
		}
	}
	if e := refusedWith(t, w.Console("user=stranger")); e.Code != "42501" {
		t.Errorf("a stranger is refused with %+v", e)
	}
	servedWithin(t, victim, patience)
	admin := connect(t, w.Console())
	must(t, admin, "KILL_CLIENT "+id)
	if err := runSQL(t.Context(), victim, "select 1"); sqlState(err) != "57P01" {
		t.Errorf("the client that was killed: %v", err)
	}
	if err := runSQL(t.Context(), admin, "KILL_CLIENT 999999"); sqlState(err) != "42704" {
		t.Errorf("a client that is not there: %v", err)
	}
}

func TestTheAnswersOverHTTPHaveTheirTypesAndCodes(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{})
	for path, want := range map[string]int{"/": 200, "/savings": 200, "/pools": 200, "/metrics": 200, "/healthz": 200, "/readyz": 200, "/nothing": 404} {
		if code, body := get(t, w, path); code != want || body == "" {
			t.Errorf("%s: %d %q", path, code, body)
		}
	}
	if _, page := get(t, w, "/"); !strings.Contains(page, "<html") {
		t.Errorf("/ is no page: %.200s", page)
	}
	w.Signal(t, syscall.SIGTERM)
	w.Exited(t, patience)
}
