package hba

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// include carries out one of PostgreSQL 16's include lines. is says that the
// line is one; ok, that nothing was wrong.
func (l *loader) include(ln *line, depth int) (out []line, is, ok bool) {
	name := ln.fields[1][0].text
	switch ln.fields[0][0].text {
	case "include":
		out, ok = l.includeFile(ln, beside(ln.file, name), depth, false)
	case "include_if_exists":
		out, ok = l.includeFile(ln, beside(ln.file, name), depth, true)
	case "include_dir":
		out, ok = l.includeDir(ln, name, depth)
	default:
		return nil, false, false
	}
	return out, true, ok
}

func (l *loader) includeFile(ln *line, file string, depth int, missingOK bool) (out []line, ok bool) {
	data, err := l.open(file, depth+1)
	if missingOK && errors.Is(err, fs.ErrNotExist) {
		return nil, true
	}
	if err != nil {
		l.problem(ln.file, ln.number, err.Error())
		return nil, false
	}
	return l.lines(file, data, depth+1)
}

// includeDir includes the files of a folder whose names end in .conf and do not
// begin with a dot, in the order of their bytes.
func (l *loader) includeDir(ln *line, name string, depth int) (out []line, ok bool) {
	if strings.Trim(name, " \t\r") == "" {
		l.problem(ln.file, ln.number, fmt.Sprintf("empty configuration directory name: %q", name))
		return nil, false
	}
	dir := beside(ln.file, name)
	names, err := l.files.List(dir)
	if err != nil {
		l.problem(ln.file, ln.number, fmt.Sprintf("could not open directory %q: %v", dir, err))
		return nil, false
	}
	ok = true
	for _, name := range slices.Sorted(slices.Values(names)) {
		if len(name) < len("x.conf") || name[0] == '.' || !strings.HasSuffix(name, ".conf") {
			continue
		}
		lines, fine := l.includeFile(ln, dir+"/"+name, depth, false)
		out, ok = append(out, lines...), ok && fine
	}
	return out, ok
}

// load reads a file and hands each of its lines to parse.
func (l *loader) load(file string, parse func(*line)) error {
	l.seen = map[string]bool{}
	data, err := l.open(file, 0)
	if err != nil {
		l.problem(file, 0, err.Error())
		return l.problems
	}
	lines, _ := l.lines(file, data, 0)
	if len(lines) > MaxRules {
		ln := lines[MaxRules]
		l.problem(ln.file, ln.number, fmt.Sprintf("there are more than %d lines", MaxRules))
		lines = lines[:MaxRules]
	}
	for i := range lines {
		ln := &lines[i]
		if ln.empty != "" {
			l.problem(ln.file, ln.number, fmt.Sprintf("%s holds no name, so this field is empty", ln.empty))
			continue
		}
		parse(ln)
	}
	if len(l.problems) > 0 {
		return l.problems
	}
	return nil
}
