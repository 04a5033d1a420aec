package pgbouncer

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"pgweir/config"
)

// Limits of a pgbouncer.ini. The depth is PgBouncer's (MAX_INCLUDE); the others keep a
// file that includes much from having no end.
const (
	maxDepth     = 10
	maxFiles     = 1000
	maxFileBytes = 4 << 20
	maxBytes     = 64 << 20
)

// item is a header, "[section]", or an entry, "key = value".
type item struct {
	at      config.Place
	section string
	header  bool
	key     string
	value   string
	// comments are the lines of comments right above it.
	comments []string
}

// reader reads files in the order in which PgBouncer does.
type reader struct {
	read     func(path string) ([]byte, error)
	items    []item
	problems config.Problems

	section  string
	known    bool // the section is one of PgBouncer's
	started  bool // there has been a section
	comments int  // lines
	files    int
	bytes    int
}

// sections are PgBouncer's.
var sections = []string{"pgbouncer", "databases", "users", "peers"}

// readINI reads the file at path and what it includes. As in PgBouncer, relative names
// of included files start at the current folder, and a syntax error ends the reading.
func readINI(path string, read func(string) ([]byte, error)) *reader {
	r := &reader{read: read}
	if !r.file(path, 0) {
		return r
	}
	for _, it := range r.items {
		if it.header && it.section == "pgbouncer" {
			return r
		}
	}
	r.problem(config.Place{File: path}, "there is no section [pgbouncer]")
	return r
}

func (r *reader) problem(at config.Place, format string, args ...any) {
	r.problems = append(r.problems, config.Problem{File: at.File, Line: at.Line, Text: fmt.Sprintf(format, args...)})
}

// file reads one file. It is false if the reading has to end.
func (r *reader) file(path string, depth int) bool {
	data, err := r.read(path)
	if err != nil {
		r.problem(config.Place{File: path}, "%v", err)
		return false
	}
	r.files++
	r.bytes += len(data)
	if len(data) > maxFileBytes || r.bytes > maxBytes || r.files > maxFiles {
		r.problem(config.Place{File: path}, "too large: a file may have %d bytes, and all that are included %d files and %d bytes", maxFileBytes, maxFiles, maxBytes)
		return false
	}
	s := &scanner{reader: r, file: path, depth: depth, text: data, line: 1}
	if at := bytes.IndexByte(data, 0); at >= 0 {
		// PgBouncer would take that for the end of the file.
		r.problem(config.Place{File: path, Line: 1 + bytes.Count(data[:at], []byte("\n"))}, "a zero byte")
		return false
	}
	if bytes.HasPrefix(data, []byte("\ufeff")) {
		return s.fail(1, "the file begins with a byte-order mark, which PgBouncer does not read; save it as UTF-8 without one")
	}
	for s.next() {
	}
	return !s.failed
}

// scanner is at a place in one file.
type scanner struct {
	*reader
	file   string
	depth  int
	text   []byte // the rest
	line   int
	failed bool
	above  []string // comments right above
}

func (s *scanner) fail(at int, format string, args ...any) bool {
	s.problem(config.Place{File: s.file, Line: at}, format, args...)
	s.failed = true
	return false
}

// take cuts n bytes off.
func (s *scanner) take(n int) []byte {
	taken := s.text[:n]
	s.line += bytes.Count(taken, []byte("\n"))
	s.text = s.text[n:]
	return taken
}

// takeAll cuts off the bytes at the start for which is holds.
func (s *scanner) takeAll(is func(byte) bool) []byte {
	n := 0
	for n < len(s.text) && is(s.text[n]) {
		n++
	}
	return s.take(n)
}

func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }
func isBlank(c byte) bool { return c == ' ' || c == '\t' }
func notEnd(c byte) bool  { return c != '\n' }
func inName(c byte) bool  { return isAlnum(c) || strings.IndexByte("_.-*", c) >= 0 }
func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
func notQuote(c byte) bool { return c != '\'' }

// next reads one thing. It is false at the end of the file, and if the reading has to end.
func (s *scanner) next() bool {
	if bytes.Count(s.takeAll(isSpace), []byte("\n")) > 1 {
		s.above = nil // an empty line
	}
	switch {
	case len(s.text) == 0:
		return false
	case bytes.HasPrefix(s.text, []byte("%include")) && len(s.text) > 8 && isBlank(s.text[8]):
		return s.include()
	case s.text[0] == '#' || s.text[0] == ';':
		s.comments++
		s.above = append(s.above, strings.TrimSpace(string(s.takeAll(notEnd))))
		return true
	case s.text[0] == '[':
		return s.header()
	}
	return s.entry()
}

// rest takes the rest of the line, without blanks around it.
func (s *scanner) rest() string {
	s.takeAll(isBlank)
	return string(bytes.TrimRightFunc(s.takeAll(notEnd), func(r rune) bool { return r < 0x80 && isSpace(byte(r)) }))
}

func (s *scanner) include() bool {
	at := s.line
	s.above = nil
	s.take(len("%include"))
	path := s.rest()
	if s.depth >= maxDepth {
		return s.fail(at, "%%include: more than %d files deep", maxDepth)
	}
	if !s.reader.file(path, s.depth+1) {
		return s.fail(at, "%%include: %s cannot be read", config.Printable(path))
	}
	return true
}

func (s *scanner) header() bool {
	at := s.line
	s.take(1)
	name := string(s.takeAll(func(c byte) bool { return c != ']' && c != '\n' }))
	if len(s.text) == 0 || s.text[0] != ']' {
		return s.fail(at, `"[" begins the name of a section, and no "]" ends it on this line`)
	}
	s.take(1)
	s.above = nil
	s.section, s.started, s.known = name, true, false
	for _, section := range sections {
		s.known = s.known || section == name
	}
	if !s.known {
		s.problem(config.Place{File: s.file, Line: at}, "unknown section [%s]; there are [%s]", config.Printable(name), strings.Join(sections, "], ["))
		return true
	}
	s.items = append(s.items, item{at: config.Place{File: s.file, Line: at}, section: name, header: true})
	return true
}

func (s *scanner) entry() bool {
	at := s.line
	key, ok := s.key()
	if !ok {
		return false
	}
	s.takeAll(isBlank)
	if len(s.text) == 0 || s.text[0] != '=' {
		return s.fail(at, `expected "=" after %s; a name of other characters than letters, digits, "_", ".", "-" and "*" is put in single quotes`, config.Quote(key))
	}
	s.take(1)
	it := item{at: config.Place{File: s.file, Line: at}, section: s.section, key: key, value: s.rest(), comments: s.above}
	s.above = nil
	switch {
	case !s.started:
		return s.fail(at, "%s stands in no section; [pgbouncer], [databases] or [users] must come before it", config.Quote(key))
	case !utf8.ValidString(it.key + it.value):
		s.problem(it.at, "%s: not UTF-8", config.Quote(strings.ToValidUTF8(key, "?")))
	case s.known:
		s.items = append(s.items, it)
	}
	return true
}

// key reads the name before "=". In single quotes it may hold anything but those.
func (s *scanner) key() (string, bool) {
	if s.text[0] != '\'' {
		return string(s.takeAll(inName)), true
	}
	at := s.line
	s.take(1)
	key := string(s.takeAll(notQuote))
	if len(s.text) == 0 || key == "" {
		return "", s.fail(at, "a name in single quotes is empty or has no end")
	}
	s.take(1)
	return key, true
}

// reading gives a function for readINI. The first file may be of any kind, a pipe too, as
// in PgBouncer. What it includes must be regular files: others would stop a reload.
func reading() func(path string) ([]byte, error) {
	included := false
	return func(path string) ([]byte, error) {
		if included {
			return config.ReadFile(path, maxFileBytes)
		}
		included = true
		f, err := os.Open(path)
		if err != nil {
			return nil, config.Reason(err)
		}
		defer f.Close()
		data, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
		return data, config.Reason(err)
	}
}
