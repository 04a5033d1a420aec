package loadtest

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// variable is a number that stands in a statement as ":name". It keeps its
// value for the whole of a transaction.
type variable int

const (
	varClient variable = iota // the client's number, from 1 on
	varRandom                 // evenly from 0 to randomMost
	varAid                    // the rest are those of pgbench's own scripts
	varBid
	varTid
	varDelta
	variables
)

const randomMost = 99_999

// values are what the variables of one transaction are.
type values [variables]int64

// The names of variables: those of a script of one's own, and those of the
// built-in ones.
var (
	scriptVariables  = map[string]variable{"client": varClient, "random": varRandom}
	pgbenchVariables = map[string]variable{"aid": varAid, "bid": varBid, "tid": varTid, "delta": varDelta}
)

// maxScript bounds the text of a script, in bytes.
const maxScript = 1 << 20

// piece is some text and the variable behind it.
type piece struct {
	text     string
	variable variable // -1: none
}

// statement is SQL with variables in it. With the simple protocol it may be
// several of SQL's statements, which go out as one Query.
type statement struct {
	pieces []piece
}

// constant is the text of a statement without variables.
func (s *statement) constant() (string, bool) {
	if len(s.pieces) == 1 && s.pieces[0].variable < 0 {
		return s.pieces[0].text, true
	}
	return "", false
}

// append writes the statement with the values put in.
func (s *statement) append(dst []byte, v *values) []byte {
	for _, p := range s.pieces {
		dst = append(dst, p.text...)
		if p.variable >= 0 {
			dst = strconv.AppendInt(dst, v[p.variable], 10)
		}
	}
	return dst
}

// parameters is the statement with $1, $2 and so on for the variables, and
// which variable each of them is.
func (s *statement) parameters() (sql string, order []variable) {
	var b strings.Builder
	place := map[variable]int{}
	for _, p := range s.pieces {
		b.WriteString(p.text)
		if p.variable < 0 {
			continue
		}
		if place[p.variable] == 0 {
			order = append(order, p.variable)
			place[p.variable] = len(order)
		}
		b.WriteString("$" + strconv.Itoa(place[p.variable]))
	}
	return b.String(), order
}

// readScript finds the variables in SQL. As with psql there are none in quotes
// and comments, and a colon before any other name stays as it is: it may be
// part of an array's slice. With split, the text is cut at its semicolons.
func readScript(sql string, names map[string]variable, split bool) ([]statement, error) {
	switch {
	case len(sql) > maxScript:
		return nil, fmt.Errorf("the script has %d bytes; %d are the most", len(sql), maxScript)
	case strings.ContainsRune(sql, 0):
		return nil, errors.New("the script has a NUL byte in it, so it is no SQL")
	}
	r := scriptReader{sql: sql, names: names, split: split}
	if err := r.read(); err != nil {
		return nil, err
	}
	if len(r.statements) == 0 {
		return nil, errors.New("there is no statement in the script")
	}
	return r.statements, nil
}

// scriptReader goes through a script once.
type scriptReader struct {
	sql   string
	names map[string]variable
	split bool

	at         int // the next byte
	kept       int // where the text begins that is in no piece yet
	pieces     []piece
	statements []statement
	words      bool // the statement has more than blanks and comments
	copies     bool // this one of SQL's statements begins with COPY
	begun      bool // its first word has been read
}

func (r *scriptReader) read() error {
	for r.at < len(r.sql) {
		begin := r.at
		if err := r.token(); err != nil {
			line := 1 + strings.Count(r.sql[:begin], "\n")
			return fmt.Errorf("line %d of the script: %w", line, err)
		}
	}
	r.end()
	return nil
}

// token reads past one token, or past one byte that is of no interest.
func (r *scriptReader) token() error {
	rest := r.sql[r.at:]
	switch c := rest[0]; {
	case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v':
		r.at++
		return nil
	case strings.HasPrefix(rest, "--"):
		r.at += lineLength(rest)
		return nil
	case strings.HasPrefix(rest, "/*"):
		return r.skip(commentLength(rest), "a comment is not closed")
	case c == ';':
		return r.semicolon()
	case c == '\\':
		return errors.New(`a backslash: commands of psql and pgbench, such as \set, are not known here`)
	}
	r.words = true
	switch c := rest[0]; {
	case c == '\'':
		return r.skip(quotedLength(rest, false), "a quoted string is not closed")
	case c == '"':
		return r.skip(quotedLength(rest, false), "a quoted name is not closed")
	case c == '$':
		return r.skip(dollarLength(rest), "a dollar-quoted string is not closed")
	case c == ':':
		r.colon()
		return nil
	case isNameStart(c):
		return r.word()
	case c >= '0' && c <= '9':
		r.at += nameLength(rest)
		return nil
	}
	r.at++
	return nil
}

func (r *scriptReader) skip(n int, problem string) error {
	if n < 0 {
		return errors.New(problem)
	}
	r.at += n
	return nil
}

// colon reads a variable, a cast, or just a colon.
func (r *scriptReader) colon() {
	rest := r.sql[r.at:]
	if n := len(rest) - len(strings.TrimLeft(rest, ":")); n > 1 {
		r.at += n // "::name" is a type's
		return
	}
	n := nameLength(rest[1:])
	v, known := r.names[rest[1:1+n]]
	if known {
		r.pieces = append(r.pieces, piece{r.sql[r.kept:r.at], v})
		r.kept = r.at + 1 + n
	}
	r.at += 1 + n
}

// word reads a name or a keyword. COPY from the client is the one statement
// that would wait for something that never comes.
func (r *scriptReader) word() error {
	rest := r.sql[r.at:]
	n := nameLength(rest)
	word := rest[:n]
	if !r.begun {
		r.begun, r.copies = true, strings.EqualFold(word, "copy")
	}
	if r.copies && strings.EqualFold(word, "stdin") {
		return errors.New("COPY FROM STDIN cannot be part of a load")
	}
	if n == 1 && (word == "e" || word == "E") && strings.HasPrefix(rest[1:], "'") {
		return r.skip(addOne(quotedLength(rest[1:], true)), "a quoted string is not closed")
	}
	r.at += n
	return nil
}

func (r *scriptReader) semicolon() error {
	r.begun, r.copies = false, false
	if !r.split {
		r.at++
		return nil
	}
	r.cut()
	r.at++
	r.kept = r.at
	return nil
}

// cut ends a statement before the byte at r.at.
func (r *scriptReader) cut() {
	if r.words {
		if text := r.sql[r.kept:r.at]; text != "" || len(r.pieces) == 0 {
			r.pieces = append(r.pieces, piece{text, -1})
		}
		r.statements = append(r.statements, statement{r.pieces})
	}
	r.pieces, r.words = nil, false
}

func (r *scriptReader) end() { r.cut() }

func addOne(n int) int {
	if n < 0 {
		return n
	}
	return n + 1
}

// lineLength is how long a comment to the end of its line is.
func lineLength(s string) int {
	if i := strings.IndexAny(s, "\r\n"); i >= 0 {
		return i
	}
	return len(s)
}

// commentLength is how long a comment is that others may nest in, -1 if it is
// not closed.
func commentLength(s string) int {
	depth := 0
	for i := 0; i+1 < len(s); {
		switch s[i : i+2] {
		case "/*":
			depth++
			i += 2
		case "*/":
			if depth--; depth == 0 {
				return i + 2
			}
			i += 2
		default:
			i++
		}
	}
	return -1
}

// quotedLength is how long what stands in quotes is, -1 if it is not closed. A
// doubled quote is one of its characters; so is one behind a backslash, in a
// string that knows them.
func quotedLength(s string, backslashes bool) int {
	for i := 1; i < len(s); i++ {
		switch {
		case backslashes && s[i] == '\\':
			i++
		case s[i] == s[0] && i+1 < len(s) && s[i+1] == s[0]:
			i++
		case s[i] == s[0]:
			return i + 1
		}
	}
	return -1
}

// dollarLength is how long a dollar-quoted string is, -1 if it is not closed,
// and 1 if this dollar begins none.
func dollarLength(s string) int {
	tag := 0
	if len(s) > 1 && isNameStart(s[1]) {
		for tag < len(s)-1 && s[1+tag] != '$' && isNameByte(s[1+tag]) {
			tag++
		}
	}
	if 1+tag >= len(s) || s[1+tag] != '$' {
		return 1
	}
	mark := s[:tag+2]
	end := strings.Index(s[len(mark):], mark)
	if end < 0 {
		return -1
	}
	return len(mark) + end + len(mark)
}

// nameLength is how many bytes of a name, or of a number, s begins with.
func nameLength(s string) int {
	n := 0
	for n < len(s) && isNameByte(s[n]) {
		n++
	}
	return n
}

func isNameStart(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= 0x80
}

func isNameByte(c byte) bool { return isNameStart(c) || c >= '0' && c <= '9' || c == '$' }
