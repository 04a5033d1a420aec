package wire

import (
	"encoding/binary"

	"github.com/jackc/pgproto3/v2"
)

// must takes what an Encode of pgproto3 returns. It fails only for a message
// of more than a gigabyte or a count above 65535, and pgweir builds neither.
func must(dst []byte, err error) []byte {
	if err != nil {
		panic("bug: " + err.Error())
	}
	return dst
}

// AppendParameterStatus appends a ParameterStatus.
func AppendParameterStatus(dst []byte, name, value string) []byte {
	return must((&pgproto3.ParameterStatus{Name: noNUL(name), Value: noNUL(value)}).Encode(dst))
}

// AppendBackendKeyData appends a BackendKeyData. The key has 4 bytes in
// protocol 3.0 and up to 256 from 3.2 on; pgproto3 knows 4 only.
func AppendBackendKeyData(dst []byte, pid uint32, key []byte) []byte {
	dst, at := begin(dst, 'K')
	dst = binary.BigEndian.AppendUint32(dst, pid)
	return finish(append(dst, key...), at)
}

// AppendReadyForQuery appends a ReadyForQuery. The status is 'I', 'T' or 'E'.
func AppendReadyForQuery(dst []byte, status byte) []byte {
	return must((&pgproto3.ReadyForQuery{TxStatus: status}).Encode(dst))
}

// AppendNegotiateProtocolVersion appends a NegotiateProtocolVersion: the
// newest minor version of 3 that is supported, and the names of the _pq_.
// parameters that are not known.
func AppendNegotiateProtocolVersion(dst []byte, newestMinor uint32, unknown []string) []byte {
	dst, at := begin(dst, 'v')
	// PostgreSQL sends the whole version, major and minor, in this field, and
	// libpq reads it so.
	dst = binary.BigEndian.AppendUint32(dst, Protocol30|newestMinor&0xffff)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(unknown)))
	for _, name := range unknown {
		dst = appendCString(dst, name)
	}
	return finish(dst, at)
}

// AppendQuery appends a Query, the simple query protocol.
func AppendQuery(dst []byte, sql string) []byte {
	return must((&pgproto3.Query{String: noNUL(sql)}).Encode(dst))
}

// AppendTerminate appends a Terminate.
func AppendTerminate(dst []byte) []byte {
	return must((&pgproto3.Terminate{}).Encode(dst))
}

// AppendFlush appends a Flush.
func AppendFlush(dst []byte) []byte { return append(dst, 'H', 0, 0, 0, 4) }

// AppendMessage appends a message of any type with a body as it is, in parts.
func AppendMessage(dst []byte, typ byte, body ...[]byte) []byte {
	n := 4
	for _, part := range body {
		n += len(part)
	}
	dst = binary.BigEndian.AppendUint32(append(dst, typ), uint32(n))
	for _, part := range body {
		dst = append(dst, part...)
	}
	return dst
}

// AppendSync appends a Sync.
func AppendSync(dst []byte) []byte {
	return must((&pgproto3.Sync{}).Encode(dst))
}

// AppendParse appends a Parse that leaves the types of all parameters to the
// server.
func AppendParse(dst []byte, name, sql string) []byte {
	return must((&pgproto3.Parse{Name: noNUL(name), Query: noNUL(sql)}).Encode(dst))
}

// AppendParseBody appends a Parse of which body is what follows the name.
func AppendParseBody(dst []byte, name string, body []byte) []byte {
	dst = append(dst, 'P')
	dst = binary.BigEndian.AppendUint32(dst, uint32(4+len(name)+1+len(body)))
	dst = append(append(dst, name...), 0)
	return append(dst, body...)
}

// AppendBind appends a Bind with no parameters and all formats text.
func AppendBind(dst []byte, portal, statement string) []byte {
	return must((&pgproto3.Bind{
		DestinationPortal: noNUL(portal),
		PreparedStatement: noNUL(statement),
	}).Encode(dst))
}

// AppendDescribeStatement appends a Describe of a prepared statement.
func AppendDescribeStatement(dst []byte, name string) []byte {
	return must((&pgproto3.Describe{ObjectType: 'S', Name: noNUL(name)}).Encode(dst))
}

// AppendExecute appends an Execute that asks for all rows if maxRows is 0.
func AppendExecute(dst []byte, portal string, maxRows uint32) []byte {
	return must((&pgproto3.Execute{Portal: noNUL(portal), MaxRows: maxRows}).Encode(dst))
}

// AppendCloseStatement appends a Close of a prepared statement.
func AppendCloseStatement(dst []byte, name string) []byte {
	return must((&pgproto3.Close{ObjectType: 'S', Name: noNUL(name)}).Encode(dst))
}
