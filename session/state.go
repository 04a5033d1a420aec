package session

import (
	"bytes"

	"pgweir/wire"
)

// A transaction may leave state behind in its backend: settings, locks,
// temporary tables, channels. Whether one did is PostgreSQL's to say. The
// words of the statements only hint at it; after a hint, the backend is asked
// before it is let go of, and if something is left, the client keeps it (a
// pin) until that is gone.

// pinState is whether the client keeps its backend.
type pinState uint8

const (
	unpinned    pinState = iota
	pinned               // the backend said so; it is asked again after the next hint
	pinnedBlind          // for state that the backend cannot be asked about; only DISCARD ALL ends it
)

const (
	// hintsToAsk are about state that the question shows.
	hintsToAsk = wire.HintSet | wire.HintAdvisoryLock | wire.HintTemp | wire.HintHold |
		wire.HintListen | wire.HintPrepare | wire.HintDo | wire.HintCall
	// hintsBlind are about state that it does not show: set_config's name may
	// be a parameter, and a custom setting is in no view.
	hintsBlind = wire.HintSetConfig | wire.HintLoad | wire.HintDblink
	// hintsToFree may end a pin.
	hintsToFree = wire.HintReset | wire.HintDiscard | wire.HintAdvisoryUnlock |
		wire.HintUnlisten | wire.HintDeallocate | wire.HintClose | wire.HintDrop
)

// question is what the backend is asked: one row with one text, which names
// what is left and is empty if nothing is. The settings of wire.Vars do not
// count, because they are set anew for every client.
var question = wire.AppendQuery(nil, `SELECT pg_catalog.concat_ws(', ',
 CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_settings WHERE source = 'session'
   AND setting IS DISTINCT FROM reset_val AND name NOT IN ('application_name', 'client_encoding',
   'DateStyle', 'IntervalStyle', 'TimeZone', 'standard_conforming_strings'))
   OR pg_catalog.current_setting('role') <> 'none' THEN 'settings' END,
 CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_class WHERE relnamespace = pg_catalog.pg_my_temp_schema()) THEN 'temporary objects' END,
 CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND pid = pg_catalog.pg_backend_pid()) THEN 'advisory locks' END,
 CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_cursors WHERE is_holdable) THEN 'held cursors' END,
 CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_prepared_statements WHERE from_sql) THEN 'prepared statements' END,
 CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_listening_channels()) THEN 'channels' END)`)

// answer is what has come back.
type answer struct {
	left   string
	came   bool
	failed bool
}

// row reads the DataRow of the answer: int16 columns, int32 length, text.
func (a *answer) row(body []byte) {
	if len(body) < 6 {
		return
	}
	a.came = true
	a.left = string(body[6:])
}

// watch looks for hints in a statement's text; body is that of a Query, or of
// a Parse behind its name.
func (s *Session) watch(text []byte) wire.Hints {
	end := bytes.IndexByte(text, 0)
	if end >= 0 {
		text = text[:end]
	}
	var h wire.Hints
	if s.vars[wire.VarStandardConformingStrings] == "off" {
		h = wire.ScanNonconforming(text)
	} else {
		h = wire.Scan(text)
	}
	h &^= wire.HintSequence
	if h&wire.HintSet != 0 {
		switch settingOf(text) {
		case settingFollowed:
			h &^= wire.HintSet
		case settingUnseen:
			h |= wire.HintSetConfig // as blind
		}
	}
	if end < 0 {
		h |= hintsToAsk // it goes on, unseen
	}
	s.hints |= h
	return h
}

// clean decides what the hints of the transaction mean for the lease. It is
// false if the backend had to be asked, and the answer is on its way.
func (s *Session) clean(o *Out) bool {
	h := s.hints
	s.hints = 0
	s.spoilt = s.spoilt || h&(wire.HintLoad|wire.HintDblink) != 0 // nothing undoes these
	switch {
	case s.pin == pinnedBlind:
		return true
	case h&hintsBlind != 0:
		s.pin = pinnedBlind
		o.Pinned = "settings that cannot be asked for"
		return true
	case h&hintsToAsk != 0, s.pin == pinned && h&hintsToFree != 0:
		s.question = answer{}
		o.ToServer.keep(append(o.ToServer.own(), question...))
		s.unnamedHere = false // gone, as with every simple query
		s.owed.push(entQuestion)
		return false
	}
	return true
}

// answered: the backend has said what is left.
func (s *Session) answered(o *Out) {
	switch {
	case s.question.failed || !s.question.came:
		s.pin = pinnedBlind
		o.Pinned = "state that could not be asked for"
	case s.question.left != "":
		if s.pin == unpinned {
			o.Pinned = s.question.left
		}
		s.pin = pinned
	default:
		s.pin = unpinned
	}
	s.question = answer{}
}

// completed reads a command's tag: DISCARD ALL leaves nothing behind. It
// stands alone then, for it may not be in a block; what has been sent behind
// it counts anew.
func (s *Session) completed(tag []byte) {
	if string(tag) == "DISCARD ALL\x00" && s.owed.len() <= 1 {
		s.pin, s.hints = unpinned, 0
	}
}

// Kinds of settings, for what has to be done about a SET.
type settingKind uint8

const (
	settingAsked    settingKind = iota // pg_settings shows it
	settingFollowed                    // one of wire.Vars
	settingUnseen                      // a custom one or a user's identity: no view shows it
)

// settingOf tells what kind of setting a text sets that consists of one SET;
// of other texts it can say nothing certain.
func settingOf(text []byte) settingKind {
	text = bytes.TrimSpace(text)
	text = bytes.TrimSuffix(text, []byte(";"))
	word, rest := cutWord(text)
	if !bytes.EqualFold(word, []byte("set")) || bytes.IndexByte(text, ';') >= 0 {
		// Several statements, or a comment ahead of the one.
		if bytes.IndexByte(text, '.') >= 0 || containsFold(text, "authorization") {
			return settingUnseen
		}
		return settingAsked
	}
	word, rest = cutWord(rest)
	for bytes.EqualFold(word, []byte("session")) { // SET SESSION SESSION AUTHORIZATION is one way to say it
		word, rest = cutWord(rest)
	}
	rest = bytes.TrimLeft(rest, " \t\r\n")
	switch {
	case bytes.EqualFold(word, []byte("authorization")), bytes.EqualFold(word, []byte("session_authorization")):
		return settingUnseen
	case bytes.EqualFold(word, []byte("role")) && containsFold(rest, "none"):
		return settingUnseen // the question takes no role for no change
	case len(word) == 0, len(rest) > 0 && (rest[0] == '.' || rest[0] == '/' || rest[0] == '-'):
		return settingUnseen // of an extension's, or perhaps: a quoted name, or a comment
	case wire.VarIndex(word) >= 0:
		return settingFollowed
	case bytes.EqualFold(word, []byte("names")):
		return settingFollowed // client_encoding
	case bytes.EqualFold(word, []byte("time")):
		if zone, _ := cutWord(rest); bytes.EqualFold(zone, []byte("zone")) {
			return settingFollowed
		}
	}
	return settingAsked
}

// cutWord cuts the first word off; an empty one if the text begins with
// something else, a comment or a quoted name, say.
func cutWord(text []byte) (word, rest []byte) {
	text = bytes.TrimLeft(text, " \t\r\n")
	n := 0
	for n < len(text) && (text[n] == '_' || text[n] == '$' || text[n] >= 0x80 ||
		'0' <= text[n] && text[n] <= '9' || 'a' <= text[n]|0x20 && text[n]|0x20 <= 'z') {
		n++
	}
	return text[:n], text[n:]
}

func containsFold(text []byte, word string) bool {
	return bytes.Contains(bytes.ToLower(text), []byte(word))
}
