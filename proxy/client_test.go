package proxy

import (
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"pgweir/config"
	"pgweir/wire"
)

// TestAClientFitsItsSizeClass: what an idle client takes is this struct, and Go's
// allocator rounds it up to the next size class, which is 320 bytes.
func TestAClientFitsItsSizeClass(t *testing.T) {
	if n := unsafe.Sizeof(client{}); n > 320 {
		t.Errorf("a client takes %d bytes, and so 352 or more", n)
	}
}

// TestAnIdleClientKeepsLittleMemory: besides the struct there is its place in tables, and
// nothing that it needed to come in or to run a query.
func TestAnIdleClientKeepsLittleMemory(t *testing.T) {
	const clients, most = 1000, 400
	for _, c := range []struct {
		name  string
		query []byte
		most  int
	}{
		{"a simple query", wire.AppendQuery(nil, "select 1"), most},
		{"an extended query", wire.AppendSync(wire.AppendExecute(wire.AppendBind(wire.AppendParse(nil, "", "select 1"), "", ""), "", 0)), most + 80},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := servingFor(t, backends(t))
			// In here, for Cleanup keeps the stack of its caller each time.
			peers := make([]int, 0, clients+1)
			t.Cleanup(func() {
				for _, fd := range peers {
					unix.Close(fd)
				}
			})
			peers = append(peers, loginAndAsk(t, p, c.query)) // so that the pool is there, and what it knows
			before := heap()
			for range clients {
				peers = append(peers, loginAndAsk(t, p, c.query))
			}
			after := heap()
			if n := int(after-before) / clients; n > c.most {
				t.Errorf("an idle client keeps %d bytes, want %d at most", n, c.most)
			} else {
				t.Logf("%d bytes", n)
			}
			runtime.KeepAlive(p)
		})
	}
}

// heap is what is alive of it, in bytes.
func heap() int64 {
	var m runtime.MemStats
	for range 3 { // what has a finalizer, or is in a sync.Pool, takes more than one
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// servingFor runs a proxy of one loop, whose databases are on a server at this address.
func servingFor(t *testing.T, addr *net.TCPAddr) *Proxy {
	c, err := config.Parse("config.toml", []byte("listen_addr = []\nunix_socket_dir = \"\"\nhttp_listen = \"\"\nworkers = 1\nauth_type = \"trust\"\n"+
		"pool_mode = \"transaction\"\nsession_state = \"off\"\nmax_client_conn = 5000\n"+
		fmt.Sprintf("[databases.\"*\"]\nhost = %q\nport = %d\n", addr.IP, addr.Port)))
	if err != nil {
		t.Fatal(err)
	}
	p, err := New(c, Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// loginAndAsk is a client that comes in, runs a query and is idle then; it returns its
// own end.
func loginAndAsk(t *testing.T, p *Proxy, query []byte) (fd int) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.SetNonblock(fds[0], true); err != nil {
		t.Fatal(err)
	}
	w := p.workers[0]
	w.do(func() { p.arrive(fds[0], peer{}, &listener{on: w}) })
	hello, err := wire.AppendStartup(nil, wire.Protocol30, []wire.Param{{Name: "user", Value: "user"}, {Name: "database", Value: "db"}, {Name: "application_name", Value: "test"}})
	if err != nil {
		t.Fatal(err)
	}
	tells(t, fds[1], hello)
	tells(t, fds[1], query)
	return fds[1]
}

// tells sends what is answered with a ReadyForQuery at its end, and waits for that.
func tells(t *testing.T, fd int, message []byte) {
	timeout := unix.NsecToTimeval(int64(patience))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout); err != nil {
		t.Fatal(err)
	}
	if _, err := unix.Write(fd, message); err != nil {
		t.Fatal(err)
	}
	var b [4096]byte
	for n := 0; n < 6 || b[n-6] != 'Z'; {
		k, err := unix.Read(fd, b[n:])
		if err == unix.EINTR {
			continue
		}
		if err != nil || k == 0 {
			t.Fatalf("behind %q: %d bytes, %v", b[:n], k, err)
		}
		n += k
	}
}

// backends is a server that lets everybody in, and answers what needs no answer.
func backends(t *testing.T) *net.TCPAddr {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go serves(conn)
		}
	}()
	return l.Addr().(*net.TCPAddr)
}

func serves(conn net.Conn) {
	defer conn.Close()
	head := make([]byte, 4)
	for {
		if _, err := io.ReadFull(conn, head); err != nil {
			return
		}
		rest := make([]byte, binary.BigEndian.Uint32(head)-4)
		if _, err := io.ReadFull(conn, rest); err != nil {
			return
		}
		if binary.BigEndian.Uint32(rest)>>16 == 3 {
			break
		}
		conn.Write([]byte{'N'}) // to an SSLRequest
	}
	out := wire.AppendAuthOK(nil)
	for i, name := range wire.VarNames {
		out = wire.AppendParameterStatus(out, name, [...]string{"", "UTF8", "ISO, MDY", "postgres", "UTC", "on"}[i])
	}
	out = wire.AppendParameterStatus(out, "server_version", "15.1")
	out = wire.AppendBackendKeyData(out, 1000+uint32(time.Now().UnixNano()%10000), []byte("1234"))
	conn.Write(wire.AppendReadyForQuery(out, 'I'))
	head = make([]byte, wire.HeaderLen)
	for out = out[:0]; ; {
		if _, err := io.ReadFull(conn, head); err != nil {
			return
		}
		typ, total := wire.Header(head)
		if _, err := io.CopyN(io.Discard, conn, int64(total-wire.HeaderLen)); err != nil {
			return
		}
		switch typ {
		case 'Q':
			out = wire.AppendReadyForQuery(wire.AppendCommandComplete(out, "SELECT 0"), 'I')
		case 'P':
			out = wire.AppendParseComplete(out)
		case 'B':
			out = wire.AppendBindComplete(out)
		case 'C':
			out = wire.AppendCloseComplete(out)
		case 'E':
			out = wire.AppendCommandComplete(out, "SELECT 0")
		case 'S':
			out = wire.AppendReadyForQuery(out, 'I')
		}
		if typ == 'Q' || typ == 'S' {
			conn.Write(out)
			out = out[:0]
		}
	}
}
