package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"syscall"
)

// answerDeadline is how long a client waits for an answer, in seconds.
const answerDeadline = 20

// shortQuery is what the clients run that are not pgbench's.
var shortQuery = queryMessage("select 1")

// client is a connection to a pooler. It is a plain descriptor: thousands of them
// cost no goroutine and no visit of the runtime's poller, so that the side of the
// clients takes little from the machine.
type client struct {
	fd     int
	tls    *tls.Conn // nil: in the clear
	answer answer
}

// ask runs the short query.
func (c *client) ask() error { return c.roundTrip(shortQuery) }

// roundTrip sends a message and waits for ReadyForQuery.
func (c *client) roundTrip(message []byte) error {
	if err := c.send(message); err != nil {
		return err
	}
	var buf [4096]byte
	for {
		ready, err := c.receive(buf[:])
		if err != nil || ready {
			return err
		}
	}
}

// send writes a message, which is short enough for any socket's buffer.
func (c *client) send(message []byte) error {
	if c.tls != nil {
		_, err := c.tls.Write(message)
		return err
	}
	return again(func() error {
		n, err := syscall.Write(c.fd, message)
		if err == nil && n < len(message) {
			err = io.ErrShortWrite
		}
		return err
	})
}

// receive reads once and tells whether ReadyForQuery has come.
func (c *client) receive(buf []byte) (ready bool, err error) {
	n, err := c.read(buf)
	if err != nil {
		return false, err
	}
	return c.answer.feed(buf[:n])
}

// read reads once, at least a byte.
func (c *client) read(buf []byte) (n int, err error) {
	if c.tls != nil {
		n, err = c.tls.Read(buf)
	} else {
		n, err = (&rawConn{c.fd}).Read(buf)
	}
	switch {
	case errors.Is(err, errNoAnswer):
		return 0, fmt.Errorf("no answer within %d s", answerDeadline)
	case errors.Is(err, io.EOF):
		return 0, errors.New("the pooler closed the connection")
	}
	return n, err
}

func (c *client) close() { _ = syscall.Close(c.fd) }

// leave says good-bye before it closes, as drivers do.
func (c *client) leave() {
	_ = c.send(terminateMessage) // the pooler may have gone
	c.close()
}

// again repeats a call that a signal interrupted.
func again(call func() error) error {
	for {
		if err := call(); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// dialMany logs n clients in, each of which has run a query. The caller closes
// them, also after an error.
func dialMany(ctx context.Context, n int, a *access) ([]*client, error) {
	clients := make([]*client, 0, n)
	for i := range n {
		if err := ctx.Err(); err != nil {
			return clients, err
		}
		c, err := a.dial()
		if err == nil {
			clients = append(clients, c)
			err = c.ask()
		}
		if err != nil {
			return clients, fmt.Errorf("client %d: %w", i+1, needsDescriptors(err))
		}
	}
	return clients, nil
}

func closeAll(clients []*client) {
	for _, c := range clients {
		c.close()
	}
}
