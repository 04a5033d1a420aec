package loop

import "syscall"

// Send writes p, or keeps what the kernel does not take now; p is the
// caller's again when Send returns.
func (c *Conn) Send(p []byte) {
	if c.tls == nil {
		c.sendRaw(p)
		return
	}
	for len(p) > 0 && !c.closed {
		n := min(len(p), maxRecord)
		c.tls.Write(p[:n]) // comes back to sendRaw
		p = p[n:]
	}
}

func (c *Conn) sendRaw(p []byte) {
	if c.closed || len(p) == 0 {
		return
	}
	l := c.home.Load()
	if len(c.out) == 0 {
		n, err := sysWrite(int(c.fd), p)
		if n == len(p) {
			return
		}
		if err != nil && err != syscall.EAGAIN && err != syscall.EINTR {
			// The reading side will learn of it too; here it only means
			// that the bytes are lost.
			c.broken(err)
			return
		}
		p = p[max(n, 0):]
		c.outOff = 0
	}
	if l == nil {
		c.out = append(c.out, p...)
		return
	}
	if half := len(c.out) / 2; int(c.outOff) > half && len(c.out)+len(p) > cap(c.out) {
		// Most of it has been written: what is left makes room for p.
		c.out = c.out[:copy(c.out, c.out[c.outOff:])]
		c.outOff = 0
	}
	c.out = l.bufs.add(c.out, p)
	c.rewatch()
}

// broken has the handler told of a failure, but not in the middle of what it is
// doing.
func (c *Conn) broken(err error) {
	if l := c.home.Load(); l != nil && !c.ended {
		l.Post(func() {
			if l.Has(c) {
				c.end(err)
			}
		})
	}
}

// flush writes what Send kept.
func (c *Conn) flush() {
	if len(c.out) == 0 {
		return
	}
	n, err := sysWrite(int(c.fd), c.out[c.outOff:])
	if err != nil && err != syscall.EAGAIN && err != syscall.EINTR {
		c.home.Load().bufs.put(c.out)
		c.out, c.outOff = nil, 0
		c.watch()
		c.end(err)
		return
	}
	if n > 0 {
		c.outOff += int32(n)
		c.moved++
	}
	if int(c.outOff) < len(c.out) {
		return
	}
	c.home.Load().bufs.put(c.out)
	c.out, c.outOff = nil, 0
	c.watch()
	c.home.Load().told = true
	c.handler.Drained(c)
}
