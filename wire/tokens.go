package wire

// A TokenKind is what Tokens finds.
type TokenKind uint8

const (
	// TokenName: a key word or an identifier, as PostgreSQL reads it. One that is
	// written with Unicode escapes has no text.
	TokenName TokenKind = iota
	// TokenString: the value of a string constant; no text if it cannot be told.
	TokenString
	// TokenOperator: characters of operators that stand close behind each other.
	TokenOperator
)

// Tokens visits the names, strings and operators of a text. The text that visit
// is given is good until it returns. nonconforming says that
// standard_conforming_strings is off.
func Tokens(sql []byte, nonconforming bool, visit func(kind TokenKind, text []byte)) {
	l := lexer{sql: sql, backslashes: nonconforming}
	var buf [maxIdent + 1]byte
	begin, end := 0, 0 // of the operator so far
	operator := func() {
		if end > begin {
			visit(TokenOperator, sql[begin:end])
		}
		begin, end = 0, 0
	}
	for {
		t := l.next()
		if t.kind == tokenOther && isOperator(sql[t.start]) {
			if end != t.start || end == 0 {
				operator()
				begin = t.start
			}
			end = t.end
			continue
		}
		operator()
		switch t.kind {
		case tokenEnd:
			return
		case tokenWord, tokenQuoted, tokenUnicode:
			name, ok := appendIdent(buf[:0], sql, t)
			if !ok {
				name = nil
			}
			visit(TokenName, name)
		case tokenString:
			value, _ := stringValue(sql, t, nonconforming)
			visit(TokenString, []byte(value))
		}
	}
}

// isOperator tells the characters that operators are made of (PostgreSQL's
// documentation, section "Operators" of "Lexical Structure").
func isOperator(c byte) bool {
	switch c {
	case '+', '-', '*', '/', '<', '>', '=', '~', '!', '@', '#', '%', '^', '&', '|', '`', '?':
		return true
	}
	return false
}
