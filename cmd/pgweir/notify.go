package main

import (
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// serviceManager is systemd, which a unit with Type=notify has wait for the program to
// say that it is ready, as Debian's unit for PgBouncer does (sd_notify(3)).
type serviceManager struct {
	socket string // "": there is none, or it asks for nothing
}

// notifyVar has the name of systemd's socket.
const notifyVar = "NOTIFY_SOCKET"

func newServiceManager() serviceManager {
	m := serviceManager{socket: os.Getenv(notifyVar)}
	os.Unsetenv(notifyVar) // for the commands that passwords come from
	return m
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
