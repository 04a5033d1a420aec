package wire

import "bytes"

// The tokens of SQL, as far as Scan and Names must tell them apart
// (PostgreSQL's documentation, section "Lexical Structure").

const (
	classOther     uint8 = iota // operators, brackets, comments' first characters
	classSpace                  // also what PostgreSQL refuses, that is harmless
	classWord                   // a letter, an underscore, a byte from 128 on
	classDigit                  // a number
	classQuote                  // '
	classDouble                 // "
	classDollar                 // $
	classSemicolon              // ;
)

// classes is what a token is by its first byte, inWord whether a byte goes on
// with a word.
var classes, inWord = func() (class [256]uint8, in [256]bool) {
	for c := range 256 {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_', c >= 0x80:
			class[c], in[c] = classWord, true
		case c >= '0' && c <= '9':
			class[c], in[c] = classDigit, true
		case c == '$':
			class[c], in[c] = classDollar, true
		case c == ' ', c == '\t', c == '\n', c == '\r', c == '\f', c == '\v':
			class[c] = classSpace
		case c == '\'':
			class[c] = classQuote
		case c == '"':
			class[c] = classDouble
		case c == ';':
			class[c] = classSemicolon
		}
	}
	return class, in
}()

// isWord compares a word with one in lower case, as PostgreSQL does: only ASCII
// letters have two cases.
func isWord(word []byte, lower string) bool {
	if len(word) != len(lower) {
		return false
	}
	for i, c := range word {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// skipQuoted returns the end of the string or identifier whose quote is at i.
// A doubled quote reads as two strings side by side, which ends in the same
// place.
func skipQuoted(sql []byte, i int) int {
	for quote := sql[i]; i < len(sql) && sql[i] == quote; {
		n := bytes.IndexByte(sql[i+1:], quote)
		if n < 0 {
			return len(sql)
		}
		i += n + 2
	}
	return i
}

// skipEscapeStrings returns the end of the string whose quote is at i, in
// which a backslash escapes, and of those that continue it: after a line break
// another '...' belongs to the same string and has the same escapes.
func skipEscapeStrings(sql []byte, i int) int {
	for {
		for i++; i < len(sql); i++ {
			switch sql[i] {
			case '\\':
				i++
				continue
			case '\'':
				if i+1 < len(sql) && sql[i+1] == '\'' {
					i++
					continue
				}
			default:
				continue
			}
			break
		}
		if i >= len(sql) {
			return len(sql)
		}
		i++
		next := continuation(sql, i)
		if next < 0 {
			return i
		}
		i = next
	}
}

// continuation returns where the string that ended before i is continued, -1
// if it is not: blanks and -- comments with a line break among them, then a
// quote.
func continuation(sql []byte, i int) int {
	newline := false
	for i < len(sql) {
		switch c := sql[i]; {
		case c == '\n' || c == '\r':
			newline = true
			i++
		case classes[c] == classSpace:
			i++
		case c == '-' && i+1 < len(sql) && sql[i+1] == '-':
			i = skipComment(sql, i)
		case c == '\'' && newline:
			return i
		default:
			return -1
		}
	}
	return -1
}

// skipComment returns the end of the comment that begins at i, or i if none
// does. A -- comment ends before its line break; /* */ comments nest.
func skipComment(sql []byte, i int) int {
	if i+1 >= len(sql) {
		return i
	}
	switch {
	case sql[i] == '-' && sql[i+1] == '-':
		for i += 2; i < len(sql) && sql[i] != '\n' && sql[i] != '\r'; i++ {
		}
	case sql[i] == '/' && sql[i+1] == '*':
		depth := 1
		for i += 2; i < len(sql) && depth > 0; i++ {
			if i+1 == len(sql) {
				return len(sql)
			}
			switch {
			case sql[i] == '*' && sql[i+1] == '/':
				depth--
				i++
			case sql[i] == '/' && sql[i+1] == '*':
				depth++
				i++
			}
		}
	}
	return i
}

// skipBlank returns what follows blanks and comments.
func skipBlank(sql []byte) []byte {
	i := 0
	for i < len(sql) {
		if classes[sql[i]] == classSpace {
			i++
			continue
		}
		end := skipComment(sql, i)
		if end == i {
			break
		}
		i = end
	}
	return sql[i:]
}

// skipNumber returns the end of the number at i, with whatever letters hang on
// it: a word cannot begin there in a text that PostgreSQL accepts.
func skipNumber(sql []byte, i int) int {
	for i++; i < len(sql) && (inWord[sql[i]] || sql[i] == '.'); i++ {
	}
	return i
}

// skipDollar returns the end of what begins with the $ at i: a string in
// dollar quotes, a parameter as $1, or the character alone.
func skipDollar(sql []byte, i int) int {
	tag := i + 1
	if tag < len(sql) && classes[sql[tag]] == classDigit {
		return skipNumber(sql, tag)
	}
	for tag < len(sql) && inWord[sql[tag]] && sql[tag] != '$' {
		tag++
	}
	if tag == len(sql) || sql[tag] != '$' {
		return i + 1
	}
	tag++
	n := bytes.Index(sql[tag:], sql[i:tag])
	if n < 0 {
		return len(sql)
	}
	return tag + n + (tag - i)
}

// wordEnd returns the end of the word that begins at i.
func wordEnd(sql []byte, i int) int {
	for i++; i < len(sql) && inWord[sql[i]]; i++ {
	}
	return i
}

type tokenKind uint8

const (
	tokenEnd       tokenKind = iota
	tokenWord                // a key word or an identifier
	tokenQuoted              // "..."
	tokenUnicode             // U&"...", without the UESCAPE that may follow
	tokenString              // '...', E'...', $$...$$; the last may lack its end
	tokenNumber              // also $1
	tokenSemicolon           // ;
	tokenOther               // a single character
)

// A sqlToken is sql[start:end] of its lexer's text.
type sqlToken struct {
	kind       tokenKind
	start, end int
}

// A lexer splits a text into tokens, for readings that are rare; Scan has its
// own loop, in which the same characters make the same tokens. A copy of a
// lexer looks ahead.
type lexer struct {
	sql         []byte
	pos         int
	backslashes bool // in '...' they escape
}

// next returns the next sqlToken, blanks and comments skipped.
func (l *lexer) next() sqlToken {
	sql := l.sql
	i := len(sql) - len(skipBlank(sql[l.pos:]))
	t := sqlToken{kind: tokenOther, start: i, end: i}
	if i == len(sql) {
		t.kind = tokenEnd
		l.pos = i
		return t
	}
	switch classes[sql[i]] {
	case classWord:
		t.kind, t.end = tokenWord, wordEnd(sql, i)
		if t.end != i+1 || t.end == len(sql) {
			break
		}
		switch rest := sql[t.end:]; {
		case sql[i]|0x20 == 'e' && rest[0] == '\'':
			t.kind, t.end = tokenString, skipEscapeStrings(sql, t.end)
		case sql[i]|0x20 == 'u' && len(rest) > 1 && rest[0] == '&' && rest[1] == '"' &&
			(i == 0 || !inWord[sql[i-1]]):
			t.kind, t.end = tokenUnicode, skipQuoted(sql, t.end+1)
		}
	case classDigit:
		t.kind, t.end = tokenNumber, skipNumber(sql, i)
	case classQuote:
		t.kind = tokenString
		if l.backslashes {
			t.end = skipEscapeStrings(sql, i)
		} else {
			t.end = skipQuoted(sql, i)
		}
	case classDouble:
		t.kind, t.end = tokenQuoted, skipQuoted(sql, i)
	case classDollar:
		t.end = skipDollar(sql, i)
		switch {
		case t.end == i+1: // the character alone
		case classes[sql[i+1]] == classDigit:
			t.kind = tokenNumber
		default:
			t.kind = tokenString
		}
	case classSemicolon:
		t.kind, t.end = tokenSemicolon, i+1
	default:
		t.end = i + 1
	}
	l.pos = t.end
	return t
}

// peek returns the next token and stays where it is.
func (l *lexer) peek() sqlToken {
	ahead := *l
	return ahead.next()
}

// unicodeCall tells whether a bracket follows the U&"..." that was read last,
// or its UESCAPE.
func (l *lexer) unicodeCall() bool {
	ahead := *l
	t := ahead.next()
	if ahead.is(t, "uescape") {
		if t = ahead.next(); t.kind != tokenString || ahead.sql[t.end-1] != '\'' {
			return false
		}
		t = ahead.next()
	}
	return ahead.is(t, "(")
}

// is tells whether a token is a word, given in lower case, or a character.
func (l *lexer) is(t sqlToken, text string) bool {
	return (t.kind == tokenWord || t.kind == tokenOther) && isWord(l.sql[t.start:t.end], text)
}

// isName tells whether a token may name something.
func (t sqlToken) isName() bool {
	return t.kind == tokenWord || t.kind == tokenQuoted || t.kind == tokenUnicode
}
