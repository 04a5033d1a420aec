package console

import (
	"strings"

	"pgweir/wire"
)

// A token is a word, a quoted text or a punctuation mark of a statement.
type token struct {
	text   string // with the quotes taken off
	quoted bool   // "so" or 'so'
	mark   bool   // '=', ',', '(' or ')'
	start  int    // where it stands in the text that was split
	end    int
}

// is tells whether t is the unquoted word w, which is given in lower case.
func (t token) is(w string) bool {
	return !t.quoted && !t.mark && strings.EqualFold(t.text, w)
}

// A statement is one command of a text, without its semicolon. It has at least
// one token.
type statement struct {
	tokens []token
	source string // the whole text, for the value of a SET
}

// rest is the text from token i to the end of the statement, as it was written.
func (st statement) rest(i int) string {
	return st.source[st.tokens[i].start:st.tokens[len(st.tokens)-1].end]
}

// split takes a text apart into its statements. Empty ones are left out, so
// that none at all means an empty query. Comments are PostgreSQL's: "--" to the
// end of the line, "/*" to its "*/", nested. A quote or comment that does not
// end is an error of class 42601.
func split(text string) ([]statement, error) {
	var out []statement
	var tokens []token
	finish := func() {
		if len(tokens) > 0 {
			out = append(out, statement{tokens: tokens, source: text})
			tokens = nil
		}
	}
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case isSpace(c):
			i++
		case strings.HasPrefix(text[i:], "--"):
			i += lineLength(text[i:])
		case strings.HasPrefix(text[i:], "/*"):
			n := commentLength(text[i:])
			if n == 0 {
				return nil, wire.Errorf(wire.CodeSyntaxError, "unterminated /* comment")
			}
			i += n
		case c == ';':
			finish()
			i++
		case c == '"' || c == '\'':
			inner, n := unquote(text[i:])
			if n == 0 {
				return nil, wire.Errorf(wire.CodeSyntaxError, "unterminated quoted text")
			}
			tokens = append(tokens, token{text: inner, quoted: true, start: i, end: i + n})
			i += n
		case isMark(c):
			tokens = append(tokens, token{text: text[i : i+1], mark: true, start: i, end: i + 1})
			i++
		default:
			n := wordLength(text[i:])
			tokens = append(tokens, token{text: text[i : i+n], start: i, end: i + n})
			i += n
		}
	}
	finish()
	return out, nil
}

func isSpace(c byte) bool {
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v'
}

func isMark(c byte) bool { return c == '=' || c == ',' || c == '(' || c == ')' }

// wordLength is the length of the word that s begins with; it is at least 1.
func wordLength(s string) int {
	n := 1
	for n < len(s) {
		c := s[n]
		if isSpace(c) || isMark(c) || c == ';' || c == '"' || c == '\'' ||
			strings.HasPrefix(s[n:], "--") || strings.HasPrefix(s[n:], "/*") {
			break
		}
		n++
	}
	return n
}

func lineLength(s string) int {
	if n := strings.IndexByte(s, '\n'); n >= 0 {
		return n
	}
	return len(s)
}

// commentLength is the length of the comment that s begins with, 0 if it does not end.
func commentLength(s string) int {
	depth := 0
	for i := 0; i+1 < len(s); {
		switch s[i : i+2] {
		case "/*":
			depth++
			i += 2
		case "*/":
			depth--
			i += 2
			if depth == 0 {
				return i
			}
		default:
			i++
		}
	}
	return 0
}

// unquote takes the quoted text that s begins with: what is inside, a doubled
// quote counting as one, and the length with both quotes, 0 if it does not end.
func unquote(s string) (inner string, n int) {
	q := s[:1]
	for i := 1; i < len(s); i++ {
		if s[i] != q[0] {
			continue
		}
		if i+1 < len(s) && s[i+1] == q[0] {
			i++
			continue
		}
		return strings.ReplaceAll(s[1:i], q+q, q), i + 1
	}
	return "", 0
}
