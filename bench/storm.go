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

var storming = []figure{
	{"rate_per_s", "logins/s", true}, {"p50_before_ms", "p50 before", false}, {"p99_before_ms", "p99 before", true},
	{"p50_ms", "p50 ms", false}, {"p99_ms", "p99 ms", true}, {"rise", "p99/before", false},
}

// storm tells what those who are in notice of it when very many log in at once, by
// SCRAM with keys that they have kept: each runs the short query in a loop, first alone,
// and then while one such crowd after the other logs in and leaves.
func storm(ctx context.Context, b *bench, p *pooler) (measure, error) {
	var members []*client
	defer func() { closeAll(members) }()
	for range stormMembers {
		c, err := p.access.dial()
		if err != nil {
			return nil, err
		}
		members = append(members, c)
	}
	nothing, neither := func() error { return nil }, func(int) error { return nil }
	before, err := runCrowd(ctx, members, b.duration, nothing, neither)
	if err != nil {
		return nil, err
	}

	var done sync.WaitGroup
	var rate float64
	var failed error
	raging, calm := context.WithCancel(ctx)
	done.Go(func() { rate, failed = rage(raging, &p.access) })
	meanwhile, err := runCrowd(ctx, members, b.duration, nothing, neither)
	calm()
	done.Wait()
	if err := errors.Join(err, failed); err != nil {
		return nil, err
	}
	ms := func(c *crowd, percent float64) float64 { return milliseconds(c.waits.at(percent)) }
	return measure{
		rate, ms(before, 50), ms(before, 99), ms(meanwhile, 50), ms(meanwhile, 99),
		ms(meanwhile, 99) / ms(before, 99),
	}, nil
}

// rage has one crowd after the other log in until ctx ends, while the one before leaves,
// and tells how many logins a second there were.
func rage(ctx context.Context, a *access) (rate float64, err error) {
	n := 0
	var took time.Duration
	var in []*client
	defer func() { closeAll(in) }()
	for ctx.Err() == nil {
		start := time.Now()
		if in, err = logInAtOnce(a, stormClients, in); err != nil {
			return 0, err
		}
		took += time.Since(start)
		n += stormClients
	}
	return float64(n) / took.Seconds(), nil
}
