package main

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	stormClients = 2_000 // that log in at once
	stormMembers = 16    // that are in
)

// storm tells what those who are in notice of it when very many log in at once, by
// SCRAM with keys that they have kept: each runs the short query in a loop, first alone,
// and then while one such crowd after the other logs in and leaves.
func storm(ctx context.Context, b *bench, p *pooler) (values []float64, err error) {
	if err := p.askForSCRAM(ctx, b.db); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.askForNothing(ctx, b.db)) }()
	var members []*client
	defer func() { closeAll(members) }()
	for range stormMembers {
		c, err := p.dial()
		if err != nil {
			return nil, err
		}
		members = append(members, c)
	}
	nothing := func() error { return nil }
	before, err := runCrowd(ctx, members, b.duration, nothing, nothing)
	if err != nil {
		return nil, err
	}

	var done sync.WaitGroup
	var rate float64
	var failed error
	raging, calm := context.WithCancel(ctx)
	done.Go(func() { rate, failed = rage(raging, p) })
	meanwhile, err := runCrowd(ctx, members, b.duration, nothing, nothing)
	calm()
	done.Wait()
	if err := errors.Join(err, failed); err != nil {
		return nil, err
	}
	ms := func(c *crowd, q float64) float64 { return float64(c.quantile(q)) / float64(time.Millisecond) }
	return []float64{
		rate, ms(before, 0.50), ms(before, 0.99), ms(meanwhile, 0.50), ms(meanwhile, 0.99),
		ms(meanwhile, 0.99) / ms(before, 0.99),
	}, nil
}

// rage has one crowd after the other log in until ctx ends, while the one before leaves,
// and tells how many logins a second there were.
func rage(ctx context.Context, p *pooler) (rate float64, err error) {
	n := 0
	var took time.Duration
	var in []*client
	defer func() { closeAll(in) }()
	for ctx.Err() == nil {
		start := time.Now()
		if in, err = logInAtOnce(p, stormClients, in); err != nil {
			return 0, err
		}
		took += time.Since(start)
		n += stormClients
	}
	return float64(n) / took.Seconds(), nil
}
