package throttle

import (
	"container/list"
	"sync"
	"time"
)

// Event is what has come of a login that did not get in.
type Event uint8

const (
	Failed   Event = iota // a wrong password, or no such user
	Refused               // there was no seat for it
	TimedOut              // it took longer than client_login_timeout
	Garbled               // it was no login, or one to which no password would help
	events
)

// lines is how many of each are worth a line of the log, of an address and in
// linesPer; 0: all. Wrong passwords come slowly enough.
var lines = [events]int{Failed: 0, Refused: 1, TimedOut: 1, Garbled: 20}

const linesPer = time.Minute

// Notes count what has come of logins, in all and by address. Its methods may be
// called on any goroutine.
type Notes struct {
	mu     sync.Mutex
	most   int // addresses
	all    [events]int64
	addrs  map[Addr]*note
	recent list.List // *note, those first that were touched last
}

// note is what has come of logins from one address.
type note struct {
	addr  Addr
	elem  *list.Element
	seen  time.Duration
	count [events]int64
	// begun is when the present linesPer began, said how many lines it has had, and
	// unsaid what has had none since the last line.
	begun        [events]time.Duration
	said, unsaid [events]int
}

// NewNotes makes notes of so many addresses at most.
func NewNotes(most int) *Notes { return &Notes{most: most, addrs: map[Addr]*note{}} }

// Note counts an event, and tells whether it is worth a line, and how many were not
// since the last line.
func (n *Notes) Note(a Addr, e Event, now time.Duration) (say bool, unsaid int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all[e]++
	t := n.of(a, now)
	if t == nil {
		return lines[e] == 0, 0
	}
	t.count[e]++
	if now-t.begun[e] >= linesPer {
		t.begun[e], t.said[e] = now, 0
	}
	if lines[e] > 0 && t.said[e] >= lines[e] {
		t.unsaid[e]++
		return false, 0
	}
	t.said[e]++
	unsaid, t.unsaid[e] = t.unsaid[e], 0
	return true, unsaid
}

// of finds or makes the note of an address; nil if all others are fresh, so that many
// addresses cannot have more lines than there are notes.
func (n *Notes) of(a Addr, now time.Duration) *note {
	if t := n.addrs[a]; t != nil {
		t.seen = now
		n.recent.MoveToFront(t.elem)
		return t
	}
	if len(n.addrs) >= n.most {
		old := n.recent.Back().Value.(*note)
		if now-old.seen < linesPer {
			return nil
		}
		n.recent.Remove(old.elem)
		delete(n.addrs, old.addr)
	}
	t := &note{addr: a, seen: now}
	for e := range t.begun {
		t.begun[e] = now
	}
	t.elem = n.recent.PushFront(t)
	n.addrs[a] = t
	return t
}

// Tally is what has come of logins from one address, by Event.
type Tally struct {
	Addr  Addr
	Count [events]int64
}

// Tallies are those of all addresses that are remembered, in no order.
func (n *Notes) Tallies() []Tally {
	n.mu.Lock()
	defer n.mu.Unlock()
	out := make([]Tally, 0, len(n.addrs))
	for _, t := range n.addrs {
		out = append(out, Tally{t.addr, t.count})
	}
	return out
}

// Total is how often an event was, in all.
func (n *Notes) Total(e Event) int64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.all[e]
}
