package proxy

import "time"

// clocks are what is to be known of a lease besides client.asked and begun: for the
// timeouts, and for what the log says of slow queries. All are times of the loop's
// batches of events.
type clocks struct {
	answered time.Duration // the last answer, or the lease's beginning
	ended    time.Duration // the last transaction's end, or the lease's beginning

	waited   time.Duration // how long the lease was waited for, until the first answer
	prepared time.Duration // something that pgweir had put ahead of the client's was last answered
	// preparing: what has just come begins with such an answer.
	preparing bool
	blocked   time.Duration // since then the client takes nothing, and the backend is not read; 0 if it is
	sending   time.Duration // how long that was, since the last answer
}

// block notes that the backend is not read because its client is slow.
func (k *clocks) block(now time.Duration) {
	if k.blocked == 0 {
		k.blocked = now
	}
}

// unblock notes that the client takes something again.
func (k *clocks) unblock(now time.Duration) {
	if k.blocked != 0 {
		k.sending += now - k.blocked
		k.blocked = 0
	}
}

// answer notes an answer, and whether a transaction has ended with it.
func (k *clocks) answer(now time.Duration, ended bool) {
	k.answered, k.waited, k.blocked, k.sending = now, 0, 0, 0
	if ended {
		k.ended = now
	}
}
