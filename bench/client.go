package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"
)

// answerDeadline is how long a client waits for an answer, in seconds.
const answerDeadline = 20

// shortQuery is what a client of idle and wait1000 runs.
var shortQuery = queryMessage("select 1")

// client is a connection over a Unix socket that has logged in. It is a plain
// descriptor: thousands of them cost no goroutine and no visit of the runtime's
// poller, so that the side of the clients takes little from the machine.
type client struct {
	fd     int
	answer answer
}

// dial connects and logs in, without a password.
func dial(address, user string) (*client, error) {
	return connect(address, func(c *client) error { return c.roundTrip(startupMessage(user, database)) })
}

// dial connects to a pooler and logs in as it asks for it.
func (p *pooler) dial() (*client, error) {
	if p.scram == nil {
		return dial(p.address(), p.user)
	}
	return connect(p.address(), func(c *client) error { return p.scram.prove(c, p.user) })
}

func connect(address string, login func(*client) error) (*client, error) {
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	syscall.CloseOnExec(fd)
	c := &client{fd: fd}
	err = c.reach(address)
	if err == nil {
		err = login(c)
	}
	if err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (c *client) reach(address string) error {
	limit := syscall.Timeval{Sec: answerDeadline}
	for _, option := range []int{syscall.SO_RCVTIMEO, syscall.SO_SNDTIMEO} {
		if err := syscall.SetsockoptTimeval(c.fd, syscall.SOL_SOCKET, option, &limit); err != nil {
			return err
		}
	}
	if err := again(func() error { return syscall.Connect(c.fd, &syscall.SockaddrUnix{Name: address}) }); err != nil {
		return fmt.Errorf("%s: %w", address, err)
	}
	return nil
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
	err = again(func() error {
		n, err = syscall.Read(c.fd, buf)
		return err
	})
	switch {
	case errors.Is(err, syscall.EAGAIN):
		return 0, fmt.Errorf("no answer within %d s", answerDeadline)
	case err != nil:
		return 0, err
	case n == 0:
		return 0, errors.New("the pooler closed the connection")
	}
	return n, nil
}

func (c *client) close() { _ = syscall.Close(c.fd) }

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
func dialMany(ctx context.Context, n int, address, user string) ([]*client, error) {
	clients := make([]*client, 0, n)
	for i := range n {
		if err := ctx.Err(); err != nil {
			return clients, err
		}
		c, err := dial(address, user)
		if err == nil {
			clients = append(clients, c)
			err = c.ask()
		}
		if errors.Is(err, syscall.EMFILE) {
			err = fmt.Errorf("%w: raise the limit (ulimit -n)", err)
		}
		if err != nil {
			return clients, fmt.Errorf("client %d: %w", i+1, err)
		}
	}
	return clients, nil
}

func closeAll(clients []*client) {
	for _, c := range clients {
		c.close()
	}
}
