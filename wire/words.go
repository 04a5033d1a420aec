package wire

// Hints says which session state the statements of a text may touch. A hint
// that is set may be wrong: it comes from words, not from a parse tree. One
// that is not set can be relied on, but for what functions and DO blocks of
// the server do inside.
type Hints uint32

const (
	// HintSet: SET of a setting of the session, SET ROLE and SET SESSION
	// AUTHORIZATION included; not SET LOCAL, SET TRANSACTION, SET CONSTRAINTS.
	HintSet Hints = 1 << iota
	// HintSetConfig: a call of set_config whose third argument is not just true.
	HintSetConfig
	// HintReset: RESET.
	HintReset
	// HintDiscard: DISCARD.
	HintDiscard
	// HintAdvisoryLock: an advisory lock that outlives its transaction.
	HintAdvisoryLock
	// HintAdvisoryUnlock: pg_advisory_unlock, _shared and _all.
	HintAdvisoryUnlock
	// HintTemp: a temporary table, view or sequence, or the schema pg_temp.
	HintTemp
	// HintHold: a cursor WITH HOLD.
	HintHold
	// HintListen: LISTEN.
	HintListen
	// HintUnlisten: UNLISTEN.
	HintUnlisten
	// HintPrepare: PREPARE of a statement, not PREPARE TRANSACTION.
	HintPrepare
	// HintDeallocate: DEALLOCATE.
	HintDeallocate
	// HintLoad: LOAD of a library.
	HintLoad
	// HintDo: DO.
	HintDo
	// HintCall: CALL.
	HintCall
	// HintSequence: lastval, currval or setseed; nextval is none.
	HintSequence
	// HintDblink: a function of the extension dblink, which keeps connections.
	HintDblink
	// HintClose: CLOSE of a cursor.
	HintClose
	// HintDrop: DROP, of a temporary table perhaps.
	HintDrop
	// HintDDL: CREATE or ALTER; DROP has a hint of its own.
	HintDDL
	// HintExecute: EXECUTE of a prepared statement; not GRANT EXECUTE, but the
	// EXECUTE FUNCTION of a trigger is one.
	HintExecute
	// HintShowsPrepared: the view or function that shows prepared statements.
	HintShowsPrepared
	// HintShowsChannels: pg_listening_channels.
	HintShowsChannels
	// HintNotify: NOTIFY or pg_notify.
	HintNotify
	// HintFunction: a call of a function that has been learned, see Functions.
	// Scan knows no functions and never sets it.
	HintFunction
	// HintExplicit: BEGIN, START TRANSACTION, COMMIT, END, ROLLBACK, ABORT,
	// SAVEPOINT or RELEASE.
	HintExplicit
	// HintCancelBackend: pg_cancel_backend.
	HintCancelBackend
	// HintTerminateBackend: pg_terminate_backend.
	HintTerminateBackend
	// HintBackendPID: pg_backend_pid.
	HintBackendPID
)

// Scan reads the words of a text of SQL, of one statement or several. Words in
// strings and comments do not count; those that open a statement count only
// there. A text that ends in the midst of a token is read as far as it goes.
// Nothing is allocated, and the time taken is linear in the length.
//
// Strings are read as with standard_conforming_strings = on, and the text as
// an encoding whose bytes below 128 are ASCII always, as UTF-8.
func Scan(sql []byte) Hints { return scan(sql, false) }

// ScanNonconforming is Scan for a session with standard_conforming_strings =
// off, in which a backslash escapes in every string.
func ScanNonconforming(sql []byte) Hints { return scan(sql, true) }

func scan(sql []byte, backslashes bool) Hints {
	var hints Hints
	atStart := true            // no token of this statement was seen
	prevStart, prevEnd := 0, 0 // the word before
	// What looking ahead may cost in all, so that calls nested in each other's
	// arguments take linear time.
	lookahead := 4 * len(sql)

	for i := 0; i < len(sql); {
		c := sql[i]
		class := classes[c]
		if class == classSpace { // the most frequent, ahead of the switch
			i++
			continue
		}
		switch class {
		case classWord:
			start := i
			for i++; i < len(sql) && inWord[sql[i]]; i++ {
			}
			word := sql[start:i]
			if len(word) == 1 && i < len(sql) && sql[i] == '\'' && c|0x20 == 'e' {
				i = skipEscapeStrings(sql, i)
				atStart = false
				continue
			}
			if mayBeWord(word, atStart) {
				switch h := lookUp(word, atStart); h {
				case 0:
				case HintSetConfig:
					if hints&HintSetConfig == 0 && !isLocalSetConfig(sql[i:], backslashes, &lookahead) {
						hints |= h
					}
				case HintTemp:
					if word[0]|0x20 == 'p' || opensTemp(sql[prevStart:prevEnd]) {
						hints |= h
					}
				case HintHold:
					if isWord(sql[prevStart:prevEnd], "with") {
						hints |= h
					}
				case HintSet:
					if !isTransactionSet(sql[i:]) {
						hints |= h
					}
				case HintPrepare:
					if !isPrepareTransaction(sql[i:]) {
						hints |= h
					}
				case HintExecute:
					if atStart || !isPrivilege(sql, prevStart, prevEnd, start) {
						hints |= h
					}
				default:
					hints |= h
				}
			}
			atStart = false
			prevStart, prevEnd = start, i
		case classSemicolon:
			atStart = true
			i++
		case classOther:
			if c == '-' || c == '/' {
				if end := skipComment(sql, i); end > i {
					i = end
					continue
				}
			}
			atStart = false
			i++
		case classDigit:
			atStart = false
			i = skipNumber(sql, i)
		case classQuote:
			atStart = false
			if backslashes {
				i = skipEscapeStrings(sql, i)
			} else {
				i = skipQuoted(sql, i)
			}
		case classDouble:
			atStart = false
			end := skipQuoted(sql, i)
			hints |= quotedHints(sql, i, end, backslashes, &lookahead)
			i = end
		case classDollar:
			atStart = false
			i = skipDollar(sql, i)
		}
	}
	return hints
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
		return 0
	default:
		return h
	}
}

// escapedNameHints are those that a name may give that cannot be read.
const escapedNameHints = HintSetConfig | HintAdvisoryLock | HintTemp | HintSequence | HintDblink |
	HintShowsPrepared | HintShowsChannels | HintNotify |
	HintCancelBackend | HintTerminateBackend | HintBackendPID
