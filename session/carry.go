package session

import (
	"slices"
	"strings"

	"pgweir/session/follow"
	"pgweir/session/proof"
	"pgweir/wire"
)

// Settings follow the client: what it has set is set anew wherever it runs next
// (replay.go). What the words of its statements and the backend's reports do not
// tell, the backend is asked for.

var settingsKind = kind{
	reason: ReasonSetting, part: partSettings, follows: true,
	makes: wire.HintSet | wire.HintSetConfig, ends: wire.HintReset | wire.HintDiscard,
	asks: func(s *Session, h wire.Hints) Reason {
		if h&(wire.HintReset|wire.HintDiscard) != 0 && s.settings != nil {
			return partSettings
		}
		return 0
	},
	completed: func(s *Session, tag []byte, _ *Out) {
		if string(tag) == tagDiscardAll {
			s.settingsDiscarded()
		}
	},
	failed: func(s *Session, _ *Out) {
		if !s.owed.OwesReadyBefore() { // else a message behind may turn some back
			s.resets = 0
		}
	},
	keeps: func(s *Session, a *asking, pins Reason, _ *Out) Reason {
		if a.Parts&(partSettings|proof.PartHash) == 0 {
			return pins
		}
		if a.Parts&partSettings != 0 {
			a.differs = s.takeSettings(a)
		}
		pins = pins&^ReasonSetting | a.Found&ReasonSetting
		s.extra.blind = s.extra.blind || s.unread()
		if s.extra.blind || s.settings != nil && s.config.State == StatePin {
			pins |= ReasonSetting
		}
		return pins
	},
}

// settingsDiscarded: DISCARD ALL has succeeded.
func (s *Session) settingsDiscarded() {
	s.settings, s.link.settings = s.origin.Value().settings.Loading(s.settings.Libraries()), s.link.base
	if s.extra == nil {
		return
	}
	s.extra.blind, s.extra.unknown, s.extra.role = false, false, false
	if len(s.extra.customs) > 0 {
		s.hints |= wire.HintSet // they are empty now, but there
	}
}

// takeSettings makes the client's settings of the list, and tells whether they
// are others than before.
func (s *Session) takeSettings(a *asking) (differs bool) {
	for _, name := range a.Library {
		follow.LibrarySettings.Store(name, nil)
	}
	next := s.readSettings(a, s.origin.Value().settings)
	if next.Size() > maxCarried {
		s.extra.blind = true
		return true
	}
	for _, v := range next.All() {
		s.noteCustom(v.Name) // the database may know it no more the next time
	}
	if next.Equal(s.settings) {
		next = s.settings
	} else {
		differs = !next.Without(follow.EmptyCustom).Equal(s.settings.Without(follow.EmptyCustom))
	}
	there := next
	if s.origin.Value().settings != nil { // the client may have more than the backend
		if there = s.readSettings(a, s.link.base); there.Equal(next) {
			there = next
		}
	}
	s.settings, s.link.settings = next, there
	s.notePlans(0)
	return differs
}

// maxCarried is how much memory the settings of a client may take, in bytes. One
// with more keeps its backend.
const maxCarried = 256 << 10

// readSettings makes a set of what the backend has said. What is not listed is back
// at base.
func (s *Session) readSettings(a *asking, base *follow.Settings) *follow.Settings {
	back := s.extra != nil && s.extra.turned
	list := slices.DeleteFunc(slices.Clone(a.Settings), func(v wire.Param) bool {
		if _, begun := base.Get(v.Name); begun && back && v.Value == "" {
			return true // as RESET leaves a setting of an extension's
		}
		return v.Name == follow.NameRole && (v.Value == s.link.role || s.link.role == "" && v.Value == "none") && !a.role ||
			v.Name == follow.NameAuthorization && v.Value == s.loggedIn() ||
			wire.VarIndex([]byte(v.Name)) >= 0 || s.notSet(v)
	})
	for _, v := range base.All() {
		if !slices.ContainsFunc(list, func(w wire.Param) bool { return w.Name == v.Name }) {
			list = append(list, v)
		}
	}
	return follow.NewSettings(list).Loading(s.settings.Libraries())
}

// notSet tells whether a setting of an extension is one that only occurs in the
// database, and that nobody has set.
func (s *Session) notSet(v wire.Param) bool {
	if s.config.Catalog == nil || !strings.Contains(v.Name, ".") || slices.Contains(s.extra.customs, v.Name) {
		return false
	}
	if _, has := s.settings.Get(v.Name); has {
		return false
	}
	k := s.config.Catalog.Knowledge()
	return k != nil && slices.Contains(k.Customs, v.Name) && !k.Set(v)
}
