package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// serviceManager is systemd, which a unit with Type=notify has wait for the program to
// say that it is ready, as Debian's unit for PgBouncer does (sd_notify(3)).
type serviceManager struct {
	socket string // "": there is none, or it asks for nothing
	// watchdog is how long it may hear nothing before it ends the program
	// (WatchdogSec=); 0: it does not watch.
	watchdog time.Duration
}

const (
	notifyVar = "NOTIFY_SOCKET" // the name of systemd's socket
	// watchdogVar has the microseconds of WatchdogSec=, and watchedVar the process
	// that they are meant for (sd_watchdog_enabled(3)).
	watchdogVar = "WATCHDOG_USEC"
	watchedVar  = "WATCHDOG_PID"
)

func newServiceManager() serviceManager {
	m := serviceManager{socket: os.Getenv(notifyVar)}
	usec, err := strconv.ParseInt(os.Getenv(watchdogVar), 10, 64)
	pid := os.Getenv(watchedVar)
	if err == nil && usec > 0 && usec <= maxWatchdog.Microseconds() && (pid == "" || pid == strconv.Itoa(os.Getpid())) {
		m.watchdog = time.Duration(usec) * time.Microsecond
	}
	for _, name := range []string{notifyVar, watchdogVar, watchedVar} {
		os.Unsetenv(name) // for the commands that passwords come from
	}
	return m
}

// maxWatchdog is the longest WatchdogSec= that is heeded.
const maxWatchdog = 24 * time.Hour

// keepAlive tells the manager twice in each of its periods that the program works, as
// long as answer returns, which waits for what must not hang. A word that does not get
// through is followed by another; tell hears of the first. It ends with ctx.
func (m serviceManager) keepAlive(ctx context.Context, answer func(context.Context) error, tell func(error)) {
	if m.socket == "" || m.watchdog == 0 {
		return
	}
	failing := false
	tick := time.NewTicker(m.watchdog / 2)
	defer tick.Stop()
	for {
		if answer(ctx) != nil {
			return
		}
		err := m.say("WATCHDOG=1")
		if err != nil && !failing {
			tell(err)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (m serviceManager) ready() error { return m.say("READY=1") }

// reloading has Type=notify-reload wait for the next ready.
func (m serviceManager) reloading() error {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return fmt.Errorf("the monotonic clock: %w", err)
	}
	return m.say(fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", now.Nano()/1000))
}

func (m serviceManager) stopping() error { return m.say("STOPPING=1") }

// say sends a state. It waits for a second at most.
func (m serviceManager) say(state string) error {
	if m.socket == "" {
		return nil
	}
	const patience = time.Second
	conn, err := net.DialTimeout("unixgram", m.socket, patience) // "@" begins an abstract name for both
	if err != nil {
		return fmt.Errorf("%s: %w", notifyVar, err)
	}
	defer conn.Close()
	if err = conn.SetWriteDeadline(time.Now().Add(patience)); err == nil {
		_, err = conn.Write([]byte(state))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", notifyVar, err)
	}
	return nil
}
