package wire

// The words that Scan knows. Nearly every word of a statement is none of them,
// so a table over the first two letters and the length turns those away before
// anything is compared.

// hintWords are the words, in lower case. A word that ends in '*' stands for
// all that begin with it.
var hintWords = [...]struct {
	text string
	hint Hints
}{
	{"set", HintSet},
	{"set_config", HintSetConfig},
	{"reset", HintReset},
	{"discard", HintDiscard},
	{"pg_advisory_lock", HintAdvisoryLock},
	{"pg_advisory_lock_shared", HintAdvisoryLock},
	{"pg_try_advisory_lock", HintAdvisoryLock},
	{"pg_try_advisory_lock_shared", HintAdvisoryLock},
	{"pg_advisory_unlock", HintAdvisoryUnlock},
	{"pg_advisory_unlock_shared", HintAdvisoryUnlock},
	{"pg_advisory_unlock_all", HintAdvisoryUnlock},
	{"temp", HintTemp},
	{"temporary", HintTemp},
	{"pg_temp*", HintTemp},
	{"hold", HintHold},
	{"listen", HintListen},
	{"unlisten", HintUnlisten},
	{"prepare", HintPrepare},
	{"deallocate", HintDeallocate},
	{"load", HintLoad},
	{"do", HintDo},
	{"call", HintCall},
	{"lastval", HintSequence},
	{"currval", HintSequence},
	{"setseed", HintSequence},
	{"dblink*", HintDblink},
	{"close", HintClose},
	{"drop", HintDrop},
}

// maxWordLen is the length of the longest word, pg_try_advisory_lock_shared.
const maxWordLen = 27

// wordLengths has, for the first two letters of a word, a bit for each length
// of the words that begin so; bit 31 stands for all lengths from 31 on.
var wordLengths = func() (t [1024]uint32) {
	for _, w := range hintWords {
		at := firstTwo(w.text[0], w.text[1])
		if n := len(w.text) - 1; w.text[n] == '*' {
			t[at] |= ^uint32(0) << n
		} else {
			t[at] |= 1 << len(w.text)
		}
	}
	return t
}()

// firstTwo indexes wordLengths. The lower five bits of a letter are the same
// in both cases; that other characters share them costs a comparison only.
func firstTwo(a, b byte) int { return int(a&31)<<5 | int(b&31) }

// mayBeWord tells quickly that a word, of two letters or more, is not in
// hintWords.
func mayBeWord(word []byte) bool {
	return len(word) >= 2 && wordLengths[firstTwo(word[0], word[1])]>>min(len(word), 31)&1 != 0
}

// lookUp returns the hint of a word in any case, 0 if it has none.
func lookUp(word []byte) Hints {
	var buf [maxWordLen + 1]byte
	n := copy(buf[:], word) // a longer word can match a prefix only
	for i := range buf[:n] {
		if c := buf[i]; 'A' <= c && c <= 'Z' {
			buf[i] = c | 0x20
		}
	}
	lower := buf[:n]
	for i := range hintWords {
		w := &hintWords[i]
		last := len(w.text) - 1
		if w.text[last] == '*' {
			if n >= last && string(lower[:last]) == w.text[:last] {
				return w.hint
			}
		} else if string(lower) == w.text {
			return w.hint
		}
	}
	return 0
}
