package loop

import "time"

// Engine is what moves the bytes.
type Engine uint8

const (
	Readiness Engine = iota // epoll or kqueue, and a system call for each read and write
	IOUring                 // Linux's io_uring
)

// String is the name of what the kernel is asked by.
func (e Engine) String() string {
	if e == IOUring {
		return "io_uring"
	}
	return pollerName
}

// engine moves the bytes of a loop's connections. What a connection wants, the
// engine does now or later, and then a completion says so: Conn.arrived for what has
// been received, Conn.sent for what has been kept and is sent now, and
// Handler.Received of a Listener for somebody who waits to be accepted. Bytes that
// are to be sent are the engine's once write has taken them. All but wake are called
// on the loop's thread, unless it says otherwise.
type engine interface {
	// run is called on the loop's thread before all else, and end after it. Then
	// nothing is under way any more.
	run()
	end()

	// watch has the engine do what c wants now: receive if c.wantsRead, and send
	// what is kept if c.blocked. A connection that nothing is wanted of costs
	// nothing.
	watch(c *Conn, read bool) error
	// write takes bytes to be sent; what it does not take has to be kept, until it
	// can be sent. c.blocked is not set.
	write(c *Conn, p []byte) (taken int, err error)
	// flush gives the kernel now what write has taken, as far as there is room.
	flush(c *Conn) error
	// remove ends all that is under way for c: what has been received until then is
	// kept, and what write has taken and the peer has no room for, too.
	remove(c *Conn)
	// movable tells whether the thread of another loop, which has claimed c, may call
	// remove. It is the same all the time.
	movable() bool
	// close ends all that is under way for c, and closes the descriptor when the
	// kernel has been given what write has taken.
	close(c *Conn)

	// expect receives at the end of the turn what the kernel has for c, which has just
	// been added.
	expect(c *Conn)
	// read receives at once what the kernel has for c, which wants it and has been
	// left alone for a moment.
	read(c *Conn)

	// wait waits for completions, no longer than d; dispatch tells of them.
	wait(d time.Duration)
	dispatch()
	// wake ends a wait from another goroutine.
	wake()

	// stats is what it holds and has counted.
	stats() EngineStats
}
