package proxy

import "time"

// split is where the time of an answer went.
type split struct{ waited, preparing, server, sending time.Duration }

// split divides the time from when the client had its backend until now, of which the
// clocks are those of its lease.
func (k *clocks) split(now, took time.Duration) split {
	k.unblock(now) // the answer has come
	preparing := min(max(k.prepared-(now-took), 0), took)
	if k.preparing {
		preparing = took // the answer itself has come with the last of that, so it took no time
	}
	sending := min(k.sending, took-preparing)
	return split{k.waited, preparing, took - preparing - sending, sending}
}
