package session

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"

	"pgweir/session/follow"
	"pgweir/session/pipeline"
	"pgweir/wire"
)

// SQL has words for prepared statements too, and their names are the same
// names: DEALLOCATE and EXECUTE work on a statement that came by a Parse, and
// PREPARE of a name that a Parse has made is an error. Where such a name
// stands for a shared statement, another name is put in its place, and
// PostgreSQL does the rest: the statement's own for EXECUTE; for the others,
// that of an empty statement, because all they ask is whether there is one, and
// the shared one may not even be possible any more (its table is dropped).

// hintsSQLNames are those of texts in which such a name may stand.
const hintsSQLNames = wire.HintPrepare | wire.HintExecute | wire.HintDeallocate

// sqlStatement looks at the text of a Query, or of a Parse of the client's own
// on the backend, before it is sent. It may put other messages ahead, or return
// another text. A refusal says that it must not be run.
func (s *Session) sqlStatement(text []byte, h wire.Hints, extended bool, o *Out) (instead []byte, refusal *wire.Error) {
	if e := s.forbidden(text, h); e != nil {
		return nil, e
	}
	s.makeReady(text, h, o)
	if h&hintsSQLNames != 0 && s.sharing() {
		instead = s.spliceNames(text, extended, o)
	}
	return instead, nil
}

// showPrepared gives the backend the client's statements under their own names
// and takes all others away, for a statement that reads what there is.
func (s *Session) showPrepared(_ []byte, o *Out) {
	if s.tx == 'E' || s.batch != batchNone && s.tx == 'I' || s.owed.Len() > 0 || !s.sharing() || s.more().showing || len(s.byName)+s.link.have.Len() == 0 {
		return
	}
	for st := s.link.have.Oldest(); st != nil; st = s.link.have.Oldest() {
		s.evict(st, o)
	}
	s.ownSync(o)
	// Their times are in the order of the client's own Parses.
	names := slices.SortedFunc(maps.Keys(s.byName), func(a, b string) int { return cmp.Compare(s.byName[a].number, s.byName[b].number) })
	for _, name := range names {
		n := s.byName[name]
		if n.st == nil {
			continue
		}
		_, body, _ := wire.CString(n.st.Parse[wire.HeaderLen:])
		// One that is not possible any more must not abort the client's block;
		// that a statement is there is not undone with a savepoint.
		if s.tx != 'I' {
			s.aside("SAVEPOINT pgweir", o)
		}
		o.ToServer.keep(wire.AppendParseBody(o.ToServer.own(), name, body))
		s.owed.Push(pipeline.Shown)
		s.ownSync(o)
		if s.tx != 'I' {
			s.insert([]string{"ROLLBACK TO SAVEPOINT pgweir", "RELEASE SAVEPOINT pgweir"}, o)
		}
	}
	s.extra.showing = true
}

// hidePrepared ends what showPrepared has begun.
func (s *Session) hidePrepared(o *Out) {
	for name, n := range s.byName {
		if n.st != nil {
			o.ToServer.keep(wire.AppendCloseStatement(o.ToServer.own(), name))
			s.owed.Push(pipeline.Shown)
		}
	}
	s.ownSync(o)
	s.extra.showing = false
}

func (s *Session) ownSync(o *Out) {
	o.ToServer.keep(wire.AppendSync(o.ToServer.own()))
	s.owed.Push(pipeline.OwnSync)
}

// spliceNames puts the names of shared statements where the client's stand.
//
// PostgreSQL says where an error is by a position alone, in the text that it
// has been sent or in that of a statement which this executes and which it had
// to read anew. To tell the two apart, what stands behind the name of an
// EXECUTE is moved out of all positions in the statement.
func (s *Session) spliceNames(text []byte, extended bool, o *Out) (instead []byte) {
	x := s.more()
	x.splices = nil
	var (
		at       int // in text
		long     int // how long instead is, in characters
		executed int // how long the longest statement is that may be mistaken for what is behind its name
		allGone  bool
		standIns map[string]*follow.Statement // nil for a name that has none any more
	)
	wire.Names(text, s.vars[wire.VarStandardConformingStrings] == "off", func(n wire.Name) {
		stood, before := standIns[n.Text]
		own := s.byName[n.Text]
		shared := own != nil && own.st != nil && !allGone && (stood != nil || !before)
		var st *follow.Statement
		switch n.Kind {
		case wire.NameExecute:
			if shared {
				s.suit(own)
				st = own.st
				l := s.lookUp(0, own.hints, st.Text(), nil, true)
				s.ran(&l)
				s.hints |= own.hints | l.names
			}
		case wire.NamePrepare, wire.NameDeallocate:
			if standIns == nil {
				standIns = map[string]*follow.Statement{}
			}
			if st = stood; shared && st == nil {
				st = follow.StandIn(len(standIns))
			}
			standIns[n.Text] = st
			if n.Kind == wire.NameDeallocate {
				standIns[n.Text] = nil
				x.deallocs = append(x.deallocs, dealloc{n.Text, st})
			}
		case wire.NameDeallocateAll:
			allGone = true
		}
		if st == nil {
			return
		}
		if extended {
			s.have(st, o) // a Sync would end the client's transaction
		} else {
			s.haveQuietly(st, o)
		}
		x.keeping++
		instead = append(instead, text[at:n.Start]...)
		long += utf8.RuneCount(text[at:n.Start])
		put := splice{at: long, old: utf8.RuneCount(text[n.Start:n.End]), new: len(st.Name) + len(`""`), own: n.Text, st: st}
		x.splices = append(x.splices, put)
		instead = append(append(append(instead, '"'), st.Name...), '"')
		long += put.new
		at = n.End
		if n.Kind == wire.NameExecute && st.Chars > long && len(bytes.TrimLeft(text[n.End:], " \t\r\n;")) > 0 {
			executed = max(executed, st.Chars)
		}
	})
	x.keeping = 0
	if at == 0 {
		return nil
	}
	instead = append(instead, text[at:]...)
	if executed > 0 {
		instead = x.indent(instead, executed)
	}
	return instead
}

// indent puts n spaces ahead of a text that has been spliced.
func (x *extra) indent(text []byte, n int) []byte {
	for i := range x.splices {
		x.splices[i].at += n
	}
	x.splices = append([]splice{{new: n}}, x.splices...)
	return append(bytes.Repeat([]byte{' '}, n), text...)
}

// dealloc is a DEALLOCATE under way: of which of the client's names, and what
// stands in its place; nil if it stands there itself.
type dealloc struct {
	name    string
	standIn *follow.Statement
}

// haveSpliced sees to it that the backend has what a statement executes whose
// text has these splices.
func (s *Session) haveSpliced(splices []splice, o *Out) {
	x := s.more()
	x.splices = splices
	for _, p := range splices {
		n := s.byName[p.own]
		if p.st == nil || n == nil || n.st == nil {
			continue
		}
		switch {
		case n.st == p.st, bytes.Equal(n.st.Body(), p.st.Body()):
			s.have(p.st, o)
		case p.st.StandsIn():
			s.have(p.st, o)
			x.deallocs = append(x.deallocs, dealloc{p.own, p.st})
		}
	}
}

// respliceUnnamed makes the unnamed statement again, for what its names stood
// for then may be gone from the backend, or the names stand for something else.
func (s *Session) respliceUnnamed(o *Out) {
	body := s.unnamedParse[wire.HeaderLen+1:]
	text, types, _ := wire.CString(body)
	message := s.unnamedParse
	if instead := s.spliceNames(text, true, o); instead != nil {
		message = wire.AppendParseBody(nil, "", append(append(instead, 0), types...))
	}
	o.ToServer.keep(append(o.ToServer.own(), message...))
	s.owed.Push(pipeline.ParseAgain)
}

// splice is what was put in place of something else in a text: a name for a
// name, or blanks at its start. Lengths and places are in characters.
type splice struct {
	at       int               // where, in the new text
	old, new int               // how long
	own      string            // the client's name
	st       *follow.Statement // whose name stands there now; nil for blanks
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
	for _, p := range s.extra.splices {
		switch {
		case position > p.at+p.new:
			moved += p.new - p.old
		case position > p.at:
			return body // nothing is wrong there: it is about a statement that is executed
		}
	}
	out := append(bytes.Clone(body[:i+2]), strconv.Itoa(position-moved)...)
	return append(append(out, 0), rest...)
}

// haveQuietly is have ahead of a simple query: a failure is not the client's,
// who will be told when it is used.
func (s *Session) haveQuietly(st *follow.Statement, o *Out) {
	if s.usable(st) {
		return
	}
	open := s.batch != batchNone || s.owed.MaySkip()
	s.have(st, o)
	if !open {
		s.ownSync(o)
	}
}

// unmade is a statement that could not be made on the backend, or something else
// that pgweir has put ahead, and the error.
type unmade struct {
	st  *follow.Statement // nil for something else
	why []byte
}

// whyUnmade is the error that the client would have had directly, where it has
// the statement, in place of one that says that it is missing or that the block
// has been aborted; nil if the error says neither.
func (s *Session) whyUnmade(body []byte) (why []byte) {
	if len(s.extra.unmade) == 0 {
		return nil
	}
	if aborted(body) {
		why = s.extra.unmade[0].why // it has aborted the block
		s.extra.unmade = nil
		return why
	}
	if !bytes.Contains(body, []byte("\x00C"+wire.CodeInvalidStatementName+"\x00")) {
		return nil
	}
	for _, u := range s.extra.unmade {
		if u.st != nil && len(replaceName(body, u.st.Name, "")) < len(body) {
			return u.why
		}
	}
	return nil
}

// aborted tells whether an error says that the block has been aborted before.
func aborted(body []byte) bool {
	return bytes.Contains(body, []byte("\x00C"+wire.CodeInFailedTransaction+"\x00"))
}

// deallocated: a DEALLOCATE of one name has succeeded.
func (s *Session) deallocated() {
	if s.extra == nil || len(s.extra.deallocs) == 0 {
		return
	}
	d := s.extra.deallocs[0]
	s.extra.deallocs = s.extra.deallocs[1:]
	if d.standIn != nil {
		s.link.have.Remove(d.standIn)
	}
	n := s.byName[d.name]
	if n == nil {
		return
	}
	delete(s.byName, d.name)
	if n.private {
		s.private--
	}
	s.giveUp(n)
}

// forbidden says why a statement with these hints may not be run.
func (s *Session) forbidden(text []byte, h wire.Hints) *wire.Error {
	c := s.config
	if h&wire.HintListen != 0 && c.Listen == ListenReject && c.Mode != SessionMode {
		e := wire.Errorf(wire.CodeFeatureNotSupported, "LISTEN is not supported in %s mode", c.Mode)
		e.Hint = `Set listen = "share" or pool_mode = "session" for this database or user.`
		return e
	}
	pinning := hintsPinning
	if c.Listen == ListenPin {
		pinning |= wire.HintListen
	}
	if c.State == StatePin {
		pinning |= wire.HintLoad
	}
	if c.MaxPinned == 0 || h&pinning == 0 || s.pins != 0 {
		return nil
	}
	if h&pinning == wire.HintTemp && bytes.Contains(bytes.ToLower(text), []byte("on commit drop")) {
		return nil
	}
	if s.takePlace() {
		return nil
	}
	return errMaxPinned(c.MaxPinned)
}

func errMaxPinned(most int) *wire.Error {
	e := wire.Errorf(wire.CodeConfigurationLimitExceeded, "too many clients keep a backend for themselves (max_pinned = %d)", most)
	e.Hint = "Advisory locks, temporary tables, cursors WITH HOLD and statements of PREPARE keep a backend as long as they exist."
	return e
}
