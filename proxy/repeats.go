package proxy

import (
	"sync"
	"time"
)

const (
	// repeatAfter is how long a line of the log is not repeated about what lasts.
	repeatAfter = 15 * time.Minute
	// maxRepeats bounds how many lines are kept in mind; those beyond are one.
	maxRepeats = 1000
)

// repeats keep the log from saying one thing again and again while it lasts. The zero
// value is ready. Its methods may be called on any goroutine.
type repeats struct {
	mu   sync.Mutex
	said map[string]*repeat
}

// repeat is a line that was said.
type repeat struct {
	at     time.Time
	unsaid int // how often it was not, since then
}

// Note tells whether a line is to be said now, by a key that is the same for the same
// thing, and how often it was not since the last time.
func (r *repeats) Note(key string, now time.Time) (say bool, unsaid int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.said == nil {
		r.said = map[string]*repeat{}
	}
	if r.said[key] == nil && len(r.said) >= maxRepeats {
		r.tidy(now)
		if len(r.said) >= maxRepeats {
			key = ""
		}
	}
	line := r.said[key]
	switch {
	case line == nil:
		r.said[key] = &repeat{at: now}
		return true, 0
	case now.Sub(line.at) < repeatAfter:
		line.unsaid++
		return false, 0
	}
	unsaid = line.unsaid
	*line = repeat{at: now}
	return true, unsaid
}

// tidy forgets the lines that would be said again.
func (r *repeats) tidy(now time.Time) {
	for key, line := range r.said {
		if now.Sub(line.at) >= repeatAfter {
			delete(r.said, key)
		}
	}
}

// Forget has everything said again.
func (r *repeats) Forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said = nil
}
