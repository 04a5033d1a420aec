package proxy

import "sync"

// mail is what others want done with a client, in the order in which they have
// said so. It follows the client from loop to loop: what is posted to a loop is
// but a call to read it.
type mail struct {
	sync.Mutex
	box []func()
}

// post has f called on the thread of the loop that the client is on then, behind
// all that was posted before. Any goroutine may post; f has to see for itself
// how far the client is from its end.
func (c *client) post(f func()) {
	c.mail.Lock()
	first := len(c.mail.box) == 0
	c.mail.box = append(c.mail.box, f)
	c.mail.Unlock()
	if !first {
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
	c.mail.Lock()
	box := c.mail.box
	c.mail.box = nil
	c.mail.Unlock()
	for _, f := range box {
		f()
	}
}
