package wire

import "bytes"

// What follows a word may decide about its hint. A lexer that is passed here
// stands behind the word.

// readOn is what is left of a word's hint, and what comes to it, by what follows.
func readOn(h Hints, l lexer) Hints {
	switch h {
	case HintSet:
		h = setHint(l)
		if settingMatters(l) {
			h |= HintMeaning
		}
	case HintReset:
		if settingMatters(l) {
			h |= HintMeaning
		}
	case HintPrepare:
		if isPrepareTransaction(l) {
			h = 0
		}
	case HintDDL:
		if !makesTemp(l) {
			h |= HintCatalog
		}
	}
	return h
}

// setHint reads on after SET.
func setHint(l lexer) Hints {
	if !isTransactionSet(l) {
		return HintSet
	}
	if isWord(l.word(), "local") {
		return HintLocal
	}
	return 0
}

// isTransactionSet reads on after SET: is it one of those that end with the
// transaction? SET local.x is not, that is a setting of an extension's.
func isTransactionSet(l lexer) bool {
	word := l.word()
	switch {
	case isWord(word, "local"),
		isWord(word, "transaction"),
		isWord(word, "constraints"):
		return !l.take('.')
	}
	return false
}

// isPrepareTransaction reads on after PREPARE. A prepared statement may itself
// be called transaction; its types or AS come next then.
func isPrepareTransaction(l lexer) bool {
	return isWord(l.word(), "transaction") && !l.take('(') && !isWord(l.word(), "as")
}

// makesTemp reads on after CREATE: does it make something temporary?
func makesTemp(l lexer) bool {
	word := l.word()
	for isWord(word, "or") || isWord(word, "replace") || isWord(word, "local") || isWord(word, "global") {
		word = l.word()
	}
	return isTemp(word)
}

func isTemp(word []byte) bool { return isWord(word, "temp") || isWord(word, "temporary") }

// settingMatters reads on after SET or RESET: may it be about what names mean?
func settingMatters(l lexer) bool {
	word := l.word()
	if isWord(word, "session") || isWord(word, "local") {
		next := l.word()
		ahead := l
		if isWord(next, "authorization") || isWord(next, "session") && isWord(ahead.word(), "authorization") {
			return true
		}
		word = next // nil also for a setting named local
	}
	switch {
	case word == nil: // a name in quotes perhaps
		return true
	case l.take('.'):
		return false
	}
	return isMeaning(word) || isWord(word, "schema") || isWord(word, "all")
}

// The settings that decide what a text means.
var meaningNames = [...]string{"role", "session_authorization", "search_path", "session_replication_role", "row_security"}

func isMeaning(name []byte) bool {
	for _, n := range meaningNames {
		if isWord(name, n) {
			return true
		}
	}
	return false
}

// argumentMatters reads on after set_config: is its first argument another than
// a plain string that names a setting which does not matter?
func argumentMatters(l lexer) bool {
	if !l.take('(') {
		return true
	}
	t := l.next()
	if t.kind != tokenString || l.sql[t.start] != '\'' || t.end-t.start < 2 {
		return true
	}
	name := l.sql[t.start+1 : t.end-1]
	if bytes.IndexByte(name, '\'') >= 0 || bytes.IndexByte(name, '\\') >= 0 {
		return true
	}
	return !l.take(',') && !l.take(':') || isMeaning(name)
}

// isLocalSetConfig reads on after set_config: is its third argument just the
// word true? What is read counts against budget; when that is gone, the answer
// is no.
func isLocalSetConfig(l lexer, budget *int) bool {
	begin := l.pos
	isLocal := l.take('(') && l.endsInTrue(begin+*budget)
	*budget -= l.pos - begin
	return isLocal
}

// endsInTrue reads the arguments of a call, whose bracket was read last: there
// are three, the last just the word true. Reading ends at limit.
func (l *lexer) endsInTrue(limit int) bool {
	for depth, commas := 1, 0; l.pos < limit; {
		t := l.next()
		switch {
		case t.kind == tokenEnd:
			return false
		case t.kind != tokenOther:
			continue
		}
		switch l.sql[t.start] {
		case '(', '[':
			depth++
		case ')', ']':
			if depth--; depth == 0 {
				return false
			}
		case ',':
			if depth > 1 {
				break
			}
			if commas++; commas == 2 {
				return isWord(l.word(), "true") && l.take(')')
			}
		}
	}
	return false
}
