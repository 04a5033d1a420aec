package main

import "context"

const idleClients = 10_000

// idle tells what a client costs that has run a query and now does nothing. The
// pooler is a fresh one: memory that it once freed would hide what they take.
func idle(ctx context.Context, b *bench, p *pooler) (measure, error) {
	before, err := settledSize(ctx, p.process.PID())
	if err != nil {
		return nil, err
	}
	clients, err := dialMany(ctx, idleClients, &p.access)
	defer func() { closeAll(clients) }()
	if err != nil {
		return nil, err
	}
	after, err := settledSize(ctx, p.process.PID())
	if err != nil {
		return nil, err
	}
	return measure{float64(after-before) / idleClients}, nil
}
