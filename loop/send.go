package loop

// Send sends p, or keeps what there is no room for now; p is the caller's again when
// Send returns.
func (c *Conn) Send(p []byte) {
	if c.tls == nil {
		c.sendRaw(p)
		return
	}
	c.tls.seal(p)
}

func (c *Conn) sendRaw(p []byte) {
	if c.closed || len(p) == 0 {
		return
	}
	l := c.home.Load()
	if !c.blocked {
		n, err := c.write(l, p)
		if err != nil {
			// The reading side will learn of it too; here it only means
			// that the bytes are lost.
			c.broken(err)
			return
		}
		if n == len(p) {
			return
		}
		p = p[n:]
		c.blocked = true
	}
	c.keep(l, p)
	c.rewatch()
}

// Flush has the kernel be given now what it would be given at the end of the loop's
// turn: Congested is true afterwards if the peer has not made room for it.
func (c *Conn) Flush() {
	if l := c.home.Load(); l != nil {
		if err := l.engine.flush(c); err != nil {
			c.broken(err)
		}
	}
}

// write has the engine of c's loop take p, or the kernel if c is on none.
func (c *Conn) write(l *Loop, p []byte) (int, error) {
	if l == nil {
		return tryWrite(c.fd, p)
	}
	return l.engine.write(c, p)
}

// keep puts bytes behind those that are to be sent.
func (c *Conn) keep(l *Loop, p []byte) {
	c.hold()
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
}

// sent is the completion of sending: so many bytes of what is kept are the kernel's.
func (c *Conn) sent(n int, err error) {
	l := c.home.Load()
	if err != nil {
		c.clearOut(l)
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
	c.clearOut(l)
	c.watch()
	l.told = true
	c.handler.Drained(c)
}

// clearOut: nothing is to be sent any more.
func (c *Conn) clearOut(l *Loop) {
	c.blocked = false
	if c.out != nil {
		l.bufs.put(c.out)
		c.out, c.outOff = nil, 0
		c.letGo(l)
	}
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
