package session

import (
	"bytes"
	"strconv"
	"strings"

	"pgweir/wire"
)

// In transaction mode a client is told a process ID that stands for it and is
// no process's. Whoever gives it to pg_cancel_backend or pg_terminate_backend
// is warned by PostgreSQL that there is no such process, and gets false. So the
// warning is taken as what was meant: the client who was told the process ID is
// signaled, the warning is swallowed, and false becomes true.

// Signal is what pg_cancel_backend or pg_terminate_backend is to do to the
// client that was told a process ID.
type Signal struct {
	PID       uint32
	Terminate bool
	Superuser bool // the one who signals is one
}

// hintsSignal are of a text that signals.
const hintsSignal = wire.HintCancelBackend | wire.HintTerminateBackend

// warned reads a warning of the backend's. It is true if that is not for the
// client to know.
func (s *Session) warned(body []byte, o *Out) (swallow bool) {
	h := s.hints & hintsSignal
	if s.config.Signal == nil || h == 0 || h == hintsSignal { // with both, which one warns is not known
		return false
	}
	pid, ok := signaledPID(body)
	if !ok {
		return false
	}
	terminate := h == wire.HintTerminateBackend
	if terminate && pid == s.PID {
		s.fail(wire.Fatalf(wire.CodeAdminShutdown, "terminating connection due to administrator command"), o)
		return true
	}
	if !s.config.Signal(Signal{PID: pid, Terminate: terminate, Superuser: s.link.isSuperuser()}) {
		return false
	}
	s.more().signaled = true
	return true
}

// signaledPID is the process ID that PostgreSQL has found no backend of to
// signal. The words depend on the language of its messages, the name of the
// function that says it does not.
func signaledPID(notice []byte) (pid uint32, ok bool) {
	if !bytes.Contains(notice, []byte("\x00Rpg_signal_backend\x00")) {
		return 0, false
	}
	e, err := wire.DecodeError(notice)
	if err != nil {
		return 0, false
	}
	const digits = "0123456789"
	number := e.Message[max(strings.IndexAny(e.Message, digits), 0):]
	number = number[:len(number)-len(strings.TrimLeft(number, digits))]
	n, err := strconv.ParseUint(number, 10, 31)
	return uint32(n), err == nil
}

// isSuperuser tells whether the backend's current user is one.
func (l *Link) isSuperuser() bool {
	for _, p := range l.Params {
		if p.Name == "is_superuser" {
			return p.Value == "on"
		}
	}
	return false
}

// A row with one value of one byte, false or true, as text or in binary.
var (
	falseRows = [2][]byte{[]byte("D\x00\x00\x00\x0b\x00\x01\x00\x00\x00\x01f"), []byte("D\x00\x00\x00\x0b\x00\x01\x00\x00\x00\x01\x00")}
	trueRows  = [2][]byte{[]byte("D\x00\x00\x00\x0b\x00\x01\x00\x00\x00\x01t"), []byte("D\x00\x00\x00\x0b\x00\x01\x00\x00\x00\x01\x01")}
)

// afterSignal is what the client gets in place of the row behind a warning that
// was swallowed; nil if that is not just what the function has returned.
func afterSignal(row []byte) []byte {
	for i, is := range falseRows {
		if bytes.Equal(row, is) {
			return trueRows[i]
		}
	}
	return nil
}
