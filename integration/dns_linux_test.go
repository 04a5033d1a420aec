package integration

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"pgweir/cluster"
)

// nameServer answers for every name with the IPv4 addresses that it has just now, and
// with SERVFAIL if it has none.
type nameServer struct {
	conn net.PacketConn

	mu    sync.Mutex
	addrs []netip.Addr
	asked int // for IPv4 addresses
}

func startNameServer(t *testing.T, addrs ...string) *nameServer {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &nameServer{conn: conn}
	n.becomes(addrs...)
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 1500)
		for {
			size, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if answer := n.answer(buf[:size]); answer != nil {
				_, _ = conn.WriteTo(answer, from)
			}
		}
	}()
	t.Cleanup(func() { _ = conn.Close(); <-done })
	return n
}

// becomes has the names lead to other addresses.
func (n *nameServer) becomes(addrs ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.addrs = nil
	for _, a := range addrs {
		n.addrs = append(n.addrs, netip.MustParseAddr(a))
	}
}

func (n *nameServer) questions() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.asked
}

// answer is that to a query with one question (RFC 1035, 4.1).
func (n *nameServer) answer(query []byte) []byte {
	const header, typeA = 12, 1
	end := header
	for end < len(query) && query[end] != 0 {
		end += 1 + int(query[end])
	}
	if end+5 > len(query) {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	out := append([]byte(nil), query[:end+5]...)
	out[2], out[3] = 0x81, 0x80 // a response; recursion
	copy(out[4:header], []byte{0, 1, 0, 0, 0, 0, 0, 0})
	isA := binary.BigEndian.Uint16(query[end+1:]) == typeA
	switch {
	case len(n.addrs) == 0:
		out[3] |= 2 // SERVFAIL
	case isA:
		out[7] = byte(len(n.addrs))
		for _, a := range n.addrs {
			out = append(out, 0xc0, header, 0, typeA, 0, 1, 0, 0, 0, 60, 0, 4)
			out = append(out, a.AsSlice()...)
		}
	}
	if isA {
		n.asked++
	}
	return out
}

// resolvConf names the server, for weirOptions.Files.
func (n *nameServer) resolvConf() string {
	return fmt.Sprintf("nameserver [127.0.0.1]:%d\n", n.conn.LocalAddr().(*net.UDPAddr).Port)
}

// leadTo has an address of this machine lead to a server as long as that runs, and gives
// the port; with 0 any.
func leadTo(t *testing.T, addr string, port int, to *cluster.Cluster) int {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(addr, strconv.Itoa(port)))
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer conn.Close()
				server, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(to.Port)))
				if err != nil {
					return
				}
				defer server.Close()
				all.Go(func() {
					_, _ = io.Copy(server, conn)
					_ = server.(*net.TCPConn).CloseWrite()
				})
				_, _ = io.Copy(conn, server)
			})
		}
	})
	over := make(chan struct{})
	all.Go(func() {
		select {
		case <-to.Done():
		case <-over:
		}
		_ = l.Close()
	})
	t.Cleanup(func() { close(over); all.Wait() })
	return l.Addr().(*net.TCPAddr).Port
}

// movingWriter is a pgweir whose server's name leads to the first of two servers, each
// with a table "written" of its own, of which the test may make readers.
func movingWriter(t *testing.T, ttl string) (w *weir, names *nameServer, servers [2]*cluster.Cluster) {
	t.Helper()
	for i := range servers {
		servers[i] = startCluster(t, cluster.Options{})
		execSQL(t, servers[i].DSN("postgres"), "create database app")
		execSQL(t, servers[i].DSN("app"), "create table written (n int)")
	}
	port := leadTo(t, "127.0.0.2", 0, servers[0])
	leadTo(t, "127.0.0.3", port, servers[1])
	names = startNameServer(t, "127.0.0.2")
	w = startWeir(t, weirOptions{
		Cluster: servers[0], DB: "app", Files: map[string]string{"resolv.conf": names.resolvConf()},
		Top:      "resolv_conf = \"resolv.conf\"\ndns_max_ttl = \"" + ttl + "\"",
		Database: fmt.Sprintf("host = \"writer.example\"\nport = %d", port),
	})
	return w, names, servers
}

func written(t *testing.T, pg *cluster.Cluster) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), pg.DSN("app"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	return ask(t, conn, "select count(*) from written")
}

const insert = "insert into written values (1)"

func TestAWriterWhoseNameMovesIsFollowed(t *testing.T) {
	t.Parallel()
	w, names, servers := movingWriter(t, "100ms")
	console, a, b := connect(t, w.Console(simpleProtocol)), connect(t, w.DSN()), connect(t, w.DSN())
	must(t, a, "begin; "+insert)
	must(t, b, insert)
	demote(t, servers[0], "on")
	if err := runSQL(t.Context(), b, insert); err == nil {
		t.Fatal("the first server still writes")
	}
	names.becomes("127.0.0.3")
	eventually(t, "inserts go to the other server", func() bool { return runSQL(t.Context(), b, insert) == nil })
	must(t, a, insert) // its transaction is not interrupted
	must(t, a, "commit")
	must(t, a, insert)
	if first, second := written(t, servers[0]), written(t, servers[1]); first != "3" || second != "2" {
		t.Errorf("%s rows at the first server, %s at the second", first, second)
	}
	w.Says(t, "a server's name has other addresses", 1)
	eventually(t, "the first server is left", func() bool { return len(w.Backends(t)) == 0 })

	// One that cannot be looked up stays where it is.
	names.becomes()
	w.Says(t, "a server's name cannot be looked up", 1)
	before := names.questions()
	eventually(t, "it is looked up again and again", func() bool { return names.questions() > before+4 })
	must(t, a, insert)
	row := show(t, console, "show dns_hosts")
	if len(row) != 1 || row[0]["hostname"] != "writer.example" || row[0]["addrs"] != "127.0.0.3" {
		t.Errorf("%v", row)
	}
	if got := rowOf(t, show(t, console, "show lists"), "list", "dns_names")["items"]; got != "1" {
		t.Errorf("%s names", got)
	}
	if _, body := get(t, w, "/metrics/pgbouncer"); !strings.Contains(body, "\npgbouncer_cached_dns_names 1\n") {
		t.Error("no metric")
	}
	w.Says(t, "a server's name cannot be looked up", 1)
	names.becomes("127.0.0.3", "127.0.0.2")
	w.Says(t, "a server's name can be looked up again", 1)
}

func TestReconnectAndResumeLookAServersNameUpAtOnce(t *testing.T) {
	t.Parallel()
	w, names, servers := movingWriter(t, "1h")
	console := connect(t, w.Console(simpleProtocol))
	clients := make([]*pgx.Conn, 5)
	for i := range clients {
		clients[i] = connect(t, w.DSN())
		must(t, clients[i], insert)
	}
	demote(t, servers[0], "on")
	for i, how := range []string{"reconnect", "pause", "reconnect"} {
		to := []string{"127.0.0.3", "127.0.0.2", "127.0.0.3"}[i]
		demote(t, servers[(i+1)%2], "off")
		demote(t, servers[i%2], "on")
		names.becomes(to)
		must(t, console, how)
		if how == "pause" {
			must(t, console, "resume")
		}
		for range 8 {
			for _, c := range clients {
				must(t, c, insert)
			}
		}
	}
	if first, second := written(t, servers[0]), written(t, servers[1]); first != "45" || second != "80" {
		t.Errorf("%s rows at the first server, %s at the second", first, second)
	}
}

func TestAServerThatIsGoneIsLookedUpAtOnce(t *testing.T) {
	t.Parallel()
	w, names, servers := movingWriter(t, "1h")
	c := connect(t, w.DSN())
	must(t, c, insert)
	atWork(t, w, 0)
	names.becomes("127.0.0.9", "127.0.0.3") // nobody is at the first one
	if err := servers[0].Stop(cluster.Fast); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the other server is found", func() bool { return runSQL(t.Context(), c, insert) == nil })
	if second := written(t, servers[1]); second != "1" {
		t.Errorf("%s rows", second)
	}
}

func TestAResolvConfThatIsWrongIsTold(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Files: map[string]string{"resolv.conf": "nameserver 127.0.0.1\n", "wrong.conf": "\nnameserver localhost\n"}, Top: `resolv_conf = "resolv.conf"`})
	w.Rewrite(t, weirOptions{Top: `resolv_conf = "wrong.conf"`})
	err := runSQL(t.Context(), connect(t, w.Console(simpleProtocol)), "reload")
	if err == nil || !strings.Contains(err.Error(), `resolv_conf: line 2: "localhost" is no address of a nameserver`) {
		t.Error(err)
	}
}
