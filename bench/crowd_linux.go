package main

import (
	"context"
	"fmt"
	"runtime"
	"syscall"
	"time"
)

// warmUp is how long a crowd runs before it is measured: the pool opens its
// backends meanwhile, which is no wait in a queue.
const warmUp = 500 * time.Millisecond

// member is one client of a crowd.
type member struct {
	*client
	asked   time.Time // when its open query began
	counts  bool      // the open query began while it was measured
	queries int
}

// runCrowd lets every client run the short query in a loop. begin and end are
// called when the measurement begins and when its last answer has come. A query
// that begins within d counts, however late its answer comes: a client that is
// never served would else not be seen.
func runCrowd(ctx context.Context, clients []*client, d time.Duration, begin, end func() error) (*crowd, error) {
	// One thread does all of it and is at nothing else.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	epoll, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	defer func() { _ = syscall.Close(epoll) }()
	members := make([]member, len(clients))
	for i, c := range clients {
		members[i].client = c
		event := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(i)}
		if err := syscall.EpollCtl(epoll, syscall.EPOLL_CTL_ADD, c.fd, &event); err != nil {
			return nil, err
		}
	}
	for i := range members {
		if err := members[i].next(time.Now(), false); err != nil {
			return nil, err
		}
	}

	var (
		waits    = make([]time.Duration, 0, 1<<20)
		open     = len(members)
		measured bool
		started  time.Time // the measurement
		warm     = time.Now().Add(warmUp)
		finish   = warm.Add(d)
		patience = finish.Add(answerDeadline * time.Second)
		events   = make([]syscall.EpollEvent, 256)
		buf      = make([]byte, 64<<10)
	)
	for open > 0 {
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
			return nil, fmt.Errorf("%d of %d clients have no answer after %d s", open, len(members), answerDeadline)
		}
		if !measured && !now.Before(warm) {
			if err := begin(); err != nil {
				return nil, err
			}
			measured, started = true, now
		}
		for _, event := range events[:n] {
			m := &members[event.Fd]
			ready, err := m.receive(buf)
			if err != nil {
				return nil, fmt.Errorf("client %d: %w", event.Fd+1, err)
			}
			if !ready {
				continue
			}
			// Each answer has a time of its own: the round over the events may
			// take a while.
			now := time.Now()
			if m.counts {
				waits = append(waits, now.Sub(m.asked))
				m.queries++
			}
			if !now.Before(finish) {
				open--
				continue
			}
			if err := m.next(now, measured); err != nil {
				return nil, fmt.Errorf("client %d: %w", event.Fd+1, err)
			}
		}
	}
	elapsed := time.Since(started)
	if err := end(); err != nil {
		return nil, err
	}
	queries := make([]int, len(members))
	for i := range members {
		queries[i] = members[i].queries
	}
	return newCrowd(waits, queries, elapsed), nil
}

// next sends the member's next query.
func (m *member) next(now time.Time, counts bool) error {
	m.asked, m.counts = now, counts
	return m.send(shortQuery)
}
