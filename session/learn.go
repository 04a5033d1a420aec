package session

import (
	"slices"
	"strings"

	"pgweir/wire"
)

// What a function does inside does not show in the statement that calls it. So
// the functions of the database whose bodies have words that hint at state are
// read when the first client of a pool comes, and again when functions may
// have changed; calling one of them is a hint. What a check (leak_check) finds
// adds to them.

// functionsQuestion asks for the names and bodies of functions that may leave
// something behind.
const functionsQuestion = `SELECT 'f', f.name, f.body FROM (SELECT p.proname::pg_catalog.text AS name,
 COALESCE(pg_catalog.pg_get_function_sqlbody(p.oid), p.prosrc) AS body
 FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid OPERATOR(pg_catalog.=) p.prolang
 WHERE l.lanname OPERATOR(pg_catalog.<>) ALL (ARRAY['c','internal']::pg_catalog.name[])
 AND p.pronamespace OPERATOR(pg_catalog.<>) ALL
 (ARRAY['pg_catalog'::pg_catalog.regnamespace::pg_catalog.oid, 'information_schema'::pg_catalog.regnamespace::pg_catalog.oid])) f
 WHERE f.body OPERATOR(pg_catalog.~*) '\m(set|set_config|reset|listen|unlisten|notify|load|prepare|temp|temporary|pg_temp|hold|currval|lastval|setseed|deallocate|discard)\M|advisory|dblink'`

// learnFunction adds one of the answer's rows.
func learnFunction(list []wire.Function, name string, body []byte) []wire.Function {
	f := wire.Function{Name: name, Hints: wire.BodyHints(body)}
	if f.Hints == 0 {
		return list
	}
	if f.Hints&wire.HintReset != 0 {
		f.Hints |= readingHint("all")
	}
	wire.BodyNames(body, func(n wire.Name) {
		switch n.Kind {
		case wire.NameSet, wire.NameSetConfig, wire.NameSetConfigUnknown, wire.NameLocal:
			f.Hints |= readingHint(n.Text)
		}
		switch n.Kind {
		case wire.NameSet, wire.NameSetConfig:
			if strings.Contains(n.Text, ".") {
				f.Settings = append(f.Settings, n.Text)
			}
		case wire.NameSetConfigUnknown:
			f.Unknown = true
		}
	})
	if f.Hints &^= wire.HintLocal; f.Hints == 0 {
		return list
	}
	return append(list, f)
}

// learn takes over what the database's functions were found to be.
func (h *Shared) learn(list []wire.Function) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.read, h.created = list, nil
	h.noticeSequences(list)
	h.publish()
}

// suspect adds functions that a check has found to leave something behind.
func (h *Shared) suspect(names []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, name := range names {
		h.found = append(h.found, wire.Function{Name: name, Hints: wire.HintDo})
	}
	h.publish()
}

// publish is called with the lock held.
func (h *Shared) publish() {
	h.functions.Store(wire.NewFunctions(slices.Concat(h.read, h.found, h.created)))
}

// maxCreated bounds the functions that are known by the statements that made
// them; the next reading finds all.
const maxCreated = 100

// made takes in a statement that makes a function: the next one may call it,
// before the functions have been read again.
func (h *Shared) made(text []byte) {
	names := called(string(text))
	if len(names) == 0 {
		return
	}
	list := learnFunction(nil, names[0], dollarBody(text))
	if list == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.noticeSequences(list)
	if len(h.created) < maxCreated {
		h.created = append(h.created, list...)
		h.publish()
	}
}

// mustLearn tells whether a session should read the functions, now that it has a
// backend: the first ones all must, for none may run anything before it is
// known what functions do.
func (h *Shared) mustLearn() bool {
	return h.stale.Load() && h.stale.CompareAndSwap(true, false) || h.wanted.Load() && !h.known.Load()
}

// changed: objects of the database may be others now; functions too, if a
// statement had the word.
func (h *Shared) changed(functions bool) {
	h.changes.Add(1)
	if functions {
		h.stale.Store(true)
	}
}

// Relearn has the functions read again when a client next needs a backend.
func (h *Shared) Relearn() {
	h.wanted.Store(true)
	h.stale.Store(true)
}

// suspectsQuestion asks which of some names are those of functions that are
// not PostgreSQL's own.
func suspectsQuestion(names []string) string {
	var b []byte
	b = append(b, `SELECT DISTINCT 'n', p.proname::pg_catalog.text, '' FROM pg_catalog.pg_proc p
 WHERE p.pronamespace OPERATOR(pg_catalog.<>) 'pg_catalog'::pg_catalog.regnamespace::pg_catalog.oid
 AND p.proname OPERATOR(pg_catalog.=) ANY (ARRAY[`...)
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		b = wire.AppendLiteral(b, name)
	}
	return string(append(b, `]::pg_catalog.name[])`...))
}

// suspect asks which functions the last statement has called, for one of them
// has left something behind that no hint had told of.
func (s *Session) suspect(o *Out) {
	names := called(s.Statement())
	if len(names) == 0 {
		return
	}
	s.x.asking = &asking{}
	o.ToServer.keep(wire.AppendQuery(o.ToServer.own(), suspectsQuestion(names)))
	s.owed.push(entQuestion)
}

// maxCalled bounds the names that are looked at in one statement.
const maxCalled = 20

// called are the names in a text that stand before a parenthesis.
func called(text string) (names []string) {
	for i := 0; i < len(text); i++ {
		if text[i] != '(' {
			continue
		}
		end := len(strings.TrimRight(text[:i], " \t\r\n"))
		if end > 1 && text[end-1] == '"' {
			if start := strings.LastIndexByte(text[:end-1], '"'); start >= 0 && len(names) < maxCalled {
				names = append(names, text[start+1:end-1])
			}
			continue
		}
		start := end
		for start > 0 && isNameByte(text[start-1]) {
			start--
		}
		if name := text[start:end]; name != "" && len(names) < maxCalled {
			names = append(names, strings.ToLower(name))
		}
	}
	return names
}

func isNameByte(c byte) bool {
	return c == '_' || c == '$' || c >= 0x80 || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}
