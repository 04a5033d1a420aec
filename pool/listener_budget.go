package pool

// admitListener tells whether a pool may have a listening backend, and counts
// it; admitted says that it is counted already. Listening backends get half of
// a cap at most: they are kept for long, and if they took all of it no client
// of any pool would ever get a backend.
func (g *Budget) admitListener(p *Pool, admitted bool, s *Settings) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if admitted {
		g.countListener(p, -1)
	}
	for _, t := range g.tallies(p, s) {
		if t.most > 0 && t.listeners >= t.most/2 {
			g.tidy(p)
			return false
		}
	}
	g.countListener(p, 1)
	return true
}

// dismissListener undoes admitListener.
func (g *Budget) dismissListener(p *Pool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.countListener(p, -1)
}

func (g *Budget) countListener(p *Pool, n int) {
	for _, t := range g.tallies(p, &Settings{}) {
		t.listeners += n
	}
	g.tidy(p)
}
