package loop

import (
	"crypto/tls"
	"io"
	"net"
	"testing"
	"time"
)

func TestDetachGivesABlockingConnectionWithWhatWasLeft(t *testing.T) {
	l := start(t, Options{})
	keep := &handler{received: func(*Conn, []byte) int { return 0 }}
	for name, open := range map[string]func(t *testing.T) (*Conn, net.Conn){
		"plain": func(t *testing.T) (*Conn, net.Conn) {
			fd, peer := tcpPair(t)
			return attach(t, l, fd, keep), peer
		},
		"TLS": func(t *testing.T) (*Conn, net.Conn) {
			return secured(t, l, false, tls.VersionTLS13, keep, nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, peer := open(t)
			write(t, peer, []byte("first "))
			eventuallyOn(t, l, "it is kept", func() bool { return c.Kept() == 6 })
			var conn net.Conn
			on(t, l, func() {
				var err error
				if conn, err = c.Detach(); err != nil {
					t.Error(err)
				}
			})
			if conn == nil || !c.Closed() || c.Loop() != nil {
				t.Fatal("not taken off the loop")
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(patience))
			write(t, peer, []byte("second"))
			same(t, read(t, conn, 12), []byte("first second"))
			write(t, conn, []byte("answer"))
			same(t, read(t, peer, 6), []byte("answer"))
			peer.Close()
			if n, err := conn.Read(make([]byte, 1)); n != 0 || err != io.EOF {
				t.Fatal(n, err)
			}
		})
	}
}

func TestTheDescriptorUnderTLSCanBeTaken(t *testing.T) {
	_, peer := tcpPair(t)
	s := ClientTLS(peer, clientConfig(tls.VersionTLS13))
	fd, err := s.TakeFD()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := NetConn(fd)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if conn.LocalAddr().String() == "" {
		t.Fatal("no socket")
	}
	if _, err := TakeFD(conn); err != nil {
		t.Fatal(err)
	}
	if _, err := TakeFD(conn); err == nil {
		t.Fatal("taken from a closed connection")
	}
	if _, err := DupConn(-1); err == nil {
		t.Fatal("copied a descriptor that is none")
	}
}
