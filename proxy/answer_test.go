package proxy

import (
	"context"
	"errors"
	"testing"
)

func TestALoopThatHangsDoesNotAnswer(t *testing.T) {
	p := idleProxy(t, anyDatabase)
	if err := p.LoopsAnswer(t.Context()); err != nil {
		t.Fatal(err)
	}
	entered, end := make(chan struct{}), make(chan struct{})
	p.workers[1].post(func() { close(entered); <-end })
	<-entered
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() { result <- p.LoopsAnswer(ctx) }()
	// The mail of the loop that works has been read when this one has been.
	p.workers[0].do(func() {})
	select {
	case err := <-result:
		t.Fatalf("all answer, with a loop that hangs: %v", err)
	default:
	}
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("it ends with %v", err)
	}
	close(end)
	if err := p.LoopsAnswer(t.Context()); err != nil {
		t.Error(err)
	}
}
