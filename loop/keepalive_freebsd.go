package loop

import (
	"time"

	"golang.org/x/sys/unix"
)

const (
	optionKeepIdle    = unix.TCP_KEEPIDLE
	optionUserTimeout = 0 // there is none
	unitUserTimeout   = time.Second
)

// Unacknowledged is not known here.
func Unacknowledged(int) (some bool, last time.Duration, ok bool) { return false, 0, false }
