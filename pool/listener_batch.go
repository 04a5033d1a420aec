package pool

import (
	"strings"

	"pgweir/wire"
)

// maxBatch is about how long the text of a batch may be, in bytes: others
// should not have to wait for long.
const maxBatch = 32 << 10

// maxTries is how many backends may be lost while a request is under way.
const maxTries = 2

// batch is one Query, with the requests that it answers. It is one transaction:
// all of its channels are listened to afterwards, or none of them.
type batch struct {
	sql      string
	requests []*request
	fresh    map[string]bool // channels that nobody heard before, to be listened to
	unlisten []string
	recovery []string // or: all channels that are heard, after a loss
	failed   *wire.Error
	early    [][]byte // notifications on fresh channels
}

// recovery is the batch that listens to all channels that are heard; nil if
// there are none.
func (l *Listener) recovery() *batch {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.heard == 0 {
		return nil
	}
	var sql strings.Builder
	b := &batch{recovery: make([]string, 0, l.heard)}
	for name := range l.channels {
		b.recovery = append(b.recovery, name)
		command(&sql, "LISTEN", name)
	}
	b.sql = sql.String()
	return b
}

// command appends a statement about a channel.
func command(sql *strings.Builder, word, channel string) {
	sql.WriteString(word)
	sql.WriteString(` "`)
	sql.WriteString(strings.ReplaceAll(channel, `"`, `""`))
	sql.WriteString(`";`)
}

// nextBatch takes requests out of the queue, and has the server forget channels
// that nobody hears any more; without a request only if tidy. It is nil if
// there is nothing to do.
//
// A request goes to the server even if its channels are listened to already:
// with the answer all has come that was sent before, which it must not hear.
func (l *Listener) nextBatch(tidy bool) *batch {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) == 0 && (!tidy || len(l.stale) == 0) {
		return nil
	}
	b := &batch{fresh: map[string]bool{}}
	var sql strings.Builder
	wanted := map[string]bool{}
	n := 0
	for n < len(l.queue) && sql.Len() < maxBatch && (n == 0 || !l.queue[n].alone) {
		r := l.queue[n]
		n++
		for _, name := range r.names {
			if wanted[name] {
				continue
			}
			wanted[name] = true
			if c := l.channels[name]; c == nil || !c.listened {
				b.fresh[name] = true
				command(&sql, "LISTEN", name)
			}
		}
		if r.alone {
			break
		}
	}
	b.requests = append(b.requests, l.queue[:n]...)
	l.queue = append(l.queue[:0:0], l.queue[n:]...)
	if n == 0 || !b.requests[0].alone {
		for c := range l.stale {
			if sql.Len() >= maxBatch {
				break
			}
			if !wanted[c.name] {
				delete(l.stale, c)
				delete(l.channels, c.name)
				b.unlisten = append(b.unlisten, c.name)
				command(&sql, "UNLISTEN", c.name)
			}
		}
	}
	if sql.Len() == 0 {
		sql.WriteByte(';')
	}
	b.sql = sql.String()
	return b
}

// accepted has a batch take effect. Those are to be told who may have missed
// something.
func (l *Listener) accepted(b *batch) (missed []Subscriber) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failure = failure{}
	for _, name := range b.recovery {
		l.listensTo(name)
	}
	if b.recovery != nil {
		for _, sub := range l.subs {
			if len(sub.channels) > 0 {
				missed = append(missed, sub.who)
			}
		}
		return missed
	}
	for name := range b.fresh {
		l.listensTo(name)
	}
	for _, r := range b.requests {
		if r.sub != nil {
			l.apply(r)
		}
	}
	return nil
}

// synced ends the Syncs of a batch, when all has been told that came before its
// answer.
func (l *Listener) synced(b *batch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range b.requests {
		if r.sub == nil {
			l.apply(r)
		}
	}
}

// listensTo notes that the backend listens to a channel.
func (l *Listener) listensTo(name string) {
	c := l.channel(name)
	c.listened = true
	if len(c.subs) == 0 {
		l.stale[c] = true
	}
}

// rejected takes a batch back that the server has answered with an error. Which
// of the requests it is about is not known, so they are tried one by one.
func (l *Listener) rejected(b *batch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, name := range b.unlisten {
		l.listensTo(name)
	}
	if len(b.requests) == 1 {
		l.refuse(b.requests[0], b.failed)
		return
	}
	for _, r := range b.requests {
		r.alone = true
	}
	l.queue = append(b.requests, l.queue...)
}

// detach takes leave of the backend; b was under way, or is nil. lost says why
// it went, if it was not let go of.
func (l *Listener) detach(b *batch, lost *wire.Error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.backend = nil
	if lost != nil {
		l.losses++
		l.lost = lost
	}
	clear(l.stale)
	for name, c := range l.channels {
		c.listened = false
		if len(c.subs) == 0 {
			delete(l.channels, name)
		}
	}
	queue := l.queue
	if b != nil {
		queue = append(b.requests, queue...)
		if lost != nil {
			for _, r := range b.requests {
				r.tries++
			}
		}
	}
	l.queue = nil
	for _, r := range queue {
		switch {
		case r.sub == nil:
			l.apply(r) // nothing more will come
		case r.tries >= maxTries:
			l.refuse(r, lost)
		default:
			l.queue = append(l.queue, r)
		}
	}
}

// notified counts a notification, and returns those who hear its channel.
func (l *Listener) notified(channel []byte) []Subscriber {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.notifications++
	return l.hearers(channel)
}

// hearersOf are those who hear a channel.
func (l *Listener) hearersOf(channel []byte) []Subscriber {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.hearers(channel)
}

// hearers is hearersOf, under mu.
func (l *Listener) hearers(channel []byte) []Subscriber {
	c := l.channels[string(channel)]
	if c == nil {
		return nil
	}
	if c.hearers == nil {
		c.hearers = make([]Subscriber, 0, len(c.subs))
		for sub := range c.subs {
			c.hearers = append(c.hearers, sub.who)
		}
	}
	return c.hearers
}

// idles tells whether the backend listens to what nobody hears, or to nothing.
func (l *Listener) idles() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.heard == 0 || len(l.stale) > 0
}
