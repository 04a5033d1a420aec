package census

import (
	"regexp"
	"slices"
	"strings"
)

// title is what a process of PostgreSQL's says of itself where ps shows its
// arguments: "postgres: [cluster_name: ]kind …", and for backends "postgres:
// [cluster_name: ]user database host(port) state". Nothing in it is quoted, so
// what cannot be told apart is left out.
type title struct {
	kind           string // "" if it has said nothing yet
	user, database string
	port           string // the client's, "" for a Unix socket's
	state, wait    string // as pg_stat_activity has them
}

const titleBegin = "postgres: "

// peer is how a title names the other end of a connection; user and database
// stand ahead of it, what the backend does behind it.
var peer = regexp.MustCompile(` (?:\[local\]|[^ ]+\(([0-9]+)\))(?: (.*))?$`)

// titleWords are what titles begin with, and the kind that it stands for; the
// longer of two that fit wins. A blank or the end must follow.
var titleWords = func() []string {
	words := []string{logger, "parallel worker for PID", "dead-end client backend", "standalone backend"}
	for kind := range roles {
		if kind != clientBackend && kind != postmaster {
			words = append(words, kind)
		}
	}
	slices.SortFunc(words, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	return words
}()

// kindsByWord are the titles whose words are not the server's backend_type.
var kindsByWord = map[string]string{"parallel worker for PID": parallelWorker}

// decodeTitle reads a title. cluster is cluster_name, "" if there is none or
// it is not known.
func decodeTitle(text, cluster string) title {
	rest, ok := strings.CutPrefix(text, titleBegin)
	if !ok {
		return title{} // just forked: it still has the postmaster's own arguments
	}
	if cluster != "" {
		rest = strings.TrimPrefix(rest, cluster+": ")
	}
	rest = strings.TrimSpace(rest)
	if word := beginning(rest); word != "" && !isClient(rest, word) {
		return background(rest, word)
	}
	if m := peer.FindStringSubmatchIndex(rest); m != nil {
		return backend(clientBackend, rest, m)
	}
	if cluster == "" { // there may be one all the same
		for at := strings.Index(rest, ": "); at >= 0; {
			after := rest[at+2:]
			if word := beginning(after); word != "" {
				return background(after, word)
			}
			next := strings.Index(after, ": ")
			if next < 0 {
				break
			}
			at += 2 + next
		}
	}
	return title{kind: rest} // a background worker of an extension's
}

// beginning is the word that a title begins with; "" for none that we know.
func beginning(rest string) string {
	for _, word := range titleWords {
		if after, ok := strings.CutPrefix(rest, word); ok && (after == "" || after[0] == ' ') {
			return word
		}
	}
	return ""
}

// isClient tells a backend of a user with a name such as "logger" from the
// process: only a backend's title, and a walsender's, names a peer.
func isClient(rest, word string) bool {
	return word != walsender && word != autovacuumWorker && peer.MatchString(rest)
}

func background(rest, word string) title {
	t := title{kind: word}
	if kind, ok := kindsByWord[word]; ok {
		t.kind = kind
	}
	after := strings.TrimSpace(strings.TrimPrefix(rest, word))
	switch word {
	case autovacuumWorker:
		t.database = after
	case walsender:
		if m := peer.FindStringSubmatchIndex(after); m != nil {
			return backend(walsender, after, m)
		}
	}
	return t
}

// backend reads "user database host(port) state", which peer has matched.
func backend(kind, text string, match []int) title {
	t := title{kind: kind}
	if match[2] >= 0 {
		t.port = text[match[2]:match[3]]
	}
	if match[4] >= 0 {
		t.state, t.wait = activity(strings.TrimSpace(text[match[4]:match[5]]))
	}
	// Of names that hold blanks nobody can say where one ends.
	switch names := strings.Split(text[:match[0]], " "); {
	case len(names) == 2:
		t.user, t.database = names[0], names[1]
	case len(names) == 1 && kind == walsender:
		t.user = names[0]
	}
	return t
}

// activity gives what a backend says that it does in the words of
// pg_stat_activity. The title names the command instead of "active".
func activity(text string) (state, wait string) {
	if rest, ok := strings.CutSuffix(text, " waiting"); ok {
		text, wait = rest, "Lock" // which one the title does not tell
	}
	switch text {
	case "", "idle", "idle in transaction", "idle in transaction (aborted)":
		return text, wait
	case "authentication", "startup", "initializing":
		return "starting", wait
	case "<FASTPATH>":
		return "fastpath function call", wait
	}
	return "active", wait
}

// clusterName finds cluster_name, which all titles of a server have in common,
// by those of processes that every server has: nothing follows their kind.
func clusterName(titles []string) string {
	for _, kind := range []string{checkpointer, backgroundWriter, walwriter} {
		for _, text := range titles {
			rest, ok := strings.CutPrefix(strings.TrimSpace(text), titleBegin)
			if !ok {
				continue
			}
			if name, ok := strings.CutSuffix(rest, ": "+kind); ok {
				return name
			}
		}
	}
	return ""
}
