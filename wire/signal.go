package wire

import "encoding/binary"

// SignaledPIDs calls visit for each number in a text of SQL, or what stands in
// single quotes, that is the first argument of pg_cancel_backend or
// pg_terminate_backend: it is sql[start:end]. nonconforming says that standard_conforming_strings is off.
// The time taken is linear in the length.
func SignaledPIDs(sql []byte, nonconforming bool, visit func(start, end int)) {
	l := lexer{sql: sql, backslashes: nonconforming}
	for t := l.next(); t.kind != tokenEnd; t = l.next() {
		if !l.is(t, "pg_cancel_backend") && !l.is(t, "pg_terminate_backend") {
			continue
		}
		ahead := l
		if !ahead.is(ahead.next(), "(") {
			continue
		}
		switch n := ahead.next(); {
		case n.kind == tokenNumber:
			visit(n.start, n.end)
		case n.kind == tokenString && sql[n.start] == '\'' && n.end-n.start > 2 && sql[n.end-1] == '\'':
			visit(n.start+1, n.end-1)
		}
	}
}

// BindParameters calls visit for each parameter of a Bind that is not NULL:
// its value is rest[start:end], in binary or as text. rest is the message's
// body behind the names. It is false if the body is not as it should be.
func BindParameters(rest []byte, visit func(start, end int, isBinary bool)) bool {
	pos := 0
	number := func(size int) (n int, ok bool) {
		if len(rest)-pos < size {
			return 0, false
		}
		if size == 2 {
			n = int(binary.BigEndian.Uint16(rest[pos:]))
		} else {
			n = int(int32(binary.BigEndian.Uint32(rest[pos:])))
		}
		pos += size
		return n, true
	}
	formats, ok := number(2)
	if !ok || len(rest)-pos < 2*formats {
		return false
	}
	first := pos
	pos += 2 * formats
	isBinary := func(i int) bool {
		switch {
		case formats == 1:
			i = 0
		case i >= formats:
			return false
		}
		return binary.BigEndian.Uint16(rest[first+2*i:]) == 1
	}
	n, ok := number(2)
	for i := range n {
		size, whole := number(4)
		if !whole || size > len(rest)-pos {
			return false
		}
		if size >= 0 {
			visit(pos, pos+size, isBinary(i))
			pos += size
		}
	}
	return ok
}
