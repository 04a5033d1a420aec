package wire

import (
	"slices"
	"strings"
)

// The words that Scan knows. Nearly every word of a statement is none of them,
// so a table over the first two letters and the length turns those away before
// anything is compared.

// A hintWord is in lower case. One that ends in '*' stands for all that begin
// with it.
type hintWord struct {
	text string
	hint Hints
}

// startWords count only where a statement starts.
var startWords = []hintWord{
	{"set", HintSet},
	{"reset", HintReset},
	{"discard", HintDiscard},
	{"listen", HintListen},
	{"unlisten", HintUnlisten},
	{"prepare", HintPrepare},
	{"deallocate", HintDeallocate},
	{"load", HintLoad},
	{"do", HintDo},
	{"call", HintCall},
	{"close", HintClose},
	{"drop", HintDrop},
	{"create", HintDDL},
	{"alter", HintDDL},
	{"grant", HintCatalog},
	{"revoke", HintCatalog},
	{"reassign", HintCatalog},
	{"import", HintCatalog},
	{"explain", HintCatalog},
	{"notify", HintNotify},
	{"begin", HintExplicit},
	{"start", HintExplicit},
	{"commit", HintExplicit},
	{"end", HintExplicit},
	{"rollback", HintExplicit},
	{"abort", HintExplicit},
	{"savepoint", HintExplicit},
	{"release", HintExplicit},
	{"fetch", HintFetch},
	{"move", HintFetch},
}

// anyWords count wherever they stand.
var anyWords = []hintWord{
	{"set_config", HintSetConfig},
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
	{"lastval", HintSequence},
	{"currval", HintSequence},
	{"setseed", HintSequence},
	{"dblink*", HintDblink},
	{"execute", HintExecute},
	{"pg_prepared_statements", HintShowsPrepared},
	{"pg_prepared_statement", HintShowsPrepared},
	{"pg_listening_channels", HintShowsChannels},
	{"pg_notify", HintNotify},
	{"pg_cancel_backend", HintCancelBackend},
	{"pg_terminate_backend", HintTerminateBackend},
	{"query_to_xml*", HintDo},
	{"cursor_to_xml*", HintDo},
	{"ts_stat", HintDo},
	{"ts_rewrite", HintDo},
	{"pg_backup_start", HintProcess},
	{"pg_start_backup", HintProcess},
	{"pg_replication_origin_session_setup", HintProcess},
	{"pg_create_physical_replication_slot", HintProcess},
	{"pg_create_logical_replication_slot", HintProcess},
	{"pg_copy_physical_replication_slot", HintProcess},
	{"pg_copy_logical_replication_slot", HintProcess},
	{"pg_backend_pid", HintBackendPID},
	{"into", HintCatalog},
}

// A wordTable finds words by their first two letters.
type wordTable struct {
	// lengths has, for the first two letters, a bit for each length of the
	// words that begin so; bit 31 stands for all lengths from 31 on.
	lengths [1024]uint32
	// words are sorted by their first two letters; those of letters k are
	// words[from[k]:from[k+1]].
	words []tableWord
	from  [1025]uint8
}

// A tableWord is a hintWord without its '*'. What turns nearly all words away, the
// length, can be told without its text.
type tableWord struct {
	text   string
	hint   Hints
	begins bool // it stands for all that begin with it
}

// Where a statement starts, the others are found as well.
var (
	anyTable   = newWordTable(anyWords)
	startTable = newWordTable(slices.Concat(startWords, anyWords))
)

func newWordTable(words []hintWord) wordTable {
	letters := func(w hintWord) int { return firstTwo(w.text[0], w.text[1]) }
	words = slices.Clone(words)
	slices.SortStableFunc(words, func(a, b hintWord) int { return letters(a) - letters(b) })
	var t wordTable
	for _, w := range words {
		k := letters(w)
		text, begins := strings.CutSuffix(w.text, "*")
		t.words = append(t.words, tableWord{text, w.hint, begins})
		if begins {
			t.lengths[k] |= ^uint32(0) << len(text)
		} else {
			t.lengths[k] |= 1 << len(text)
		}
		t.from[k+1]++
	}
	for k := range 1024 {
		t.from[k+1] += t.from[k]
	}
	return t
}

// firstTwo indexes a wordTable. The lower five bits of a letter are the same
// in both cases; that other characters share them costs a comparison only.
func firstTwo(a, b byte) int { return int(a&31)<<5 | int(b&31) }

func tableAt(atStart bool) *wordTable {
	if atStart {
		return &startTable
	}
	return &anyTable
}

// mayBeWord tells quickly that a word has no hint.
func mayBeWord(word []byte, atStart bool) bool {
	return len(word) >= 2 &&
		tableAt(atStart).lengths[firstTwo(word[0], word[1])]>>min(len(word), 31)&1 != 0
}

// lookUp returns the hint of a word of two letters or more in any case, 0 if it
// has none.
func lookUp(word []byte, atStart bool) Hints {
	t := tableAt(atStart)
	k := firstTwo(word[0], word[1])
	for i := range t.words[t.from[k]:t.from[k+1]] {
		w := &t.words[int(t.from[k])+i]
		n := len(w.text)
		if (len(word) == n || w.begins && len(word) > n) && isWord(word[:n], w.text) {
			return w.hint
		}
	}
	return 0
}
