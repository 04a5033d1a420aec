package integration

import (
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
	"golang.org/x/sys/unix"
)

// deafen has a connection's kernel drop whatever comes in, as if its host had gone.
func deafen(t *testing.T, conn net.Conn) {
	t.Helper()
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	drop := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K}}
	if cerr := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &drop[0]})
	}); cerr != nil || err != nil {
		t.Fatal(cerr, err)
	}
}

// quickProbes find a peer that has gone in three seconds.
const quickProbes = "tcp_keepidle = 1\ntcp_keepintvl = 1\ntcp_keepcnt = 2\n"

func TestAClientWhoseHostHasGoneGivesItsBackendBack(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"transaction", "session"} {
		for what, query := range map[string]string{"at rest": "select 1", "with an answer on its way": "select pg_sleep(1)"} {
			t.Run(mode+" "+what, func(t *testing.T) {
				t.Parallel()
				w := startWeir(t, weirOptions{Top: quickProbes + `pool_mode = "` + mode + `"`, Database: "pool_size = 1"})
				direct := connect(t, w.Direct())
				c := rawLogin(t, w.Addr(), "postgres", w.DB)
				c.Say(t, &pgproto3.Query{String: "begin"})
				c.until(t, 'Z')
				c.Say(t, &pgproto3.Query{String: query})
				if what == "at rest" {
					c.until(t, 'Z')
				} else {
					eventually(t, "the query runs, or has run", func() bool {
						return ask(t, direct, "select count(*) from pg_stat_activity where datname = current_database() and query = '"+query+"'") == "1"
					})
				}
				deafen(t, c.net)
				if err := tryLogin(t, w.DSN()); err != nil { // the pool has no other backend
					t.Error(err)
				}
			})
		}
	}
}

// TestTCPUserTimeoutEndsAClientThatAcknowledgesNothing without keepalives, which would
// find it too.
func TestTCPUserTimeoutEndsAClientThatAcknowledgesNothing(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: "tcp_keepalive = false\ntcp_user_timeout = \"1s\"", Database: "pool_size = 1"})
	c := rawLogin(t, w.Addr(), "postgres", w.DB)
	c.Say(t, &pgproto3.Query{String: "begin"})
	c.until(t, 'Z')
	deafen(t, c.net)
	c.Say(t, &pgproto3.Query{String: "select 1"}) // it still arrives
	if err := tryLogin(t, w.DSN()); err != nil {  // the pool has no other backend
		t.Error(err)
	}
}

func TestABackendWhoseHostHasGoneIsGivenUp(t *testing.T) {
	t.Parallel()
	relay, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = relay.Close() })
	var fronts sync.Map // pgweir's connections, by the port that PostgreSQL sees
	w := startWeir(t, weirOptions{Top: quickProbes, Database: fmt.Sprintf("pool_size = 1\nport = %d", relay.Addr().(*net.TCPAddr).Port)})
	go func() {
		for {
			front, err := relay.Accept()
			if err != nil {
				return
			}
			back, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(w.PG.Port)))
			if err != nil {
				_ = front.Close()
				continue
			}
			fronts.Store(strconv.Itoa(back.LocalAddr().(*net.TCPAddr).Port), front)
			go pass(front, back)
			go pass(back, front)
		}
	}()
	c := rawLogin(t, w.Addr(), "postgres", w.DB)
	c.Say(t, &pgproto3.Query{String: "begin; select inet_client_port()"})
	port := ""
	for ready := false; !ready; {
		switch m := c.Next(t).(type) {
		case *pgproto3.DataRow:
			port = string(m.Values[0])
		case *pgproto3.ReadyForQuery:
			ready = true
		}
	}
	front, ok := fronts.Load(port) // there may be others, by which pgweir looks whether the server is there
	if !ok {
		t.Fatalf("there is no connection of port %q", port)
	}
	backend := front.(net.Conn)
	deafen(t, backend)
	c.Say(t, &pgproto3.Query{String: "select 1"})
	if m, ok := c.Next(t).(*pgproto3.ErrorResponse); !ok || m.Code != "08006" {
		t.Errorf("the client was told %#v", m)
	}
	if err := tryLogin(t, w.DSN()); err != nil {
		t.Error(err)
	}
	_ = backend.Close() // or PostgreSQL's process would never hear of its end
}

// pass copies what comes from one connection to another.
func pass(from, to net.Conn) {
	_, _ = io.Copy(to, from)
	_ = to.Close()
}

func TestKeepaliveSettingsHoldForNewConnectionsAfterAReload(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{})
	old := rawLogin(t, w.Addr(), "postgres", w.DB)
	w.Rewrite(t, weirOptions{Top: quickProbes})
	w.Signal(t, syscall.SIGHUP)
	console := connect(t, w.Console(simpleProtocol))
	eventually(t, "the settings are in force", func() bool {
		return rowOf(t, show(t, console, "show config"), "key", "tcp_keepidle")["value"] == "1s"
	})
	fresh := rawLogin(t, w.Addr(), "postgres", w.DB)
	deafen(t, fresh.net)
	eventually(t, "the new client is gone", func() bool {
		return len(show(t, console, "show clients")) == 2 // the console's and the old one
	})
	old.Say(t, &pgproto3.Query{String: "select 1"})
	old.until(t, 'Z')
}

// loginClients is how many clients have been accepted and are not in yet.
func loginClients(t *testing.T, console *pgx.Conn) string {
	t.Helper()
	return rowOf(t, show(t, console, "show lists"), "list", "login_clients")["items"]
}

func TestTCPDeferAcceptLeavesSilentConnectionsToTheKernel(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: "tcp_defer_accept = true"})
	console := connect(t, w.Console("host="+w.Dir, simpleProtocol))
	silent := dialWire(t, w.Addr())
	_ = loginWire(t, w) // whoever came before it is accepted before
	if n := loginClients(t, console); n != "0" {
		t.Errorf("%s clients are accepted that have said nothing", n)
	}
	silent.login(protocol30, "user", "postgres", "database", w.DB)
	w.Rewrite(t, weirOptions{})
	w.Signal(t, syscall.SIGHUP)
	eventually(t, "a silent client is accepted", func() bool {
		_ = dialWire(t, w.Addr())
		_ = loginWire(t, w)
		return loginClients(t, console) != "0"
	})
}

func TestTCPSocketBufferBoundsWhatTheKernelTakesOfAClient(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: "tcp_socket_buffer = 8192"})
	c := loginWire(t, w)
	raw, err := c.conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the window that pgweir's kernel offers is small", func() bool {
		if code, err := c.roundTrip("select length('" + strings.Repeat("x", 10000) + "'), repeat('x', 100000)"); code != "" || err != nil {
			t.Fatal(code, err)
		}
		var info *unix.TCPInfo
		if cerr := raw.Control(func(fd uintptr) { info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) }); cerr != nil || err != nil {
			t.Fatal(cerr, err)
		}
		return info.Snd_wnd > 0 && info.Snd_wnd <= 2*8192
	})
}
