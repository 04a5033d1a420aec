package wire

import (
	"encoding/binary"
	"strings"
)

// Versions of the protocol as a StartupMessage names them: major<<16 | minor.
const (
	Protocol30 uint32 = 3 << 16
	Protocol32 uint32 = 3<<16 | 2
)

// MaxStartupPacket is the most bytes that a startup packet may have after its
// length field, as PostgreSQL's MAX_STARTUP_PACKET_LENGTH. The whole packet
// has up to MaxStartupPacket+4.
const MaxStartupPacket = 10000

// Lengths of the secret of a CancelRequest, in bytes: 4 in protocol 3.0, up to
// 256 from 3.2 on.
const (
	minCancelKey = 4
	maxCancelKey = 256
)

// What stands in place of a version in the packets that are no StartupMessage.
const (
	cancelRequestCode = 1234<<16 | 5678
	sslRequestCode    = 1234<<16 | 5679
	gssEncRequestCode = 1234<<16 | 5680
)

// Param is one parameter of a StartupMessage.
type Param struct{ Name, Value string }

// StartupKind tells the packets apart that may open a connection.
type StartupKind uint8

const (
	KindStartup StartupKind = iota
	KindSSLRequest
	KindGSSENCRequest
	KindCancelRequest
)

// Startup is a packet that opens a connection. These packets alone have no
// type byte.
type Startup struct {
	Kind    StartupKind
	Version uint32  // major<<16 | minor; of an SSLRequest and a GSSENCRequest their code, which looks so
	Params  []Param // KindStartup: in order, with user, database and the _pq_. ones
	PID     uint32  // KindCancelRequest
	Key     []byte  // KindCancelRequest: 4 to 256 bytes
}

// DecodeStartup reads the packet at the start of b and says how many bytes it
// has. n == 0 without an error means that more bytes are needed. What can be
// refused is refused as soon as the length field, or the eight bytes with the
// version, have come. Nothing in s points into b.
//
// A minor version of 3 is not judged, as it is negotiable; nor is it an error
// here if the parameters name no user.
//
// err is a FATAL *Error: 08P01, or 0A000 for another major version. s.Kind tells
// whether it is about a CancelRequest, which gets no answer.
func DecodeStartup(b []byte) (s Startup, n int, err error) {
	if len(b) < 4 {
		return s, 0, nil
	}
	length := binary.BigEndian.Uint32(b)
	if length < 8 || length > MaxStartupPacket+4 {
		return s, 0, Fatalf(CodeProtocolViolation, "invalid length of startup packet")
	}
	if len(b) < 8 {
		return s, 0, nil
	}
	code := binary.BigEndian.Uint32(b[4:])
	switch code {
	case sslRequestCode, gssEncRequestCode:
		if length != 8 {
			return s, 0, Fatalf(CodeProtocolViolation, "invalid length of encryption request packet")
		}
		s.Kind, s.Version = KindSSLRequest, code
		if code == gssEncRequestCode {
			s.Kind = KindGSSENCRequest
		}
		return s, 8, nil
	case cancelRequestCode:
		s.Kind = KindCancelRequest
		if length < 12+minCancelKey || length > 12+maxCancelKey {
			return s, 0, Fatalf(CodeProtocolViolation, "invalid length of cancel request packet")
		}
		if len(b) < int(length) {
			return s, 0, nil
		}
		s.PID = binary.BigEndian.Uint32(b[8:])
		s.Key = append([]byte(nil), b[12:length]...)
		return s, int(length), nil
	}
	if code>>16 != 3 {
		return s, 0, UnsupportedProtocol(code)
	}
	if len(b) < int(length) {
		return s, 0, nil
	}
	params, ok := decodeParams(string(b[8:length]))
	if !ok {
		return s, 0, Fatalf(CodeProtocolViolation,
			"invalid startup packet layout: expected terminator as last byte")
	}
	return Startup{Kind: KindStartup, Version: code, Params: params}, int(length), nil
}

// UnsupportedProtocol is what PostgreSQL says of a version that it does not know
// (0A000). It takes requests for encryption for one where they may not stand.
func UnsupportedProtocol(version uint32) *Error {
	return Fatalf(CodeFeatureNotSupported,
		"unsupported frontend protocol %d.%d: server supports 3.0 to 3.2", version>>16, version&0xffff)
}

// decodeParams splits name NUL value NUL ... NUL.
func decodeParams(text string) ([]Param, bool) {
	params := make([]Param, 0, strings.Count(text, "\x00")/2)
	for {
		name, rest, ok := strings.Cut(text, "\x00")
		if !ok {
			return nil, false
		}
		if name == "" {
			return params, rest == ""
		}
		value, rest, ok := strings.Cut(rest, "\x00")
		if !ok {
			return nil, false
		}
		params = append(params, Param{name, value})
		text = rest
	}
}

// Get returns the value of a parameter. Names count as they are written: an
// upper-case USER is no user. Of a parameter that is given twice the last one
// counts, as PostgreSQL does it for user, database and settings alike.
func (s *Startup) Get(name string) (string, bool) {
	for i := len(s.Params) - 1; i >= 0; i-- {
		if s.Params[i].Name == name {
			return s.Params[i].Value, true
		}
	}
	return "", false
}

// AppendStartup appends a StartupMessage. It refuses, with an *Error of
// SQLSTATE 22023, what the packet cannot carry: an empty name, a NUL in a name
// or value, and more than MaxStartupPacket bytes; dst comes back unchanged
// then.
func AppendStartup(dst []byte, version uint32, params []Param) ([]byte, error) {
	at := len(dst)
	out := append(dst, 0, 0, 0, 0)
	out = binary.BigEndian.AppendUint32(out, version)
	for _, p := range params {
		if p.Name == "" {
			return dst, Fatalf(CodeInvalidParameterValue, "startup parameter without a name")
		}
		if strings.IndexByte(p.Name, 0) >= 0 || strings.IndexByte(p.Value, 0) >= 0 {
			return dst, Fatalf(CodeInvalidParameterValue, "startup parameter %q holds a NUL", p.Name)
		}
		out = append(append(out, p.Name...), 0)
		out = append(append(out, p.Value...), 0)
	}
	out = append(out, 0)
	if len(out)-at > MaxStartupPacket+4 {
		return dst, Fatalf(CodeInvalidParameterValue,
			"startup parameters take %d bytes, the limit is %d", len(out)-at-4, MaxStartupPacket)
	}
	return finish(out, at), nil
}

// AppendSSLRequest appends an SSLRequest.
func AppendSSLRequest(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, 8)
	return binary.BigEndian.AppendUint32(dst, sslRequestCode)
}

// AppendCancelRequest appends a CancelRequest with the pid and the secret of a
// BackendKeyData.
func AppendCancelRequest(dst []byte, pid uint32, key []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(12+len(key)))
	dst = binary.BigEndian.AppendUint32(dst, cancelRequestCode)
	dst = binary.BigEndian.AppendUint32(dst, pid)
	return append(dst, key...)
}
