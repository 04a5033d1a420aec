package session

import (
	"bytes"

	"pgweir/session/follow"
	"pgweir/session/pipeline"
	"pgweir/wire"
)

// ownFailed carries out the policy for an error about what is owed first. handled
// is false if the error concerns the client.
func (s *Session) ownFailed(first pipeline.Pending, body []byte, o *Out) (handled bool) {
	policy := first.OnError()
	switch policy {
	case pipeline.Concerns:
		return false
	case pipeline.LeavesUnknown:
		s.extra.asking.Failed = true
		s.extra.asking.Canceled = bytes.Contains(body, []byte("\x00C"+wire.CodeQueryCanceled+"\x00"))
	case pipeline.ClosesBackend:
		s.tainted = true
	case pipeline.MovesClient, pipeline.EndsClient:
		if first == pipeline.Detour && s.extra != nil && len(s.extra.unmade) > 0 && aborted(body) {
			return true // and so the settings will be undone with the block
		}
		e, err := wire.DecodeError(body)
		if err != nil {
			e = wire.Fatalf(wire.CodeConnectionFailure, "the server refuses what it is asked for the client's sake")
		}
		if policy == pipeline.MovesClient && (s.mayMove(e) || s.replaying >= replayGuarded && s.forgetReserved(e)) {
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
	if value, ok := s.settings.Get(exitOnError); ok {
		return follow.AppendSet(sql, wire.Param{Name: exitOnError, Value: value})
	}
	return append(sql, unguard...)
}

// guarded has the backend run statements ahead of a message of the client's that
// would be answered wrongly without them.
func (s *Session) guarded(statements []byte, o *Out) {
	sql := append([]byte(guard), statements...)
	o.ToServer.keep(wire.AppendQuery(o.ToServer.own(), string(s.appendUnguard(sql))))
	s.unnamedHere, s.unnamedSent = false, false // gone, as with every simple query
	s.owed.Push(pipeline.Guarded)
}
