package hba

import (
	"bytes"
	"fmt"
	"path"
	"strings"
)

// What a file and all that it includes may hold. PostgreSQL has MaxDepth, and
// MaxToken up to version 16.
const (
	MaxBytes    = 8 << 20 // of all files together; one that is included twice counts twice
	MaxFiles    = 1000    // as above
	MaxRules    = 10000   // lines, without comments
	MaxDepth    = 10      // of includes and @files within one another
	MaxToken    = 10239   // bytes
	maxProblems = 1000
)

// Files is how the files are read.
type Files struct {
	// Read returns a file. The error for a file that is not there is an
	// fs.ErrNotExist; Read bounds what it reads.
	Read func(path string) ([]byte, error)
	// List returns the names of what a folder holds, in any order, without
	// folders. It is for include_dir.
	List func(dir string) ([]string, error)
}

// line is a line that is neither empty nor an include.
type line struct {
	file   string
	number int
	text   string
	fields []field
	empty  string // an @file that leaves a field of the line empty
}

// loader reads one file with all its includes.
type loader struct {
	files    Files
	bytes    int // read so far
	count    int // files read so far
	patterns int // what the regular expressions cost, see compile
	problems Problems
	seen     map[string]bool // by their texts
}

// open reads a file at some depth of includes.
func (l *loader) open(file string, depth int) ([]byte, error) {
	if depth > MaxDepth {
		return nil, fmt.Errorf("could not open file %q: maximum nesting depth exceeded", file)
	}
	if l.count++; l.count > MaxFiles {
		return nil, fmt.Errorf("could not open file %q: more than %d files are included", file, MaxFiles)
	}
	data, err := l.files.Read(file)
	if err != nil {
		return nil, fmt.Errorf("could not open file %q: %w", file, err)
	}
	if l.bytes += len(data); l.bytes > MaxBytes {
		return nil, fmt.Errorf("could not read file %q: the files are larger than %d bytes altogether", file, MaxBytes)
	}
	return bytes.TrimPrefix(data, []byte("\ufeff")), nil
}

// lines are the lines of a file that has been opened, and of what it includes.
// Those that are wrong are left out, which ok tells.
func (l *loader) lines(file string, data []byte, depth int) (out []line, ok bool) {
	ok = true
	for number := 1; len(data) > 0; {
		ln := line{file: file, number: number}
		var n int
		ln.text, n, data = nextLine(data)
		number += n
		if !l.split(&ln, depth) {
			ok = false
			continue
		}
		if len(ln.fields) == 0 && ln.empty == "" {
			continue
		}
		if len(ln.fields) == 2 && strings.HasPrefix(ln.fields[0][0].text, "include") {
			if included, is, fine := l.include(&ln, depth); is {
				out = append(out, included...)
				ok = ok && fine
				continue
			}
		}
		out = append(out, ln)
	}
	return out, ok
}

// split makes the fields of a line, with the words of an @file in its place.
func (l *loader) split(ln *line, depth int) bool {
	if strings.IndexByte(ln.text, 0) >= 0 {
		l.problem(ln.file, ln.number, "the line holds a NUL byte; the file must be plain text in UTF-8 or ASCII")
		return false
	}
	rest, ok := ln.text, true
	var f field
	from := "" // the last @file of the field
	for rest != "" {
		t, after, comma, is, err := next(rest)
		if err != nil {
			l.problem(ln.file, ln.number, err.Error())
			return false
		}
		if is && !t.quoted && len(t.text) > 1 && t.text[0] == '@' {
			words, fine := l.expand(ln, t.text[1:], depth)
			f, from, ok = append(f, words...), t.text, ok && fine
		} else if is {
			f = append(f, t)
		}
		if rest = after; comma && rest != "" {
			continue
		}
		if len(f) > 0 {
			ln.fields = append(ln.fields, f)
		} else if from != "" {
			ln.empty = from
		}
		f, from = nil, ""
	}
	if len(f) > 0 {
		ln.fields = append(ln.fields, f)
	}
	return ok
}

// expand gives all words of an @file.
func (l *loader) expand(ln *line, name string, depth int) (words field, ok bool) {
	file := beside(ln.file, name)
	data, err := l.open(file, depth+1)
	if err != nil {
		l.problem(ln.file, ln.number, err.Error())
		return nil, false
	}
	lines, ok := l.lines(file, data, depth+1)
	for _, inner := range lines {
		for _, f := range inner.fields {
			words = append(words, f...)
		}
	}
	return words, ok
}

// beside is the place of a file that another one names: relative names begin at
// the folder of the file that names them.
func beside(outer, name string) string {
	if path.IsAbs(name) {
		return name
	}
	return path.Join(path.Dir(outer), name)
}
