package session

import (
	"bytes"
	"strconv"
	"unicode/utf8"

	"pgweir/wire"
)

// SQL has words for prepared statements too, and their names are the same
// names: DEALLOCATE and EXECUTE work on a statement that came by a Parse, and
// PREPARE of a name that a Parse has made is an error. Where such a name
// stands for a shared statement, the statement's own name is put in its place,
// and PostgreSQL does the rest.

// hintsSQLNames are those of texts in which such a name may stand.
const hintsSQLNames = wire.HintPrepare | wire.HintExecute | wire.HintDeallocate

// hintsAlone are those of statements that wait until all before them has been
// answered, and let nothing follow before they are: they change what messages
// behind them mean.
const hintsAlone = wire.HintPrepare | wire.HintDeallocate | wire.HintDiscard | wire.HintListen |
	wire.HintUnlisten | wire.HintShowsChannels | wire.HintShowsPrepared | wire.HintSequence

// hintsReady are those of statements that makeReady does something for.
const hintsReady = wire.HintSequence | wire.HintShowsChannels | wire.HintShowsPrepared

// sqlStatement looks at the text of a Query, or of a Parse of the client's own
// on the backend, before it is sent. It may put other messages ahead, or return
// another text. A refusal says that it must not be run.
func (s *Session) sqlStatement(text []byte, h wire.Hints, extended bool, o *Out) (instead []byte, refusal *wire.Error) {
	if e := s.forbidden(text, h); e != nil {
		return nil, e
	}
	s.makeReady(h, o)
	if h&hintsSQLNames != 0 && s.sharing() {
		instead = s.spliceNames(text, extended, o)
	}
	return instead, nil
}

// makeReady has the backend look as if it were the client's own, for a
// statement with these hints.
func (s *Session) makeReady(h wire.Hints, o *Out) {
	if h&wire.HintSequence != 0 {
		s.ownSequences(o)
	}
	if h&wire.HintShowsChannels != 0 {
		s.showChannels(o)
	}
	if h&wire.HintShowsPrepared != 0 {
		s.showPrepared(o)
	}
	if h&wire.HintNotify != 0 {
		s.link.Notifier.Store(s.PID)
	}
}

// showPrepared gives the backend the client's statements under their own names
// and takes all others away, for a statement that reads what there is.
func (s *Session) showPrepared(o *Out) {
	if s.tx == 'E' || s.unsynced || s.owed.len() > 0 || !s.sharing() || s.more().showing || len(s.names)+len(s.link.have.all) == 0 {
		return
	}
	for st := s.link.have.oldest(); st != nil; st = s.link.have.oldest() {
		s.evict(st, o)
	}
	for name, n := range s.names {
		if n.st != nil {
			_, body, _ := wire.CString(n.st.parse[wire.HeaderLen:])
			o.ToServer.keep(appendNamed(o.ToServer.own(), name, body))
			s.owed.push(entShow)
		}
	}
	s.ownSync(o)
	s.x.showing = true
}

// hidePrepared ends what showPrepared has begun.
func (s *Session) hidePrepared(o *Out) {
	for name, n := range s.names {
		if n.st != nil {
			o.ToServer.keep(wire.AppendCloseStatement(o.ToServer.own(), name))
			s.owed.push(entShow)
		}
	}
	s.ownSync(o)
	s.x.showing = false
}

func (s *Session) ownSync(o *Out) {
	o.ToServer.keep(wire.AppendSync(o.ToServer.own()))
	s.owed.push(entOwnSync)
}

// spliceNames puts the names of shared statements where the client's stand.
func (s *Session) spliceNames(text []byte, extended bool, o *Out) (instead []byte) {
	at := 0
	wire.Names(text, s.vars[wire.VarStandardConformingStrings] == "off", func(n wire.Name) {
		switch n.Kind {
		case wire.NameDeallocate:
			s.more().deallocs = append(s.x.deallocs, n.Text)
		case wire.NamePrepare, wire.NameExecute:
		default:
			return
		}
		own := s.names[n.Text]
		if own == nil || own.st == nil {
			return
		}
		if extended {
			s.have(own.st, o) // a Sync would end the client's transaction
		} else {
			s.haveQuietly(own.st, o)
		}
		s.hints |= own.st.hints
		instead = append(instead, text[at:n.Start]...)
		x := s.more()
		x.splices = append(x.splices, splice{
			at: utf8.RuneCount(instead), old: utf8.RuneCount(text[n.Start:n.End]), own: n.Text, st: own.st,
		})
		instead = append(append(append(instead, '"'), own.st.name...), '"')
		at = n.End
	})
	if at > 0 {
		instead = append(instead, text[at:]...)
	}
	return instead
}

// splice is a name that was put in place of another in a text. at is where, in
// characters of the new text, and old how many the other had.
type splice struct {
	at, old int
	own     string // the client's name
	st      *Statement
}

// restorePosition has the position in an error's text point where it would in
// the client's text.
func (s *Session) restorePosition(body []byte) []byte {
	i := bytes.Index(body, []byte("\x00P"))
	if i < 0 {
		return body
	}
	digits, rest, _ := wire.CString(body[i+2:])
	position, err := strconv.Atoi(string(digits))
	if err != nil {
		return body
	}
	moved := 0
	for _, p := range s.x.splices {
		if long := len(p.st.name) + 2; position > p.at+long {
			moved += long - p.old
		} else if position > p.at {
			moved += position - p.at - 1 // within the name: at its start
		}
	}
	out := append(bytes.Clone(body[:i+2]), strconv.Itoa(position-moved)...)
	return append(append(out, 0), rest...)
}

// haveQuietly is have ahead of a simple query: a failure is not the client's,
// who will be told that there is no such statement.
func (s *Session) haveQuietly(st *Statement, o *Out) {
	if s.link.have.use(st) {
		return
	}
	open := s.unsynced || s.owed.maySkip()
	s.have(st, o)
	if !open {
		s.ownSync(o)
	}
}

// deallocated: a DEALLOCATE of one name has succeeded.
func (s *Session) deallocated() {
	if s.x == nil || len(s.x.deallocs) == 0 {
		return
	}
	name := s.x.deallocs[0]
	s.x.deallocs = s.x.deallocs[1:]
	n := s.names[name]
	if n == nil {
		return
	}
	delete(s.names, name)
	if n.private {
		s.private--
	}
	if n.st != nil {
		s.link.have.remove(n.st)
		s.config.Shared.Statements.put(n.st)
	}
}

// ownSequences sees to it that lastval and currval do not say what others have
// left on the backend.
func (s *Session) ownSequences(o *Out) {
	if !s.stranger || s.tx != 'I' {
		return
	}
	s.stranger = false
	o.ToServer.keep(wire.AppendQuery(o.ToServer.own(), "DISCARD SEQUENCES"))
	s.unnamedHere, s.unnamedSent = false, false
	s.owed.push(entReset)
}

// forbidden says why a statement with these hints may not be run.
func (s *Session) forbidden(text []byte, h wire.Hints) *wire.Error {
	c := s.config
	if h&wire.HintListen != 0 && c.Listen == ListenReject && c.Mode != SessionMode {
		e := wire.Errorf(wire.CodeFeatureNotSupported, "LISTEN is not supported in %s mode", c.Mode)
		e.Hint = `Set listen = "share" or pool_mode = "session" for this database or user.`
		return e
	}
	pinning := wire.HintAdvisoryLock | wire.HintTemp | wire.HintHold | wire.HintPrepare | wire.HintLoad | wire.HintDblink | wire.HintSequence
	if c.Listen == ListenPin {
		pinning |= wire.HintListen
	}
	if c.MaxPinned == 0 || h&pinning == 0 || s.pins != 0 || int(c.Shared.Pinned.Load()) < c.MaxPinned {
		return nil
	}
	if h&pinning == wire.HintTemp && bytes.Contains(bytes.ToLower(text), []byte("on commit drop")) {
		return nil
	}
	return errMaxPinned(c.MaxPinned)
}

func errMaxPinned(most int) *wire.Error {
	e := wire.Errorf(wire.CodeConfigurationLimitExceeded, "too many clients keep a backend for themselves (max_pinned = %d)", most)
	e.Hint = "Advisory locks, temporary tables, cursors WITH HOLD and statements of PREPARE keep a backend as long as they exist."
	return e
}
