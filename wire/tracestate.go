package wire

import (
	"bytes"
	"encoding/hex"
)

const (
	tracestateKey = "tracestate"
	// maxTracestate is how long a tracestate may be, in bytes: what everybody has to pass
	// on (W3C Trace Context, section "tracestate Limits").
	maxTracestate = 512
)

// FindTracestate is the tracestate in the comment in which FindTraceparent finds the place in
// a trace, as sqlcommenter writes it: tracestate='congo%3Dt61,rojo%3D00f', without its
// encoding. It is "" if there is none, or if it is longer than 512 bytes. Whether it is one
// (section "tracestate Header") is not looked at.
func FindTracestate(text []byte) string {
	_, part, at, ok := findTraceparent(text)
	if !ok {
		return ""
	}
	comment := part[bytes.LastIndex(part[:at], []byte("/*"))+1:] // all of it if the part begins within
	comment, _, _ = bytes.Cut(comment, []byte("*/"))
	for {
		at := bytes.Index(comment, []byte(tracestateKey))
		if at < 0 {
			return ""
		}
		before, value := comment[:at], bytes.TrimLeft(comment[at+len(tracestateKey):], " ")
		comment = comment[at+len(tracestateKey):]
		if at > 0 && isKeyByte(before[at-1]) || len(value) == 0 || value[0] != '=' && value[0] != ':' {
			continue
		}
		return tracestate(bytes.TrimLeft(value[1:], " "))
	}
}

// tracestate reads a value, of which the beginning is given. Without quotes a comma may be
// its own or that behind it, so it has only one member then.
func tracestate(value []byte) string {
	if len(value) > 0 && value[0] == '\'' {
		end := bytes.IndexByte(value[1:], '\'')
		if end < 0 {
			return ""
		}
		value = value[1 : 1+end]
	} else if end := bytes.IndexAny(value, ", "); end >= 0 {
		value = value[:end]
	}
	if len(value) > 3*maxTracestate {
		return ""
	}
	decoded, ok := percentDecoded(value)
	if !ok || len(decoded) > maxTracestate {
		return ""
	}
	return string(decoded)
}

// percentDecoded replaces each % and its two digits; false if they are not there. It is
// what url.PathUnescape does, but that package does I/O.
func percentDecoded(value []byte) (decoded []byte, ok bool) {
	for {
		before, behind, found := bytes.Cut(value, []byte("%"))
		decoded = append(decoded, before...)
		if !found {
			return decoded, true
		}
		var b [1]byte
		if len(behind) < 2 {
			return nil, false
		}
		if _, err := hex.Decode(b[:], behind[:2]); err != nil {
			return nil, false
		}
		decoded, value = append(decoded, b[0]), behind[2:]
	}
}
