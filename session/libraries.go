package session

import (
	"slices"

	"pgweir/session/follow"
	"pgweir/wire"
)

// A library that a client has loaded with LOAD follows it like a setting, and is
// loaded ahead of the settings, some of which it may have defined. Nothing unloads
// one: other clients of the backend have it too from then on, as they would have
// if a function of its had been called. LOAD is carried out at once, whatever
// becomes of its transaction.

var librariesKind = kind{
	reason: ReasonLibrary, follows: true,
	blind: wire.HintProcess | wire.HintDblink, // nothing undoes these
	noted: wire.HintLoad, note: (*Session).loads,
	completed: func(s *Session, tag []byte, _ *Out) {
		if string(tag) == "LOAD\x00" {
			s.loaded()
		}
	},
	failed: func(s *Session, _ *Out) {
		if s.extra != nil {
			s.extra.loading = nil
		}
	},
	answered: func(s *Session, a *asking, _ *Out) {
		s.tainted = s.tainted || a.Found&ReasonLibrary != 0
	},
}

// maxLibraries bounds the libraries that follow a client.
const maxLibraries = 64

// loads notes the libraries that a text is about to load, or the statement that a
// Bind is about to run.
func (s *Session) loads(text []byte, _ wire.Hints) {
	if s.config.State == StateOff {
		return
	}
	x := s.more()
	for i := range x.loading {
		x.loading[i] = "" // which of several statements has run, no tag tells
	}
	wire.Names(text, s.nonconforming(), func(n wire.Name) {
		if n.Kind == wire.NameLoad {
			x.loading = append(x.loading, n.Text)
		}
	})
}

// loaded: a LOAD has succeeded. Where it cannot follow the client, that keeps its
// backend.
func (s *Session) loaded() {
	x := s.more()
	library := ""
	if len(x.loading) > 0 {
		library = x.loading[0]
		x.loading = x.loading[1:]
	}
	has := s.settings.Libraries()
	switch {
	case slices.Contains(has, library):
		return
	case library == "", len(has) == maxLibraries, s.config.State == StatePin, x.role, s.settings.HasIdentity():
		// A role's rights are not the login's, under which it is loaded again.
		s.hints |= wire.HintProcess
		return
	}
	was := s.settings
	s.settings = was.Loading(append(slices.Clip(has), library))
	if s.link.settings == was {
		s.link.settings = s.settings
	}
	s.link.load(s.settings)
}

// load notes that the backend has what a client has loaded.
func (l *Link) load(s *follow.Settings) {
	for _, library := range s.Libraries() {
		if !slices.Contains(l.loaded, library) {
			l.loaded = append(l.loaded, library)
		}
	}
}
