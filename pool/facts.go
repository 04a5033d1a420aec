package pool

import (
	"slices"
	"strings"
	"time"

	"pgweir/wire"
)

// Facts are what a server says at logins and may take back without a new one: whether it
// is a standby, and whether transactions only read. Drivers choose a server by them
// (target_session_attrs), and PostgreSQL reports a change only with the next answer of a
// backend. So a Welcome is kept true:
//
//  1. what any backend reports, or a login is told, holds for all answers
//  2. a login asks an idle backend if a fact is one that a promotion ends, or in doubt
//  3. a login opens a backend if the last one was lost: the server may be another one
//     now; it goes on with what was known if the server turns out to be away
//  4. of several hosts, each has its own word on whether it is a standby; the answers say
//     that there is one if any is that is not away, for a client may come to be there

const (
	hotStandby = "in_hot_standby"
	readOnly   = "default_transaction_read_only"
)

// factsAge is for how long nobody asks again.
const factsAge = 100 * time.Millisecond

// Check is how a login finds out whether a Welcome is still true.
type Check uint8

const (
	CheckNone  Check = iota // it is taken for true
	CheckOwn                // an idle backend of the login's variant is asked
	CheckPlain              // one without startup parameters is
	CheckLogin              // a backend is opened
)

// Check tells how it is found out whether a Welcome of a variant is still true, with the
// question for a backend.
func (p *Pool) Check(v *Variant, w *Welcome) (Check, *Probe) {
	if reported(w.Params, hotStandby) == "" {
		return CheckNone, nil // PostgreSQL before 14 says nothing of it, so that drivers ask
	}
	now := time.Since(p.epoch)
	p.mu.Lock()
	defer p.mu.Unlock()
	passes := reported(w.Params, hotStandby) == "on" || reported(w.Params, readOnly) == "on"
	if !p.doubted && (!passes || now-p.factsAt < factsAge) || p.closed || p.Halted() {
		return CheckNone, nil
	}
	q := &Probe{pool: p, variant: v, facts: true}
	plain := p.variants[""]
	switch {
	case v.idle > 0:
		return CheckOwn, q
	case plain != nil && plain.idle > 0:
		return CheckPlain, q
	case p.idle+p.lent-p.leaving == 0 && p.mayLogIn(now):
		return CheckLogin, nil
	}
	return CheckNone, nil
}

// Doubt says that a backend has been lost: its server may be another one when it is back.
// One of several hosts is knocked at: no login may come there for long, and what it has said
// of itself counts until it is found away.
func (p *Pool) Doubt(b *Backend) {
	now := time.Since(p.epoch)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.doubted = true
	if h := p.hosts.at(&b.Address); h != nil && len(p.hosts.all) > 1 && !p.closed && !p.Halted() {
		p.budget.servers.lost(p, h, now)
	}
}

// Heard is told all parameters that a backend has reported when one has changed that no
// client can set, or default_transaction_read_only, which a client may have set.
func (p *Pool) Heard(b *Backend, params []wire.Param) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.hosts.at(&b.Address)
	if b.stamp != p.generation || at == nil {
		return
	}
	if now := reported(params, hotStandby); now != "" {
		at.standby = now
		p.amendStandby()
	}
	if plain := p.variants[""]; plain != nil {
		w := plain.welcomes[plainKey]
		p.doubted = p.doubted || w != nil && reported(w.Params, readOnly) != reported(params, readOnly)
	}
}

// amend has all answers say what the server says now. A variant that has a fact of its own
// keeps it, and of several hosts, what one says of readOnly is not said of another's answer.
func (p *Pool) amend(facts []wire.Param, at *hostEntry) {
	amend := func(key string, welcomes map[string]*Welcome) {
		own := strings.Contains(strings.ToLower(key), readOnly)
		for wish, w := range welcomes {
			welcomes[wish] = w.amended(facts, own || at != nil && w.at != nil && w.at != at)
		}
	}
	for key, a := range p.answers {
		amend(key, a.welcomes)
	}
	for key, v := range p.variants { // some may be forgotten in answers
		amend(key, v.welcomes)
	}
}

// amended is w with other facts; own tells that it keeps readOnly.
func (w *Welcome) amended(facts []wire.Param, own bool) *Welcome {
	out := w
	for _, f := range facts {
		for i := range out.Params {
			if q := &out.Params[i]; q.Name != f.Name || q.Value == f.Value || own && f.Name == readOnly {
				continue
			}
			if out == w {
				out = &Welcome{Params: slices.Clone(w.Params), Vars: w.Vars, Begun: w.Begun, at: w.at}
			}
			out.Params[i].Value = f.Value
		}
	}
	return out
}

// factsTold notes what a login at a host was told, before it is remembered as it is
// returned. Where that is another fact than before, the server has been promoted or is
// another one.
func (p *Pool) factsTold(w *Welcome, at *hostEntry) *Welcome {
	now := reported(w.Params, hotStandby)
	if at.standby != "" && now != at.standby {
		p.forgetAnswers()
	}
	at.standby = now
	p.factsAt, p.doubted = time.Since(p.epoch), false
	p.amendStandby()
	if len(p.hosts.all) > 1 {
		w = w.amended([]wire.Param{{Name: hotStandby, Value: p.standby}}, true)
	}
	return w
}

// amendStandby has all answers say whether there is a standby.
func (p *Pool) amendStandby() {
	if now := p.hasStandby(); now != "" && now != p.standby {
		p.standby = now
		p.amend([]wire.Param{{Name: hotStandby, Value: now}}, nil)
	}
}

// hasStandby is in_hot_standby for all hosts that are not away; "" if none has said it.
func (p *Pool) hasStandby() (said string) {
	for _, h := range p.hosts.all {
		if h.standby == "" || len(p.hosts.all) > 1 && p.budget.servers.reason(&h.Address) != nil {
			continue
		}
		if said = h.standby; said == "on" {
			break
		}
	}
	return said
}

// factsQuestion asks a backend, be it with the settings of whoever had it last.
const factsQuestion = ";SELECT 'reported','" + hotStandby + "',CASE WHEN pg_catalog.pg_is_in_recovery() THEN 'on' ELSE 'off' END,''" +
	" UNION ALL SELECT 'reported',name,reset_val,'' FROM pg_catalog.pg_settings WHERE name OPERATOR(pg_catalog.=) '" + readOnly + "'"

// settleFacts keeps the answer, under the pool's lock.
func (q *Probe) settleFacts() bool {
	p := q.pool
	if len(q.reported) != 2 || q.at == nil {
		return false
	}
	q.at.standby = reported(q.reported, hotStandby)
	p.factsAt, p.doubted = time.Since(p.epoch), false
	p.amendStandby()
	p.amend([]wire.Param{{Name: readOnly, Value: reported(q.reported, readOnly)}}, q.at)
	return true
}
