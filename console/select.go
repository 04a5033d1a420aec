package console

import (
	"strconv"
	"strings"

	"pgweir/status"
)

// Drivers and tools send a few SELECTs of PostgreSQL's when they connect: to see
// whether anybody answers, whom, and which types there are. Everything else that
// begins with SELECT stands for SHOW, as in PgBouncer.

// constant is one column of such a SELECT.
type constant struct {
	field
	value value
}

// planSelect plans SELECT of constants and of functions that say who is there, and a
// SELECT from pg_type, which has no rows: the console has no types of its own. ok
// tells whether it is one.
func (s *session) planSelect(st statement) (p plan, ok bool) {
	if len(st.tokens) < 2 || !st.tokens[0].is("select") {
		return plan{}, false
	}
	items, from := selectList(st.tokens[1:])
	if readsTypes(from) {
		return plan{tag: "SELECT 0", table: noTypes(items)}, true
	}
	if len(from) > 0 {
		return plan{}, false
	}
	row := make([]constant, len(items))
	for i, item := range items {
		if row[i], ok = s.constant(item, st.source); !ok {
			return plan{}, false
		}
	}
	return plan{tag: "SELECT 1", table: constantTable(row)}, true
}

// selectList takes apart what stands behind SELECT: the items, and what follows FROM.
func selectList(tokens []token) (items [][]token, from []token) {
	depth, start := 0, 0
	for i, t := range tokens {
		switch {
		case t.mark && t.text == "(":
			depth++
		case t.mark && t.text == ")":
			depth--
		case depth > 0:
		case t.mark && t.text == ",":
			items = append(items, tokens[start:i])
			start = i + 1
		case t.is("from"):
			return append(items, tokens[start:i]), tokens[i+1:]
		}
	}
	return append(items, tokens[start:]), nil
}

// readsTypes tells whether pg_type is among what follows FROM.
func readsTypes(from []token) bool {
	for _, t := range from {
		if t.is("pg_type") || t.is("pg_catalog.pg_type") {
			return true
		}
	}
	return false
}

// constant is an item whose value is known: a number, a text in quotes, or one of
// the functions of identity, with or without an alias.
func (s *session) constant(item []token, source string) (c constant, ok bool) {
	if len(item) == 0 {
		return c, false
	}
	first, rest := item[0], item[1:]
	switch n, err := strconv.ParseInt(first.text, 10, 32); {
	case first.mark:
		return c, false
	case first.quoted:
		if source[first.start] != '\'' {
			return c, false
		}
		c = constant{field{"?column?", oidText}, value{text: first.text}}
	case err == nil:
		c = constant{field{"?column?", oidInt4}, value{number: n}}
	default:
		name := strings.TrimPrefix(strings.ToLower(first.text), "pg_catalog.")
		if len(rest) >= 2 && rest[0].mark && rest[0].text == "(" && rest[1].mark && rest[1].text == ")" {
			rest = rest[2:]
		} else if !withoutBrackets[name] {
			return c, false
		}
		text, known := s.identity(name)
		if !known {
			return c, false
		}
		c = constant{field{name, oidText}, value{text: text}}
	}
	if len(rest) > 1 && rest[0].is("as") {
		rest = rest[1:]
	}
	if len(rest) == 1 && !rest[0].mark {
		c.name, rest = rest[0].text, nil
	}
	return c, len(rest) == 0
}

// withoutBrackets are the functions that SQL has without them.
var withoutBrackets = map[string]bool{"current_user": true, "session_user": true, "user": true,
	"current_catalog": true, "current_schema": true}

// identity is what a function says of who is there.
func (s *session) identity(function string) (text string, known bool) {
	switch function {
	case "version":
		return s.speaks.programVersion(s.ctl.Snapshot(status.Counts).Version), true
	case "current_database", "current_catalog":
		return s.client.Database, true
	case "current_user", "session_user", "user":
		return s.client.User, true
	case "current_schema":
		return "public", true
	case "pg_is_in_recovery":
		return "f", true
	}
	return "", false
}

func constantTable(row []constant) table {
	columns := make([]column[[]constant], len(row))
	for i := range row {
		columns[i] = column[[]constant]{row[i].field, func(r *[]constant) value { return (*r)[i].value }}
	}
	return view[[]constant]{rows: func(*status.Snapshot) [][]constant { return [][]constant{row} }, columns: columns}
}

// noTypes has a column for each item, named by its alias or else by its last word.
func noTypes(items [][]token) table {
	var columns []column[struct{}]
	for _, item := range items {
		name := "?column?"
		for _, t := range item {
			if !t.mark {
				name = t.text[strings.LastIndexByte(t.text, '.')+1:]
			}
		}
		columns = append(columns, none(name, oidText))
	}
	return empty{columns: columns}
}
