package pool

import (
	"maps"
	"slices"
	"strings"
	"time"

	"pgweir/wire"
)

// What PostgreSQL says to startup parameters is remembered, also when no client
// and no backend has them any more: asking costs a backend's time, or a new one.

// answers are what is remembered of a variant that nobody may have any more.
type answers struct {
	welcomes map[string]*Welcome
	carried  []wire.Param
	carries  bool
}

const (
	// maxWelcomes bounds what is remembered for each variant.
	maxWelcomes = 256
	// maxAnswers bounds the variants for which anything is.
	maxAnswers = 1024
)

// remember keeps what is known of a variant.
func (p *Pool) remember(v *Variant) {
	if _, ok := p.answers[v.key]; !ok && len(p.answers) >= maxAnswers {
		clear(p.answers)
	}
	p.answers[v.key] = answers{v.welcomes, v.carried, v.carries}
}

// forgetAnswers: the server may say something else now.
func (p *Pool) forgetAnswers() {
	clear(p.answers)
	p.standby = ""
	for _, h := range p.hosts.all {
		h.standby = ""
	}
	for _, v := range p.variants {
		clear(v.welcomes)
		v.carried, v.carries = nil, false
	}
}

// noName stands in a wish for an application_name that the client does not
// give, so that the server's own default holds. No client can give this one.
const noName = "\x00none"

// plainWish is the wish of a client that asks for nothing.
var plainWish = wire.Vars{wire.VarApplicationName: noName}

var plainKey = wishKey(plainWish)

// wishKey names what a client wants of wire.Vars. Which name it gives does not
// matter: what the server makes of one is known.
func wishKey(w wire.Vars) string {
	if w[wire.VarApplicationName] != noName {
		w[wire.VarApplicationName] = ""
	}
	return strings.Join(w[:], "\x00")
}

// welcome finds the server's answer to a wish, or makes it of another answer
// if the difference is but in values that are known to be the server's own.
func (v *Variant) welcome(wish wire.Vars) *Welcome {
	name := wish[wire.VarApplicationName]
	find := func(wish wire.Vars) *Welcome {
		wish[wire.VarApplicationName] = noName
		w := v.welcomes[wishKey(wish)]
		if w == nil && name != noName {
			wish[wire.VarApplicationName] = ""
			w = v.welcomes[wishKey(wish)]
		}
		return w
	}
	if w := find(wish); w != nil {
		return w.named(name)
	}
	base := find(wire.Vars{})
	if base == nil {
		return nil
	}
	vars := *base.Vars
	for i, value := range wish {
		if i == wire.VarApplicationName || value == "" {
			continue
		}
		known := false
		for _, w := range v.welcomes {
			known = known || w.Vars[i] == value
		}
		if !known {
			return nil
		}
		vars[i] = value
	}
	w := base.with(&vars)
	v.keep(wishKey(wish), w)
	return w.named(name)
}

func (v *Variant) keep(key string, w *Welcome) {
	if len(v.welcomes) >= maxWelcomes {
		// What is said to a wish for nothing is what others are made of.
		maps.DeleteFunc(v.welcomes, func(key string, _ *Welcome) bool { return key != plainKey })
	}
	v.welcomes[key] = w
}

// named is w for a client with this application_name.
func (w *Welcome) named(name string) *Welcome {
	if name == noName {
		return w
	}
	shown := shownName(name, w.Params)
	if w.Vars[wire.VarApplicationName] == shown {
		return w
	}
	if w.last == nil || w.last.Vars[wire.VarApplicationName] != shown {
		w.last = w.with(w.Vars.With(wire.VarApplicationName, strings.Clone(shown)))
	}
	return w.last
}

func (w *Welcome) with(vars *wire.Vars) *Welcome {
	params := slices.Clone(w.Params)
	for i := range params {
		if k := wire.VarIndex([]byte(params[i].Name)); k >= 0 {
			params[i].Value = vars[k]
		}
	}
	return &Welcome{Params: params, Vars: vars, Begun: w.Begun}
}

// agrees tells whether a server said the same both times, but for the
// application_name, and for what is the pool's word: whether there is a standby.
func (w *Welcome) agrees(o *Welcome) bool {
	same := func(a, b wire.Param) bool {
		return a.Name == b.Name && (a.Value == b.Value || a.Name == wire.VarNames[wire.VarApplicationName] || a.Name == hotStandby)
	}
	return slices.EqualFunc(w.Params, o.Params, same) && w.Begun.Role == o.Begun.Role &&
		w.Begun.IdleTimeout == o.Begun.IdleTimeout && slices.Equal(w.Begun.Session, o.Begun.Session)
}

// learn remembers what the server said to a wish when a backend was opened; not if
// the database has been left meanwhile (Vacate), for it may be gone. vacations is
// Pool.vacations when the login began.
func (p *Pool) learn(v *Variant, key string, b *Backend, w *Welcome, vacations uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.hosts.at(&b.Address)
	if at != nil && b.stamp == p.generation && vacations == p.vacations && !p.vacates(time.Since(p.epoch)) {
		p.told(v, key, w, at, b.Carried, b.carries)
	}
}

// told remembers what the server at a host has said.
func (p *Pool) told(v *Variant, key string, w *Welcome, at *hostEntry, carried []wire.Param, carries bool) {
	w = p.factsTold(w, at)
	w.at = at
	if old := v.welcomes[key]; old != nil && (old.at == at || old.at == nil) && !old.agrees(w) {
		p.forgetAnswers() // it is another one now, of a newer version, say; or the role's settings are others
	}
	v.keep(key, w)
	v.carried, v.carries = carried, carries
	p.remember(v)
	// Others may be waiting for just that; any backend will do for them now.
	for q := p.line.head; q != nil; q = q.next {
		if q.Variant == v && q.fresh != nil && q.fresh.welcome == key {
			q.fresh = nil
		}
	}
	v.requeue(&p.line)
}
