package session

import (
	"strings"

	"pgweir/session/pipeline"
	"pgweir/wire"
)

// The client's settings are put on a backend by a Query ahead of its first
// message, in the same write. PostgreSQL may refuse them: a setting that
// somebody has made with more rights than the login's own cannot be RESET by it;
// a role may be gone. What follows in the same write must not run then, because
// it would run with other settings than the client's own. So the Query has any
// error end the connection (exit_on_error).
//
// What the client has said by then is kept until the settings are in force. If
// they are refused on a backend that others have left their settings on, it is
// said again on another backend, and the client notices nothing. If they are
// refused on a backend without, they are refused for their own sake, and the
// client hears why.

// replaying is how far the client's settings are on their way to its backend.
type replaying uint8

const (
	replayNone    replaying = iota // they are there
	replayPlain                    // of Vars alone, which PostgreSQL never refuses
	replayGuarded                  // an error ends the connection; what the client says is kept
	replayAwaited                  // the same, and nothing of the client's is sent
)

// maxRefeed is how much of what the client says is sent behind settings that are
// not in force yet, in bytes and without a Terminate. What is beyond waits for
// them.
const maxRefeed = 16<<10 - wire.HeaderLen

// replay puts the client's settings on the backend, if they differ. discard has it
// forget the plans of functions.
func (s *Session) replay(discard bool, o *Out) {
	if *s.vars == *s.link.Vars {
		s.link.Vars = s.vars // found equal faster the next time
	}
	if s.settings.Alike(s.link.settings, s.link.loaded) {
		s.link.settings = s.settings
	}
	if s.tx != 'I' {
		s.replayWithin(o)
		return
	}
	how := replayPlain
	if s.settings != s.link.settings {
		how = replayGuarded
		o.Replays++
	}
	if s.mayTimeOut() {
		how = replayAwaited
	}
	var text [512]byte
	sql := text[:0]
	if how != replayPlain {
		sql = append(sql, guard...)
	}
	bare := len(sql)
	sql = s.vars.AppendSet(sql, s.link.Vars)
	if len(sql) > bare && s.settings != s.link.settings && !s.settings.IsPlain() {
		// The encoding must be in force before what is written in it is read.
		s.set(sql, how, o)
		sql = sql[:bare]
	}
	if s.settings != s.link.settings {
		sql = s.settings.AppendReplay(sql, s.link.settings, s.link.loaded)
	}
	if discard {
		sql = append(sql, discardPlans+";"...)
		s.link.have.Replan()
	}
	if len(sql) > bare {
		s.set(sql, how, o)
	}
}

// replayWithin is replay in a block: a RESET has turned Vars back to what another
// client began with.
func (s *Session) replayWithin(o *Out) {
	var statements []string
	for i := range s.vars {
		if sql := s.link.Vars.With(i, s.vars[i]).AppendSet(nil, s.link.Vars); len(sql) > 0 {
			statements = append(statements, string(sql))
		}
	}
	s.insert(statements, o)
}

// set sends statements that set what the client has set.
func (s *Session) set(sql []byte, how replaying, o *Out) {
	if how != replayPlain {
		sql = s.appendUnguard(sql)
	}
	o.ToServer.keep(wire.AppendQuery(o.ToServer.own(), string(sql)))
	s.unnamedHere, s.unnamedSent = false, false // gone, as with every simple query
	s.owed.Push(pipeline.Settings)
	if s.begun {
		return // in the midst of a lease nothing can be said again
	}
	s.replaying = how
	s.link.said = s.link.said[:0]
	s.link.unnamed = append(s.link.unnamed[:0], s.unnamedParse...)
	s.link.unnamedHints, s.link.unnamedShape = s.unnamedHints, s.unnamedShape
}

// mayTimeOut tells whether what the backend has of another client may cancel
// statements that take no time, even before the guard is up.
func (s *Session) mayTimeOut() bool {
	for _, name := range [...]string{"statement_timeout", "transaction_timeout"} {
		if ms, ok := s.link.settings.Get(name); ok && len(ms) < len("1000") && ms != "0" {
			return true
		}
	}
	return false
}

// mustHold tells whether a message, of which all up to end is there, has to wait
// until the client's settings are in force: it could not be said again.
func (s *Session) mustHold(end int, whole bool) bool {
	switch s.replaying {
	case replayGuarded:
		return !whole || len(s.link.said)+end > maxRefeed
	case replayAwaited:
		return true
	}
	return false
}

// keepSaid keeps what the client has said behind settings that are not in force
// yet.
func (s *Session) keepSaid(said []byte) {
	if s.replaying == replayGuarded {
		s.link.said = append(s.link.said, said...)
	}
}

// replayed: the settings are in force.
func (s *Session) replayed() {
	s.link.Vars = s.vars // reported one by one as well, but not the equal ones
	s.link.settings = s.settings
	s.link.load(s.settings)
	if s.owed.Has(pipeline.Settings) {
		return
	}
	s.replaying = replayNone
	s.link.forgetSaid()
}

// keepSaidRoom is how much room for what was said a backend keeps, in bytes.
const keepSaidRoom = 2 << 10

func (l *Link) forgetSaid() {
	if cap(l.said) > keepSaidRoom {
		l.said = nil
	}
	if cap(l.unnamed) > keepSaidRoom {
		l.unnamed = nil
	}
}

// mayMove tells whether a client whose settings are refused with e is to have
// another backend.
func (s *Session) mayMove(e *wire.Error) bool {
	switch {
	case s.replaying < replayGuarded, s.config.Mode == SessionMode, s.isLeaving() && !s.owed.OwesClient():
		return false
	case s.replaying == replayGuarded && e.Severity != "FATAL":
		return false // the guard was not up yet
	}
	ends := strings.HasPrefix(e.Code, classShutdown)
	return ends || !s.link.settings.Equal(s.link.base)
}

// classShutdown are the errors with which a backend is ended from outside.
const classShutdown = "57P"

// forgetReserved takes a setting from the client whose name a library has
// reserved for its own since, or has defined as one that the client may not set.
// PostgreSQL removes it in the same way when it loads the library.
func (s *Session) forgetReserved(e *wire.Error) (forgot bool) {
	switch e.Code {
	case codeInvalidName, wire.CodeUndefinedObject, wire.CodeInsufficientPrivilege:
	default:
		return false
	}
	left := s.settings.Without(func(v wire.Param) bool {
		return strings.Contains(v.Name, ".") && strings.Contains(e.Message, `"`+v.Name+`"`)
	})
	forgot = left != s.settings
	s.settings = left
	return forgot
}

// codeInvalidName is PostgreSQL's for a setting whose name is reserved.
const codeInvalidName = "42602"

// move gives the backend up, and has the client say again elsewhere what it has
// said here. Nothing of it has been run.
func (s *Session) move(o *Out) {
	s.undo(len(s.link.ops))
	s.owed.Clear()
	if s.extra != nil {
		s.extra.underWay, s.extra.unheard = underWay{}, nil
		s.extra.waiting, s.extra.syncing = false, false
	}
	u := s.ownUnnamed()
	u.unnamedParse = append(u.unnamedParse[:0], s.link.unnamed...)
	u.unnamedHints, u.unnamedShape = s.link.unnamedHints, s.link.unnamedShape
	if s.leaving == leavingDrains { // what it has asked for before its Terminate is still run
		s.leaving = leavingNot
		s.link.said = wire.AppendTerminate(s.link.said)
	}
	s.link.retry = retry{}
	s.reads, s.blocked = readsMessages, false
	s.replaying = replayNone
	s.unit++
	o.Unread = s.link.said
	s.link.said, s.link.unnamed = nil, nil
	s.freePlace()
	s.endLease()
	s.phase = Waiting
	o.do(EffectDrop)
	o.do(EffectNeedBackend)
}
