package pool

import "time"

// Idle backends are on stacks, one of each variant and worker. A lease takes one from
// its own worker's stack, since a backend of another worker has to change hands, which
// costs three system calls. Only if that stack is empty, it takes the one that has been
// idle longest, whichever worker's it is: so nobody waits for a backend while one is
// idle, and a worker loses the one that it would miss last. The one used last is on
// top, so that few are kept busy, and server_idle_timeout finds the others.
//
// The puddle of a variant makes and ends backends. It never sees one idle: for it all
// are acquired from the login to Discard, and a lease needs no lock but the pool's.

// stack is the idle backends of one variant that one worker had last.
type stack struct {
	top, bottom *Backend
}

// maxLook is at how many backends a lease looks for one with the settings that its
// client has. To set them costs more than to look, but the pool's lock is held
// meanwhile.
const maxLook = 8

// push puts a backend on top. It has been idle for no longer than those below, whatever
// clocks say.
func (s *stack) push(b *Backend, now time.Duration) {
	b.stack, b.below, b.since = s, s.top, now
	if s.top == nil {
		s.bottom = b
	} else {
		s.top.above = b
		b.since = max(now, s.top.since)
	}
	s.top = b
}

// remove takes a backend out that is in it.
func (s *stack) remove(b *Backend) {
	if b.above == nil {
		s.top = b.below
	} else {
		b.above.below = b.below
	}
	if b.below == nil {
		s.bottom = b.above
	} else {
		b.below.above = b.above
	}
	b.stack, b.above, b.below = nil, nil, nil
}

// choose chooses a backend for a client with these settings: the first from the top
// that has them, or the top; nil of an empty stack. Who has none takes the top.
func (s *stack) choose(settings uint64) *Backend {
	if settings == 0 {
		return s.top
	}
	b := s.top
	for range maxLook {
		if b == nil {
			break
		}
		if b.Settings == settings {
			return b
		}
		b = b.below
	}
	return s.top
}

// stack is a worker's.
func (v *Variant) stack(worker int32) *stack {
	for len(v.stacks) <= int(worker) {
		v.stacks = append(v.stacks, new(stack))
	}
	return v.stacks[worker]
}

// oldest is the variant's backend that has been idle longest, or nil.
func (v *Variant) oldest() (b *Backend) {
	if v.idle == 0 {
		return nil
	}
	for _, s := range v.stacks {
		b = older(b, s.bottom)
	}
	return b
}

// older is which of two has been idle longer; either may be nil.
func older(a, b *Backend) *Backend {
	if a == nil || b != nil && b.since < a.since {
		return b
	}
	return a
}

// takeIdle lends w one of its variant's idle backends. There is one.
func (p *Pool) takeIdle(w *Waiter) *Backend {
	b := w.Variant.stack(w.Worker).choose(w.Settings)
	if b == nil {
		b = w.Variant.oldest()
	}
	p.unstack(b)
	b.used = true
	return b
}

// unstack has an idle backend count as lent.
func (p *Pool) unstack(b *Backend) {
	b.stack.remove(b)
	b.variant.idle--
	p.idle--
	p.lent++
}

// release makes b idle, which counts as lent.
func (p *Pool) release(b *Backend, now time.Duration) {
	b.variant.stack(b.Worker).push(b, now)
	b.variant.idle++
	p.idle++
	p.lent--
}

// takeOut takes one backend out for good; false if it is not idle.
func (p *Pool) takeOut(b *Backend) bool {
	if b.stack == nil {
		return false
	}
	p.unstack(b)
	p.leave(b)
	return true
}

// oldest is the backend that has been idle longest in some variants; nil if none is.
func (p *Pool) oldest(in func(*Variant) bool) (b *Backend) {
	for _, v := range p.variants {
		if v.idle > 0 && in(v) {
			b = older(b, v.oldest())
		}
	}
	return b
}

// leaveOldest takes out what oldest finds.
func (p *Pool) leaveOldest(in func(*Variant) bool) *Backend {
	b := p.oldest(in)
	if b != nil {
		p.takeOut(b)
	}
	return b
}

// leaveIdle takes the idle backends out that over says, under the lock, for the caller
// to evict.
func (p *Pool) leaveIdle(over func(*Backend) bool) (evict []*Backend) {
	for _, v := range p.variants {
		if v.idle == 0 {
			continue
		}
		for _, s := range v.stacks {
			for b := s.bottom; b != nil; {
				next := b.above
				if over(b) {
					p.takeOut(b)
					evict = append(evict, b)
				}
				b = next
			}
		}
	}
	return evict
}

func anyBackend(*Backend) bool { return true }

func anyVariant(*Variant) bool { return true }
