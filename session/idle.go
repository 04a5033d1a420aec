package session

import (
	"slices"
	"strconv"
	"time"

	"pgweir/session/pipeline"
	"pgweir/wire"
)

// idle_session_timeout is about the client, and would end a backend that others
// are to have. So a client's is never left on a backend: it is kept here, and
// whoever owns the session keeps to it. Where a statement names it, it is set
// ahead of that, for SHOW; and what the question finds of it is taken away.

var idleKind = kind{
	completed: func(s *Session, tag []byte, o *Out) {
		if string(tag) == tagDiscardAll {
			s.setIdle(s.origin.Value().idle, o)
		}
	},
	failed: func(s *Session, _ *Out) { s.idleThere = false },
	asks: func(s *Session, h wire.Hints) Reason {
		if h&(wire.HintReset|wire.HintDiscard) != 0 && s.idle != s.origin.Value().idle {
			return partSettings
		}
		return 0
	},
	answered: func(s *Session, a *asking, _ *Out) { s.takeIdle(a) },
	keeps: func(s *Session, a *asking, pins Reason, o *Out) Reason {
		if a.Parts&partSettings != 0 && s.followIdle(a.idle, o) {
			a.differs = true
		}
		return pins
	},
}

const nameIdleTimeout = "idle_session_timeout"

// IdleTimeout is how long the client may be idle outside of a transaction; 0 for
// ever. If it is another, EffectIdleTimeout says so.
func (s *Session) IdleTimeout() time.Duration { return time.Duration(s.idle) * time.Millisecond }

// setIdle sets it, in milliseconds.
func (s *Session) setIdle(ms int32, o *Out) {
	if s.idle != ms {
		s.idle = ms
		o.once(EffectIdleTimeout)
	}
}

// idleNotTold is in place of a value that the backend has not said.
const idleNotTold = -1

// takeIdle takes what the backend says of it out of an answer.
func (s *Session) takeIdle(a *asking) {
	a.idle = idleNotTold
	a.Settings = slices.DeleteFunc(a.Settings, func(v wire.Param) bool {
		if v.Name != nameIdleTimeout {
			return false
		}
		if n, err := strconv.ParseInt(v.Value, 10, 32); err == nil {
			a.idle = int32(n)
		}
		return true
	})
}

// followIdle takes in what an answer says of it, and tells whether it is another
// now.
func (s *Session) followIdle(ms int32, o *Out) (differs bool) {
	was := s.idle
	switch {
	case ms != idleNotTold:
		s.setIdle(ms, o)
	case s.extra.turnedIdle:
		s.setIdle(s.origin.Value().idle, o)
	}
	s.idleThere = false
	if ms > 0 {
		o.ToServer.keep(wire.AppendQuery(o.ToServer.own(), "RESET "+nameIdleTimeout))
		s.unnamedHere = false
		s.owed.Push(pipeline.Reset)
	}
	return s.idle != was
}

// showIdle sets the client's value on the backend, if a message needs it there
// and it can be done. What follows asks for it, and so takes it away again.
func (s *Session) showIdle(typ byte, message []byte, before []byte, o *Out) (done bool) {
	if s.config.State == StateOff || s.reads != readsMessages || s.tx == 'E' || s.idleThere {
		return false
	}
	pipelined := s.batch != batchNone || s.owed.OwesClient()
	if typ == 'Q' && pipelined || !s.namesIdle(typ, message) {
		return false
	}
	s.idleThere = true
	o.ToServer.add(before)
	sql := "SET " + nameIdleTimeout + " = " + strconv.Itoa(int(s.idle))
	if s.tx == 'I' && !pipelined {
		s.detour(sql, o)
	} else {
		s.insert([]string{sql}, o)
	}
	s.hints |= wire.HintSet
	return true
}

// namesIdle tells whether a message is, or runs, a statement that names it.
func (s *Session) namesIdle(typ byte, message []byte) bool {
	switch typ {
	case 'Q', 'P':
		return containsFold(message, nameIdleTimeout)
	case 'B':
		name, _ := wire.BindStatement(message[wire.HeaderLen:])
		if len(name) == 0 {
			return containsFold(s.unnamedParse, nameIdleTimeout)
		}
		n := s.byName[string(name)]
		return n != nil && n.st != nil && containsFold(n.st.Parse, nameIdleTimeout)
	}
	return false
}
