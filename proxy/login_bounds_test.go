package proxy

import (
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pgweir/authquery"
	"pgweir/config"
	"pgweir/wire"
)

// silentConsole serves until the client goes.
type silentConsole struct{}

func (silentConsole) Welcome(dst []byte, _ string) []byte { return dst }
func (silentConsole) Serve(conn net.Conn, _ ConsoleClient) error {
	_, err := io.Copy(io.Discard, conn)
	return err
}

// guarding runs a proxy with lines of auth_hba_file. ann, whose password is "pw", may
// use the console; of bob nobody knows the password.
func guarding(t *testing.T, lines string) *Proxy { return guardingWith(t, lines, nil) }

// guardingWith has others' secrets asked for with these connection strings, by
// auth_query.
func guardingWith(t *testing.T, lines string, asks ConnStrings) *Proxy {
	t.Helper()
	file := filepath.Join(t.TempDir(), "hba.conf")
	if err := os.WriteFile(file, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	scram := wire.DeriveSCRAMSecret("pw", []byte("salt of 16 bytes"), 1).String()
	c, err := config.Parse("config.toml", fmt.Appendf(nil, "listen_addr = []\nunix_socket_dir = \"\"\nhttp_listen = \"\"\nworkers = 1\nclient_login_timeout = 0\nlogin_failure_delay = 0\n"+
		"auth_type = \"hba\"\nauth_hba_file = %q\nadmin_users = [\"ann\", \"bob\"]\nauth_user = \"asker\"\nauth_dbname = \"db\"\n[databases.db]\n[users.ann]\npassword = \"pw\"\n[users.bob]\npassword = %q\n", file, scram))
	if err != nil {
		t.Fatal(err)
	}
	options := Options{Log: slog.New(slog.DiscardHandler), Console: silentConsole{}}
	if asks != nil {
		options.AuthLogins = func(*config.Config) ConnStrings { return asks }
	}
	p, err := New(c, options)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// from4 is the address of a client, made of a number.
func from4(n int) peer { return peerAt(netip.AddrPortFrom(addrOf(n), 0)) }

// knocks is a client that has said who it is.
func knocks(t *testing.T, p *Proxy, from peer, user string) net.Conn {
	t.Helper()
	c, conn := accepted(t, p)
	c.peer = from
	c.takesASeat(p)
	p.workers[0].post(c.begin)
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	body := "\x00\x03\x00\x00user\x00" + user + "\x00database\x00pgweir\x00\x00"
	if _, err := conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body)+4)), body...)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// hears reads one message.
func hears(t *testing.T, conn net.Conn) (typ byte, body string) {
	t.Helper()
	var head [5]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, binary.BigEndian.Uint32(head[1:])-4)
	if _, err := io.ReadFull(conn, b); err != nil {
		t.Fatal(err)
	}
	return head[0], string(b)
}

// getsIn logs ann in with her password in clear text.
func getsIn(t *testing.T, p *Proxy, from peer) {
	t.Helper()
	conn := knocks(t, p, from, "ann")
	defer conn.Close()
	if typ, body := hears(t, conn); typ != 'R' || body != "\x00\x00\x00\x03" {
		t.Fatalf("%c %q", typ, body)
	}
	if _, err := conn.Write(wire.AppendPassword(nil, "pw")); err != nil {
		t.Fatal(err)
	}
	for typ := byte(0); typ != 'Z'; {
		var body string
		if typ, body = hears(t, conn); typ == 'E' {
			t.Fatalf("%q", body)
		}
	}
}

func TestLookupsThatHangHoldUpNoOtherLogin(t *testing.T) {
	p := guarding(t, "host all all somewhere.example trust\nlocal all all password\nhost all ann all password\n")
	slow := newSlowNames()
	p.resolving.lookup = slow.lookup
	var clients []net.Conn
	for i := range maxResolving + 10 {
		clients = append(clients, knocks(t, p, from4(i), "ann"))
	}
	for range 100 {
		clients = append(clients, knocks(t, p, from4(1), "ann"))
	}
	eventually(t, "all places are taken", func() bool {
		running, queued, _ := p.resolving.state()
		return running == maxResolving && queued == 10 && p.resolving.waiters(addrOf(1)) == 101
	})
	getsIn(t, p, peer{}) // to whose line no name is needed
	if n := slow.lookups(); n > maxResolving {
		t.Errorf("%d lookups", n)
	}
	for _, c := range clients[:maxResolving] {
		c.Close()
	}
	eventually(t, "those who have gone have given their places away", func() bool {
		running, queued, _ := p.resolving.state()
		return running == 11 && queued == 0 // that of address 1 has others who wait
	})
	close(slow.free)
	for _, c := range clients[maxResolving:] {
		if typ, body := hears(t, c); typ != 'R' || body != "\x00\x00\x00\x03" {
			t.Fatalf("%c %q", typ, body)
		}
	}
	if n := slow.lookups(); n != maxResolving+10 {
		t.Errorf("%d lookups", n)
	}
}

func TestUsersOfTheSystemWhomNobodyNamesHoldUpNoOtherLogin(t *testing.T) {
	p := guarding(t, "local all bob peer\nlocal all ann password\n")
	var now, most atomic.Int32
	free := make(chan struct{})
	p.peerName = func(int) (string, error) {
		most.Store(max(most.Load(), now.Add(1)))
		<-free
		now.Add(-1)
		return "bob", nil
	}
	var clients []net.Conn
	for range maxInquiries + 20 {
		clients = append(clients, knocks(t, p, peer{}, "bob"))
	}
	eventually(t, "all places are taken", func() bool { return now.Load() == maxInquiries })
	getsIn(t, p, peer{})
	close(free)
	for _, c := range clients {
		if typ, body := hears(t, c); typ != 'R' || body != "\x00\x00\x00\x00" {
			t.Fatalf("%c %q", typ, body)
		}
	}
	if n := most.Load(); n > maxInquiries {
		t.Errorf("%d at a time", n)
	}
}

func TestKeysThatTakeLongHoldUpNoOtherLogin(t *testing.T) {
	p := guarding(t, "local all all password\n")
	for range cap(p.deriving) {
		p.deriving <- struct{}{} // by logins that take very long
	}
	var clients []net.Conn
	for range 20 {
		c := knocks(t, p, peer{}, "bob")
		if typ, body := hears(t, c); typ != 'R' || body != "\x00\x00\x00\x03" {
			t.Fatalf("%c %q", typ, body)
		}
		if _, err := c.Write(wire.AppendPassword(nil, "wrong")); err != nil {
			t.Fatal(err)
		}
		clients = append(clients, c)
	}
	eventually(t, "they have come so far", func() bool {
		n := 0
		p.workers[0].do(func() {
			for c := range p.workers[0].logins {
				if c.login.stage == stageDerive {
					n++
				}
			}
		})
		return n == len(clients)
	})
	getsIn(t, p, peer{}) // whose password is stored as it is
	for range cap(p.deriving) {
		<-p.deriving
	}
	for _, c := range clients {
		if typ, body := hears(t, c); typ != 'E' || !strings.Contains(body, "28P01") {
			t.Fatalf("%c %q", typ, body)
		}
	}
}

// TestAServerThatDoesNotAnswerHoldsUpNoLoginOfAnother: those who wait for it leave its
// questions with their connections.
func TestAServerThatDoesNotAnswerHoldsUpNoLoginOfAnother(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	p := guardingWith(t, "local all all password\nhost all all all reject\n", func(config.AuthQuery) (string, authquery.Reach) {
		return fmt.Sprintf("host=127.0.0.1 port=%d user=asker sslmode=disable", silent.Addr().(*net.TCPAddr).Port), nil
	})
	var clients []net.Conn
	for i := range 10 {
		from := peer{}
		if i%2 == 0 {
			from = from4(i) // who is refused waits as well
		}
		clients = append(clients, knocks(t, p, from, fmt.Sprint("user", i)))
	}
	pending := func() int { return p.asker.Stats().Pending }
	eventually(t, "all wait for the server", func() bool { return pending() == len(clients) })
	getsIn(t, p, peer{}) // who is known here
	for _, c := range clients {
		c.Close()
	}
	eventually(t, "one is being asked about at most", func() bool { return pending() <= 1 })
	if n := p.asker.Stats().Counts.Failures; n > 1 {
		t.Errorf("%d questions have failed, and were not left", n)
	}
}
