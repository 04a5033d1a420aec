package pool

// admitListener tells whether a pool may have a listening backend, and counts
// it; admitted says that it is counted already. Listening backends get half of
// a cap at most: they are kept for long, and if they took all of it no client
// of any pool would ever get a backend.
func (g *Budget) admitListener(p *Pool, admitted bool, maxDatabase, maxUser int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if admitted {
		g.countListener(p, -1)
	}
	database, user := g.listeners[p.Database], g.userListeners[p.User]
	if maxDatabase > 0 && database >= maxDatabase/2 || maxUser > 0 && user >= maxUser/2 {
		return false
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
	g.listeners[p.Database] += n
	g.userListeners[p.User] += n
}
