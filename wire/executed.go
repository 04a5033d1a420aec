package wire

import "bytes"

// BodyExecuted visits what the EXECUTEs of a body in PL/pgSQL run, as templates:
// constants as they are, %I for a quoted name, and %L for a quoted constant. whole is
// false if something else is in it, of which nothing is known, such as a variable. The
// EXECUTE of a trigger's definition and of GRANT is left out. The template is good until
// visit returns.
func BodyExecuted(body []byte, visit func(template []byte, whole bool)) {
	l := lexer{sql: body}
	var template []byte
	for granted := false; ; {
		t := l.next()
		switch {
		case t.kind == tokenEnd:
			return
		case !granted && t.kind == tokenWord && isWord(body[t.start:t.end], "execute"):
			next := l.peek()
			if l.is(next, "function") || l.is(next, "procedure") || l.is(next, "on") {
				break
			}
			var whole bool
			template, whole = executed(&l, template[:0])
			visit(template, whole)
		}
		granted = l.is(t, "grant") || l.is(t, "revoke")
	}
}

// executed reads the expression behind EXECUTE.
func executed(l *lexer, template []byte) (_ []byte, whole bool) {
	for depth := 0; ; {
		before := *l
		t := l.next()
		switch {
		case t.kind == tokenEnd, t.kind == tokenSemicolon:
			return template, depth == 0
		case depth == 0 && (l.is(t, "into") || l.is(t, "using") || l.is(t, "loop")):
			*l = before
			return template, true
		case l.is(t, "("):
			depth++
		case l.is(t, ")"):
			depth--
		case l.is(t, "|"), l.is(t, "."):
		case t.kind == tokenString:
			value, ok := stringValue(l.sql, t, false)
			if !ok {
				return template, false
			}
			template = append(template, value...)
		case l.is(t, ":") && l.is(l.next(), ":") && l.next().isName(): // a constant's cast
		case t.kind == tokenWord && l.is(l.peek(), "("):
			var ok bool
			if template, ok = quoting(l, t, template); !ok {
				return template, false
			}
		case l.is(t, "pg_catalog"):
		case t.isName() && isRegclass(l):
			template = append(template, "%I"...)
		default:
			return template, false
		}
	}
}

// quoting reads a call of a function which makes that harmless what it is given. t is
// the function's name.
func quoting(l *lexer, t sqlToken, template []byte) (_ []byte, ok bool) {
	l.next() // the bracket
	switch {
	case l.is(t, "quote_ident"):
		template = append(template, "%I"...)
	case l.is(t, "quote_literal"), l.is(t, "quote_nullable"):
		template = append(template, "%L"...)
	case l.is(t, "format"):
		first := l.next()
		if first.kind != tokenString {
			return template, false
		}
		value, ok := stringValue(l.sql, first, false)
		if !ok {
			return template, false
		}
		if template, ok = appendFormat(template, value); !ok {
			return template, false
		}
	default:
		return template, false
	}
	return template, skipArguments(l)
}

// appendFormat appends format's first argument, without what %I and %L have between
// their percent sign and their letter. It is false for one with another conversion.
func appendFormat(template []byte, format string) (_ []byte, ok bool) {
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			template = append(template, format[i])
			continue
		}
		for i++; i < len(format) && bytes.IndexByte([]byte("-0123456789$*"), format[i]) >= 0; i++ {
		}
		switch {
		case i == len(format):
			return template, false
		case format[i] == '%':
			template = append(template, '%')
		case format[i] == 'I', format[i] == 'L':
			template = append(template, '%', format[i])
		default:
			return template, false
		}
	}
	return template, true
}

// skipArguments reads on behind the bracket that ends a call.
func skipArguments(l *lexer) bool {
	for depth := 1; depth > 0; {
		switch t := l.next(); {
		case t.kind == tokenEnd, t.kind == tokenSemicolon:
			return false
		case l.is(t, "("):
			depth++
		case l.is(t, ")"):
			depth--
		}
	}
	return true
}

// isRegclass reads ::regclass, whose text PostgreSQL has quoted.
func isRegclass(l *lexer) bool {
	ahead := *l
	for _, word := range []string{":", ":", "regclass"} {
		if !ahead.is(ahead.next(), word) {
			return false
		}
	}
	*l = ahead
	return true
}
