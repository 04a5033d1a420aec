package wire

import (
	"bytes"
	"slices"
)

// A Function is one whose calls matter: its body touches state of the session.
type Function struct {
	Name     string   // as in pg_proc, without its schema
	Hints    Hints    // what a call may leave behind
	Settings []string // settings that the body sets, by name
	Unknown  bool     // it sets some whose names cannot be told
}

// Functions is a set of functions that have been learned from a database. It is
// never changed once made, and may be used by many at a time. nil is the empty
// set.
type Functions struct {
	list []Function
	// A hash table: heads has a place in list, counted from 1, and next the one
	// after it, 0 for none.
	heads   []int32
	next    []int32
	lengths uint64 // a bit for each length that a name has
	any     Hints  // the hints of all
}

// NewFunctions makes the set of a list. Functions of one name, of other
// arguments or schemas, become one that has what any of them has.
func NewFunctions(list []Function) *Functions {
	if len(list) == 0 {
		return nil
	}
	f := &Functions{heads: make([]int32, 16)}
	for len(f.heads) < 2*len(list) {
		f.heads = append(f.heads, f.heads...)
	}
	for _, fn := range list {
		f.any |= fn.Hints | HintFunction
		if old := f.find([]byte(fn.Name)); old != nil {
			old.Hints |= fn.Hints
			old.Unknown = old.Unknown || fn.Unknown
			for _, s := range fn.Settings {
				if !slices.Contains(old.Settings, s) {
					old.Settings = append(old.Settings, s)
				}
			}
			continue
		}
		fn.Settings = slices.Clone(fn.Settings)
		f.list = append(f.list, fn)
		head := f.head([]byte(fn.Name))
		f.next = append(f.next, *head)
		*head = int32(len(f.list))
		f.lengths |= 1 << min(len(fn.Name), 63)
	}
	return f
}

// head is the start of the chain for a name; case does not matter.
func (f *Functions) head(name []byte) *int32 {
	h := uint32(2166136261) // FNV-1a
	for _, c := range name {
		h = (h ^ uint32(lower(c))) * 16777619
	}
	return &f.heads[(h^h>>16)&uint32(len(f.heads)-1)]
}

// find returns the function of a name, nil if there is none.
func (f *Functions) find(name []byte) *Function {
	for i := *f.head(name); i != 0; i = f.next[i-1] {
		if fn := &f.list[i-1]; fn.Name == string(name) {
			return fn
		}
	}
	return nil
}

// Calls returns what the calls in a text of functions of the set may leave
// behind, and HintFunction if there are any. A call is an identifier in front
// of a bracket; its schema is not looked at. nonconforming says that
// standard_conforming_strings is off. Nothing is allocated.
func (f *Functions) Calls(sql []byte, nonconforming bool) Hints {
	if f == nil || !f.mayCall(sql) {
		return 0
	}
	var hints Hints
	var buf [maxIdent + 1]byte
	c := caller{lexer: lexer{sql: sql, backslashes: nonconforming}}
	for t := c.call(); t.kind != tokenEnd; t = c.call() {
		name, ok := appendIdent(buf[:0], sql, t)
		if !ok {
			return f.any
		}
		if fn := f.find(name); fn != nil {
			hints |= fn.Hints | HintFunction
		}
	}
	return hints
}

// Visit visits the functions of the set that a text calls, as Calls finds them,
// once for each call. If it cannot tell which one is called, it visits all. A
// Function belongs to the set and must not be changed.
func (f *Functions) Visit(sql []byte, nonconforming bool, visit func(*Function)) {
	if f == nil {
		return
	}
	var buf [maxIdent + 1]byte
	c := caller{lexer: lexer{sql: sql, backslashes: nonconforming}}
	for t := c.call(); t.kind != tokenEnd; t = c.call() {
		name, ok := appendIdent(buf[:0], sql, t)
		if !ok {
			for i := range f.list {
				visit(&f.list[i])
			}
			return
		}
		if fn := f.find(name); fn != nil {
			visit(fn)
		}
	}
}

// A caller finds the calls in a text.
type caller struct {
	lexer
	last sqlToken
}

// call returns the name of the function that is called next; tokenEnd if there
// is none.
func (c *caller) call() sqlToken {
	for {
		t, last := c.next(), c.last
		c.last = t
		switch {
		case t.kind == tokenEnd, t.kind == tokenUnicode && c.unicodeCall():
			return t
		case !c.is(t, "("):
		case last.kind == tokenWord, last.kind == tokenQuoted && last.end-last.start > len(`""`):
			return last
		}
	}
}

// mayCall tells quickly that a text calls no function of the set. It does not
// split the text into tokens but looks at what stands ahead of each bracket,
// may that be in a string or a comment. So it may say yes wrongly.
func (f *Functions) mayCall(sql []byte) bool {
	const (
		unknown = iota
		no
		yes
	)
	comments := unknown // are there any that end with their line?
	for from := 0; ; {
		n := bytes.IndexByte(sql[from:], '(')
		if n < 0 {
			return false
		}
		end := from + n
		from = end + 1
		newline := false
		for end > 0 && classes[sql[end-1]] == classSpace {
			end--
			newline = newline || sql[end] == '\n' || sql[end] == '\r'
		}
		if newline && comments == unknown {
			comments = no
			if bytes.Contains(sql, []byte("--")) {
				comments = yes
			}
		}
		if newline && comments == yes || f.mayEndName(sql[:end]) {
			return true
		}
	}
}

// mayEndName tells whether a text may end with the name of a function of the
// set, and perhaps a comment.
func (f *Functions) mayEndName(sql []byte) bool {
	end := len(sql)
	if end == 0 {
		return false
	}
	start := end
	switch c := sql[end-1]; {
	case inWord[c]:
		for start > 0 && inWord[sql[start-1]] {
			if start--; sql[start] == '$' {
				return true // perhaps the end of a string, with the name close behind
			}
		}
	case c == '"':
		end--
		start = bytes.LastIndexByte(sql[:end], '"') + 1
		if start < 2 {
			return start == 1 && f.mayBe(sql[start:end])
		}
		if before := sql[start-2]; before == '"' || before == '&' {
			return true // a quote in the name, or U&"..."
		}
	case c == '\'':
		return true // perhaps U&"..." UESCAPE '...'
	case c == '/':
		return end >= 2 && sql[end-2] == '*' // what is ahead of the comment is not looked for
	default:
		return false
	}
	return f.mayBe(sql[start:end])
}

// mayBe tells whether a name may be one of the set, without regard to case.
func (f *Functions) mayBe(name []byte) bool {
	if len(name) > maxIdent {
		return true // it is cut yet
	}
	if f.lengths>>len(name)&1 == 0 {
		return false
	}
	for i := *f.head(name); i != 0; i = f.next[i-1] {
		if equalFold(name, f.list[i-1].Name) {
			return true
		}
	}
	return false
}
