package main

import (
	"context"
	"fmt"
	"runtime"
	"syscall"
	"time"
)

// crowdWarmUp is how long a crowd runs before it is measured: the line of those who
// wait gets its length meanwhile, for they do not begin all at once.
const crowdWarmUp = 500 * time.Millisecond

// member is one client of a crowd.
type member struct {
	*client
	asked   time.Time // when its open query began
	counts  bool      // the open query began while it was measured
	queries int
}

// crowdRun is a crowd while it asks.
type crowdRun struct {
	members  []member
	open     int // how many have an open query
	measured bool
	counted  int       // queries that count, and have their answer
	answers  int       // since it is measured, also to queries that began before
	finish   time.Time // no query begins later
	waits    *waits
	buf      []byte
}

// runCrowd lets every client run the short query in a loop. begin and end are
// called when the measurement begins and when its last answer has come; end is told
// how many answers came in between. A query that begins within d counts, however
// late its answer comes: a client that is never served would else not be seen.
func runCrowd(ctx context.Context, clients []*client, d time.Duration, begin func() error, end func(answers int) error) (*crowd, error) {
	// One thread does all of it and is at nothing else.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	epoll, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	defer func() { _ = syscall.Close(epoll) }()
	r, err := startCrowd(epoll, clients)
	if err != nil {
		return nil, err
	}
	var (
		started  time.Time // the measurement
		warm     = time.Now().Add(min(d, crowdWarmUp))
		patience = warm.Add(d + answerDeadline*time.Second)
		events   = make([]syscall.EpollEvent, 256)
	)
	for r.open > 0 {
		n, err := syscall.EpollWait(epoll, events, 100)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		now := time.Now()
		if now.After(patience) {
			return nil, fmt.Errorf("%d of %d clients have no answer after %d s", r.open, len(clients), answerDeadline)
		}
		if !r.measured && !now.Before(warm) {
			if err := begin(); err != nil {
				return nil, err
			}
			r.measured, started = true, now
			r.finish = now.Add(d)
		}
		for _, event := range events[:n] {
			if err := r.receive(&r.members[event.Fd]); err != nil {
				return nil, fmt.Errorf("client %d: %w", event.Fd+1, err)
			}
		}
	}
	elapsed := time.Since(started)
	if err := end(r.answers); err != nil {
		return nil, err
	}
	return newCrowd(r.waits, r.queries(), r.answers, elapsed)
}

// startCrowd has the epoll watch the clients, each under its number, and each
// client send its first query.
func startCrowd(epoll int, clients []*client) (*crowdRun, error) {
	r := &crowdRun{
		members: make([]member, len(clients)),
		open:    len(clients),
		waits:   newWaits(),
		buf:     make([]byte, 64<<10),
	}
	for i, c := range clients {
		r.members[i].client = c
		event := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(i)}
		if err := syscall.EpollCtl(epoll, syscall.EPOLL_CTL_ADD, c.fd, &event); err != nil {
			return nil, err
		}
	}
	for i := range r.members {
		if err := r.members[i].next(time.Now(), false); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// receive reads what has come for a member. Once its answer is whole, the next
// query follows, unless the time is over.
func (r *crowdRun) receive(m *member) error {
	ready, err := m.receive(r.buf)
	if err != nil || !ready {
		return err
	}
	// Each answer has a time of its own: the round over the events may take a
	// while.
	now := time.Now()
	if r.measured {
		r.answers++
	}
	if m.counts {
		r.waits.add(now.Sub(m.asked))
		m.queries++
		r.counted++
	}
	// On a busy machine all of the time may pass between two rounds over the events.
	if r.counted > 0 && !now.Before(r.finish) {
		r.open--
		return nil
	}
	return m.next(now, r.measured)
}

// queries is how many queries of each member count.
func (r *crowdRun) queries() []int {
	n := make([]int, len(r.members))
	for i := range r.members {
		n[i] = r.members[i].queries
	}
	return n
}

// next sends the member's next query.
func (m *member) next(now time.Time, counts bool) error {
	m.asked, m.counts = now, counts
	return m.send(shortQuery)
}
