package wire

import "encoding/binary"

// MeaningParameters visits the numbers of the parameters that a text gives to
// settings which say what names mean (HintMeaning), as in
// set_config('role', $1, true). ok is false if not all that decides it stands in
// the text or in such parameters.
func MeaningParameters(sql []byte, nonconforming bool, visit func(number int)) (ok bool) {
	ok = true
	r := nameReader{lexer: lexer{sql: sql, backslashes: nonconforming}}
	r.visit = func(n Name) {
		switch n.Kind {
		case NameSetConfigUnknown:
			ok = false
		case NameLocal, NameSetConfig:
			switch {
			case n.Text == "":
				ok = false
			case isMeaning([]byte(n.Text)):
				ok = givenValue(lexer{sql: sql, pos: n.End, backslashes: nonconforming}, visit) && ok
			}
		}
	}
	r.read()
	return ok
}

// givenValue reads on after the name of a setting: it is SET's own, or the value
// of set_config is a constant or a parameter.
func givenValue(l lexer, visit func(number int)) bool {
	t := l.next()
	if l.is(t, ":") {
		l.next()
		l.next()
		t = l.next()
	}
	if !l.is(t, ",") {
		return true // SET
	}
	t = l.next()
	next := l.peek()
	if l.is(next, ":") { // a cast
		l.next()
		l.next()
		l.next()
		next = l.peek()
	}
	if !l.is(next, ",") {
		return false
	}
	switch {
	case t.kind == tokenString:
		return true
	case t.kind == tokenParameter:
		n := 0
		for _, c := range l.sql[t.start+1 : t.end] {
			if c < '0' || c > '9' || n > 1<<16 {
				return false
			}
			n = n*10 + int(c-'0')
		}
		visit(n)
		return true
	}
	return false
}

// BindParameter is the value of a parameter by its number, from 1, in the body of
// a Bind message. ok is false if it is not there whole; a NULL is nil.
func BindParameter(body []byte, number int) (value []byte, ok bool) {
	_, rest, ok := CString(body) // the portal
	if !ok {
		return nil, false
	}
	if _, rest, ok = CString(rest); !ok {
		return nil, false
	}
	formats, rest, ok := cutCount(rest)
	if !ok || len(rest) < 2*formats {
		return nil, false
	}
	n, rest, ok := cutCount(rest[2*formats:])
	if !ok || number < 1 || number > n {
		return nil, false
	}
	for i := 1; ; i++ {
		if len(rest) < 4 {
			return nil, false
		}
		size := int32(binary.BigEndian.Uint32(rest))
		rest = rest[4:]
		switch {
		case size < 0:
			value = nil
		case int(size) > len(rest):
			return nil, false
		default:
			value, rest = rest[:size], rest[size:]
		}
		if i == number {
			return value, true
		}
	}
}

// cutCount takes a number of two bytes off b.
func cutCount(b []byte) (n int, rest []byte, ok bool) {
	if len(b) < 2 {
		return 0, nil, false
	}
	return int(binary.BigEndian.Uint16(b)), b[2:], true
}
