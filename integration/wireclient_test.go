package integration

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// wireClient speaks the protocol by hand, to say what no driver would say. Its
// methods that fail the test belong to the test's goroutine; read, write and
// roundTrip may be used on others.
type wireClient struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
	pid  uint32 // of BackendKeyData
	key  []byte
}

// maxAnswer bounds what one message to a wireClient may have, in bytes.
const maxAnswer = 1 << 20

// dialWire connects and says nothing.
func dialWire(t *testing.T, addr string) *wireClient {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &wireClient{t: t, conn: conn, r: bufio.NewReader(conn)}
}

// loginWire logs in to w's database with its role, without a password.
func loginWire(t *testing.T, w *weir, more ...string) *wireClient {
	t.Helper()
	c := dialWire(t, w.Addr())
	c.login(protocol30, append([]string{"user", w.Role(), "database", w.DB}, more...)...)
	return c
}

const (
	protocol30 = 3 << 16
	protocol32 = 3<<16 | 2
)

// login sends a StartupMessage and reads up to ReadyForQuery.
func (c *wireClient) login(version uint32, params ...string) {
	c.t.Helper()
	c.send(startupPacket(version, params...))
	for {
		typ, body := c.next()
		switch typ {
		case 'K':
			c.pid, c.key = binary.BigEndian.Uint32(body), body[4:]
		case 'E':
			c.t.Fatalf("login: %v", errorFields(body))
		case 'Z':
			return
		}
	}
}

// startupPacket is a StartupMessage with names and values in turn.
func startupPacket(version uint32, params ...string) []byte {
	body := string(binary.BigEndian.AppendUint32(nil, version)) + strings.Join(params, "\x00") + "\x00\x00"
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body)+4)), body...)
}

// frame is one message with a type.
func frame(typ byte, body string) []byte {
	b := binary.BigEndian.AppendUint32([]byte{typ}, uint32(len(body)+4))
	return append(b, body...)
}

func simpleQuery(sql string) []byte { return frame('Q', sql+"\x00") }

func (c *wireClient) write(p []byte) error {
	if err := c.conn.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	_, err := c.conn.Write(p)
	return err
}

func (c *wireClient) send(p []byte) {
	c.t.Helper()
	if err := c.write(p); err != nil {
		c.t.Fatal(err)
	}
}

// read reads one message.
func (c *wireClient) read() (typ byte, body []byte, err error) {
	if err := c.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return 0, nil, err
	}
	var h [5]byte
	if _, err := io.ReadFull(c.r, h[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(h[1:])
	if n < 4 || n > maxAnswer {
		return 0, nil, fmt.Errorf("a message of type %q and length %d", h[0], n)
	}
	body = make([]byte, n-4)
	_, err = io.ReadFull(c.r, body)
	return h[0], body, err
}

func (c *wireClient) next() (byte, []byte) {
	c.t.Helper()
	typ, body, err := c.read()
	if err != nil {
		c.t.Fatalf("waiting for a message: %v", err)
	}
	return typ, body
}

// until reads up to a message of this type, which it gives, and fails at an
// error that is not it.
func (c *wireClient) until(want byte) []byte {
	c.t.Helper()
	for {
		typ, body := c.next()
		if typ == want {
			return body
		}
		if typ == 'E' {
			c.t.Fatalf("waiting for %q: %v", want, errorFields(body))
		}
	}
}

// roundTrip runs a query and gives the SQLSTATE of its error, "" for none.
func (c *wireClient) roundTrip(sql string) (code string, err error) {
	if err := c.write(simpleQuery(sql)); err != nil {
		return "", err
	}
	return c.answer()
}

// answer reads up to ReadyForQuery and gives the SQLSTATE of an error on the way.
func (c *wireClient) answer() (code string, err error) {
	for {
		typ, body, err := c.read()
		switch {
		case err != nil:
			return code, err
		case typ == 'E':
			code = errorFields(body)['C']
		case typ == 'Z':
			return code, nil
		}
	}
}

// ended waits until pgweir has closed the connection, and gives the SQLSTATE of
// its last error, "" if there was none.
func (c *wireClient) ended(within time.Duration) (code string) {
	c.t.Helper()
	start := time.Now()
	for {
		typ, body, err := c.read()
		switch {
		case err == nil && typ == 'E':
			code = errorFields(body)['C']
		case err == nil:
		case isTimeout(err):
			c.t.Fatalf("the connection is not closed")
		default:
			if took := time.Since(start); took > within {
				c.t.Errorf("closed after %v, want at most %v", took, within)
			}
			return code
		}
	}
}

func isTimeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}

// vanish closes the connection without a word, as a machine that loses its
// power does, or a process that is killed.
func (c *wireClient) vanish(reset bool) {
	c.t.Helper()
	if reset {
		if err := c.conn.(*net.TCPConn).SetLinger(0); err != nil {
			c.t.Fatal(err)
		}
	}
	if err := c.conn.Close(); err != nil {
		c.t.Fatal(err)
	}
}

// errorFields reads the body of an ErrorResponse.
func errorFields(body []byte) map[byte]string {
	fields := map[byte]string{}
	for _, f := range strings.Split(string(body), "\x00") {
		if f != "" {
			fields[f[0]] = f[1:]
		}
	}
	return fields
}

// cancelPacket is a CancelRequest.
func cancelPacket(pid uint32, key []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(12+len(key)))
	b = binary.BigEndian.AppendUint32(b, 1234<<16|5678)
	return append(binary.BigEndian.AppendUint32(b, pid), key...)
}

// sendCancel sends a CancelRequest and waits until it is dealt with: then the
// connection is closed.
func sendCancel(addr string, pid uint32, key []byte) error {
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := conn.Write(cancelPacket(pid, key)); err != nil {
		return err
	}
	answer, err := io.ReadAll(conn)
	if err == nil && len(answer) > 0 {
		return fmt.Errorf("a CancelRequest was answered with %q", answer)
	}
	return err
}
