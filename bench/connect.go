package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// connectClients log in at a time.
const connectClients = 16

// connect has some clients log in, each by what the work's setup says, run a query if
// asks, say good-bye, and do so again and again. Keys for SCRAM have been kept.
func connect(asks bool) func(context.Context, *bench, *pooler) (measure, error) {
	return func(ctx context.Context, b *bench, p *pooler) (measure, error) {
		s, err := p.begin()
		if err != nil {
			return nil, err
		}
		start := time.Now()
		n, err := logins(ctx, &p.access, start.Add(b.duration), asks)
		if err != nil {
			return nil, err
		}
		elapsed := time.Since(start)
		costs, err := s.end(n)
		return append(measure{float64(n) / elapsed.Seconds()}, costs...), err
	}
}

// logins counts the logins until a time.
func logins(ctx context.Context, a *access, end time.Time, asks bool) (int, error) {
	var done sync.WaitGroup
	var n atomic.Int64
	failed := make(chan error, connectClients)
	for range connectClients {
		done.Go(func() {
			// Each gets in once at least, however busy the machine.
			for again := true; again; again = time.Now().Before(end) && ctx.Err() == nil {
				if err := visit(a, asks); err != nil {
					failed <- err
					return
				}
				n.Add(1)
			}
		})
	}
	done.Wait()
	close(failed)
	return int(n.Load()), <-failed
}

// visit is one login and what follows it.
func visit(a *access, asks bool) error {
	c, err := a.dial()
	if err != nil {
		return err
	}
	defer c.leave()
	if asks {
		return c.ask()
	}
	return nil
}
