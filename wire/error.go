package wire

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// Error is the content of an ErrorResponse or NoticeResponse (protocol,
// section "Error and Notice Message Fields").
type Error struct {
	Severity string // field V, or S where a server sends no V: "ERROR", "FATAL", "NOTICE" ...
	Code     string // field C: the SQLSTATE, five characters
	Message  string // field M
	Detail   string // field D, may be empty
	Hint     string // field H, may be empty

	// Localized is field S if it differs from Severity: the severity in the
	// language of the server's messages.
	Localized string
	// Extra holds all other fields in the order in which they came, so that a
	// server's error can be passed on as it was.
	Extra []ErrorField
}

// ErrorField is a field of an Error that pgweir gives no meaning to.
type ErrorField struct {
	Type  byte
	Value string
}

// maxErrorFields is well above the 18 field types that the protocol defines.
const maxErrorFields = 64

// Errorf makes an Error of severity ERROR: the connection goes on.
func Errorf(code, format string, args ...any) *Error {
	return &Error{Severity: "ERROR", Code: code, Message: fmt.Sprintf(format, args...)}
}

// Fatalf makes an Error of severity FATAL: the connection ends with it.
func Fatalf(code, format string, args ...any) *Error {
	return &Error{Severity: "FATAL", Code: code, Message: fmt.Sprintf(format, args...)}
}

// Error gives severity, message and SQLSTATE on one line.
func (e *Error) Error() string {
	return e.Severity + ": " + e.Message + " (SQLSTATE " + e.Code + ")"
}

// Append appends an ErrorResponse with the fields S, V, C, M, then D and H if
// they are not empty, then Extra.
func (e *Error) Append(dst []byte) []byte { return e.append(dst, 'E') }

// AppendNotice appends e as a NoticeResponse, with the same fields as Append.
func AppendNotice(dst []byte, e *Error) []byte { return e.append(dst, 'N') }

// append is written out, not left to pgproto3, because that would lose the
// order of the fields and leave out M where it is empty, which a client may
// not expect.
func (e *Error) append(dst []byte, typ byte) []byte {
	localized := e.Localized
	if localized == "" {
		localized = e.Severity
	}
	dst, at := begin(dst, typ)
	dst = appendErrorField(dst, 'S', localized)
	dst = appendErrorField(dst, 'V', e.Severity)
	dst = appendErrorField(dst, 'C', e.Code)
	dst = appendErrorField(dst, 'M', e.Message)
	if e.Detail != "" {
		dst = appendErrorField(dst, 'D', e.Detail)
	}
	if e.Hint != "" {
		dst = appendErrorField(dst, 'H', e.Hint)
	}
	for _, f := range e.Extra {
		if f.Type != 0 {
			dst = appendErrorField(dst, f.Type, f.Value)
		}
	}
	return finish(append(dst, 0), at)
}

func appendErrorField(dst []byte, typ byte, value string) []byte {
	return appendCString(append(dst, typ), value)
}

// DecodeError reads the body of an ErrorResponse or NoticeResponse, which is
// all after the header. The Error holds copies. A field that comes twice
// counts as it came last.
func DecodeError(body []byte) (*Error, error) {
	e := new(Error)
	var localized string
	rest := body
	for {
		if len(rest) == 0 {
			return nil, malformed("ErrorResponse", "no terminator")
		}
		typ := rest[0]
		rest = rest[1:]
		if typ == 0 {
			break
		}
		raw, after, ok := CString(rest)
		if !ok {
			return nil, malformed("ErrorResponse", "field %q has no end", typ)
		}
		value := string(raw)
		rest = after
		switch typ {
		case 'S':
			localized = value
		case 'V':
			e.Severity = value
		case 'C':
			e.Code = value
		case 'M':
			e.Message = value
		case 'D':
			e.Detail = value
		case 'H':
			e.Hint = value
		default:
			if len(e.Extra) == maxErrorFields {
				return nil, malformed("ErrorResponse", "more than %d fields", maxErrorFields)
			}
			e.Extra = append(e.Extra, ErrorField{typ, value})
		}
	}
	if len(rest) != 0 {
		return nil, malformed("ErrorResponse", "%d bytes after the terminator", len(rest))
	}
	switch {
	case e.Severity == "":
		e.Severity = localized
	case localized != e.Severity:
		e.Localized = localized
	}
	return e, nil
}

// ErrorCode is field C of the body of an ErrorResponse, of which the end may be missing;
// nil if it is not there. It allocates nothing.
func ErrorCode(body []byte) []byte {
	for len(body) > 1 && body[0] != 0 {
		value, rest, ok := CString(body[1:])
		switch {
		case !ok:
			return nil
		case body[0] == 'C':
			return value
		}
		body = rest
	}
	return nil
}

// malformed is the error for a message whose body is not what its type asks
// for. It is FATAL: a peer that builds one wrong message may build the next
// one wrong too.
func malformed(message, format string, args ...any) *Error {
	return Fatalf(CodeProtocolViolation, "invalid %s message: %s", message, fmt.Sprintf(format, args...))
}

// begin appends the header of a message, whose length finish fills in. at is
// where the length is.
func begin(dst []byte, typ byte) (_ []byte, at int) {
	return append(dst, typ, 0, 0, 0, 0), len(dst) + 1
}

func finish(dst []byte, at int) []byte {
	binary.BigEndian.PutUint32(dst[at:], uint32(len(dst)-at))
	return dst
}

func appendCString(dst []byte, s string) []byte {
	return append(append(dst, noNUL(s)...), 0)
}

func noNUL(s string) string {
	if strings.IndexByte(s, 0) < 0 {
		return s
	}
	return strings.ReplaceAll(s, "\x00", "")
}
