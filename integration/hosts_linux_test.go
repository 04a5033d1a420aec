package integration

import (
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"pgweir/cluster"
)

// The hosts of a test's database.
const (
	firstHost, secondHost = "127.0.0.1", "127.0.0.2"
	bothHosts             = firstHost + "," + secondHost
)

// hosts are two servers, each with a certificate for its host.
type hosts struct {
	t       *testing.T // as long as which they are
	servers [2]*cluster.Cluster
}

func startHosts(t *testing.T) (s hosts, ca *authority) {
	t.Helper()
	s.t, ca = t, newAuthority(t, "the authority")
	for i, host := range []string{firstHost, secondHost} {
		cert, key := ca.Sign(t, "server.example", net.ParseIP(host))
		s.servers[i] = startCluster(t, cluster.Options{
			Settings: map[string]string{"ssl": "on", "ssl_cert_file": "server.crt", "ssl_key_file": "server.key"},
			Files:    map[string][]byte{"server.crt": []byte(cert), "server.key": []byte(key)},
		})
	}
	s.lead()
	return s, ca
}

// weir starts a pgweir whose database is on both servers.
func (s hosts) weir(t *testing.T, opts weirOptions) (w *weir, console *pgx.Conn) {
	t.Helper()
	opts.Cluster, opts.DB = s.servers[0], "postgres"
	if !strings.Contains(opts.Database, "host = ") {
		opts.Database += "\nhost = \"" + bothHosts + "\""
	}
	w = startWeir(t, opts)
	return w, connect(t, w.Console(simpleProtocol))
}

// lead has the second host lead to the second server as long as that runs.
func (s hosts) lead() { leadTo(s.t, secondHost, s.servers[0].Port, s.servers[1]) }

// stop stops a server.
func (s hosts) stop(t *testing.T, i int) {
	t.Helper()
	if err := s.servers[i].Stop(cluster.Fast); err != nil {
		t.Fatal(err)
	}
	eventually(t, "nobody is there", func() bool {
		conn, err := net.Dial("tcp", net.JoinHostPort([]string{firstHost, secondHost}[i], strconv.Itoa(s.servers[0].Port)))
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
}

// start starts a server again.
func (s hosts) start(t *testing.T, i int) {
	t.Helper()
	if err := s.servers[i].Restart(); err != nil {
		t.Fatal(err)
	}
	if i == 1 {
		s.lead()
	}
}

// TestSeveralHosts are one after the other: each leaves both servers running.
func TestSeveralHosts(t *testing.T) {
	t.Parallel()
	s, ca := startHosts(t)
	for _, scene := range []struct {
		what string
		run  func(t *testing.T, s hosts, ca *authority)
	}{
		{"backends go round", backendsGoRound},
		{"without balancing one is used until it fails", oneIsUsedUntilItFails},
		{"clients wait for the first that comes back", theFirstThatComesBack},
		{"a cancel request goes to the host of its query", cancelsGoWhereTheyBelong},
		{"a reload that drops one leaves the others alone", aReloadDropsOne},
		{"each is verified by its own name", eachIsVerified},
		{"a standby is told to who comes", aStandbyIsTold},
	} {
		if !t.Run(scene.what, func(t *testing.T) { scene.run(t, s, ca) }) {
			return
		}
	}
}

// hostsOf are the addresses of the backends that SHOW SERVERS has, without those that are
// to go, sorted.
func hostsOf(t *testing.T, console *pgx.Conn) (hosts []string) {
	t.Helper()
	for _, row := range show(t, console, "show servers") {
		if row["close_needed"] == "0" {
			hosts = append(hosts, row["addr"])
		}
	}
	slices.Sort(hosts)
	return hosts
}

// times is a host n times.
func times(host string, n int) []string { return slices.Repeat([]string{host}, n) }

// awayHosts are those that /pools takes for absent.
func awayHosts(t *testing.T, w *weir) (away []string) {
	t.Helper()
	_, body := get(t, w, "/pools")
	var got struct {
		Pools []struct{ Hosts []struct{ Addr, Away string } }
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	for _, p := range got.Pools {
		for _, h := range p.Hosts {
			if h.Away != "" {
				away = append(away, h.Addr)
			}
		}
	}
	return away
}

// holding has n clients hold backends, at these hosts; end ends their transactions.
func holding(t *testing.T, w *weir, console *pgx.Conn, want ...string) (end func()) {
	t.Helper()
	var all []*pgx.Conn
	for range want {
		c := connect(t, w.DSN())
		must(t, c, "begin")
		all = append(all, c)
	}
	if got := hostsOf(t, console); !slices.Equal(got, want) {
		t.Errorf("backends at %v, want %v", got, want)
	}
	return func() {
		t.Helper()
		for _, c := range all {
			must(t, c, "commit")
			_ = c.Close(t.Context())
		}
	}
}

// backendsGoRound, pass by one that is away without an error for anybody, and
// go there again when it is back.
func backendsGoRound(t *testing.T, s hosts, ca *authority) {
	w, console := s.weir(t, weirOptions{Top: "log_connections = false\nlog_disconnections = false", Database: "pool_size = 4"})
	end := holding(t, w, console, firstHost, firstHost, secondHost, secondHost)
	row := rowOf(t, show(t, console, "show databases"), "name", w.DB)
	if row["host"] != bothHosts || row["load_balance_hosts"] != "round-robin" || poolRow(t, w, console)["load_balance_hosts"] != "round-robin" {
		t.Errorf("%v, %v", row, poolRow(t, w, console))
	}
	end()
	atWork(t, w, 0)
	s.stop(t, 1)
	l := loopOn(t, w)
	l.allAgain(t, "without the second host")
	eventually(t, "all backends are at the first host", func() bool { return slices.Equal(hostsOf(t, console), times(firstHost, 4)) })
	if errs := l.failed(); len(errs) > 0 {
		t.Errorf("%d errors, such as %v", len(errs), errs[0])
	}
	w.Says(t, "PostgreSQL is away", 1)
	if away := awayHosts(t, w); !slices.Equal(away, []string{fmt.Sprintf("%s:%d", secondHost, s.servers[0].Port)}) {
		t.Errorf("/pools says that %v are away", away)
	}
	if code, body := get(t, w, "/readyz"); code != 200 {
		t.Errorf("/readyz: %d, %s", code, body)
	}

	s.start(t, 1)
	eventually(t, "the second host is used again", func() bool {
		must(t, console, "reconnect")
		l.allAgain(t, "by new backends")
		return slices.Contains(hostsOf(t, console), secondHost)
	})
	if errs := l.failed(); len(errs) > 0 {
		t.Errorf("%d errors, such as %v", len(errs), errs[0])
	}
	// Now with backends there: who is served just then gets an error.
	s.stop(t, 1)
	l.allAgain(t, "after the second host has gone")
	if errs := l.failed(); len(errs) > 4 {
		t.Errorf("%d errors with 4 backends, such as %v", len(errs), errs)
	}
	l.allAgain(t, "later")
	if errs := l.failed(); len(errs) > 0 {
		t.Errorf("%d errors later, such as %v", len(errs), errs[0])
	}
	l.stop()
	s.start(t, 1)
}

func oneIsUsedUntilItFails(t *testing.T, s hosts, ca *authority) {
	w, console := s.weir(t, weirOptions{Database: "pool_size = 3\nload_balance_hosts = \"disable\""})
	holding(t, w, console, times(firstHost, 3)...)()
	if row := rowOf(t, show(t, console, "show databases"), "name", w.DB); row["load_balance_hosts"] != "disable" {
		t.Errorf("%v", row)
	}
	replaced := func() {
		t.Helper()
		must(t, console, "reconnect")
		eventually(t, "the old backends have gone", func() bool { return len(hostsOf(t, console)) == 0 })
	}
	replaced()
	holding(t, w, console, times(firstHost, 3)...)()
	atWork(t, w, 0)
	s.stop(t, 0)
	eventually(t, "the first host's backends have gone", func() bool { return len(hostsOf(t, console)) == 0 })
	holding(t, w, console, times(secondHost, 3)...)()
	s.start(t, 0)
	replaced()
	holding(t, w, console, times(secondHost, 3)...)()
	atWork(t, w, 0)
	s.stop(t, 1)
	eventually(t, "the second host's backends have gone", func() bool { return len(hostsOf(t, console)) == 0 })
	holding(t, w, console, times(firstHost, 3)...)()
	s.start(t, 1)
}

func theFirstThatComesBack(t *testing.T, s hosts, ca *authority) {
	w, console := s.weir(t, weirOptions{Database: "pool_size = 4"})
	holding(t, w, console, firstHost, firstHost, secondHost, secondHost)()
	atWork(t, w, 0)
	var clients []*pgx.Conn
	for range 6 {
		clients = append(clients, connect(t, w.DSN()))
	}
	s.stop(t, 0)
	s.stop(t, 1)
	var answers []<-chan error
	for _, c := range clients {
		answers = append(answers, begin(t, c, "select 1"))
	}
	waitingClients(t, w, console, len(clients))
	w.Says(t, "PostgreSQL is away", 2)
	s.start(t, 1)
	for _, a := range answers {
		if err := finished(t, a, patience); err != nil {
			t.Error(err)
		}
	}
	w.Says(t, "PostgreSQL is back", 1)
	if got := hostsOf(t, console); slices.Contains(got, firstHost) {
		t.Errorf("backends at %v", got)
	}
	s.start(t, 0)
}

func cancelsGoWhereTheyBelong(t *testing.T, s hosts, ca *authority) {
	w, console := s.weir(t, weirOptions{Database: "pool_size = 2"})
	var clients []*wireClient
	for range 2 {
		c := loginWire(t, w)
		c.send(simpleQuery("select pg_sleep(600)"))
		clients = append(clients, c)
	}
	eventually(t, "both are at work", func() bool { return poolRow(t, w, console)["sv_active"] == "2" })
	if got := hostsOf(t, console); !slices.Equal(got, []string{firstHost, secondHost}) {
		t.Fatalf("backends at %v", got)
	}
	for i, c := range clients {
		if err := sendCancel(w.Addr(), c.pid, c.key); err != nil {
			t.Fatal(err)
		}
		if code, err := c.answer(); err != nil || code != "57014" {
			t.Errorf("%q, %v", code, err)
		}
		atWork(t, w, 1-i)
	}
}

func aReloadDropsOne(t *testing.T, s hosts, ca *authority) {
	opts := weirOptions{Database: "pool_size = 4"}
	w, console := s.weir(t, opts)
	end := holding(t, w, console, firstHost, firstHost, secondHost, secondHost)
	pids := func() (pids []string) {
		for _, row := range show(t, console, "show servers") {
			if row["addr"] == firstHost {
				pids = append(pids, row["remote_pid"])
			}
		}
		slices.Sort(pids)
		return pids
	}
	before := pids()
	w.Rewrite(t, opts) // with the host of its own, the first
	must(t, console, "reload")
	if got := hostsOf(t, console); !slices.Equal(got, times(firstHost, 2)) {
		t.Errorf("backends that stay are at %v", got)
	}
	if row := rowOf(t, show(t, console, "show databases"), "name", w.DB); row["host"] != firstHost || row["load_balance_hosts"] != "" {
		t.Errorf("%v", row)
	}
	end() // a transaction is not interrupted
	must(t, console, "wait_close")
	eventually(t, "the second host is left", func() bool { return len(show(t, console, "show servers")) == 2 })
	if after := pids(); !slices.Equal(after, before) {
		t.Errorf("the first host's backends are %v, and were %v", after, before)
	}
	holding(t, w, console, times(firstHost, 4)...)()
}

// eachIsVerified: the certificate of one does not do for another.
func eachIsVerified(t *testing.T, s hosts, ca *authority) {
	const third = "127.0.0.3"
	leadTo(t, third, s.servers[0].Port, s.servers[1])
	for list, want := range map[string][]string{
		bothHosts:               {firstHost, firstHost, secondHost, secondHost},
		third + "," + firstHost: times(firstHost, 4), // the second server's certificate is not for this host
	} {
		t.Run(list, func(t *testing.T) {
			w, console := s.weir(t, weirOptions{
				Top:   "server_tls_sslmode = \"verify-full\"\nserver_tls_ca_file = \"ca.crt\"",
				Files: map[string]string{"ca.crt": ca.PEM}, Database: "pool_size = 4\nhost = \"" + list + "\"",
			})
			holding(t, w, console, want...)()
		})
	}
}

// aStandbyIsTold as long as it is one and there: a client that
// writes may come to be at it. That the hosts differ costs no logins.
func aStandbyIsTold(t *testing.T, s hosts, ca *authority) {
	w, console := s.weir(t, weirOptions{Database: "pool_size = 4"})
	standby := func() {
		t.Helper()
		s.stop(t, 1)
		if err := s.servers[1].WriteFile("standby.signal", nil); err != nil {
			t.Fatal(err)
		}
		s.start(t, 1)
		must(t, console, "reconnect")
		eventually(t, "it is found to be back", func() bool { return len(awayHosts(t, w)) == 0 })
	}
	standby()
	holding(t, w, console, firstHost, firstHost, secondHost, secondHost)()
	for i := range 20 {
		if got := toldAtLogin(t, w.DSN(fmt.Sprintf("application_name=a%d", i)), "in_hot_standby"); got != "on" {
			t.Errorf("client %d: in_hot_standby is %q", i, got)
		}
	}
	if n := totals(t, console)["total_server_login"]; n > 8 {
		t.Errorf("%d logins to the servers", n)
	}
	choices(t, w, asStandby)
	atWork(t, w, 0)
	execSQL(t, s.servers[1].DSN("postgres"), "select pg_promote()")
	eventually(t, "the promotion is told", func() bool {
		must(t, connect(t, w.DSN()), "select 1")
		return toldAtLogin(t, w.DSN(), "in_hot_standby") == "off"
	})
	atWork(t, w, 0)
	standby()
	holding(t, w, console, firstHost, firstHost, secondHost, secondHost)()
	if got := toldAtLogin(t, w.DSN(), "in_hot_standby"); got != "on" {
		t.Errorf("in_hot_standby is %q", got)
	}
	atWork(t, w, 0)
	s.stop(t, 1)
	eventually(t, "it does not count when it is away", func() bool {
		must(t, connect(t, w.DSN()), "select 1")
		return toldAtLogin(t, w.DSN(), "in_hot_standby") == "off"
	})
}
