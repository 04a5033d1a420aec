package census

import "time"

// To measure a process's memory the kernel walks over all of its page tables:
// a fraction of a millisecond with small shared buffers, a tenth of a second
// with very large ones. So it is time that is rationed, not processes.
const (
	// memoryShare is what of the time may go into it.
	memoryShare = 1.0 / 2000
	// memoryBurst is how much of that may be saved up; the first reading has
	// it, so that a small server's processes are all measured at once.
	memoryBurst = 20 * time.Millisecond
)

// budget is time that may be spent. A reading that took longer than there was
// leaves a debt, and nothing is spent until that is paid.
type budget struct {
	unlimited bool
	have      time.Duration
	at        time.Time // when have was right; zero before the first use
}

// refill adds what has accrued until now.
func (b *budget) refill(now time.Time) {
	if b.at.IsZero() {
		b.have = memoryBurst
	} else if passed := now.Sub(b.at); passed > 0 {
		b.have = min(memoryBurst, b.have+time.Duration(float64(passed)*memoryShare))
	}
	b.at = now
}

func (b *budget) left() bool            { return b.unlimited || b.have > 0 }
func (b *budget) spend(d time.Duration) { b.have -= d }
