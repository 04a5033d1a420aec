package web

import (
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"time"
)

// stopTime is how long requests under way may take to end when Serve stops.
const stopTime = 5 * time.Second

// Serve serves h on ln until ctx ends, then lets the requests under way finish
// and returns nil. It closes ln. An error is that of the listener. With a
// certificate of guard's, TLS is spoken.
func Serve(ctx context.Context, ln net.Listener, h http.Handler, guard *Guard) error {
	ln = newCrowd(ln, maxConns, func(addr string) { guard.refusals.note(tooMany, addr, time.Now()) })
	if guard.encrypted() {
		ln = guard.listener(ln)
	}
	server := &http.Server{
		ConnContext:       remember,
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          log.New(&serverLog{log: guard.logger()}, "", 0),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(ln) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	if err := server.Shutdown(stop); err != nil {
		// Whoever is still there has had the time; the listener is closed already.
		_ = server.Close()
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
