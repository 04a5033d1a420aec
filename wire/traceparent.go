package wire

import (
	"bytes"
	"encoding/hex"
)

// Traceparent is the place in a trace that a statement's text names in a comment, as
// sqlcommenter writes it: /*traceparent='00-<trace>-<span>-01'*/ (W3C Trace Context,
// section "traceparent Header").
type Traceparent struct {
	Trace   [16]byte
	Span    [8]byte
	Sampled bool
}

const (
	// traceparentWithin is how far from its beginning and its end a text is searched, in
	// bytes, and commentWithin where it begins or ends with a comment: in front of the
	// traceparent or behind it there may be a tracestate.
	traceparentWithin = 512
	commentWithin     = 2048

	traceparentKey = "traceparent"
	// traceparentLen is how long version 00 is: 2, 32, 16 and 2 digits, and the dashes.
	traceparentLen = 2 + 1 + 32 + 1 + 16 + 1 + 2
)

// FindTraceparent is what the last comment of a text says, or else the first, as far as
// these lie within its last or first 512 bytes, or 2048 if the text ends or begins with it.
func FindTraceparent(text []byte) (tp Traceparent, ok bool) {
	tp, _, _, ok = findTraceparent(text)
	return tp, ok
}

// findTraceparent is FindTraceparent that says where in which part of the text its key is.
func findTraceparent(text []byte) (tp Traceparent, part []byte, at int, ok bool) {
	head, tail := text[:min(len(text), headWithin(text))], text[max(0, len(text)-tailWithin(text)):]
	first := bytes.Index(head, []byte(traceparentKey))
	if first < 0 && len(head) == len(text) {
		return tp, nil, 0, false
	}
	// Contains is much faster than LastIndex, and mostly there is nothing.
	if bytes.Contains(tail, []byte(traceparentKey)) {
		at := bytes.LastIndex(tail, []byte(traceparentKey))
		if tp, ok = traceparentAt(tail, at, len(tail) < len(text)); ok {
			return tp, tail, at, true
		}
	}
	if first >= 0 {
		tp, ok = traceparentAt(head, first, false)
	}
	return tp, head, first, ok
}

func headWithin(text []byte) int {
	if bytes.HasPrefix(text, []byte("/*")) {
		return commentWithin
	}
	return traceparentWithin
}

func tailWithin(text []byte) int {
	if bytes.HasSuffix(bytes.TrimRight(text, " ;\r\n\t"), []byte("*/")) {
		return commentWithin
	}
	return traceparentWithin
}

// traceparentAt reads the key at a place of a part of a text, and its value. cut says
// that the part does not begin where the text does.
func traceparentAt(part []byte, at int, cut bool) (tp Traceparent, ok bool) {
	before, value := part[:at], part[at+len(traceparentKey):]
	if !inComment(before, cut) || at > 0 && isKeyByte(before[at-1]) {
		return tp, false
	}
	value = bytes.TrimLeft(value, " ")
	if len(value) == 0 || value[0] != '=' && value[0] != ':' {
		return tp, false
	}
	value = bytes.TrimLeft(value[1:], " '")
	if len(value) < traceparentLen || !bytes.Contains(value[traceparentLen:], []byte("*/")) {
		return tp, false
	}
	version, behind := value[:2], value[traceparentLen]
	if string(version) == "ff" || behind != '\'' && behind != ' ' && behind != ',' && behind != '*' && (behind != '-' || string(version) == "00") {
		return tp, false
	}
	return decodeTraceparent(value[:traceparentLen])
}

// inComment tells whether what follows is in a comment.
func inComment(before []byte, cut bool) bool {
	opened, closed := bytes.LastIndex(before, []byte("/*")), bytes.LastIndex(before, []byte("*/"))
	return opened > closed || cut && opened < 0 && closed < 0
}

func isKeyByte(b byte) bool {
	return b == '_' || b == '-' || b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'
}

func decodeTraceparent(v []byte) (tp Traceparent, ok bool) {
	var version, flags [1]byte
	if v[2] != '-' || v[35] != '-' || v[52] != '-' {
		return tp, false
	}
	if !decodeHex(version[:], v[:2]) || !decodeHex(tp.Trace[:], v[3:35]) || !decodeHex(tp.Span[:], v[36:52]) || !decodeHex(flags[:], v[53:55]) {
		return Traceparent{}, false
	}
	tp.Sampled = flags[0]&1 != 0
	if tp.Trace == [16]byte{} || tp.Span == [8]byte{} {
		return Traceparent{}, false
	}
	return tp, true
}

// decodeHex reads digits, of which letters must be small.
func decodeHex(dst, digits []byte) bool {
	for _, d := range digits {
		if d >= 'A' && d <= 'F' {
			return false
		}
	}
	_, err := hex.Decode(dst, digits)
	return err == nil
}
