package wire

// The bodies of functions in SQL and PL/pgSQL, prosrc in pg_proc: texts in
// which a statement may start in more places than in what a client sends.

// BodyHints returns what the body of a function may leave behind. It is Scan,
// but a statement may also start after BEGIN, THEN, ELSE, LOOP and a label.
// Transaction control, EXECUTE and CLOSE mean something else in PL/pgSQL and
// give no hint, and LOAD gives HintProcess. A body that is one word is the symbol of a function in C, and
// has none. What the body makes of strings and then executes is not seen.
func BodyHints(body []byte) Hints {
	l := lexer{sql: body}
	if l.next().kind == tokenWord && l.next().kind == tokenEnd {
		return 0
	}
	hints, _ := read(body, nil, false, true)
	l = lexer{sql: body}
	for starts := false; ; {
		t := l.next()
		switch {
		case t.kind == tokenEnd:
			if hints&HintLoad != 0 {
				hints |= HintProcess
			}
			return hints &^ (HintExplicit | HintExecute | HintClose | HintLoad)
		case starts && t.kind == tokenWord:
			hints |= startHint(l, t)
		}
		starts = startsBehind(body, t)
	}
}

// BodyNames visits what the body of a function sets and listens to: NameSet,
// NameSetConfig, NameSetConfigUnknown, NameLocal, NameListen and NameUnlisten. It finds
// none for which BodyHints has no hint.
func BodyNames(body []byte, visit func(Name)) {
	r := nameReader{lexer: lexer{sql: body}, visit: visit, body: true}
	r.read()
}

// startHint is the hint of a word, which was read last, for that it opens a
// statement.
func startHint(l lexer, t sqlToken) Hints {
	word := l.sql[t.start:t.end]
	if !mayBeWord(word, true) || lookUp(word, false) != 0 {
		return 0
	}
	return readOn(lookUp(word, true), l)
}

// startsBehind tells whether a statement of a body may start behind a token,
// a semicolon apart. The words are also those of CASE, which is no matter.
func startsBehind(sql []byte, t sqlToken) bool {
	text := sql[t.start:t.end]
	switch t.kind {
	case tokenWord:
		return isWord(text, "begin") || isWord(text, "then") || isWord(text, "else") || isWord(text, "loop")
	case tokenOther: // the last character of a label, <<so>>
		return text[0] == '>' && t.start > 0 && sql[t.start-1] == '>'
	}
	return false
}
