package wire

// Single tells whether a text is exactly one statement, with or without a
// semicolon at its end; empty statements do not count. One that has statements
// inside, as CREATE FUNCTION ... BEGIN ATOMIC, may be taken for several.
// nonconforming says that standard_conforming_strings is off.
func Single(sql []byte, nonconforming bool) bool {
	l := lexer{sql: sql, backslashes: nonconforming}
	statements, depth := 0, 0
	inside := false // a statement has begun
	for {
		t := l.next()
		switch {
		case t.kind == tokenEnd:
			return statements == 1
		case t.kind == tokenSemicolon:
			if depth == 0 {
				inside = false
			}
			continue
		case l.is(t, "("):
			depth++
		case l.is(t, ")") && depth > 0:
			depth--
		}
		if !inside {
			inside = true
			if statements++; statements > 1 {
				return false
			}
		}
	}
}

// Leads tells whether a text's first key word is this one, given in lower case;
// brackets and empty statements ahead of it are skipped.
func Leads(sql []byte, word string) bool {
	l := lexer{sql: sql}
	for l.take('(') || l.take(';') {
	}
	return isWord(l.word(), word)
}
