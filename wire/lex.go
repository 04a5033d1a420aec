package wire

import "bytes"

// The lexer cuts a text of SQL into tokens as PostgreSQL does (its documentation,
// section "Lexical Structure"; its source, src/backend/parser/scan.l). All that
// reads SQL in this package uses it, except Passing, which says why. The rules:
//
//  1. Blanks and comments separate tokens. A -- comment ends before its line
//     break. Comments in /* */ nest.
//  2. A word begins with a letter, an underscore or a byte from 128 on. Digits
//     and $ may follow.
//  3. A string '...' ends at a quote that is not doubled. In E'...' a backslash
//     escapes the next character, and a '...' that follows behind a line break
//     belongs to the same string. With standard_conforming_strings = off the
//     same holds for '...'; otherwise each such part is a token by itself, since
//     its end is the same. So are N, B, X and U& ahead of a string.
//  4. An identifier "..." ends at a quote that is not doubled; U&"..." as well.
//  5. A string in dollar quotes goes from $tag$ to the next $tag$. The tag may
//     be empty; it is a word without a $.
//  6. $1 is a parameter.
//  7. A number begins with a digit, and has all digits, letters, _, $ and points
//     that follow: PostgreSQL from 15 on accepts no word there. A sign behind its
//     e is a token by itself.
//  8. Every other character is a token, those of operators too.
//
// A text may end in the midst of a token, which then ends there.

// The class of a byte is what begins with it.
const (
	classOther     uint8 = iota // operators, brackets
	classSpace                  // \v as well, which PostgreSQL before 16 refuses
	classComment                // - and /, which may begin a comment
	classWord                   // a letter, an underscore, a byte from 128 on
	classDigit                  // a number
	classQuote                  // '
	classDouble                 // "
	classDollar                 // $
	classSemicolon              // ;
)

// classes has the class of each byte. wordByte has the bytes with which a word goes
// on, letters in lower case, and 0 for the others.
var classes, wordByte = func() (class, in [256]uint8) {
	for c := range 256 {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_', c >= 0x80:
			class[c], in[c] = classWord, lower(byte(c))
		case c >= '0' && c <= '9':
			class[c], in[c] = classDigit, byte(c)
		case c == '$':
			class[c], in[c] = classDollar, '$'
		case c == ' ', c == '\t', c == '\n', c == '\r', c == '\f', c == '\v':
			class[c] = classSpace
		case c == '-', c == '/':
			class[c] = classComment
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

type tokenKind uint8

const (
	tokenEnd       tokenKind = iota // of the text
	tokenWord                       // a key word or an identifier
	tokenQuoted                     // "..."
	tokenUnicode                    // U&"...", without the UESCAPE that may follow
	tokenString                     // '...', E'...', $$...$$
	tokenNumber                     // 1, 1.5e3
	tokenParameter                  // $1
	tokenSemicolon                  // ;
	tokenOther                      // a single character
)

// A sqlToken is sql[start:end] of its lexer's text.
type sqlToken struct {
	kind       tokenKind
	start, end int
}

// isName tells whether a token may name something.
func (t sqlToken) isName() bool {
	return t.kind == tokenWord || t.kind == tokenQuoted || t.kind == tokenUnicode
}

// A lexer reads a text token by token. A copy of a lexer looks ahead.
type lexer struct {
	sql         []byte
	pos         int
	backslashes bool // in '...' they escape
}

// next returns the next token.
func (l *lexer) next() sqlToken {
	t := nextToken(l.sql, l.pos, l.backslashes)
	l.pos = t.end
	return t
}

// nextToken returns the first token from i on.
func nextToken(sql []byte, i int, backslashes bool) sqlToken {
	for i < len(sql) {
		kind, end := tokenOther, i+1
		switch classes[sql[i]] {
		case classSpace:
			i++
			continue
		case classComment:
			if end := skipComment(sql, i); end > i {
				i = end
				continue
			}
		case classWord:
			kind, end = tokenWord, skipWord(sql, i)
			if end == i+1 {
				kind, end = letterToken(sql, i)
			}
		case classDigit:
			kind, end = tokenNumber, skipNumber(sql, i)
		case classQuote:
			kind, end = tokenString, skipString(sql, i, backslashes)
		case classDouble:
			kind, end = tokenQuoted, skipQuoted(sql, i)
		case classDollar:
			kind, end = dollarToken(sql, i)
		case classSemicolon:
			kind = tokenSemicolon
		}
		return sqlToken{kind, i, end}
	}
	return sqlToken{tokenEnd, i, i}
}

// peek returns the next token and stays where it is.
func (l *lexer) peek() sqlToken {
	ahead := *l
	return ahead.next()
}

// word returns the next token if that is a word. Otherwise it returns nil, and
// only blanks and comments have been read.
func (l *lexer) word() []byte {
	sql := l.sql
	i := skipBlanks(sql, l.pos)
	l.pos = i
	if i == len(sql) || classes[sql[i]] != classWord {
		return nil
	}
	end := skipWord(sql, i)
	if end == i+1 && letterKind(sql, i) != tokenWord {
		return nil
	}
	l.pos = end
	return sql[i:end]
}

// take reads on behind c, a token of one character, if that is the next token.
// Otherwise only blanks and comments have been read.
func (l *lexer) take(c byte) bool {
	l.pos = skipBlanks(l.sql, l.pos)
	if l.pos == len(l.sql) || l.sql[l.pos] != c {
		return false
	}
	l.pos++
	return true
}

// is tells whether a token is a word, given in lower case, or a character.
func (l *lexer) is(t sqlToken, text string) bool {
	return (t.kind == tokenWord || t.kind == tokenOther) && isWord(l.sql[t.start:t.end], text)
}

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

// skipBlanks returns where blanks and comments from i on end.
func skipBlanks(sql []byte, i int) int {
	for i < len(sql) {
		switch classes[sql[i]] {
		case classSpace:
			i++
		case classComment:
			end := skipComment(sql, i)
			if end == i {
				return i
			}
			i = end
		default:
			return i
		}
	}
	return i
}

// skipComment returns the end of the comment that begins at i, or i if none
// does.
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

// skipWord returns the end of the word at i.
func skipWord(sql []byte, i int) int {
	for i++; i < len(sql) && wordByte[sql[i]] != 0; i++ {
	}
	return i
}

// letterToken is the token that begins with a word of one letter, at i.
func letterToken(sql []byte, i int) (kind tokenKind, end int) {
	switch kind = letterKind(sql, i); kind {
	case tokenString:
		return kind, skipEscapeString(sql, i+1)
	case tokenUnicode:
		return kind, skipQuoted(sql, i+2)
	}
	return kind, i + 1
}

// letterKind is its kind: E'...', U&"..." or a word.
func letterKind(sql []byte, i int) tokenKind {
	switch rest := sql[i+1:]; {
	case len(rest) == 0:
	case rest[0] == '\'' && sql[i]|0x20 == 'e':
		return tokenString
	case rest[0] == '&' && len(rest) > 1 && rest[1] == '"' && sql[i]|0x20 == 'u':
		return tokenUnicode
	}
	return tokenWord
}

// skipNumber returns the end of the number at i.
func skipNumber(sql []byte, i int) int {
	for i++; i < len(sql) && (wordByte[sql[i]] != 0 || sql[i] == '.'); i++ {
	}
	return i
}

// skipString returns the end of the string whose quote is at i.
func skipString(sql []byte, i int, backslashes bool) int {
	if backslashes {
		return skipEscapeString(sql, i)
	}
	return skipQuoted(sql, i)
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

// skipEscapeString returns the end of the string with escapes whose quote is at
// i, and of those that continue it.
func skipEscapeString(sql []byte, i int) int {
	for next := i; next >= 0; next = continuation(sql, i) {
		// A doubled quote ends one part, and begins the next.
		for i = next; i < len(sql) && sql[i] == '\''; i++ {
			for i++; i < len(sql) && sql[i] != '\''; i++ {
				if sql[i] == '\\' {
					i++
				}
			}
		}
		i = min(i, len(sql))
	}
	return i
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

// dollarToken is the token that begins with the $ at i: a string in dollar
// quotes, a parameter, or the character alone.
func dollarToken(sql []byte, i int) (kind tokenKind, end int) {
	tag := i + 1
	if tag < len(sql) && classes[sql[tag]] == classDigit {
		return tokenParameter, skipNumber(sql, tag)
	}
	for tag < len(sql) && wordByte[sql[tag]] != 0 && sql[tag] != '$' {
		tag++
	}
	if tag == len(sql) || sql[tag] != '$' {
		return tokenOther, i + 1
	}
	tag++
	n := bytes.Index(sql[tag:], sql[i:tag])
	if n < 0 {
		return tokenString, len(sql)
	}
	return tokenString, tag + n + (tag - i)
}
