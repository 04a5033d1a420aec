package proxy

import "sync/atomic"

// mail is what others want done with a client, the last one first. It follows
// the client from loop to loop: what is posted to a loop is but a call to read
// it.
type mail struct{ last atomic.Pointer[letter] }

// letter is one wish. It is never changed once it is posted.
type letter struct {
	do   func()
	next *letter
}

// add adds a wish, and tells whether it is the first one.
func (m *mail) add(f func()) (first bool) {
	l := &letter{do: f}
	for {
		l.next = m.last.Load()
		if m.last.CompareAndSwap(l.next, l) {
			return l.next == nil
		}
	}
}

// take takes all wishes, the first one first.
func (m *mail) take() (first *letter) {
	for l := m.last.Swap(nil); l != nil; l = l.next {
		first = &letter{l.do, first}
	}
	return first
}

// post has f called on the thread of the loop that the client is on then, behind
// all that was posted before. Any goroutine may post; f has to see for itself
// how far the client is from its end.
func (c *client) post(f func()) {
	if !c.mail.add(f) {
		return // it is to be read already
	}
	w := c.worker.Load()
	w.post(func() {
		if c.worker.Load() == w && c.state != clientAway {
			c.readMail()
		} // else arrive does
	})
}

// do is post, and waits for it. Not from a loop's thread.
func (c *client) do(f func()) {
	done := make(chan struct{})
	c.post(func() { f(); close(done) })
	select {
	case <-done:
	case <-c.worker.Load().loop.Done():
	}
}

// readMail does what was posted.
func (c *client) readMail() {
	for l := c.mail.take(); l != nil; l = l.next {
		l.do()
	}
}
