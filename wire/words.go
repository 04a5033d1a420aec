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
//
// Every text is read here, so the switch of nextToken stands here once more: with
// a call for each token, texts took up to a third longer. The rules for each class
// are the same functions, and tests compare the two.
func Read(sql, types []byte, nonconforming bool) (Hints, Shape) {
	return read(sql, types, nonconforming, false)
}

// read is Read, also for the body of a function.
func read(sql, types []byte, nonconforming, body bool) (Hints, Shape) {
	r := reader{sql: sql, backslashes: nonconforming, body: body, atStart: true, lookahead: 4 * len(sql)}
	r.shape.types, r.shape.h, r.shape.lastEnd = types, uint64(len(sql)>>63), -1
	for i := 0; i < len(sql); {
		switch classes[sql[i]] {
		case classSpace:
			i++
			continue
		case classComment:
			if end := skipComment(sql, i); end > i {
				i = end
				continue
			}
			i++
			r.shape.mark(sql[i-1], i)
		case classWord:
			i = r.word(i)
			continue
		case classDigit:
			end := skipNumber(sql, i)
			r.shape.number(sql[i:end])
			i = end
		case classQuote:
			i = skipString(sql, i, nonconforming)
			r.shape.constant(shapeString)
		case classDouble:
			end := skipQuoted(sql, i)
			r.quoted(i, end)
			i = end
		case classDollar:
			kind, end := dollarToken(sql, i)
			r.dollar(kind, i, end)
			i = end
		case classSemicolon:
			i++
			r.shape.mark(';', i)
			r.atStart = true
			continue
		case classOther:
			i++
			r.shape.mark(sql[i-1], i)
		}
		r.atStart = false
	}
	return r.hints, r.shape.shape()
}

// reader is one pass over a text.
type reader struct {
	sql         []byte
	backslashes bool
	body        bool // it is a function's, in which INTO mostly fills a variable
	hints       Hints
	shape       shaper
	atStart     bool // no token of this statement was seen
	// The word before.
	prevStart, prevEnd int
	// lookahead is what looking ahead may cost in all, so that calls nested in
	// each other's arguments take linear time.
	lookahead int
}

// word reads what begins with a letter at i, and returns its end. The hash of a
// word is made on the way, which skipWord could not do.
func (r *reader) word(i int) int {
	sql, start := r.sql, i
	h, part := uint64(0), uint64(wordByte[sql[i]])
	for i++; i < len(sql); i++ {
		c := wordByte[sql[i]]
		if c == 0 {
			break
		}
		part = part<<8 | uint64(c)
		if (i-start)&7 == 7 {
			h = MixShape(h, part)
			part = 0
		}
	}
	if i == start+1 && letterKind(sql, start) != tokenWord {
		return r.letter(start)
	}
	word := sql[start:i]
	if mayBeWord(word, r.atStart) {
		r.hint(word, lookUp(word, r.atStart), start, i)
	}
	r.shape.word(word, h^part)
	r.atStart = false
	r.prevStart, r.prevEnd = start, i
	return i
}

// letter takes a token that begins with a single letter, and is no word.
func (r *reader) letter(i int) (end int) {
	kind, end := letterToken(r.sql, i)
	if kind == tokenString {
		r.shape.constant(shapeString)
	} else {
		// Any name may be spelt with escapes, and the escape character comes only
		// behind it. Decoding is not worth while for what is so rare.
		r.hints |= escapedNameHints
		r.shape.unreadable = true
		r.prevStart, r.prevEnd = i, end
	}
	r.atStart = false
	return end
}

// dollar takes what begins with a $.
func (r *reader) dollar(kind tokenKind, start, end int) {
	switch kind {
	case tokenString:
		r.shape.constant(shapeString)
	case tokenParameter:
		r.shape.parameter(r.sql[start+1 : end])
	default:
		r.shape.mark('$', end)
	}
}

// hint takes the hint of a word, if what stands around it agrees.
func (r *reader) hint(word []byte, h Hints, start, end int) {
	prev := r.sql[r.prevStart:r.prevEnd]
	holds := true
	switch h {
	case HintSetConfig:
		r.setConfig(end)
		return
	case HintTemp:
		holds = isTempSchema(word) || opensTemp(prev)
	case HintHold:
		holds = isWord(prev, "with")
	case HintExecute:
		holds = r.atStart || !r.isPrivilege(start)
	case HintCatalog:
		holds = r.changesCatalog(word, prev, end)
	default:
		h = readOn(h, r.lexerAt(end))
	}
	if holds {
		r.hints |= h
	}
}

// quoted takes an identifier in quotes. A function or a schema can be named so,
// a key word cannot.
func (r *reader) quoted(start, end int) {
	r.shape.quoted(r.sql[start:end])
	name := r.sql[start+1 : max(start+1, end-1)]
	if !mayBeWord(name, false) {
		return
	}
	switch h := lookUp(name, false); {
	case h == HintHold, h == HintExecute, h == HintCatalog, h == HintTemp && !isTempSchema(name):
	case h == HintSetConfig:
		r.setConfig(end)
	default:
		r.hints |= h
	}
}

// changesCatalog tells whether a word of HintCatalog, which ends at end, has it.
func (r *reader) changesCatalog(word, prev []byte, end int) bool {
	l := r.lexerAt(end)
	switch {
	case isWord(word, "into"):
		return !r.body && !isWord(prev, "insert") && !isWord(prev, "merge") && !isTemp(l.word())
	case isWord(word, "explain"):
		l.pos = max(explained(l), 0)
		return isWord(l.word(), "create") // EXPLAIN itself is no such word
	}
	return true
}

// lexerAt is a lexer that stands at pos.
func (r *reader) lexerAt(pos int) lexer {
	return lexer{sql: r.sql, pos: pos, backslashes: r.backslashes}
}

// setConfig takes a call of set_config, whose name ends at end.
func (r *reader) setConfig(end int) {
	if argumentMatters(r.lexerAt(end)) {
		r.hints |= HintMeaning
	}
	const both = HintSetConfig | HintLocal
	switch {
	case r.hints&both == both:
	case isLocalSetConfig(r.lexerAt(end), &r.lookahead):
		r.hints |= HintLocal
	default:
		r.hints |= HintSetConfig
	}
}

// isPrivilege tells whether EXECUTE, at start, is what is granted or revoked: the
// token before says so.
func (r *reader) isPrivilege(start int) bool {
	prev := r.sql[r.prevStart:r.prevEnd]
	return (isWord(prev, "grant") || isWord(prev, "revoke")) && skipBlanks(r.sql, r.prevEnd) == start
}

// isTempSchema tells pg_temp from TEMP and TEMPORARY.
func isTempSchema(word []byte) bool { return lower(word[0]) == 'p' }

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
