package wire

// NameKind says what a Name is the name of, and what is done with it.
type NameKind uint8

const (
	// NamePrepare: PREPARE of a statement, not PREPARE TRANSACTION.
	NamePrepare NameKind = iota
	// NameExecute: EXECUTE, also in EXPLAIN and in CREATE TABLE ... AS.
	NameExecute
	// NameDeallocate: DEALLOCATE of one statement.
	NameDeallocate
	// NameDeallocateAll: DEALLOCATE ALL. Text is empty.
	NameDeallocateAll
	// NameSet: SET of a setting for the session, in lower case, with its dot if
	// it has one. TIME ZONE is timezone, NAMES client_encoding, SCHEMA
	// search_path, XML OPTION xmloption, SESSION AUTHORIZATION
	// session_authorization; SESSION CHARACTERISTICS is three, that of
	// default_transaction_isolation, _read_only and _deferrable.
	NameSet
	// NameReset: RESET of a setting, as NameSet; RESET ALL is "all".
	NameReset
	// NameSetConfig: a call of set_config that is not local, the setting given
	// by a string constant; in lower case.
	NameSetConfig
	// NameSetConfigUnknown: such a call whose setting cannot be read from the
	// text; or SET or RESET of a name that is written with Unicode escapes. Text
	// is empty.
	NameSetConfigUnknown
	// NameLocal: SET LOCAL of a setting, as NameSet, or a call of set_config that
	// is local. Text is empty if the setting cannot be read from the text.
	NameLocal
	// NameLoad: LOAD of a library, as the string says. Text is empty if that cannot
	// be told.
	NameLoad
	// NameListen: LISTEN to a channel.
	NameListen
	// NameUnlisten: UNLISTEN of one channel.
	NameUnlisten
	// NameUnlistenAll: UNLISTEN *. Text is empty.
	NameUnlistenAll
)

// A Name is something that a text names. Text[Start:End] is where: the
// identifier with its quotes, all words of a name of several, the string
// constant of set_config, the word set_config itself for NameSetConfigUnknown,
// ALL or *.
type Name struct {
	Kind       NameKind
	Text       string // as PostgreSQL reads it: folded, unquoted, cut to 63 bytes
	Start, End int
}

// Names visits the names in a text of one statement or several, in order. It
// finds none for which Scan has no hint, and is meant for texts that have one.
// The names of prepared statements and channels that are written with Unicode
// escapes are left out. nonconforming says that standard_conforming_strings is
// off. As with Scan, the time taken is linear in the length.
func Names(sql []byte, nonconforming bool, visit func(Name)) {
	r := nameReader{lexer: lexer{sql: sql, backslashes: nonconforming}, visit: visit}
	r.read()
}

// createState follows CREATE TABLE ... AS EXECUTE. The statement's first AS is
// the one: nothing before it can hold another.
type createState uint8

const (
	createNone  createState = iota
	createBegun             // after CREATE
	createTable             // in CREATE TABLE
	createAs                // after its AS
)

type nameReader struct {
	lexer
	visit     func(Name)
	body      bool // of a function
	lookahead int  // what isLocalSetConfig may still read
	explained int  // where the statement behind EXPLAIN begins
	create    createState
}

func (r *nameReader) read() {
	r.lookahead = 4 * len(r.sql)
	r.explained = -1
	for atStart := true; ; {
		t := r.next()
		begins := atStart
		atStart = false
		switch t.kind {
		case tokenEnd:
			return
		case tokenSemicolon:
			atStart = true
			r.create = createNone
		case tokenOther:
			atStart = r.body && startsBehind(r.sql, t)
		case tokenQuoted, tokenUnicode:
			r.function(t)
		case tokenWord:
			switch {
			case begins:
				r.statement(t)
			case t.start == r.explained:
				r.explainable(t)
			case r.create != createNone:
				r.createWord(t)
			}
			r.function(t)
			atStart = r.body && startsBehind(r.sql, t)
		}
	}
}

// statement reads on after the word that opens a statement.
func (r *nameReader) statement(t sqlToken) {
	ahead := r.lexer
	switch {
	case r.is(t, "set"):
		switch setHint(r.lexer) {
		case HintSet:
			r.set(ahead, NameSet)
		case HintLocal:
			ahead.next()
			r.set(ahead, NameLocal)
		}
	case r.is(t, "listen"):
		r.ident(ahead.next(), NameListen)
	case r.is(t, "unlisten"):
		t = ahead.next()
		if !r.is(t, "*") {
			r.ident(t, NameUnlisten)
		} else if !r.body {
			r.found(NameUnlistenAll, "", t, t)
		}
	case r.body:
		// the rest is not asked for
	case r.is(t, "load"):
		library := ahead.next()
		if library.kind != tokenString {
			r.found(NameLoad, "", t, t)
			break
		}
		value, ok := stringValue(r.sql, library, r.backslashes)
		if !ok {
			value = ""
		}
		r.found(NameLoad, value, library, library)
	case r.is(t, "reset"):
		r.reset(ahead)
	case r.is(t, "prepare"):
		if !isPrepareTransaction(r.lexer) {
			r.ident(ahead.next(), NamePrepare)
		}
	case r.is(t, "deallocate"):
		t = ahead.next()
		// A statement may itself be called prepare.
		if r.is(t, "prepare") && ahead.peek().isName() {
			t = ahead.next()
		}
		if r.is(t, "all") {
			r.found(NameDeallocateAll, "", t, t)
		} else {
			r.ident(t, NameDeallocate)
		}
	case r.is(t, "explain"):
		r.explained = explained(ahead)
	default:
		r.explainable(t)
	}
}

// explainable reads on after the first word of a statement that may also stand
// behind EXPLAIN.
func (r *nameReader) explainable(t sqlToken) {
	switch {
	case r.is(t, "execute"):
		r.ident(r.peek(), NameExecute)
	case r.is(t, "create"):
		r.create = createBegun
	}
}

// createWord takes the next word of a CREATE.
func (r *nameReader) createWord(t sqlToken) {
	switch r.create {
	case createBegun:
		r.create = createNone
		for _, word := range [...]string{"table", "temp", "temporary", "local", "global", "unlogged"} {
			if r.is(t, word) {
				r.create = createTable
			}
		}
	case createTable:
		if r.is(t, "as") {
			r.create = createAs
		}
	case createAs:
		r.create = createNone
		if r.is(t, "execute") {
			r.ident(r.peek(), NameExecute)
		}
	}
}

// explained returns where the statement begins that EXPLAIN is about, -1 if
// there is none; l stands behind EXPLAIN.
func explained(l lexer) int {
	t := l.next()
	if l.is(t, "(") { // options, or a SELECT in brackets: then what follows is no word
		for depth := 1; depth > 0; {
			switch t = l.next(); {
			case t.kind == tokenEnd, t.kind == tokenSemicolon:
				return -1
			case l.is(t, "("):
				depth++
			case l.is(t, ")"):
				depth--
			}
		}
		return l.peek().start
	}
	for l.is(t, "analyze") || l.is(t, "analyse") || l.is(t, "verbose") {
		t = l.next()
	}
	return t.start
}

// set reads on after SET, and SET LOCAL.
func (r *nameReader) set(l lexer, kind NameKind) {
	t := l.next()
	ahead := l
	next, after := ahead.next(), ahead.peek()
	characteristics := r.is(next, "characteristics") && !r.is(after, ".")
	if r.is(t, "session") && next.isName() && !r.is(next, "to") && !r.is(next, "from") &&
		!r.is(next, "authorization") && !characteristics {
		// SET SESSION is what SET means anyway.
		if isTransactionSet(l) {
			return
		}
		t = l.next()
		next = l.peek()
	}
	switch {
	case r.is(next, "."), r.is(next, "="), r.is(next, "to"):
		r.setting(l, t, kind)
	case r.is(t, "time") && r.is(next, "zone"):
		r.found(kind, "timezone", t, next)
	case r.is(t, "session") && r.is(next, "authorization"):
		r.found(kind, "session_authorization", t, next)
	case r.is(t, "session") && r.is(next, "characteristics"):
		for _, name := range [...]string{"isolation", "read_only", "deferrable"} {
			r.found(kind, "default_transaction_"+name, t, next)
		}
	case r.is(t, "names"):
		r.found(kind, "client_encoding", t, t)
	case r.is(t, "schema"):
		r.found(kind, "search_path", t, t)
	case r.is(t, "xml") && r.is(next, "option"):
		r.found(kind, "xmloption", t, next)
	default:
		r.setting(l, t, kind)
	}
}

// reset reads on after RESET.
func (r *nameReader) reset(l lexer) {
	t := l.next()
	next := l.peek()
	switch {
	case r.is(t, "all"):
		r.found(NameReset, "all", t, t)
	case r.is(t, "time") && r.is(next, "zone"):
		r.found(NameReset, "timezone", t, next)
	case r.is(t, "session") && r.is(next, "authorization"):
		r.found(NameReset, "session_authorization", t, next)
	case r.is(t, "transaction") && r.is(next, "isolation"):
		r.found(NameReset, "transaction_isolation", t, next)
	default:
		r.setting(l, t, NameReset)
	}
}

// setting reads the name of a setting that begins with t, ahead of l.
func (r *nameReader) setting(l lexer, t sqlToken, kind NameKind) {
	var name []byte
	for first := t; ; t = l.next() {
		part, ok := appendIdent(nil, r.sql, t)
		if !ok {
			switch {
			case t.kind != tokenUnicode:
			case kind == NameLocal:
				r.found(kind, "", first, t)
			default:
				r.found(NameSetConfigUnknown, "", first, t)
			}
			return
		}
		name = append(name, part...)
		if !r.is(l.peek(), ".") {
			r.found(kind, lowerName(name), first, t)
			return
		}
		name = append(name, '.')
		l.next()
	}
}

// lowerName is the name of a setting in lower case: they compare without case,
// but for ASCII letters only.
func lowerName[S string | []byte](name S) string {
	b := make([]byte, len(name))
	for i := range len(name) {
		b[i] = lower(name[i])
	}
	return string(b)
}

// function looks for a call of set_config.
func (r *nameReader) function(t sqlToken) {
	if t.kind == tokenWord && !r.is(t, "set_config") {
		return // without ado: nearly every word
	}
	var buf [maxIdent + 1]byte
	name, ok := appendIdent(buf[:0], r.sql, t)
	if !ok && t.kind == tokenUnicode && r.unicodeCall() {
		r.found(NameSetConfigUnknown, "", t, t) // it may be
		return
	}
	ahead := r.lexer
	if !ok || string(name) != "set_config" {
		return
	}
	known, unknown := NameSetConfig, NameSetConfigUnknown
	if isLocalSetConfig(ahead, &r.lookahead) {
		known, unknown = NameLocal, NameLocal
	}
	if !r.is(ahead.next(), "(") {
		return
	}
	first := ahead.next()
	if first.kind == tokenString {
		value, ok := stringValue(r.sql, first, r.backslashes)
		if ok && r.is(castSkipped(&ahead), ",") {
			r.found(known, lowerName(value), first, first)
			return
		}
	}
	r.found(unknown, "", t, t)
}

// unicodeCall tells whether a bracket follows the U&"..." that was read last,
// or its UESCAPE.
func (r *nameReader) unicodeCall() bool {
	ahead := r.lexer
	t := ahead.next()
	if ahead.is(t, "uescape") {
		if t = ahead.next(); t.kind != tokenString || ahead.sql[t.end-1] != '\'' {
			return false
		}
		t = ahead.next()
	}
	return ahead.is(t, "(")
}

// castSkipped returns the next sqlToken, or what follows if that is ::text.
func castSkipped(l *lexer) sqlToken {
	t := l.next()
	if l.is(t, ":") && l.is(l.next(), ":") && l.is(l.next(), "text") {
		t = l.next()
	}
	return t
}

// ident finds the name that an identifier stands for.
func (r *nameReader) ident(t sqlToken, kind NameKind) {
	if name, ok := appendIdent(nil, r.sql, t); ok {
		r.found(kind, string(name), t, t)
	}
}

func (r *nameReader) found(kind NameKind, text string, first, last sqlToken) {
	r.visit(Name{kind, text, first.start, last.end})
}
