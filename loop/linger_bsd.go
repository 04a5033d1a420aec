//go:build darwin || freebsd

package loop

import "time"

// GiveUpAfter does nothing here: the system's own patience holds.
func GiveUpAfter(int, time.Duration) {}
