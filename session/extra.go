package session

import (
	"pgweir/session/follow"
	"pgweir/wire"
)

// more is what few sessions need.
func (s *Session) more() *extra {
	if s.extra == nil {
		s.extra = &extra{}
	}
	return s.extra
}

// extra is the part of a session that most have not.
type extra struct {
	asking        *asking
	outOfTime     bool       // the last question was canceled too often
	customs       []string   // settings of extensions' that the client may have set
	statement     string     // the last one with a hint, cut
	pinStatement  string     // the one that the pin began with
	keeping       int        // how many statements the text being spliced needs so far
	gathered      []byte     // a message of which the rest is restGathered
	turns         bool       // the transaction has a RESET, or something like it
	turnsIdle     bool       // which may be one of idle_session_timeout
	turned        bool       // turns, of what the backend is being asked about
	turnedIdle    bool       // the same of turnsIdle
	role          bool       // the client has chosen roles
	showing       bool       // see showPrepared
	preparedHints wire.Hints // of the statements of SQL's PREPARE
	unknown       bool       // a setting was set whose name is not known
	blind         bool       // and that holds
	foreign       bool       // SQL may have been executed that comes from elsewhere
	passes        bool       // a text is read as it passes, with rest
	rest          wire.Passing
	counts        bool // the client has asked in a block for what nextval has given
	mixed         bool // in this lease, where others' may be there besides its own
	signaled      bool // a warning of a process ID was swallowed; see warned
	copyStrays
	underWay
	hearing
}

// underWay is about the statements that have not been answered yet.
type underWay struct {
	splices  []splice // in the text
	deallocs []dealloc
	unmade   []unmade    // ahead of them
	loading  []string    // the libraries
	refusing *wire.Error // why one is not run
}

// maxStatement is how much of a statement is kept to be shown, in bytes.
const maxStatement = 200

// keepStatement keeps the start of a statement with hints, and whether it turns
// settings back.
func (s *Session) keepStatement(text []byte, h wire.Hints) {
	x := s.more()
	if h&(wire.HintReset|wire.HintDiscard|wire.HintSet) != 0 {
		turns := h&(wire.HintReset|wire.HintDiscard) != 0 || containsFold(text, "default")
		x.turns = x.turns || turns
		x.turnsIdle = x.turnsIdle || turns && (containsFold(text, nameIdleTimeout) || containsFold(text, "all"))
	}
	text = text[:min(len(text), maxStatement)]
	if x.statement != string(text) {
		x.statement = string(text)
	}
}

// Pins are the reasons for which the client keeps its backend, and the
// statement with which that began.
func (s *Session) Pins() (r Reason, statement string) {
	if s.leaving == leavingForgotten {
		return 0, ""
	}
	if s.pins != 0 && s.extra != nil {
		statement = s.extra.pinStatement
	}
	return s.pins, statement
}

// Statement is the last statement that has been looked at, for the log.
func (s *Session) Statement() string {
	if s.extra == nil {
		return ""
	}
	return s.extra.statement
}

// Settings are what the client has set beyond Vars.
func (s *Session) Settings() *follow.Settings { return s.settings }

// Prepared is how many named statements the client has.
func (s *Session) Prepared() int { return len(s.byName) }
