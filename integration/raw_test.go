package integration

import (
	"net"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// rawConn speaks the protocol message by message.
type rawConn struct {
	*pgproto3.Frontend
	net  net.Conn
	Key  pgproto3.BackendKeyData
	Vars map[string]string // as reported
	// Status is that of the last ReadyForQuery that until has seen.
	Status byte
}

// rawDial opens a connection without a word said. It is closed when the test ends.
func rawDial(t *testing.T, addr string) *rawConn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	c := &rawConn{Frontend: pgproto3.NewFrontend(conn, conn), net: conn, Vars: map[string]string{}}
	c.hurry(t)
	return c
}

// rawLogin opens a connection and logs in, in protocol 3.0 and without a
// password. params are names and values in turn.
func rawLogin(t *testing.T, addr, user, db string, params ...string) *rawConn {
	t.Helper()
	c := rawDial(t, addr)
	startup := &pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30,
		Parameters: map[string]string{"user": user, "database": db}}
	for i := 0; i < len(params); i += 2 {
		startup.Parameters[params[i]] = params[i+1]
	}
	c.Say(t, startup)
	for {
		switch m := c.Next(t).(type) {
		case *pgproto3.ReadyForQuery:
			return c
		case *pgproto3.ParameterStatus:
			c.Vars[m.Name] = m.Value
		case *pgproto3.BackendKeyData:
			c.Key = pgproto3.BackendKeyData{ProcessID: m.ProcessID, SecretKey: append([]byte(nil), m.SecretKey...)}
		case *pgproto3.AuthenticationOk, *pgproto3.NoticeResponse:
		default:
			t.Fatalf("at the login: %#v", m)
		}
	}
}

// hurry sets a deadline for what is said next and for its answer.
func (c *rawConn) hurry(t *testing.T) {
	t.Helper()
	if err := c.net.SetDeadline(time.Now().Add(2 * patience)); err != nil {
		t.Fatal(err)
	}
}

// Say sends messages in one write.
func (c *rawConn) Say(t *testing.T, messages ...pgproto3.FrontendMessage) {
	t.Helper()
	c.hurry(t)
	for _, m := range messages {
		c.Send(m)
	}
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
}

// Next is the next message; it is good until the one after.
func (c *rawConn) Next(t *testing.T) pgproto3.BackendMessage {
	t.Helper()
	m, err := c.Receive()
	if err != nil {
		t.Fatal(err)
	}
	return m
}
