package proxy

import (
	"sync/atomic"

	"pgweir/pool"
)

// mail is what others want done with a client, the last one first. It follows
// the client from loop to loop: what is posted to a loop is but a call to read
// it.
type mail struct{ last atomic.Pointer[letter] }

// letter is one wish: to have something done, or to be told a notification. Once it is
// posted, only who has taken it changes it.
type letter struct {
	do    func() // or nil
	hears []byte // a whole NotificationResponse, which is not changed
	next  *letter
}

// add adds a wish, and tells whether it is the first one.
func (m *mail) add(l *letter) (first bool) {
	for {
		before := m.last.Load()
		l.next = before
		if m.last.CompareAndSwap(before, l) {
			return before == nil
		}
	}
}

// take takes all wishes, the first one first.
func (m *mail) take() (first *letter) {
	for l := m.last.Swap(nil); l != nil; {
		before := l.next
		l.next, first = first, l
		l = before
	}
	return first
}

// post has f called on the thread of the loop that the client is on then, behind
// all that was posted before. Any goroutine may post; f has to see for itself
// how far the client is from its end.
func (c *client) post(f func()) {
	if !c.mail.add(&letter{do: f}) {
		return // it is to be read already
	}
	w := c.worker.Load()
	w.post(func() { w.readMailOf(c) })
}

// readMailOf has a client read its mail that was on this loop when it came.
func (w *worker) readMailOf(c *client) {
	if c.worker.Load() == w && c.state != clientAway {
		c.readMail()
	} // else arrive does
}

// bundle is mail for clients of one loop, which is told of it once.
type bundle []*client

// maxBundle bounds for how long the first of many has to wait.
const maxBundle = 256

// Notify tells clients of a notification: it is in the mail of each, in its order, but
// each loop is told of them together.
func (p *Proxy) Notify(hearers []pool.Subscriber, message []byte) {
	bundles := make([]bundle, len(p.workers))
	for _, h := range hearers {
		c := h.(*client)
		if !c.mail.add(&letter{hears: message}) {
			continue
		}
		w := c.worker.Load()
		b := &bundles[w.index]
		if *b = append(*b, c); len(*b) == maxBundle {
			w.deliver(*b)
			*b = nil
		}
	}
	for i, b := range bundles {
		if len(b) > 0 {
			p.workers[i].deliver(b)
		}
	}
}

// deliver has clients read their mail.
func (w *worker) deliver(b bundle) {
	w.post(func() {
		for _, c := range b {
			w.readMailOf(c)
		}
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
		if l.do != nil {
			l.do()
		} else {
			c.tell(l.hears)
		}
	}
}
