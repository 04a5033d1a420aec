package main

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// crowdOf is so many clients who all ask at once and again and again. The figures are
// those of crowding.
func crowdOf(n int) func(context.Context, *bench, *pooler) (measure, error) {
	return func(ctx context.Context, b *bench, p *pooler) (measure, error) {
		clients, err := dialMany(ctx, n, &p.access)
		defer func() { closeAll(clients) }()
		if err != nil {
			return nil, err
		}
		var s *span
		begin := func() (err error) { s, err = p.begin(); return err }
		var costs measure
		end := func(queries int) (err error) { costs, err = s.end(queries); return err }
		c, err := runCrowd(ctx, clients, b.duration, begin, end)
		if err != nil {
			return nil, err
		}
		p50, p99 := c.waits.at(50), c.waits.at(99)
		return append(append(measure{float64(c.answers) / c.elapsed.Seconds()}, costs...),
			milliseconds(p50), milliseconds(p99), milliseconds(c.waits.at(100)),
			float64(p99)/float64(p50), float64(c.least), float64(c.most), float64(c.least)/float64(c.most)), nil
	}
}

// crowd is what the clients met.
type crowd struct {
	waits       *waits // of the queries that began while it was measured
	answers     int    // while it was measured, also to queries that began before
	least, most int    // of these queries of any one client
	elapsed     time.Duration
}

// newCrowd sums up the queries by client.
func newCrowd(waits *waits, queries []int, answers int, elapsed time.Duration) (*crowd, error) {
	c := &crowd{waits: waits, answers: answers, least: slices.Min(queries), most: slices.Max(queries), elapsed: elapsed}
	if c.most == 0 {
		return nil, errors.New("no query was answered")
	}
	return c, nil
}

// waits are how long queries took, to three digits; none takes longer than the
// deadline of an answer.
type waits struct{ times *hdrhistogram.Histogram }

func newWaits() *waits {
	return &waits{hdrhistogram.New(1, int64(2*answerDeadline*time.Second/time.Microsecond), 3)}
}

func (w *waits) add(d time.Duration) {
	_ = w.times.RecordValue(max(1, d.Microseconds())) // within these bounds it cannot fail
}

// at is the wait that so many percent of all did not exceed.
func (w *waits) at(percent float64) time.Duration {
	return time.Duration(w.times.ValueAtPercentile(percent)) * time.Microsecond
}
