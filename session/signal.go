package session

import (
	"bytes"
	"encoding/binary"
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

// What pg_backend_pid() says is the process ID of the backend of the moment. Who
// gives it to these functions later, on another client's behalf, may have the
// same backend by then, and would end itself. So if a client that has just got
// its backend names that in a number or a parameter, the client is meant that
// has last asked for it, or nobody.

// nobody is a process ID that neither a process has nor a client.
const nobody = 1 << 30

// aim is what the number of the backend that the client has stands for in a
// text that signals; 0 if it is to stand as it is.
func (s *Session) aim(h wire.Hints) uint32 {
	switch {
	case h&hintsSignal == 0, s.config.Signal == nil, s.PID == 0, s.link.pidReader == s.PID,
		s.tx != 'I', s.batch == batchRuns, s.pins != 0, (s.hints|h)&wire.HintBackendPID != 0:
		return 0
	case s.link.pidReader == 0:
		return nobody
	}
	return s.link.pidReader
}

// aimText has a text signal whom it means; nil if that is whom it names.
func (s *Session) aimText(text []byte, h wire.Hints) (instead []byte) {
	to := s.aim(h)
	if to == 0 {
		return nil
	}
	own := strconv.FormatUint(uint64(s.link.PID), 10)
	done := 0
	wire.SignaledPIDs(text, s.vars[wire.VarStandardConformingStrings] == "off", func(start, end int) {
		if string(text[start:end]) == own {
			instead = strconv.AppendUint(append(instead, text[done:start]...), uint64(to), 10)
			done = end
		}
	})
	if instead == nil {
		return nil
	}
	return append(instead, text[done:]...)
}

// aimBind is aimText for what stands behind the names in a Bind. It gives rest
// itself if that names whom it means, or is not whole.
func (s *Session) aimBind(rest []byte, h wire.Hints) []byte {
	to := s.aim(h)
	if to == 0 {
		return rest
	}
	own := strconv.FormatUint(uint64(s.link.PID), 10)
	ownBinary := string(binary.BigEndian.AppendUint32(nil, s.link.PID))
	var instead []byte
	done := 0
	whole := wire.BindParameters(rest, func(start, end int, isBinary bool) {
		var value []byte
		switch given := string(rest[start:end]); {
		case isBinary && given == ownBinary:
			value = binary.BigEndian.AppendUint32(nil, to)
		case !isBinary && given == own:
			value = strconv.AppendUint(nil, uint64(to), 10)
		default:
			return
		}
		instead = append(instead, rest[done:start-4]...)
		instead = append(binary.BigEndian.AppendUint32(instead, uint32(len(value))), value...)
		done = end
	})
	if !whole || instead == nil {
		return rest
	}
	return append(instead, rest[done:]...)
}

// aimUnnamed sends a Bind of the unnamed statement with whom it means in place of
// whom it names; it is false if that is the same.
func (s *Session) aimUnnamed(message, before []byte, o *Out) bool {
	h := s.unnamedHints
	if h&hintsSignal == 0 || h&hintsReady != 0 {
		return false
	}
	_, behind, _ := wire.CString(message[wire.HeaderLen:])
	name, rest, ok := wire.CString(behind)
	if !ok || len(name) > 0 {
		return false
	}
	aimed := s.aimBind(rest, h)
	if bytes.Equal(aimed, rest) {
		return false
	}
	o.ToServer.add(before)
	s.statement('B', message, nil, o) // may have to make it first
	names := message[wire.HeaderLen : len(message)-len(rest)]
	o.ToServer.keep(wire.AppendMessage(o.ToServer.own(), 'B', names, aimed))
	s.track('B', message, o)
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
