package session

import (
	"bytes"

	"pgweir/wire"
)

// onError is what an error means that answers a message of pgweir's own.
type onError uint8

const (
	// errorConcerns: the client's message behind it fails too, or the error is
	// what the client would have read directly.
	errorConcerns onError = iota
	// errorUnknown: what is left in the backend is not known, so the client
	// keeps it.
	errorUnknown
	// errorCloses: the backend is not clean, and is closed when the lease ends.
	errorCloses
	// errorMoves: the client gets another backend, or is ended; see mayMove.
	errorMoves
	// errorEnds: the client is ended, for its messages behind would be answered
	// wrongly.
	errorEnds
)

// onError is the policy of each message that pgweir sends of its own.
func (e entry) onError() onError {
	switch e {
	case entSetVars:
		return errorMoves
	case entQuestion:
		return errorUnknown
	case entReset:
		return errorCloses
	case entDetour, entGuarded:
		return errorEnds
	case entPrepare, entUnprepare, entMake, entColumns, entEvict, entShow, entAside, entOwnSync:
		return errorConcerns
	}
	if e >= entOurs {
		panic("bug: an error about a message of pgweir's own means nothing")
	}
	return errorConcerns
}

// ownFailed carries out the policy for an error about the first entry. handled
// is false if the error concerns the client.
func (s *Session) ownFailed(first entry, body []byte, o *Out) (handled bool) {
	policy := first.onError()
	switch policy {
	case errorConcerns:
		return false
	case errorUnknown:
		s.x.asking.Failed = true
		s.x.asking.Canceled = bytes.Contains(body, []byte("\x00C"+wire.CodeQueryCanceled+"\x00"))
	case errorCloses:
		s.spoilt = true
	case errorMoves, errorEnds:
		if first == entDetour && s.x != nil && len(s.x.unmade) > 0 && aborted(body) {
			return true // and so the settings will be undone with the block
		}
		e, err := wire.DecodeError(body)
		if err != nil {
			e = wire.Fatalf(wire.CodeConnectionFailure, "the server refuses what it is asked for the client's sake")
		}
		if policy == errorMoves && (s.mayMove(e) || s.replaying >= replayGuarded && s.forgetReserved(e)) {
			s.move(o)
			break
		}
		e.Severity, e.Localized = "FATAL", ""
		s.fail(e, o)
	}
	return true
}

// guard and unguard begin and end a Query during which an error ends the
// connection, so that nothing behind it in the same write is run.
const (
	exitOnError = "exit_on_error"
	guard       = "SET " + exitOnError + " = on;"
	unguard     = "RESET " + exitOnError + ";"
)

// appendUnguard ends what guard begins.
func (s *Session) appendUnguard(sql []byte) []byte {
	if value, ok := s.settings.get(exitOnError); ok {
		return appendSet(sql, wire.Param{Name: exitOnError, Value: value})
	}
	return append(sql, unguard...)
}

// guarded has the backend run statements ahead of a message of the client's that
// would be answered wrongly without them.
func (s *Session) guarded(statements []byte, o *Out) {
	sql := append([]byte(guard), statements...)
	o.ToServer.keep(wire.AppendQuery(o.ToServer.own(), string(s.appendUnguard(sql))))
	s.unnamedHere, s.unnamedSent = false, false // gone, as with every simple query
	s.owed.push(entGuarded)
}
