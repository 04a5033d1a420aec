package session

import (
	"maps"
	"strings"

	"pgweir/session/follow"
	"pgweir/wire"
)

// checkBelief: a backend that is released is as its link says.
func (s *sim) checkBelief(b *simBackend) {
	if *b.link.Vars != b.vars {
		s.t.Fatalf("backend %d is released with the settings %v, and is believed to have %v", b.id, b.vars, *b.link.Vars)
	}
	has, believed := map[string]string{}, map[string]string{}
	for name, value := range b.settings {
		if value != "" || !strings.Contains(name, ".") {
			has[name] = value
		}
	}
	for _, v := range b.link.settings.All() {
		if (v.Value != "" || !strings.Contains(v.Name, ".")) && v != (wire.Param{Name: follow.NameRole, Value: "none"}) {
			believed[v.Name] = v.Value
		}
	}
	if !maps.Equal(has, believed) {
		s.t.Fatalf("backend %d is released with the settings %v, and is believed to have %v", b.id, has, believed)
	}
	for name := range b.stmts {
		if name != "" {
			has["statement "+name] = ""
		}
	}
	for h := range b.link.have.All {
		believed["statement "+h.Statement.Name] = ""
	}
	if !maps.Equal(has, believed) {
		s.t.Fatalf("backend %d is released with %v, and is believed to have %v", b.id, has, believed)
	}
}

// checkPrepared: a backend has no more shared statements than it may. It may have
// more for a while if an error has had it skip a Close, and what was sent behind
// the Sync counts on that, until all of it has been answered.
func (s *sim) checkPrepared(b *simBackend) {
	n := 0
	for name := range b.stmts {
		if strings.HasPrefix(name, follow.NamePrefix) && name != scratchName {
			n++
		}
	}
	switch {
	case n < s.config.MaxPrepared && len(b.link.ops) == 0:
		b.unclosed = false
	case n > s.config.MaxPrepared && !b.unclosed:
		s.t.Fatalf("backend %d has %d shared statements, and may have %d", b.id, n, s.config.MaxPrepared)
	}
}

// finish looks at what is left when nothing can happen any more.
func (s *sim) finish() {
	for _, c := range s.clients {
		if !c.closed {
			s.t.Fatalf("client %d is forgotten in phase %d: %s has not been consumed, %s not answered", c.id, c.rig.s.Phase(),
				show(c.rig.fromClient), strings.Join(c.missing(), " "))
		}
		if c.early && !c.left && !c.quits && !c.doomed {
			s.t.Fatalf("client %d has read %s, which nothing it said asks for", c.id, show(c.got))
		}
		if n := c.rig.s.namedBytes; n != 0 {
			s.t.Fatalf("client %d has gone, and has %d bytes of named statements", c.id, n)
		}
		if c.lease != nil {
			s.t.Fatalf("client %d has gone, and backend %d with it", c.id, c.lease.id)
		}
	}
	h := s.config.Shared
	if n := h.places.Load(); n != 0 {
		s.t.Fatalf("%d places are taken, and all clients have gone", n)
	}
	if n := h.Pinned.Load(); n != 0 {
		s.t.Fatalf("%d clients are pinned, and all have gone", n)
	}
	if used := h.Statements.Len() - h.Statements.Unused(); used != 0 {
		s.t.Fatalf("%d statements are used, and all clients have gone", used)
	}
}
