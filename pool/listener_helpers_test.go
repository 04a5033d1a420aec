package pool

import (
	"encoding/binary"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgweir/wire"
)

// bulletin is the part of a scripted PostgreSQL that knows LISTEN and NOTIFY.
type bulletin struct {
	t testing.TB
	s *server

	mu       sync.Mutex
	channels map[*serverSession]map[string]bool
	queries  []string
	refuse   func(sql string) *wire.Error // instead of doing it
	before   func(x *serverSession)       // before anything is done
	between  func(x *serverSession)       // after it is done, before ReadyForQuery
	mute     bool                         // answers nothing
}

func announce(t testing.TB, s *server) *bulletin {
	n := &bulletin{t: t, s: s, channels: map[*serverSession]map[string]bool{}}
	s.set(func(s *server) { s.query = n.query })
	return n
}

func (n *bulletin) set(f func(*bulletin)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f(n)
}

func (n *bulletin) query(x *serverSession, sql string) {
	n.mu.Lock()
	n.queries = append(n.queries, sql)
	refuse, before, between, mute := n.refuse, n.before, n.between, n.mute
	n.mu.Unlock()
	if mute {
		return
	}
	if before != nil {
		before(x)
	}
	if refuse != nil {
		if e := refuse(sql); e != nil {
			x.conn.Write(wire.AppendReadyForQuery(e.Append(nil), 'I'))
			return
		}
	}
	var out []byte
	n.mu.Lock()
	if n.channels[x] == nil {
		n.channels[x] = map[string]bool{}
	}
	if sql == ";" {
		out = wire.AppendEmptyQueryResponse(out)
	}
	for rest := sql; len(rest) > 1; {
		word, after, _ := strings.Cut(rest, ` "`)
		name, end := unquote(after)
		switch word {
		case "LISTEN":
			n.channels[x][name] = true
		case "UNLISTEN":
			delete(n.channels[x], name)
		default:
			n.t.Errorf("%q in %q", word, sql)
		}
		out = wire.AppendCommandComplete(out, word)
		rest = strings.TrimPrefix(after[end:], ";")
	}
	n.mu.Unlock()
	x.conn.Write(out)
	if between != nil {
		between(x)
	}
	x.conn.Write(wire.AppendReadyForQuery(nil, 'I'))
}

// unquote reads an identifier without its first quote; it ends at end.
func unquote(s string) (name string, end int) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '"' {
			if i+1 == len(s) || s[i+1] != '"' {
				return b.String(), i + 1
			}
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String(), len(s)
}

func notification(channel, payload string) []byte {
	m := append([]byte("A\x00\x00\x00\x00\x00\x00\x00\x07"+channel+"\x00"), payload+"\x00"...)
	binary.BigEndian.PutUint32(m[1:], uint32(len(m)-1))
	return m
}

// notify is a NOTIFY: all backends hear it that listen.
func (n *bulletin) notify(channel, payload string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for x, channels := range n.channels {
		if channels[channel] {
			x.conn.Write(notification(channel, payload))
		}
	}
}

// listened are the channels that backends listen to which are there.
func (n *bulletin) listened() (names []string) {
	n.s.mu.Lock()
	defer n.s.mu.Unlock()
	n.mu.Lock()
	defer n.mu.Unlock()
	for x, channels := range n.channels {
		if n.s.sessions[x.pid] != x {
			continue
		}
		for name := range channels {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// listenedBy are the channels that one backend listens to: after a loss the one
// that was lost may still be there.
func (n *bulletin) listenedBy(pid uint32) (names []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for x, channels := range n.channels {
		if x.pid == pid {
			names = slices.AppendSeq(names, maps.Keys(channels))
		}
	}
	slices.Sort(names)
	return names
}

func (n *bulletin) asked() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.queries)
}

// kill ends the processes that listen: they hear nothing more from us, and go.
func (n *bulletin) kill() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for x := range n.channels {
		x.conn.SetReadDeadline(time.Unix(1, 0))
		delete(n.channels, x)
	}
}

// ear is a Subscriber.
type ear struct {
	t testing.TB
	l *Listener

	mu     sync.Mutex
	said   []string // "channel payload" of what has come, and "missed"
	answer chan *wire.Error
}

func hearing(t testing.TB, l *Listener) *ear {
	return &ear{t: t, l: l, answer: make(chan *wire.Error, 100)}
}

func (x *ear) say(what string) {
	x.mu.Lock()
	x.said = append(x.said, what)
	x.mu.Unlock()
}

func (x *ear) Notify(m []byte) {
	channel, payload, _ := strings.Cut(string(m[9:len(m)-1]), "\x00")
	x.say(channel + " " + payload)
}

func (x *ear) Missed() { x.say("missed") }

// begin calls Listen; finish waits for its end.
func (x *ear) begin(channels ...string) {
	x.l.Listen(x, channels, func(e *wire.Error) {
		if e == nil {
			x.say("done")
		}
		x.answer <- e
	})
}

func (x *ear) finish() *wire.Error {
	x.t.Helper()
	select {
	case e := <-x.answer:
		return e
	case <-time.After(patience):
		x.t.Fatal("no answer to Listen")
		return nil
	}
}

// listen has x hear these channels.
func (x *ear) listen(channels ...string) {
	x.t.Helper()
	x.begin(channels...)
	if e := x.finish(); e != nil {
		x.t.Fatal(e)
	}
}

// refused expects Listen to fail.
func (x *ear) refused(code string, channels ...string) {
	x.t.Helper()
	x.begin(channels...)
	if e := x.finish(); e == nil || e.Code != code {
		x.t.Errorf("Listen ended with %v, not with %s", e, code)
	}
}

// heard takes what has come since the last call, once it has come to want.
func (x *ear) heard(want ...string) {
	x.t.Helper()
	got := func() []string {
		x.mu.Lock()
		defer x.mu.Unlock()
		return slices.Clone(x.said)
	}
	for deadline := time.Now().Add(patience); len(got()) < len(want) && time.Now().Before(deadline); {
		x.sync()
	}
	x.sync()
	if said := got(); !slices.Equal(said, want) {
		x.t.Errorf("heard %q, not %q", said, want)
	}
	x.mu.Lock()
	x.said = nil
	x.mu.Unlock()
}

// sync waits until all has come that was sent before.
func (x *ear) sync() {
	x.t.Helper()
	over := make(chan struct{})
	x.l.Sync(func() { close(over) })
	select {
	case <-over:
	case <-time.After(patience):
		x.t.Fatal("no end of Sync")
	}
}

// listening waits until the listening backend has n processes.
func listening(t testing.TB, p *Pool, n int) {
	t.Helper()
	eventually(t, "the listening backend is there, or gone", func() bool { return p.Counts().Listening == n })
}
