package hba

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// token is a word of a line, without its quotes.
type token struct {
	text   string
	quoted bool // it begins within quotes, so it is no keyword, group or @file
}

// is tells whether the token is a keyword.
func (t token) is(keyword string) bool { return !t.quoted && t.text == keyword }

// String writes the token so that it is read as itself. The first byte of a
// token that is not quoted is never one that needs quotes.
func (t token) String() string {
	if t.quoted || t.text == "" {
		return quote(t.text)
	}
	if strings.ContainsAny(t.text, " \t\r,#\"\\") {
		return t.text[:1] + quote(t.text[1:])
	}
	return t.text
}

func quote(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// field is a list of tokens with commas in between. It is never empty.
type field []token

func (f field) String() string {
	words := make([]string, len(f))
	for i, t := range f {
		words[i] = t.String()
	}
	return strings.Join(words, ",")
}

var errOpenQuote = errors.New("a double quote is not closed on this line")

func blank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' }

// next takes a token off the start of a line. comma says that one follows it,
// so that the next token belongs to the same field; ok, that there was a token
// before the end of the line or a comment.
func next(s string) (t token, rest string, comma, ok bool, err error) {
	for s != "" && (blank(s[0]) || s[0] == ',') {
		s = s[1:]
	}
	var text []byte
	var in, was, saw bool // within quotes; the last byte was a quote that may be half of two; any quote
	i := 0
scan:
	for ; i < len(s) && (in || !blank(s[i])); i++ {
		c := s[i]
		switch {
		case c == '#' && !in:
			i = len(s)
			break scan
		case c == ',' && !in:
			comma = true
			break scan
		case c != '"':
			text = append(text, c)
			was = false
			continue
		case was:
			text = append(text, c)
		}
		was = in && !was
		in, saw = !in, true
		t.quoted = t.quoted || len(text) == 0
	}
	if in {
		return t, "", false, false, errOpenQuote
	}
	if len(text) > MaxToken {
		return t, "", false, false, fmt.Errorf("a word is longer than %d bytes", MaxToken)
	}
	t.text = string(text)
	return t, s[i:], comma, saw || len(text) > 0, nil
}

// nextLine takes a line off data, together with those that continue it after a
// backslash. n is how many it is.
func nextLine(data []byte) (line string, n int, rest []byte) {
	var buf []byte
	joined := 0 // how much of buf an earlier backslash has ended
	for len(data) > 0 {
		part := data
		if end := bytes.IndexByte(data, '\n'); end >= 0 {
			part = data[:end+1]
		}
		data = data[len(part):]
		n++
		buf = bytes.TrimRight(append(buf, part...), "\r\n")
		if len(buf) <= joined || buf[len(buf)-1] != '\\' {
			break
		}
		buf = buf[:len(buf)-1]
		joined = len(buf)
	}
	return string(buf), n, data
}
