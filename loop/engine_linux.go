package loop

import "pgweir/uring"

// begin makes the engine of a loop.
func (e Engine) begin(l *Loop) (engine, error) {
	if e == IOUring {
		return newRing(l)
	}
	return newReadiness(l)
}

// Usable is nil if the system has the engine, and else says why not.
func (e Engine) Usable() error {
	if e != IOUring {
		return nil
	}
	_, err := uring.Probe()
	return err
}
