package wire

import (
	"bytes"
	"encoding/binary"
)

// CString splits b after its first NUL: s is what stands before it. ok is
// false if b holds none.
func CString(b []byte) (s, rest []byte, ok bool) {
	i := bytes.IndexByte(b, 0)
	if i < 0 {
		return nil, nil, false
	}
	return b[:i], b[i+1:], true
}

// DecodeParameterStatus reads the body of a ParameterStatus.
func DecodeParameterStatus(body []byte) (name, value []byte, err error) {
	name, rest, ok := CString(body)
	if ok && len(name) > 0 {
		if value, rest, ok = CString(rest); ok && len(rest) == 0 {
			return name, value, nil
		}
	}
	return nil, nil, malformed("ParameterStatus", "not a name and a value")
}

// DecodeBackendKeyData reads the body of a BackendKeyData. The key has 4 to
// 256 bytes.
func DecodeBackendKeyData(body []byte) (pid uint32, key []byte, err error) {
	if len(body) < 4+minCancelKey || len(body) > 4+maxCancelKey {
		return 0, nil, malformed("BackendKeyData", "%d bytes", len(body))
	}
	return binary.BigEndian.Uint32(body), body[4:], nil
}

// DecodeNegotiateProtocolVersion reads the body of a
// NegotiateProtocolVersion. version is major<<16 | minor; the server counts
// unknown _pq_. parameters, whose names are left in names, each with its NUL.
func DecodeNegotiateProtocolVersion(body []byte) (version, unknown uint32, names []byte, err error) {
	if len(body) < 8 {
		return 0, 0, nil, malformed("NegotiateProtocolVersion", "%d bytes", len(body))
	}
	version, unknown, names = binary.BigEndian.Uint32(body), binary.BigEndian.Uint32(body[4:]), body[8:]
	if uint64(unknown) != uint64(bytes.Count(names, []byte{0})) || len(names) > 0 && names[len(names)-1] != 0 {
		return 0, 0, nil, malformed("NegotiateProtocolVersion", "not %d names", unknown)
	}
	return version, unknown, names, nil
}

// DecodeDataRow reads the body of a DataRow and calls visit for each column. A
// value is nil if it is NULL; it is part of body.
func DecodeDataRow(body []byte, visit func(column int, value []byte)) error {
	if len(body) < 2 {
		return malformed("DataRow", "%d bytes", len(body))
	}
	columns, rest := int(binary.BigEndian.Uint16(body)), body[2:]
	for i := range columns {
		if len(rest) < 4 {
			return malformed("DataRow", "it ends in column %d", i+1)
		}
		n := int(int32(binary.BigEndian.Uint32(rest)))
		rest = rest[4:]
		if n > len(rest) || n < -1 {
			return malformed("DataRow", "%d bytes in column %d", n, i+1)
		}
		if n < 0 {
			visit(i, nil)
			continue
		}
		visit(i, rest[:n:n])
		rest = rest[n:]
	}
	if len(rest) > 0 {
		return malformed("DataRow", "%d bytes too many", len(rest))
	}
	return nil
}

// DecodeRowDescription reads the body of a RowDescription and calls visit for
// each column with its name, which is part of body, the OID of its type and the
// type's modifier, -1 for none.
func DecodeRowDescription(body []byte, visit func(name []byte, oid uint32, modifier int32)) error {
	if len(body) < 2 {
		return malformed("RowDescription", "%d bytes", len(body))
	}
	columns, rest := int(binary.BigEndian.Uint16(body)), body[2:]
	for i := range columns {
		name, behind, ok := CString(rest)
		// Table, attribute number, type, its size and modifier, format.
		if !ok || len(behind) < 18 {
			return malformed("RowDescription", "it ends in column %d", i+1)
		}
		visit(name, binary.BigEndian.Uint32(behind[6:]), int32(binary.BigEndian.Uint32(behind[12:])))
		rest = behind[18:]
	}
	if len(rest) > 0 {
		return malformed("RowDescription", "%d bytes too many", len(rest))
	}
	return nil
}

// invalidFormat is the error for a message of a logged-in client. It is an
// ERROR as in PostgreSQL, since the length of the message was right and the
// next one can be found.
func invalidFormat(message string) *Error {
	return Errorf(CodeProtocolViolation, "invalid %s message format", message)
}

// DecodeParse reads the body of a Parse. oids holds four bytes for each
// parameter whose type the client gives.
func DecodeParse(body []byte) (name, query, oids []byte, err error) {
	name, rest, ok := CString(body)
	if ok {
		query, rest, ok = CString(rest)
	}
	if !ok || len(rest) < 2 || len(rest)-2 != 4*int(binary.BigEndian.Uint16(rest)) {
		return nil, nil, nil, invalidFormat("Parse")
	}
	return name, query, rest[2:], nil
}

// DecodeBind reads the names at the start of a Bind's body. rest is what
// follows them, formats and parameters, and is not looked at.
func DecodeBind(body []byte) (portal, statement, rest []byte, err error) {
	portal, rest, ok := CString(body)
	if ok {
		statement, rest, ok = CString(rest)
	}
	if !ok {
		return nil, nil, nil, invalidFormat("Bind")
	}
	return portal, statement, rest, nil
}

// DecodeDescribe reads the body of a Describe or a Close. The kind is 'S' for
// a prepared statement, 'P' for a portal.
func DecodeDescribe(body []byte) (kind byte, name []byte, err error) {
	if len(body) > 0 && (body[0] == 'S' || body[0] == 'P') {
		if name, rest, ok := CString(body[1:]); ok && len(rest) == 0 {
			return body[0], name, nil
		}
	}
	return 0, nil, invalidFormat("Describe or Close")
}

// DecodeExecute reads the body of an Execute. maxRows 0 means all rows.
func DecodeExecute(body []byte) (portal []byte, maxRows uint32, err error) {
	portal, rest, ok := CString(body)
	if !ok || len(rest) != 4 {
		return nil, 0, invalidFormat("Execute")
	}
	return portal, binary.BigEndian.Uint32(rest), nil
}

// ParseName reads the name of the statement from the start of a Parse's body.
// ok is false if the name has not come whole.
func ParseName(body []byte) (name []byte, ok bool) {
	name, _, ok = CString(body)
	return name, ok
}

// BindStatement reads the name of the statement from the start of a Bind's
// body. ok is false if it has not come whole.
func BindStatement(body []byte) (statement []byte, ok bool) {
	_, rest, ok := CString(body)
	if ok {
		statement, _, ok = CString(rest)
	}
	return statement, ok
}
