package web

import (
	"slices"
	"sync"

	"pgweir/status"
)

// A reader is the Source of those who may not read statements. Everything that is
// rendered for them comes from here.
type reader struct {
	Source

	// mu guards what follows: the last censuses, and the same without
	// statements. As long as they are the same, so are those made of them.
	mu           sync.Mutex
	seen, hidden []*status.Census
}

// Snapshot implements Source.
func (r *reader) Snapshot(d status.Detail) *status.Snapshot {
	s := *r.Source.Snapshot(d)
	censuses := s.Censuses
	s.Censuses = nil
	out := s.WithoutStatements()
	out.Censuses = r.hide(censuses)
	return out
}

// Censuses implements Source.
func (r *reader) Censuses() []*status.Census { return r.hide(r.Source.Censuses()) }

func (r *reader) hide(all []*status.Census) []*status.Census {
	r.mu.Lock()
	defer r.mu.Unlock()
	if slices.Equal(all, r.seen) {
		return r.hidden
	}
	hidden := make([]*status.Census, len(all))
	for i, c := range all {
		if at := slices.Index(r.seen, c); at >= 0 {
			hidden[i] = r.hidden[at]
			continue
		}
		hidden[i] = c.WithoutStatements()
	}
	r.seen, r.hidden = slices.Clone(all), hidden
	return hidden
}
