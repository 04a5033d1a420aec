package authquery

import (
	"math/rand/v2"
	"time"

	"pgweir/auth"
)

// server is what the sources of one server have in common. It is guarded by
// Asker.mu.
type server struct {
	pending int          // questions to all of them
	models  *auth.Models // those of the last connection; never nil
	opens   pause        // the server could not be reached
	guesses pause        // a database of which nobody vouches could not be opened
	// told is what was said of it last, and when that it fails.
	told   health
	toldAt time.Time
}

// health is how questions to a server go.
type health uint8

const (
	works health = iota
	fails        // some source's do
	gone         // it cannot be reached
)

// maxServers is how many servers are remembered of which nothing is asked.
const maxServers = 256

// server finds or makes what is known of a server. Under mu.
func (a *Asker) server(name string) *server {
	if sv := a.servers[name]; sv != nil {
		return sv
	}
	if len(a.servers) >= maxServers {
		used := map[string]bool{}
		for s := range a.lines {
			used[s.Server] = true
		}
		for other, sv := range a.servers {
			if sv.pending == 0 && !used[other] {
				delete(a.servers, other)
			}
		}
	}
	sv := &server{models: new(auth.Models)}
	a.servers[name] = sv
	return sv
}

// maxModels is how many servers' models are kept: addresses, with what connections to
// them have said which server it is.
const maxModels = 256

// modelsOf are those of a server, which stay for as long as the process lives: salts
// that change would tell who is unknown. Under mu.
func (a *Asker) modelsOf(server string, shape auth.Shape) *auth.Models {
	m := a.models[server]
	if m == nil {
		m = auth.NewModels(server, shape)
		if len(a.models) < maxModels {
			a.models[server] = m
		}
	}
	return m
}

// pause keeps from trying what has failed just now. The zero pause is over.
type pause struct {
	err   error // of the last try, if it has failed
	next  time.Duration
	until time.Time
}

// fail makes the pause, which gets longer with every failure, up to a bound. A part of
// it is random, so that many do not try at once.
func (p *pause) fail(now time.Time, err error, first, most time.Duration) {
	p.next = min(max(2*p.next, first), most)
	p.err, p.until = err, now.Add(p.next-rand.N(p.next/4))
}

// refuses gives the error while the pause lasts.
func (p *pause) refuses(now time.Time) error {
	if p.err != nil && now.Before(p.until) {
		return p.err
	}
	return nil
}

// tellPause is the least time from one word that questions fail to the next: a query
// may fail for some names and not for others.
const tellPause = 10 * time.Second

// health is how questions to a server go. Under mu.
func (a *Asker) health(name string) health {
	out := works
	for s, l := range a.lines {
		if s.Server == name && l.wrong {
			out = fails
		}
	}
	if out == fails && a.servers[name].opens.err != nil {
		return gone
	}
	return out
}

// tell says when questions to a server begin to fail, and when they end to.
func (l *line) tell(f *flight, err error) {
	a := l.asker
	a.mu.Lock()
	l.failing = err
	if l.madeUp && isNoDatabase(err) {
		l.failing = nil
	}
	sv := a.server(l.source.Server)
	// What fails for a database that may be made up is no fault of the server's.
	l.wrong = l.failing != nil && (sv.opens.err != nil || !l.guess && !f.forNone())
	now, is := a.now(), a.health(l.source.Server)
	begun := l.wrong && is > sv.told && (sv.toldAt.IsZero() || now.Sub(sv.toldAt) >= tellPause) && a.ctx.Err() == nil
	ended := is == works && sv.told != works
	if begun {
		sv.toldAt = now
	}
	if begun || is < sv.told {
		sv.told = is
	}
	a.mu.Unlock()
	if begun && a.opts.Failing != nil {
		a.opts.Failing(l.source, err)
	}
	if ended && a.opts.Works != nil {
		a.opts.Works(l.source)
	}
}
