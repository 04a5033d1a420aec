package console

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"pgweir/wire"
)

// errGone is the cause of a context whose client has hung up.
var errGone = errors.New("the client has gone")

// act does what a plan is for, besides what it shows.
func (s *session) act(p *plan) error {
	if p.issued != "" {
		s.ctl.Issued(p.issued)
	}
	if p.target != "" {
		if e := s.ctl.Unnamed(p.target); e != nil {
			s.out = wire.AppendNotice(s.out, e)
		}
	}
	switch {
	case p.run != nil:
		return p.run(s.ctl)
	case p.wait != nil:
		return s.await(p)
	}
	return nil
}

// await does what may wait. Meanwhile the client may cancel it, or go, which is noticed
// unless it has sent another message ahead of that.
func (s *session) await(p *plan) error {
	ctx, end := context.WithCancelCause(context.Background())
	defer end(nil)
	if p.limit > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, p.limit)
		defer stop()
	}
	canceled := s.ctl.Canceled()
	select {
	case <-canceled: // it came too late for what was before
	default:
	}
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-canceled:
			end(context.Canceled)
		case <-ctx.Done():
		}
	})
	watch.Go(func() {
		next, err := s.in.Peek(1)
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) || err == nil && next[0] == 'X' {
			end(errGone)
		}
	})
	err := p.wait(ctx, s.ctl, s.notice)
	end(nil)
	s.conn.SetReadDeadline(time.Unix(1, 0)) // ends the look for a hang-up
	watch.Wait()
	if failed := s.conn.SetReadDeadline(time.Time{}); err == nil && failed != nil {
		return failed
	}
	return err
}

// notice tells the client something while it waits. If that fails, the client is found
// to have gone.
func (s *session) notice(text string) {
	s.out = wire.AppendNotice(s.out, &wire.Error{Severity: "NOTICE", Code: "00000", Message: text})
	s.flush()
}
