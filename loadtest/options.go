package loadtest

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// Options of a load test. What is out of range is an error of Run's.
type Options struct {
	// Direct and Pooled are addresses, as libpq's keywords or as URLs; ""
	// leaves that phase out, but not both.
	Direct, Pooled string
	// Clients is how many there are to be in each phase.
	Clients int
	// Duration is how long is measured, once all clients are in.
	Duration time.Duration
	// Ramp is over what time the clients begin to connect.
	Ramp time.Duration
	// Think is the mean pause of a client before each transaction; a pause is
	// anything from half of it to one and a half. 0: as the workload has it.
	Think time.Duration
	// Workload is the name of a built-in one; "" is select1.
	Workload string
	// Script is SQL of one's own, in the place of a workload; ScriptName is
	// what to call it.
	Script, ScriptName string
	// Prepared: statements are prepared once by each client, and executed by
	// name. Otherwise they are sent as text, in the simple protocol.
	Prepared bool
	// Seed makes pauses and numbers; the same seed makes the same ones.
	Seed uint64
	// Progress is told how it goes; nil: nobody is.
	Progress io.Writer
}

const (
	maxClients  = 50_000
	maxDuration = 24 * time.Hour
	maxPause    = time.Hour // of Ramp and Think
)

func (o *Options) check() error {
	switch {
	case o.Direct == "" && o.Pooled == "":
		return errors.New("there is nothing to measure: --direct or --pooled must be given, or both")
	case o.Clients < 1 || o.Clients > maxClients:
		return fmt.Errorf("clients: %d is out of range (1 to %d)", o.Clients, maxClients)
	case o.Duration <= 0 || o.Duration > maxDuration:
		return fmt.Errorf("duration: %v is out of range (above 0, to %v)", o.Duration, maxDuration)
	case o.Ramp < 0 || o.Ramp > maxPause:
		return fmt.Errorf("ramp: %v is out of range (0 to %v)", o.Ramp, maxPause)
	case o.Think < 0 || o.Think > maxPause:
		return fmt.Errorf("think: %v is out of range (0 to %v)", o.Think, maxPause)
	case o.Script != "" && o.Workload != "":
		return errors.New("a script and a workload: only one of them can be run")
	}
	return nil
}
