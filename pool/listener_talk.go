package pool

import (
	"bufio"
	"fmt"
	"io"
	"time"

	"pgweir/wire"
)

// The most that a listening backend may send in one message: a notification
// has a name and a payload of less than 8000 bytes.
const (
	maxNotification = 16 << 10
	maxOther        = 64 << 10
)

// frame is a message of the server's with its header, or why there is none.
type frame struct {
	message []byte
	err     error
}

// conversation is what is said with one listening backend. One goroutine reads,
// and one writes while there is a batch to be sent, so that neither direction
// waits for the other; all else is done by the Listener's goroutine.
type conversation struct {
	l       *Listener
	b       *Backend
	frames  chan frame
	written chan error
	writing bool
	batch   *batch // has been sent, and its answer has not come whole
	timer   *time.Timer
	awaited event
	over    bool // no longer needed
}

// event is what the timer is set to.
type event uint8

const (
	nothing event = iota
	answer        // of the batch
	idleness
)

func newConversation(l *Listener, b *Backend) *conversation {
	c := &conversation{
		l: l, b: b, frames: make(chan frame, 16), written: make(chan error, 1), timer: time.NewTimer(0),
	}
	c.timer.Stop()
	return c
}

// run listens until the backend is not needed any more, or not fit; or until
// it is lost, which is an error.
func (c *conversation) run() *wire.Error {
	defer c.timer.Stop()
	go c.read()
	c.send(c.l.recovery())
	for {
		c.l.tell()
		if c.batch == nil && !c.writing {
			c.send(c.l.nextBatch(false))
		}
		c.await()
		select {
		case f := <-c.frames:
			if f.err != nil {
				return wire.Fatalf(wire.CodeConnectionFailure, "the connection of the listening backend broke: %v", f.err)
			}
			if e := c.receive(f.message); e != nil {
				return e
			}
			if c.over {
				return nil
			}
		case err := <-c.written:
			c.writing = false
			if err != nil {
				return wire.Fatalf(wire.CodeConnectionFailure, "the connection of the listening backend broke: %v", err)
			}
		case <-c.l.wake:
			if !c.l.pool.mayListen(c.b) || c.rests() && !c.l.pool.mayLinger() {
				return nil
			}
		case <-c.timer.C:
			if c.awaited == answer {
				return wire.Fatalf(wire.CodeConnectionFailure, "the listening backend did not answer within server_connect_timeout")
			}
			c.awaited = nothing
			if !c.l.needed() {
				return nil
			}
			c.send(c.l.nextBatch(true))
		}
	}
}

// rests tells whether the backend only lingers.
func (c *conversation) rests() bool {
	return c.batch == nil && !c.writing && !c.l.needed()
}

// await sets the timer to what has to come next.
func (c *conversation) await() {
	next, after := nothing, time.Duration(0)
	switch {
	case c.batch != nil || c.writing:
		next, after = answer, c.l.pool.Settings().ConnectTimeout
	case c.l.idles():
		next, after = idleness, c.l.linger
	}
	switch {
	case next == c.awaited:
		return
	case next == nothing:
		c.timer.Stop()
	default:
		c.timer.Reset(after)
	}
	c.awaited = next
}

// send sends a batch, if there is one.
func (c *conversation) send(b *batch) {
	if b == nil {
		return
	}
	c.batch, c.writing, c.awaited = b, true, nothing
	query := wire.AppendQuery(nil, b.sql)
	go func() {
		_, err := c.b.Conn.Write(query)
		c.written <- err
	}()
}

// read reads until an error.
func (c *conversation) read() {
	defer close(c.frames)
	r := bufio.NewReaderSize(c.b.Conn, 8<<10)
	for {
		m, err := readMessage(r)
		c.frames <- frame{m, err}
		if err != nil {
			return
		}
	}
}

// readMessage reads one message, into memory of its own.
func readMessage(r io.Reader) ([]byte, error) {
	var h [wire.HeaderLen]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return nil, err
	}
	typ, total := wire.Header(h[:])
	limit := maxOther
	if typ == 'A' {
		limit = maxNotification
	}
	if total == 0 || total > limit {
		return nil, fmt.Errorf("a message of type %q and of impossible length", typ)
	}
	m := make([]byte, total)
	copy(m, h[:])
	_, err := io.ReadFull(r, m[wire.HeaderLen:])
	return m, err
}

// receive takes one message. An error is the end of the connection.
func (c *conversation) receive(m []byte) *wire.Error {
	typ, body := m[0], m[wire.HeaderLen:]
	switch typ {
	case 'A':
		return c.notification(m)
	case 'S', 'N':
		return nil // of nobody's concern: no client's settings are here
	case 'E':
		e, err := wire.DecodeError(body)
		switch {
		case err != nil:
			return err.(*wire.Error)
		case c.batch == nil || e.Severity != "ERROR":
			return e
		}
		c.batch.failed = e
		return nil
	case 'C', 'I':
		if c.batch != nil {
			return nil
		}
	case 'Z':
		if c.batch != nil && string(body) == "I" {
			b := c.batch
			c.batch = nil
			return c.complete(b)
		}
	}
	return wire.Fatalf(wire.CodeProtocolViolation, "the server sent an unexpected message of type %q to the listening backend", typ)
}

// notification tells all who hear its channel of it.
func (c *conversation) notification(m []byte) *wire.Error {
	channel, ok := notifiedChannel(m)
	if !ok {
		return wire.Fatalf(wire.CodeProtocolViolation, "invalid NotificationResponse message")
	}
	hearers := c.l.notified(channel)
	if len(hearers) > 0 || c.batch != nil {
		c.l.pool.host.Sign(&c.b.Address, m)
	}
	if len(hearers) > 0 {
		c.l.pool.host.Notify(hearers, m)
	}
	if c.batch != nil && c.batch.fresh[string(channel)] {
		// Sent after the LISTEN has been committed, and before we know that.
		if len(c.batch.early) == maxEarly {
			return wire.Fatalf(wire.CodeProtocolViolation, "the server sent notifications instead of an answer to LISTEN")
		}
		c.batch.early = append(c.batch.early, m)
	}
	return nil
}

// maxEarly bounds what is kept while an answer comes.
const maxEarly = 1 << 12

// notifiedChannel finds the channel in a NotificationResponse.
func notifiedChannel(m []byte) (channel []byte, ok bool) {
	body := m[wire.HeaderLen:]
	if len(body) < 4 {
		return nil, false
	}
	channel, rest, ok := wire.CString(body[4:])
	if !ok || len(channel) == 0 {
		return nil, false
	}
	_, rest, ok = wire.CString(rest)
	return channel, ok && len(rest) == 0
}

// complete ends a batch: the server has answered it.
func (c *conversation) complete(b *batch) *wire.Error {
	l := c.l
	if b.failed != nil {
		if b.recovery != nil {
			// The server that is there now does not let anybody listen.
			c.over = true
			l.failed(b.failed, troubleOf(b.failed))
			return nil
		}
		l.rejected(b)
		return nil
	}
	missed := l.accepted(b)
	l.tell()
	for _, m := range b.early {
		channel, _ := notifiedChannel(m)
		if hearers := l.hearersOf(channel); len(hearers) > 0 {
			l.pool.host.Notify(hearers, m)
		}
	}
	for _, s := range missed {
		s.Missed()
	}
	l.synced(b)
	return nil
}

// closingTime is how long the writing of a Terminate may take.
const closingTime = time.Second

// close ends the connection, and gives the place back when PostgreSQL's process
// has gone; it does not wait for that.
func (c *conversation) close() {
	p := c.l.pool
	p.closePlace(c.l.needed())
	go func() {
		if c.writing {
			c.b.Conn.SetWriteDeadline(time.Now())
			<-c.written
		} else {
			c.b.Conn.SetWriteDeadline(time.Now().Add(closingTime))
			c.b.Conn.Write(wire.AppendTerminate(nil))
		}
		if conn, ok := c.b.Conn.(interface{ CloseWrite() error }); ok {
			conn.CloseWrite()
		}
		for range c.frames {
		}
		outlast(c.b.Conn, time.Time{})
		p.freePlace()
	}()
}
