package proxy

import (
	"context"
	"fmt"
	"time"
)

// Suspend stops the reading of all connections but the console's, and waits until all that
// was received has been sent on. Nobody is accepted either: RESUME comes from a client of
// the console that is there, and without one that could say it the suspension ends.
func (p *Proxy) Suspend(ctx context.Context) error {
	err := p.restrain(func(r *restraint) error {
		if err := p.notBusy(r); err != nil {
			return err
		}
		if len(r.paused) > 0 {
			return commandError("cannot suspend with paused databases")
		}
		r.mode = modeSuspended
		return nil
	})
	if err != nil {
		return err
	}
	p.followSuspension()
	if p.draining.Load() { // it has begun meanwhile, and ended none
		p.endSuspension()
		return commandError("pooler is shutting down")
	}
	if limit := p.Config().SuspendTimeout; limit > 0 { // for peers to read what is for them
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, limit)
		defer stop()
	}
	unsent := 0
	err = p.await(ctx, nil, func() (bool, error) {
		if p.restraint.Load().mode != modeSuspended {
			return false, commandError("RESUME has ended the suspension")
		}
		unsent = 0
		for _, w := range p.workers {
			w.do(func() { unsent += w.loop.Unsent() })
		}
		return unsent == 0, nil
	}, func() string { return fmt.Sprintf("%d connections whose other end does not read", unsent) })
	if err != nil {
		p.endSuspension()
	}
	return err
}

// followSuspension has each loop do what the restraint says just then, so that of two
// commands at a time the last one holds.
func (p *Proxy) followSuspension() {
	for _, w := range p.workers {
		w.do(func() {
			switch suspended := p.restraint.Load().mode == modeSuspended; {
			case suspended:
				w.loop.Suspend()
			case w.loop.Suspended():
				w.loop.Restart()
				w.forgetStalls()
			}
		})
	}
}

// forgetStalls has nobody be blamed for the time in which the loop read nothing.
func (w *worker) forgetStalls() {
	for _, s := range w.leased {
		s.silent, s.holder.silent = silence{}, silence{}
		if c := w.holder(s); c != nil && c.extra != nil {
			c.extra.stalled = 0
		}
	}
}

// excuses tells whether nobody is to be ended at this tick: during a suspension, and at the
// first tick after it, since what has come meanwhile is read first. The time in which
// nothing is read does not count for those who log in.
func (w *worker) excuses(now time.Duration) bool {
	before := w.excused
	if !w.loop.Suspended() {
		w.excused = 0
		return before != 0
	}
	w.excused = now
	for c := range w.logins {
		if before != 0 {
			c.login.excuse(now - before)
		}
	}
	return true
}

// excuse has some time not count.
func (l *login) excuse(d time.Duration) {
	l.c.since += d
	if l.probing != nil {
		l.probing.since += d
	}
}

// endUnattended ends a suspension if nobody is connected any more who may say RESUME: the
// last one has left, or a reload has taken the right away.
func (p *Proxy) endUnattended() {
	if p.restraint.Load().mode == modeSuspended && !p.consoles.haveAdmin() {
		p.endSuspension()
	}
}

// endSuspension ends a suspension that nobody is there to end.
func (p *Proxy) endSuspension() {
	ended := false
	p.restrain(func(r *restraint) error {
		if ended = r.mode == modeSuspended; ended {
			r.mode = modeActive
		}
		return nil
	})
	if ended {
		p.log.Info("the suspension has ended")
		p.followSuspension()
	}
}
