package wire

// Scan reads the words of a text of SQL, of one statement or several. Words in
// strings and comments do not count; those that open a statement count only
// there. A text that ends in the midst of a token is read as far as it goes.
// Nothing is allocated, and the time taken is linear in the length.
//
// Strings are read as with standard_conforming_strings = on, and the text as
// an encoding whose bytes below 128 are ASCII always, as UTF-8.
func Scan(sql []byte) Hints {
	hints, _ := Read(sql, nil, false)
	return hints
}

// Read is Scan, and gives the text's shape as well. types are the types of its
// parameters as a Parse message has them: object IDs of four bytes each.
// nonconforming says that standard_conforming_strings is off: a backslash
// escapes in every string.
func Read(sql, types []byte, nonconforming bool) (Hints, Shape) {
	r := reader{sql: sql, backslashes: nonconforming, atStart: true, lookahead: 4 * len(sql)}
	r.shape.types, r.shape.h, r.shape.lastEnd = types, uint64(len(sql)>>63), -1
	for i := 0; i < len(sql); {
		switch classes[sql[i]] {
		case classSpace:
			i++
			continue
		case classWord:
			i = r.word(i)
			continue
		case classSemicolon:
			r.atStart = true
			i++
			r.shape.mark(';', i)
			continue
		case classOther:
			if c := sql[i]; c == '-' || c == '/' {
				if end := skipComment(sql, i); end > i {
					i = end
					continue
				}
			}
			i++
			r.shape.mark(sql[i-1], i)
		case classDigit:
			end := skipNumber(sql, i)
			r.shape.number(sql[i:end])
			i = end
		case classQuote:
			if nonconforming {
				i = skipEscapeStrings(sql, i)
			} else {
				i = skipQuoted(sql, i)
			}
			r.shape.constant(shapeString)
		case classDouble:
			i = r.quoted(i)
		case classDollar:
			end := skipDollar(sql, i)
			r.shape.dollar(sql[i:end], end)
			i = end
		}
		r.atStart = false
	}
	return r.hints, r.shape.shape()
}

// reader is one pass over a text.
type reader struct {
	sql         []byte
	backslashes bool
	hints       Hints
	shape       shaper
	atStart     bool // no token of this statement was seen
	// The word before.
	prevStart, prevEnd int
	// lookahead is what looking ahead may cost in all, so that calls nested in
	// each other's arguments take linear time.
	lookahead int
}

// word reads the word at i, and returns its end.
func (r *reader) word(i int) int {
	sql, start := r.sql, i
	h, part := uint64(0), uint64(folded[sql[i]])
	for i++; i < len(sql) && inWord[sql[i]]; i++ {
		part = part<<8 | uint64(folded[sql[i]])
		if (i-start)&7 == 7 {
			h = MixShape(h, part)
			part = 0
		}
	}
	word := sql[start:i]
	if len(word) == 1 && i < len(sql) && sql[i] == '\'' && word[0]|0x20 == 'e' {
		r.shape.constant(shapeString)
		r.atStart = false
		return skipEscapeStrings(sql, i)
	}
	if mayBeWord(word, r.atStart) {
		r.hint(word, lookUp(word, r.atStart), start, i)
	}
	r.shape.word(word, h^part)
	r.atStart = false
	r.prevStart, r.prevEnd = start, i
	return i
}

// hint takes the hint of a word, if what stands around it agrees.
func (r *reader) hint(word []byte, h Hints, start, end int) {
	sql := r.sql
	prev := sql[r.prevStart:r.prevEnd]
	holds := true
	switch h {
	case HintSetConfig:
		r.setConfig(end)
		return
	case HintTemp:
		holds = word[0]|0x20 == 'p' || opensTemp(prev)
	case HintHold:
		holds = isWord(prev, "with")
	case HintExecute:
		holds = r.atStart || !isPrivilege(sql, r.prevStart, r.prevEnd, start)
	default:
		h = readOn(h, sql[end:])
	}
	if holds {
		r.hints |= h
	}
}

// readOn is what is left of a word's hint, and what comes to it, by what follows.
func readOn(h Hints, rest []byte) Hints {
	switch h {
	case HintSet:
		h = setHint(rest)
		if settingMatters(rest) {
			h |= HintMeaning
		}
	case HintReset:
		if settingMatters(rest) {
			h |= HintMeaning
		}
	case HintPrepare:
		if isPrepareTransaction(rest) {
			h = 0
		}
	case HintDDL:
		if !makesTemp(rest) {
			h |= HintCatalog
		}
	}
	return h
}

// setConfig looks at the arguments of set_config, which ends at end.
func (r *reader) setConfig(end int) {
	if argumentMatters(r.sql[end:]) {
		r.hints |= HintMeaning
	}
	const both = HintSetConfig | HintLocal
	switch {
	case r.hints&both == both:
	case isLocalSetConfig(r.sql[end:], r.backslashes, &r.lookahead):
		r.hints |= HintLocal
	default:
		r.hints |= HintSetConfig
	}
}

// quoted reads the identifier in quotes at i, and returns its end.
func (r *reader) quoted(i int) int {
	end := skipQuoted(r.sql, i)
	h := quotedHints(r.sql, i, end, r.backslashes, &r.lookahead)
	r.hints |= h
	if h == escapedNameHints {
		r.shape.unreadable = true
	} else if h&(HintSetConfig|HintLocal) != 0 || end-i > 2 && isWord(r.sql[i+1:end-1], "set_config") {
		if argumentMatters(r.sql[end:]) {
			r.hints |= HintMeaning
		}
	}
	r.shape.quoted(r.sql[i:end])
	return end
}

// isPrivilege tells whether EXECUTE, at start, is what is granted or revoked:
// the word before, at prevStart to prevEnd, says so.
func isPrivilege(sql []byte, prevStart, prevEnd, start int) bool {
	prev := sql[prevStart:prevEnd]
	return (isWord(prev, "grant") || isWord(prev, "revoke")) && len(skipBlank(sql[prevEnd:start])) == 0
}

// opensTemp tells whether TEMP after this word makes something temporary:
// CREATE TEMP, CREATE OR REPLACE TEMP, CREATE LOCAL TEMP, SELECT INTO TEMP. A
// column called temp goes through.
func opensTemp(prev []byte) bool {
	switch len(prev) {
	case 4:
		return isWord(prev, "into")
	case 5:
		return isWord(prev, "local")
	case 6:
		return isWord(prev, "create") || isWord(prev, "global")
	case 7:
		return isWord(prev, "replace")
	}
	return false
}

// isTransactionSet reads on after SET: is it one of those that end with the
// transaction? SET local.x is not, that is a setting of an extension's.
func isTransactionSet(sql []byte) bool {
	word, rest := nextWord(sql)
	switch {
	case isWord(word, "local"),
		isWord(word, "transaction"),
		isWord(word, "constraints"):
		rest = skipBlank(rest)
		return len(rest) == 0 || rest[0] != '.'
	}
	return false
}

// setHint reads on after SET.
func setHint(sql []byte) Hints {
	if !isTransactionSet(sql) {
		return HintSet
	}
	if word, _ := nextWord(sql); isWord(word, "local") {
		return HintLocal
	}
	return 0
}

// isPrepareTransaction reads on after PREPARE. A prepared statement may itself
// be called transaction; its types or AS come next then.
func isPrepareTransaction(sql []byte) bool {
	word, rest := nextWord(sql)
	if !isWord(word, "transaction") {
		return false
	}
	rest = skipBlank(rest)
	word, _ = nextWord(rest)
	return !isWord(word, "as") && (len(rest) == 0 || rest[0] != '(')
}

// nextWord returns the word after blanks and comments, nil if there is none,
// and what follows it.
func nextWord(sql []byte) (word, rest []byte) {
	sql = skipBlank(sql)
	if len(sql) == 0 || classes[sql[0]] != classWord {
		return nil, sql
	}
	n := 1
	for n < len(sql) && inWord[sql[n]] {
		n++
	}
	return sql[:n], sql[n:]
}

// isLocalSetConfig reads the arguments after set_config: is the third just the
// word true? It takes what it reads off budget, and says no when that is gone.
func isLocalSetConfig(sql []byte, backslashes bool, budget *int) bool {
	rest := skipBlank(sql)
	if len(rest) == 0 || rest[0] != '(' {
		*budget -= len(sql) - len(rest)
		return false
	}
	i := len(sql) - len(rest) + 1
	begin := 0
	defer func() { *budget -= i - begin }()
	depth, commas := 1, 0
	for i < len(sql) && i < *budget {
		switch c := sql[i]; {
		case classes[c] == classQuote && backslashes:
			i = skipEscapeStrings(sql, i)
		case classes[c] == classQuote, classes[c] == classDouble:
			i = skipQuoted(sql, i)
		case classes[c] == classDollar:
			i = skipDollar(sql, i)
		case classes[c] == classDigit:
			i = skipNumber(sql, i)
		case classes[c] == classWord:
			start := i
			for i++; i < len(sql) && inWord[sql[i]]; i++ {
			}
			if i-start == 1 && i < len(sql) && sql[i] == '\'' && c|0x20 == 'e' {
				i = skipEscapeStrings(sql, i)
			}
		case c == '(' || c == '[':
			depth++
			i++
		case c == ')' || c == ']':
			if depth--; depth == 0 {
				return false
			}
			i++
		case c == ',' && depth == 1:
			i++
			if commas++; commas == 2 {
				word, after := nextWord(sql[i:])
				after = skipBlank(after)
				i = len(sql) - len(after)
				return isWord(word, "true") && len(after) > 0 && after[0] == ')'
			}
		default:
			if end := skipComment(sql, i); end > i {
				i = end
			} else {
				i++
			}
		}
	}
	return false
}

// quotedHints looks at the quoted identifier sql[start:end]. A function or a
// schema can be named so, a key word cannot.
func quotedHints(sql []byte, start, end int, backslashes bool, lookahead *int) Hints {
	if start >= 2 && sql[start-1] == '&' && sql[start-2]|0x20 == 'u' && (start == 2 || !inWord[sql[start-3]]) {
		// U&"..." may spell any name with escapes, and the escape character
		// comes only after it. It is too rare to decode.
		return escapedNameHints
	}
	if end-start < 2 || !mayBeWord(sql[start+1:end-1], false) {
		return 0
	}
	name := sql[start+1 : end-1]
	switch h := lookUp(name, false); {
	case h == HintHold, h == HintExecute, h == HintTemp && name[0]|0x20 != 'p':
		return 0
	case h == HintSetConfig && isLocalSetConfig(sql[end:], backslashes, lookahead):
		return HintLocal
	default:
		return h
	}
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

// settingMatters reads on after SET or RESET: may it be about what names mean?
func settingMatters(sql []byte) bool {
	word, rest := nextWord(sql)
	if isWord(word, "session") || isWord(word, "local") {
		next, after := nextWord(rest)
		if isWord(next, "authorization") {
			return true
		}
		if next == nil { // something in quotes, or a setting named local
			return true
		}
		if then, _ := nextWord(after); isWord(next, "session") && isWord(then, "authorization") {
			return true
		}
		word, rest = next, after
	}
	rest = skipBlank(rest)
	switch {
	case word == nil, isWord(word, "u") && len(rest) > 0 && rest[0] == '&':
		return true
	case len(rest) > 0 && rest[0] == '.':
		return false
	}
	return isMeaning(word) || isWord(word, "schema") || isWord(word, "all")
}

// argumentMatters reads on after set_config: is its first argument another than
// a plain string that names a setting which does not matter?
func argumentMatters(sql []byte) bool {
	rest := skipBlank(sql)
	if len(rest) == 0 || rest[0] != '(' {
		return true
	}
	rest = skipBlank(rest[1:])
	if len(rest) == 0 || rest[0] != '\'' {
		return true
	}
	end := skipQuoted(rest, 0)
	if end < 2 {
		return true
	}
	name := rest[1 : end-1]
	for _, c := range name {
		if c == '\'' || c == '\\' {
			return true
		}
	}
	rest = skipBlank(rest[end:])
	if len(rest) == 0 || rest[0] != ',' && rest[0] != ':' {
		return true
	}
	return isMeaning(name)
}

// makesTemp reads on after CREATE: does it make something temporary?
func makesTemp(sql []byte) bool {
	word, rest := nextWord(sql)
	for isWord(word, "or") || isWord(word, "replace") || isWord(word, "local") || isWord(word, "global") {
		word, rest = nextWord(rest)
	}
	return isWord(word, "temp") || isWord(word, "temporary")
}
