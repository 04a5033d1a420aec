package loop

import (
	"crypto/tls"
	"net"
	"os"
	"syscall"
	"time"
)

// rawSize is how much is received at once to be decrypted: with what is left of the
// record before, it is no more than readSize.
const rawSize = readSize - maxCiphertext

// maxCiphertext is the longest record that a peer may send, and some.
const maxCiphertext = 18 << 10

// maxRecord is how many bytes one TLS record carries at most. libpq asks its
// TLS library for as much as its buffer has room for, of which it only makes sure
// of 8 KB, and then waits for the socket: what a longer record has beyond that
// would stay where poll(2) does not see it. PostgreSQL's own records are as long.
const maxRecord = 8 << 10

// TLS is the encryption of a connection. The handshake is done on an ordinary
// goroutine and a blocking net.Conn; then Conn.AttachTLS goes on without
// blocking. That crypto/tls allows it rests on how it treats an error of the
// underlying Read that calls itself temporary: the TLS connection stays intact.
type TLS struct {
	*tls.Conn
	under *under
}

// ServerTLS is the TLS of a connection that was accepted. received are bytes of
// conn's that have been read already, and are now read first; nil for none.
func ServerTLS(conn net.Conn, config *tls.Config, received []byte) *TLS {
	u := &under{Conn: conn, received: received}
	return &TLS{Conn: tls.Server(u, config), under: u}
}

// ClientTLS is the TLS of a connection that was dialled.
func ClientTLS(conn net.Conn, config *tls.Config) *TLS {
	u := &under{Conn: conn}
	return &TLS{Conn: tls.Client(u, config), under: u}
}

// Describe names the version and the cipher suite, as "TLSv1.3/TLS_AES_128_GCM_SHA256".
func (t *TLS) Describe() string {
	s := t.ConnectionState()
	version := map[uint16]string{tls.VersionTLS12: "TLSv1.2", tls.VersionTLS13: "TLSv1.3"}[s.Version]
	return version + "/" + tls.CipherSuiteName(s.CipherSuite)
}

// under is what crypto/tls reads from and writes to: a blocking net.Conn
// first, a loop's connection afterwards.
type under struct {
	net.Conn
	conn     *Conn
	received []byte // and not read yet
	sealing  bool   // what is written is gathered in the loop's sealed
}

// wouldBlock is the error of a read without bytes.
type wouldBlock struct{}

func (wouldBlock) Error() string   { return "no bytes yet" }
func (wouldBlock) Timeout() bool   { return true }
func (wouldBlock) Temporary() bool { return true }

func (u *under) Read(p []byte) (int, error) {
	if len(u.received) > 0 {
		n := copy(p, u.received)
		u.received = u.received[n:]
		return n, nil
	}
	if u.conn == nil {
		return u.Conn.Read(p)
	}
	return 0, wouldBlock{}
}

func (u *under) Write(p []byte) (int, error) {
	if u.conn == nil {
		return u.Conn.Write(p)
	}
	if l := u.conn.home.Load(); u.sealing && l != nil {
		l.sealed = append(l.sealed, p...)
	} else {
		u.conn.sendRaw(p)
	}
	return len(p), nil
}

// SetDeadline and its kin bind the handshake only.

func (u *under) SetDeadline(t time.Time) error {
	if u.conn == nil {
		return u.Conn.SetDeadline(t)
	}
	return nil
}

func (u *under) SetReadDeadline(t time.Time) error  { return u.SetDeadline(t) }
func (u *under) SetWriteDeadline(t time.Time) error { return u.SetDeadline(t) }

// AttachTLS has everything that c receives and sends go through t, whose
// handshake is done. The net.Conn of the handshake is no longer used.
func (c *Conn) AttachTLS(t *TLS) {
	t.under.Conn, t.under.conn = nil, c
	c.tls = t
	c.Again() // the handshake may have read more than its own bytes
}

// TLS is the connection's encryption, or nil.
func (c *Conn) TLS() *TLS { return c.tls }

// decrypt has the handler told what is in the records that have come: all of it, so
// that nothing is left of which the engine knows nothing if it parks c.
func (c *Conn) decrypt(raw []byte) {
	l := c.home.Load()
	u := c.tls.under
	switch {
	case len(raw) == 0:
	case len(u.received) > 0: // was kept, and comes first
		u.received = append(u.received, raw...)
	default:
		u.received = raw
	}
	kept := len(l.kept(c))
	got := kept
	var err error
	for err == nil && got < len(l.buf) {
		var n int
		n, err = c.tls.Read(l.buf[got:])
		got += n
	}
	if err == nil { // there is no room for more, here or in the TLS connection
		c.Again()
		u.received = append([]byte(nil), u.received...) // raw is the engine's
	} else {
		u.received = nil
	}
	if got > kept {
		c.deliver(l.buf[:got])
	}
	if _, wait := err.(wouldBlock); err != nil && !wait && l.Has(c) {
		c.end(err)
	}
}

// seal sends p in records, all of them in one piece.
func (t *TLS) seal(p []byte) {
	c := t.under.conn
	l := c.home.Load()
	t.under.sealing = true
	for len(p) > 0 && !c.closed {
		n := min(len(p), maxRecord)
		t.Write(p[:n]) // comes back to under.Write
		p = p[n:]
	}
	t.under.sealing = false
	if l != nil {
		sealed := l.sealed
		l.sealed = l.sealed[:0]
		c.sendRaw(sealed)
	}
}

// NetConn makes a blocking net.Conn of a non-blocking descriptor, which it
// takes over. It puts Go's keepalives on the socket.
func NetConn(fd int) (net.Conn, error) {
	f := os.NewFile(uintptr(fd), "socket")
	defer f.Close()
	return net.FileConn(f)
}

// Handover takes c off its loop and makes a blocking net.Conn of a copy of its
// descriptor, for a TLS handshake. received is what has been received and not
// consumed: it is no longer kept, and whoever reads from conn has to begin with
// it (ServerTLS).
func (c *Conn) Handover() (conn net.Conn, received []byte, err error) {
	c.Remove()
	received, c.full = c.in, false
	if c.in != nil {
		c.in = nil
		c.letGo(nil)
	}
	conn, err = DupConn(c.FD())
	return conn, received, err
}

// TakeFD gives the descriptor of a net.Conn to the caller and closes the rest
// of it, so that the Go runtime's own poller forgets it.
func TakeFD(conn net.Conn) (fd int, err error) {
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		return -1, err
	}
	if fd, err = dup(raw); err != nil {
		return -1, err
	}
	conn.Close()
	return fd, nil
}

// TakeFD gives the descriptor of the blocking connection under t to the caller
// and closes the rest of it.
func (t *TLS) TakeFD() (int, error) { return TakeFD(t.under.Conn) }

// Detach takes c off its loop for good and makes a blocking net.Conn of it,
// with what has been received and not consumed, and what has not been sent. The
// net.Conn has no addresses, and changes none of the socket's options.
func (c *Conn) Detach() (net.Conn, error) {
	c.Remove()
	in := c.in
	out := append([]byte(nil), c.out[min(int(c.outOff), len(c.out)):]...)
	t := c.tls
	c.tls = nil
	var conn net.Conn = newBare(c.Release())
	if len(out) > 0 {
		if _, err := conn.Write(out); err != nil {
			conn.Close()
			return nil, err
		}
	}
	if t != nil {
		t.under.Conn, t.under.conn = conn, nil
		conn = t
	}
	if len(in) > 0 {
		conn = &prefixed{Conn: conn, in: in}
	}
	return conn, nil
}

// prefixed reads some bytes before those of the connection.
type prefixed struct {
	net.Conn
	in []byte
}

func (p *prefixed) Read(b []byte) (int, error) {
	if len(p.in) == 0 {
		return p.Conn.Read(b)
	}
	n := copy(b, p.in)
	p.in = p.in[n:]
	return n, nil
}
