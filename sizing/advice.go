package sizing

import (
	"fmt"
	"time"

	"pgweir/amount"
	"pgweir/status"
)

const (
	// enough is how many minutes there must be before a pool is called too large.
	enough = 10
	// crowded is in which share of the moments clients must have waited, with
	// all backends at work, before a pool is called too small.
	crowded = 0.1
	// roomy is which share of the size may be at work at most in a pool that is
	// called too large.
	roomy = 0.5
)

// Advise says what to do about the size of a pool after its last hour.
func Advise(p *status.Pool, h status.History) status.SizingAdvice {
	out := status.SizingAdvice{Database: p.Database, User: p.User, Do: "keep", Size: p.Size, Suggested: p.Size}
	samples, span := h.Minutes, "minutes"
	if len(samples) < enough {
		samples, span = h.Seconds, "seconds"
	}
	if len(samples) == 0 {
		out.Evidence = "Nothing has been seen yet."
		return out
	}
	full, most, atWork := 0, 0, 0
	for _, s := range samples {
		if s.Waiting > 0 && s.Active >= p.Size {
			full++
		}
		most = max(most, s.Waiting)
		atWork = max(atWork, s.Active)
	}
	first, last := samples[0], samples[len(samples)-1]
	mean := time.Duration(0)
	if n := last.Waits - first.Waits; n > 0 {
		mean = (last.WaitTime - first.WaitTime) / time.Duration(n)
	}
	switch {
	case float64(full) >= crowded*float64(len(samples)):
		out.Do = "grow"
		out.Suggested = p.Size + min(max(1, p.Size/2), max(1, most))
		out.Evidence = fmt.Sprintf("In %d of the last %d %s clients waited while all %d backends were at work: up to %d at once, %s each time on average.",
			full, len(samples), span, p.Size, most, amount.Brief(mean))
	case len(h.Minutes) >= enough && most == 0 && float64(atWork) <= roomy*float64(p.Size) && p.Size > 1:
		out.Do = "shrink"
		out.Suggested = max(1, atWork+(atWork+3)/4)
		out.Evidence = fmt.Sprintf("In the last %d minutes no client waited, and never more than %d of %d backends were at work.",
			len(samples), atWork, p.Size)
	default:
		out.Evidence = fmt.Sprintf("In the last %d %s up to %d of %d backends were at work, and up to %d clients waited.",
			len(samples), span, atWork, p.Size, most)
	}
	if out.Suggested >= p.Size && out.Do == "shrink" {
		out.Do, out.Suggested = "keep", p.Size
	}
	return out
}
