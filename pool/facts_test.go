package pool

import (
	"testing"
	"testing/synctest"
	"time"

	"pgweir/wire"
)

// factual is a pool of a server that says of itself what it is told to. Time stands still
// but where a test has it pass: what has just been said is not old on a busy machine.
func factual(t *testing.T) (h *host, s *server, p *Pool, says func(standby, readOnly string)) {
	t.Helper()
	s = &server{t: t, network: "simulated", auth: "trust", sessions: map[uint32]*serverSession{}}
	h = newHost(t)
	says = func(standby, only string) {
		s.set(func(s *server) {
			s.answers = func(*startup) []wire.Param {
				return []wire.Param{{Name: hotStandby, Value: standby}, {Name: readOnly, Value: only}}
			}
		})
	}
	says("off", "off")
	return h, s, h.dialing(s.pipe, "db", "user", s, func(s *Settings) { s.Size = 2 }), says
}

// checks compares how a Welcome that a client would get is checked, and what it says.
func checks(t *testing.T, p *Pool, want Check, standby, only string, params ...wire.Param) *Probe {
	t.Helper()
	v, w := p.Variant(params)
	defer p.Forget(v)
	if w == nil {
		t.Fatal("nothing is known")
	}
	got, q := p.Check(v, w)
	if got != want || reported(w.Params, hotStandby) != standby || reported(w.Params, readOnly) != only {
		t.Errorf("check %d of %v, want %d of %s, %s", got, w.Params, want, standby, only)
	}
	return q
}

// ages has what the server has said last be old.
func (p *Pool) ages() {
	p.mu.Lock()
	p.factsAt = time.Since(p.epoch) - factsAge
	p.mu.Unlock()
}

func dataRow(values ...string) (body []byte) {
	body = []byte{0, byte(len(values))}
	for _, v := range values {
		body = append(append(body, 0, 0, 0, byte(len(v))), v...)
	}
	return body
}

func TestWhatAPromotionEndsIsAskedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _, p, says := factual(t)
		says("on", "off")
		h.giveBack(h.lease(p))
		checks(t, p, CheckNone, "on", "off") // it has just been said
		p.ages()
		q := checks(t, p, CheckOwn, "on", "off")
		if q.Query(&Backend{Address: p.Settings().Address}) == "" {
			t.Error("no question")
		}
		q.Row(dataRow("reported", hotStandby, "off", ""))
		if q.Settle() {
			t.Error("half an answer serves")
		}
		q.Row(dataRow("reported", readOnly, "on", ""))
		if !q.Settle() {
			t.Error("the answer does not serve")
		}
		p.ages()
		checks(t, p, CheckOwn, "off", "on")
		q.Fail()
		if q.Settle() {
			t.Error("an error is an answer")
		}
	})
}

func TestWhatHoldsAsLongAsABackendIsNotAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _, p, says := factual(t)
		b := h.lease(p)
		h.giveBack(b)
		p.ages()
		checks(t, p, CheckNone, "off", "off")
		p.Doubt(b)
		checks(t, p, CheckOwn, "off", "off")
		b = h.lease(p)
		checks(t, p, CheckNone, "off", "off") // nobody is there to ask
		h.discard(b, false)
		isLeft(t, p, 0)
		checks(t, p, CheckLogin, "off", "off")
		p.Pause()
		checks(t, p, CheckNone, "off", "off")
		p.Resume()
		says("on", "off")
		h.giveBack(h.lease(p))
		checks(t, p, CheckNone, "on", "off")
	})
}

func TestWhatABackendReportsHoldsForAllAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _, p, says := factual(t)
		says("on", "off")
		own := []wire.Param{param("options", "-cdefault_transaction_read_only=off")}
		k := h.taker(p, own...)
		k.ask(p, own)
		h.giveBack(k.wait())
		b := h.lease(p)
		p.Heard(b, []wire.Param{{Name: hotStandby, Value: "off"}, {Name: readOnly, Value: "on"}})
		checks(t, p, CheckNone, "off", "off") // the other fact may be the client's own
		h.giveBack(b)
		q := checks(t, p, CheckOwn, "off", "off")
		q.Row(dataRow("reported", hotStandby, "off", ""))
		q.Row(dataRow("reported", readOnly, "on", ""))
		q.Query(&Backend{Address: p.Settings().Address})
		if !q.Settle() {
			t.Error("the answer does not serve")
		}
		checks(t, p, CheckNone, "off", "on")
		checks(t, p, CheckNone, "off", "off", own...) // who chooses keeps the choice
		p.Retire([]*Backend{b}, nil)
		p.Heard(b, []wire.Param{{Name: hotStandby, Value: "on"}})
		says("off", "off")
		h.giveBack(h.lease(p))
		checks(t, p, CheckNone, "off", "off") // one that is retired has no say
	})
}
