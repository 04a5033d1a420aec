package wire

import "bytes"

// Databases are those that the statements of a text need for themselves: which
// they drop, rename, move to another tablespace or copy as a template. As long
// as others are connected to one, PostgreSQL waits, for five seconds, and then
// says 55006. The names are as PostgreSQL reads them; one that is written with
// Unicode escapes is left out. nonconforming says that
// standard_conforming_strings is off.
//
// It may be asked about every text: one without such a statement costs little
// more than its first word. The time taken is linear in the length.
func Databases(sql []byte, nonconforming bool) (names []string) {
	if !mayNeedDatabase(sql) {
		return nil
	}
	r := databaseReader{lexer{sql: sql, backslashes: nonconforming}}
	for t := r.next(); t.kind != tokenEnd; t = r.next() {
		name := ""
		switch {
		case r.is(t, "drop"):
			name, t = r.drop()
		case r.is(t, "alter"):
			name, t = r.alter()
		case r.is(t, "create"):
			name, t = r.create()
		}
		if name != "" {
			names = append(names, name)
		}
		for t.kind != tokenSemicolon && t.kind != tokenEnd {
			t = r.next()
		}
	}
	return names
}

// mayNeedDatabase tells quickly that no statement begins with DROP, ALTER or
// CREATE DATABASE. A string that seems to have a comment behind a semicolon can
// hide a later statement from it; to rule that out, every text would have to be
// read to its end.
func mayNeedDatabase(sql []byte) bool {
	l := lexer{sql: sql}
	for {
		word := l.word()
		if isWord(word, "drop") || isWord(word, "alter") || isWord(word, "create") {
			if isWord(l.word(), "database") {
				return true
			}
		}
		n := bytes.IndexByte(sql[l.pos:], ';')
		if n < 0 {
			return false
		}
		l.pos += n + 1
	}
}

// databaseReader reads a statement on behind its first word. Its methods return
// the database that the statement needs, "" for none, and the last token that
// they have read, which may be the statement's end.
type databaseReader struct{ lexer }

func (r *databaseReader) drop() (name string, t sqlToken) {
	if t = r.next(); !r.is(t, "database") {
		return "", t
	}
	t = r.next()
	if r.is(t, "if") && r.is(r.peek(), "exists") { // a database may be called if
		r.next()
		t = r.next()
	}
	return r.name(t), t
}

func (r *databaseReader) alter() (name string, t sqlToken) {
	if t = r.next(); !r.is(t, "database") {
		return "", t
	}
	t = r.next()
	name = r.name(t)
	t = r.next()
	switch {
	case r.is(t, "rename"):
		return name, t
	case r.is(t, "set"):
		if t = r.next(); r.is(t, "tablespace") {
			return name, t
		}
	}
	return "", t // for the rest PostgreSQL waits for nobody
}

// create returns the template; its options have their names and values in turn.
func (r *databaseReader) create() (template string, t sqlToken) {
	if t = r.next(); !r.is(t, "database") {
		return "", t
	}
	if t = r.next(); !t.isName() {
		return "", t
	}
	const standard = "template1"
	template = standard
	if t = r.next(); r.is(t, "with") {
		t = r.next()
	}
	for t.isName() {
		option := r.name(t)
		if t = r.next(); option == "connection" && r.is(t, "limit") {
			t = r.next()
		}
		if r.is(t, "=") {
			t = r.next()
		}
		if r.is(t, "-") || r.is(t, "+") {
			t = r.next()
		}
		switch {
		case t.kind == tokenEnd, t.kind == tokenSemicolon:
			return template, t // PostgreSQL complains
		case option != "template":
		case r.is(t, "default"):
			template = standard
		default:
			template = r.name(t)
		}
		t = r.next()
	}
	return template, t
}

// name is what an identifier or a string constant stands for, "" if that cannot
// be told.
func (r *databaseReader) name(t sqlToken) string {
	if t.kind == tokenString {
		value, _ := stringValue(r.sql, t, r.backslashes)
		return value
	}
	if name, ok := appendIdent(nil, r.sql, t); ok {
		return string(name)
	}
	return ""
}
