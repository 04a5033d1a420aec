package wire

// Passing reads a text that passes by in parts, for one thing: whether it may set
// a setting of an extension's, whose name would have to be known. The zero value
// is at the start of a text.
//
// The lexer cannot serve it: a part may end in the midst of a token, and what is
// looked for may stand within a string, since the body of a DO block or a function
// is one. So it knows words and comments only, and no other token.
type Passing struct {
	state  passingState
	length int // of the word under way, of which word has the first bytes
	word   [len("set_config") + 1]byte
	last   byte
}

// passingState is how far a SET has been read.
type passingState uint8

const (
	passingStart   passingState = iota // a statement may begin
	passingWithin                      // none does
	passingLine                        // in a comment ahead of a statement, to the end of the line
	passingComment                     // in one of the other kind
	passingSet                         // behind SET
	passingPrefix                      // behind the name's first part
	passingDot                         // behind its dot
	passingName                        // behind the whole name
)

// Read takes the next part. found tells that in it ends a call of set_config, or
// a SET of a name with a dot. The time taken is linear in the length.
func (r *Passing) Read(part []byte) (found bool) {
	for _, c := range part {
		if wordByte[c] != 0 && c != '$' {
			if r.length < len(r.word) {
				r.word[r.length] = wordByte[c]
			}
			r.length++
			continue
		}
		if r.length > 0 {
			found = r.endWord() || found
			r.length = 0
		}
		if r.state != passingWithin || c == ';' {
			found = r.other(c) || found
		}
		r.last = c
	}
	return found
}

// endWord takes the word that has ended.
func (r *Passing) endWord() (found bool) {
	word := string(r.word[:min(r.length, len(r.word))])
	if word == "set_config" {
		return true
	}
	r.last = 0
	switch r.state {
	case passingLine, passingComment:
		return false
	case passingStart:
		if word == "set" {
			r.state = passingSet
			return false
		}
	case passingSet:
		if word != "session" {
			r.state = passingPrefix
		}
		return false
	case passingDot:
		r.state = passingName
		return false
	case passingName:
		found = word == "to"
	}
	r.state = passingWithin
	switch word {
	case "begin", "then", "else", "loop":
		r.state = passingStart
	}
	return found
}

// other takes a character that belongs to no word.
func (r *Passing) other(c byte) (found bool) {
	if r.state == passingLine || r.state == passingComment {
		if r.state == passingLine && (c == '\n' || c == '\r') || r.state == passingComment && c == '/' && r.last == '*' {
			r.state = passingStart
		}
		return false
	}
	switch {
	case c == ';':
		r.state = passingStart
	case classes[c] == classSpace, c == '"':
	case r.state == passingStart:
		r.start(c)
	case r.state == passingSet, c == '-', c == '/':
		// A comment, or a name that is written otherwise: it may be anything.
		found, r.state = true, passingWithin
	case r.state == passingPrefix && c == '.':
		r.state = passingDot
	case r.state == passingPrefix && c == '&':
		found, r.state = true, passingWithin
	case r.state == passingName && c == '.':
		r.state = passingDot
	case r.state == passingName && c == '=':
		found, r.state = true, passingWithin
	default:
		r.state = passingWithin
	}
	return found
}

// start takes a character where a statement may begin.
func (r *Passing) start(c byte) {
	switch {
	case c == '-' && r.last == '-':
		r.state = passingLine
	case c == '*' && r.last == '/':
		r.state = passingComment
	case c == '-', c == '/', c == '$', c == '\'', c == '>', c == '<':
		// A comment, a body or a label may begin.
	default:
		r.state = passingWithin
	}
}
