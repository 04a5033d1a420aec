package wire

import "bytes"

// What identifiers and string constants mean, once they have been found.

// maxIdent is the length of the longest identifier in bytes; PostgreSQL cuts
// what is longer (NAMEDATALEN - 1).
const maxIdent = 63

// clipIdent cuts an identifier as PostgreSQL does in UTF-8: no character is cut
// in two.
func clipIdent(name []byte) []byte {
	if len(name) <= maxIdent {
		return name
	}
	n := 0
	for {
		size := 1
		switch c := name[n]; {
		case c&0xe0 == 0xc0:
			size = 2
		case c&0xf0 == 0xe0:
			size = 3
		case c&0xf8 == 0xf0:
			size = 4
		}
		if n+size > maxIdent {
			return name[:n]
		}
		n += size
	}
}

// appendIdent appends the name that an identifier stands for: without quotes,
// in lower case if it had none, and cut. ok is false if it stands for none: it
// is empty, lacks its end, or is written with Unicode escapes. Nothing is
// allocated if dst, which must be empty, has room for 64 bytes.
func appendIdent(dst, sql []byte, t sqlToken) (name []byte, ok bool) {
	text := sql[t.start:t.end]
	switch t.kind {
	case tokenWord:
		for _, c := range text[:min(len(text), maxIdent+1)] {
			dst = append(dst, lower(c))
		}
		return clipIdent(dst), true
	case tokenUnicode:
		text = text[2:]
		behind := lexer{sql: sql, pos: t.end}
		if bytes.IndexByte(text, '\\') >= 0 || isWord(behind.word(), "uescape") {
			return dst, false
		}
	case tokenQuoted:
	default:
		return dst, false
	}
	closed := false
	for i := 1; i < len(text); i++ {
		if text[i] == '"' {
			if i++; i == len(text) {
				closed = true
				break
			}
		}
		if len(dst) <= maxIdent {
			dst = append(dst, text[i])
		}
	}
	return clipIdent(dst), closed && len(dst) > 0
}

// lower is the lower case of an ASCII letter; other bytes have none.
func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c |= 0x20
	}
	return c
}

// QuoteIdent appends name as an identifier in quotes.
func QuoteIdent(dst []byte, name string) []byte {
	dst = append(dst, '"')
	for i := range len(name) {
		if name[i] == '"' {
			dst = append(dst, '"')
		}
		dst = append(dst, name[i])
	}
	return append(dst, '"')
}

// stringValue is the value of a string constant. ok is false if it cannot be
// told: the constant lacks its end, goes on in another line, or has a character
// by its number.
func stringValue(sql []byte, t sqlToken, backslashes bool) (value string, ok bool) {
	text := sql[t.start:t.end]
	switch text[0] {
	case '$':
		tag := bytes.IndexByte(text[1:], '$') + 2
		if len(text) < 2*tag || !bytes.Equal(text[:tag], text[len(text)-tag:]) {
			return "", false
		}
		return string(text[tag : len(text)-tag]), true
	case 'e', 'E':
		backslashes = true
		text = text[1:]
	}
	var b []byte
	for i := 1; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '\'':
			if i++; i == len(text) {
				return string(b), continuation(sql, t.end) < 0
			}
			if text[i] != '\'' {
				return "", false
			}
		case c == '\\' && backslashes:
			if i++; i == len(text) {
				return "", false
			}
			if c = unescape(text[i]); c == 0 {
				return "", false
			}
		}
		b = append(b, c)
	}
	return "", false
}

// unescape is the character that c stands for behind a backslash, 0 if a
// number begins there.
func unescape(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case 'x', 'u', 'U', '0', '1', '2', '3', '4', '5', '6', '7':
		return 0
	}
	return c
}
