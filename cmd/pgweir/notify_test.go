package main

import (
	"context"
	"net"
	"path/filepath"
	"testing"
	"time"
)

// TestTheWatchdogHearsOnAfterAWordThatDidNotGetThrough: the manager's socket is not there
// at first.
func TestTheWatchdogHearsOnAfterAWordThatDidNotGetThrough(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "notify")
	m := serviceManager{socket: socket, watchdog: 20 * time.Millisecond}
	failed := make(chan error, 100)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		m.keepAlive(ctx, func(context.Context) error { return nil }, func(err error) { failed <- err })
	}()
	<-failed
	manager, err := net.ListenPacket("unixgram", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	if err := manager.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	word := make([]byte, 64)
	if n, _, err := manager.ReadFrom(word); err != nil || string(word[:n]) != "WATCHDOG=1" {
		t.Errorf("it hears %q, %v", word[:n], err)
	}
	cancel()
	<-ended
	if len(failed) > 0 {
		t.Error("it was told again and again")
	}
}
