package console

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"pgweir/wire"
)

const (
	// maxMessage is the longest message taken from a client, header included.
	// It is far above every command; nothing longer is ever allocated.
	maxMessage = 64 << 10
	// flushAt is how much of an answer is gathered before it is written.
	flushAt = 32 << 10
	// messageTime bounds the arrival of a message that has begun, and
	// writeTime each write to a client that does not read.
	messageTime = 30 * time.Second
	writeTime   = 60 * time.Second
)

// A session is one connection to the console. It belongs to one goroutine.
type session struct {
	conn   net.Conn
	in     *bufio.Reader
	body   []byte // of the message at hand; used again for the next
	out    []byte // what has not been written yet
	client Client
	access Access // what client.Access has said for the message at hand
	speaks dialect
	ctl    Control

	status     byte // 'I', or 'T' between BEGIN and its end
	skip       bool // after an error in the extended protocol: until Sync
	statements map[string]prepared
	portals    map[string]*portal
	rows       rowWriter
}

func newSession(conn net.Conn, c Client, ctl Control) *session {
	return &session{
		conn:       conn,
		in:         bufio.NewReaderSize(conn, 4096),
		client:     c,
		speaks:     dialectOf(c.Database),
		ctl:        ctl,
		status:     'I',
		statements: make(map[string]prepared),
		portals:    make(map[string]*portal),
	}
}

func (s *session) serve() error {
	for {
		typ, body, err := s.receive()
		if err != nil {
			return s.ended(err)
		}
		if typ == 'X' {
			return nil
		}
		if s.access = s.client.Access(); s.access == None {
			return s.ended(wire.Fatalf(wire.CodeInsufficientPrivilege,
				"user \"%s\" is neither in admin_users nor in stats_users any more", clip(s.client.User)))
		}
		if err := s.handle(typ, body); err != nil {
			return s.ended(err)
		}
	}
}

// ended is what Serve returns for err. A violation of the protocol is told to
// the client first, as well as that still works.
func (s *session) ended(err error) error {
	if e, ok := errors.AsType[*wire.Error](err); ok {
		s.fail(e)
		if flushErr := s.flush(); flushErr != nil {
			return fmt.Errorf("%w; then %w", e, flushErr)
		}
		return e
	}
	if err == io.EOF || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// receive reads one message. The body is valid until the next call. The error
// is io.EOF if the client hung up between two messages, and a *wire.Error of
// severity FATAL for what is not a message.
func (s *session) receive() (typ byte, body []byte, err error) {
	// A client may be idle for as long as it likes, but not in mid-message.
	if _, err := s.in.Peek(1); err != nil {
		return 0, nil, err
	}
	if err := s.conn.SetReadDeadline(time.Now().Add(messageTime)); err != nil {
		return 0, nil, err
	}
	typ, err = s.readMessage()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return 0, nil, wire.Fatalf(wire.CodeProtocolViolation,
			"the message did not arrive whole within %v", messageTime)
	}
	if err != nil {
		return 0, nil, err
	}
	return typ, s.body, s.conn.SetReadDeadline(time.Time{})
}

// readMessage reads a header and the body that it announces, into s.body.
func (s *session) readMessage() (typ byte, err error) {
	var header [wire.HeaderLen]byte
	if _, err := io.ReadFull(s.in, header[:]); err != nil {
		return 0, err
	}
	typ, total := wire.Header(header[:])
	switch limit := wire.ClientLimit(typ); {
	case limit == 0:
		return 0, wire.Fatalf(wire.CodeProtocolViolation, "invalid frontend message type %d", typ)
	case total == 0:
		return 0, wire.Fatalf(wire.CodeProtocolViolation, "invalid message length")
	case total > min(limit, maxMessage):
		return 0, wire.Fatalf(wire.CodeProtocolViolation,
			"message of %d bytes is too long for the console", total)
	}
	n := total - wire.HeaderLen
	if cap(s.body) < n {
		s.body = make([]byte, n)
	}
	s.body = s.body[:n]
	_, err = io.ReadFull(s.in, s.body)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return typ, err
}

// handle answers one message. An error ends the connection; what a client may
// do wrong and carry on has been answered with an ErrorResponse.
func (s *session) handle(typ byte, body []byte) error {
	if typ == 'S' {
		s.skip = false
		return s.ready()
	}
	if s.skip {
		return nil
	}
	switch typ {
	case 'Q':
		return s.query(body)
	case 'F':
		s.fail(wire.Errorf(wire.CodeFeatureNotSupported, "function calls are not supported by the console"))
		return s.ready()
	case 'H':
		return s.flush()
	case 'd', 'c', 'f': // left over from a COPY that failed: PostgreSQL takes no notice either
		return nil
	}
	if err := s.extended(typ, body); err != nil {
		e, ok := errors.AsType[*wire.Error](err)
		if !ok {
			return err
		}
		s.fail(e)
		s.skip = true
	}
	return s.flushIfFull()
}

// fail answers with an error; what it means for the messages that follow is
// the caller's to say.
func (s *session) fail(e *wire.Error) {
	s.out = s.speaks.told(e).Append(s.out)
}

// ready ends the answer to a Query or a Sync. Portals live until the end of
// their transaction.
func (s *session) ready() error {
	if s.status == 'I' {
		clear(s.portals)
	}
	s.out = wire.AppendReadyForQuery(s.out, s.status)
	return s.flush()
}

func (s *session) flushIfFull() error {
	if len(s.out) < flushAt {
		return nil
	}
	return s.flush()
}

func (s *session) flush() error {
	if len(s.out) == 0 {
		return nil
	}
	if err := s.conn.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
		return err
	}
	_, err := s.conn.Write(s.out)
	s.out = s.out[:0]
	return err
}
