package pool

import (
	"testing"

	"pgweir/wire"
)

// factualHosts are the servers of a pool that say of themselves what they are told to.
func factualHosts(t *testing.T) (h *host, servers []*server, p *Pool, says func(s *server, standby, readOnly string)) {
	t.Helper()
	h, servers = newHost(t), []*server{serve(t), serve(t)}
	says = func(s *server, standby, only string) {
		s.set(func(s *server) {
			s.answers = func(*startup) []wire.Param {
				return []wire.Param{{Name: hotStandby, Value: standby}, {Name: readOnly, Value: only}}
			}
		})
	}
	return h, servers, h.pool(servers[0], on(servers...)), says
}

// isTold answers a question as a server would that is this.
func (q *Probe) isTold(t *testing.T, b *Backend, standby, only string) {
	t.Helper()
	q.Query(b)
	q.Row(dataRow("reported", hotStandby, standby, ""))
	q.Row(dataRow("reported", readOnly, only, ""))
	if !q.Settle() {
		t.Error("the answer does not serve")
	}
}

// TestAPoolWithAStandbyAmongItsHostsIsOne: a client that writes may come to be there. What
// else servers have said is not asked anew because they are not the same.
func TestAPoolWithAStandbyAmongItsHostsIsOne(t *testing.T) {
	h, servers, p, says := factualHosts(t)
	primary, standby := servers[0], servers[1]
	says(primary, "off", "off")
	says(standby, "on", "off")
	h.giveBack(h.lease(p))
	checks(t, p, CheckNone, "off", "off") // the standby is not known
	own := []wire.Param{param("extra_float_digits", "1")}
	for round := range 3 {
		k := h.taker(p, own...)
		k.ask(p, own)
		h.end(k.wait(), false)
		all := h.leases(p, 3)
		checks(t, p, CheckNone, "on", "off")
		checks(t, p, CheckNone, "on", "off", own...) // it is known still
		if round < 2 {
			h.endAll(all)
			continue
		}
		for _, b := range all {
			h.giveBack(b)
		}
	}
	// The primary's word does not hold for the standby, nor the other way round.
	p.ages()
	v, w := p.Variant(nil)
	_, q := p.Check(v, w)
	p.Forget(v)
	q.isTold(t, &Backend{Address: p.settings.Address}, "off", "off")
	checks(t, p, CheckNone, "on", "off")
	p.ages()
	q = checks(t, p, CheckOwn, "on", "off")
	q.isTold(t, &Backend{Address: p.settings.Others[0]}, "off", "off") // it has been promoted
	checks(t, p, CheckNone, "off", "off")
}

func TestAStandbyThatIsAwayDoesNotCount(t *testing.T) {
	h, servers, p, says := factualHosts(t)
	primary, standby := servers[0], servers[1]
	says(primary, "off", "off")
	says(standby, "on", "off")
	all := h.leases(p, 2)
	checks(t, p, CheckNone, "on", "off")
	standby.stop()
	h.endAll(all)
	all = h.leases(p, 2)
	wants(t, all, servers, 2, 0)
	h.giveBack(all[0])
	p.ages()
	v, w := p.Variant(nil)
	p.Forget(v)
	if reported(w.Params, hotStandby) == "on" {
		_, q := p.Check(v, w)
		q.isTold(t, all[0], "off", "off")
	}
	checks(t, p, CheckNone, "off", "off")
	standby.listen()
	eventually(t, "it is there again", func() bool {
		h.endAll(h.leases(p, 2))
		v, w := p.Variant(nil)
		defer p.Forget(v)
		return reported(w.Params, hotStandby) == "on"
	})
}

// TestAHostWhoseBackendIsLostIsKnockedAt, though nobody needs a login there.
func TestAHostWhoseBackendIsLostIsKnockedAt(t *testing.T) {
	h, servers, p, says := factualHosts(t)
	says(servers[0], "off", "off")
	says(servers[1], "on", "off")
	all := h.leases(p, 2)
	servers[1].stop()
	p.Doubt(all[1])
	eventually(t, "it is found away", func() bool { return p.Hosts()[1].Away != nil })
	if n := h.aways.Load(); n != 1 || p.Hosts()[0].Away != nil {
		t.Errorf("%d away", n)
	}
	h.endAll(all)
}

// TestWhichTransactionsReadIsTheLastHostsWord, and no reason to ask all anew.
func TestWhichTransactionsReadIsTheLastHostsWord(t *testing.T) {
	h, servers, p, says := factualHosts(t)
	says(servers[0], "off", "off")
	says(servers[1], "off", "on")
	for _, want := range []string{"off", "on", "off", "on"} {
		h.end(h.lease(p), false)
		v, w := p.Variant(nil)
		p.Forget(v)
		if w == nil || reported(w.Params, readOnly) != want {
			t.Errorf("%v, want %s", w, want)
		}
	}
}

func TestOneListensAtAHostThatIsThere(t *testing.T) {
	for name, balance := range map[string]func(...*server) func(*Settings){"round-robin": on, "disable": staying} {
		t.Run(name, func(t *testing.T) {
			h, servers := newHost(t), []*server{serve(t), serve(t)}
			first, second := announce(t, servers[0]), announce(t, servers[1])
			p := h.pool(servers[0], balance(servers...))
			x := hearing(t, p.Listener())
			x.listen("c")
			first.notify("c", "of the first")
			x.heard("done", "c of the first")
			servers[0].stop()
			eventually(t, "it listens at the other one", func() bool { return len(second.listened()) == 1 })
			second.notify("c", "of the second")
			x.heard("missed", "c of the second")
		})
	}
}
