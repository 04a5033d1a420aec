package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"pgweir/cluster"
)

// bench is what the works need.
type bench struct {
	*ground
	tools       tools
	poolers     []*pooler
	duration    time.Duration // of a work in a round
	descriptors uint64        // that a process may have
	// kept is told of each round, and of a failure before the rounds as of round -1.
	kept func(result *result, round int, p *pooler, m measure, err error) error
}

// warmUp is how long a work runs before its rounds: pools open their backends
// meanwhile, and memory is taken.
const warmUp = time.Second

// measureAll starts PostgreSQL and the poolers, measures, and stops them again,
// whatever happens.
func measureAll(ctx context.Context, opts options, report *report, out io.Writer) (err error) {
	descriptors := raiseFileLimit(fileLimit)
	programs, err := cluster.Find(opts.pgBin)
	if err != nil {
		return err
	}
	tools, err := findTools(programs)
	if err != nil {
		return err
	}
	poolers, err := findPoolers(ctx, opts)
	if err != nil {
		return err
	}
	report.describe(opts, programs, poolers)
	if err := report.begin(out); err != nil {
		return err
	}
	g, err := layGround(ctx, programs, tools, opts.unix)
	if err != nil {
		return err
	}
	b := &bench{ground: g, tools: tools, poolers: poolers, duration: opts.duration, descriptors: descriptors, kept: report.keepRound}
	defer func() { err = errors.Join(err, b.stop(), g.db.Close()) }()
	// What cannot be started at all is told before anything is measured.
	for _, p := range poolers {
		if err := p.start(ctx, g, setup{}); err != nil {
			return err
		}
	}
	for _, w := range opts.works {
		result, err := b.measure(ctx, w, opts.rounds)
		if err != nil {
			return err
		}
		if err := report.add(result, out); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) stop() error {
	var err error
	for _, p := range b.poolers {
		err = errors.Join(err, p.stop())
	}
	return err
}

// measure runs a work in rounds, in each through every pooler in turn. A work
// that fails through one pooler is not tried through it again; an error is
// returned only where going on makes no sense.
func (b *bench) measure(ctx context.Context, w work, rounds int) (*result, error) {
	if w.most > 0 {
		rounds = min(rounds, w.most)
	}
	r := newResult(w, b.poolers, rounds)
	for _, p := range b.poolers {
		err := b.prepare(ctx, w, p)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err == nil {
			continue
		}
		r.fail(p, err)
		if err := b.kept(r, -1, p, nil, err); err != nil {
			return nil, err
		}
	}
	for round := range rounds {
		for i := range b.poolers {
			// Each is the first in some rounds.
			p := b.poolers[(i+round)%len(b.poolers)]
			if r.failed[p.name] != nil {
				continue
			}
			m, err := b.round(ctx, w, p)
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if err != nil {
				r.fail(p, err)
			} else {
				r.set(p, round, m)
			}
			if err := b.kept(r, round, p, m, err); err != nil {
				return nil, err
			}
		}
	}
	return r, nil
}

// prepare starts a pooler as the work needs it, and warms it up.
func (b *bench) prepare(ctx context.Context, w work, p *pooler) error {
	if err := b.able(w, p); err != nil {
		return err
	}
	if err := p.restart(ctx, b.ground, w.setup); err != nil || w.cold {
		return err
	}
	warm := *b
	warm.duration = min(b.duration, warmUp)
	_, err := warm.run(ctx, w, p)
	return err
}

// able is nil, or why a work is not tried through a pooler.
func (b *bench) able(w work, p *pooler) error {
	if w.kinds != nil && !w.kinds(p.kind) {
		return fmt.Errorf("%s has no such thing", p.kind.title)
	}
	// Each process has some descriptors besides.
	if need := uint64(w.clients) + 500; b.descriptors < need {
		return fmt.Errorf("%d clients need %d descriptors in each process, and the system allows %d (ulimit -n)", w.clients, need, b.descriptors)
	}
	return nil
}

// round runs a work once.
func (b *bench) round(ctx context.Context, w work, p *pooler) (measure, error) {
	if w.cold {
		if err := p.restart(ctx, b.ground, w.setup); err != nil {
			return nil, err
		}
	}
	return b.run(ctx, w, p)
}

func (b *bench) run(ctx context.Context, w work, p *pooler) (measure, error) {
	m, err := w.run(ctx, b, p)
	if dead := p.alive(); dead != nil {
		return nil, dead
	}
	if err == nil && len(m) != len(w.figures) {
		return nil, fmt.Errorf("bug: %d values for %d figures", len(m), len(w.figures))
	}
	return m, err
}
