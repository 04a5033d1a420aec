package loop

import "pgweir/uring"

// lateRoom is how much memory of a loop's buffers may hold late bytes. What comes beyond
// that stays in the ring's buffers, so there is never more of it than they hold.
const lateRoom = 1 << 20

// lateness is what a ring knows of what has come late.
type lateness struct {
	late map[*Conn]*late
	ripe []*Conn // want what is in late
	lent int     // memory of the loop's buffers that hold some
	held int     // pieces of the ring's buffers that do
}

// late is what has been received for a connection that did not want it any more:
// the kernel goes on until it has been told. It is no more than one entry to the
// kernel brings.
type late struct {
	parts []part
	err   error // why nothing comes behind them
	ripe  bool  // in the list of those
}

// part is late bytes that are told at once.
type part struct {
	bytes []byte
	lent  bool   // in one of the loop's buffers; else in one of the ring's:
	id    uint16 // that one
}

// receiveLate keeps what has come for c until it wants it.
func (r *ring) receiveLate(c *Conn, e *completion) {
	r.goesOn(c, e)
	if c.accepts {
		return
	}
	err := e.ending()
	if len(e.piece.Bytes) == 0 {
		r.giveBack(e)
	}
	if len(e.piece.Bytes) > 0 || err != nil {
		k := r.late[c]
		if k == nil {
			k = new(late)
			r.late[c] = k
		}
		if len(e.piece.Bytes) > 0 {
			r.keepLate(k, e.piece)
		}
		k.err = err
		r.changes(c) // see want
	}
	if c.is(wanted) {
		r.ripens(c)
	}
}

// keepLate keeps a piece: behind the last one, in a buffer of the loop's, or where it is.
func (r *ring) keepLate(k *late, p uring.Piece) {
	if n := len(k.parts); n > 0 {
		last := &k.parts[n-1]
		if last.lent && cap(last.bytes)-len(last.bytes) >= len(p.Bytes) {
			last.bytes = append(last.bytes, p.Bytes...)
			r.bufs.Give(p.ID)
			return
		}
	}
	if r.lent >= lateRoom {
		r.held++
		k.parts = append(k.parts, part{bytes: p.Bytes, id: p.ID})
		return
	}
	b := append(r.loop.bufs.get(len(p.Bytes)), p.Bytes...)
	r.lent += cap(b)
	k.parts = append(k.parts, part{bytes: b, lent: true})
	r.bufs.Give(p.ID)
}

// release gives back the buffer of a part.
func (r *ring) release(p part) {
	if p.lent {
		r.lent -= cap(p.bytes)
		r.loop.bufs.put(p.bytes)
		return
	}
	r.held--
	r.bufs.Give(p.id)
}

// takeLate is what has come late for c, which is c's own then.
func (r *ring) takeLate(c *Conn) (all []byte) {
	k := r.late[c]
	if k == nil {
		return nil
	}
	delete(r.late, c)
	for _, p := range k.parts {
		all = append(all, p.bytes...)
		r.release(p)
	}
	k.parts = nil
	return all
}

// ripens: c wants what has come late for it.
func (r *ring) ripens(c *Conn) {
	if k := r.late[c]; k != nil && !k.ripe {
		k.ripe = true
		r.ripe = append(r.ripe, c)
	}
}

// tellRipe has handlers told what has come late for them, a piece to each.
func (r *ring) tellRipe() {
	batch := r.ripe
	r.ripe = nil
	for _, c := range batch {
		k := r.late[c]
		if k == nil {
			continue
		}
		k.ripe = false
		if !c.is(wanted) || r.loop.find(c.fd, c.gen) != c {
			continue
		}
		back := r.loop.claimBack(c)
		r.loop.told = false
		r.tellLate(c, k)
		if back && !r.loop.told {
			c.deliver(r.loop.kept(c))
		}
	}
}

// tellLate tells a part. The rest comes next, the end by itself: if c wants it still.
func (r *ring) tellLate(c *Conn, k *late) {
	if len(k.parts) == 0 {
		delete(r.late, c)
		r.changes(c)
		c.arrived(nil, 0, k.err)
		return
	}
	p := k.parts[0]
	if k.parts = k.parts[1:]; len(k.parts) > 0 || k.err != nil {
		r.ripens(c)
	} else {
		delete(r.late, c)
		r.changes(c)
	}
	r.tellBytes(c, p.bytes)
	r.release(p)
}
