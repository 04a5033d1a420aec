package pool

import (
	"strings"

	"pgweir/wire"
)

// maxName is how many bytes of an application_name PostgreSQL looks at
// (NAMEDATALEN - 1).
const maxName = 63

// shownName is what PostgreSQL makes of an application_name in a StartupMessage:
// it is cut between two characters of the database's encoding, and then each
// byte that is not printable ASCII is replaced, since version 16 by \xhh, before
// by a question mark. params are what the server has reported.
func shownName(name string, params []wire.Param) string {
	if len(name) <= maxName && isPrintable(name) {
		return name
	}
	name = name[:cutName(name, reported(params, "server_encoding"))]
	version := serverMajor(params)
	if version == 0 {
		return name // another server
	}
	const hex = "0123456789abcdef"
	var b []byte
	for i := range len(name) {
		switch c := name[i]; {
		case c >= 0x20 && c <= 0x7e:
			b = append(b, c)
		case version >= 16:
			b = append(b, '\\', 'x', hex[c>>4], hex[c&15])
		default:
			b = append(b, '?')
		}
	}
	return string(b)
}

// isPrintable tells whether all is printable ASCII.
func isPrintable(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}

// cutName is how many of a name's bytes are whole characters within maxName. How
// long one is its first byte says, whatever follows.
func cutName(name, encoding string) (n int) {
	for n < len(name) && n+charLen(name[n], encoding) <= maxName {
		n += charLen(name[n], encoding)
	}
	return min(n, len(name))
}

// charLen is how long a character is in a server's encoding that begins so.
func charLen(c byte, encoding string) int {
	switch {
	case c < 0x80:
	case encoding == "UTF8":
		switch {
		case c&0xe0 == 0xc0:
			return 2
		case c&0xf0 == 0xe0:
			return 3
		case c&0xf8 == 0xf0:
			return 4
		}
	case encoding == "EUC_TW" && c == 0x8e:
		return 4
	case strings.HasPrefix(encoding, "EUC_") && c == 0x8f:
		return 3
	case strings.HasPrefix(encoding, "EUC_"):
		return 2
	}
	return 1
}
