package pool

import (
	"slices"
	"strings"

	"pgweir/wire"
)

// Startup parameters are what RESET turns settings back to, and cannot be set
// later. But where settings are carried from backend to backend (Replay), a
// client needs no backend that was opened with its own: it is enough to know
// once what the server makes of them.

// carriedQuestion asks what a session has got from its startup parameters, and
// whether that could be set later as well.
const carriedQuestion = `SELECT name, setting, context FROM pg_catalog.pg_settings WHERE source = 'client'`

// readCarried notes on b what its startup parameters have set; nothing if one
// of them is not a setting, or one that cannot be set later.
func (l *loginConn) readCarried(b *Backend, fixed []wire.Param) error {
	names, ok := settingNames(fixed)
	if !ok {
		return nil
	}
	sql := carriedQuestion
	for _, name := range names {
		if strings.Contains(name, ".") {
			literal := string(wire.AppendLiteral(nil, name))
			sql += " UNION ALL SELECT " + literal + ", pg_catalog.current_setting(" + literal + ", true), 'user'"
		}
	}
	rows, err := l.query(sql)
	if err != nil {
		return err
	}
	got := map[string]bool{}
	var carried []wire.Param
	for _, row := range rows {
		if len(row) != 3 || row[2] != "user" && row[2] != "superuser" {
			return nil
		}
		got[strings.ToLower(row[0])] = true
		if wire.VarIndex([]byte(row[0])) < 0 {
			carried = append(carried, wire.Param{Name: row[0], Value: row[1]})
		}
	}
	for _, name := range names {
		if !got[name] {
			return nil
		}
	}
	b.Carried, b.carries = carried, true
	return nil
}

// query runs one query and returns its rows, NULL as "".
func (l *loginConn) query(sql string) (rows [][]string, err error) {
	if err := l.send(wire.AppendQuery(nil, sql)); err != nil {
		return nil, err
	}
	for {
		typ, body, err := l.receive()
		if err != nil {
			return nil, err
		}
		switch typ {
		case 'D':
			var row []string
			if err := wire.DecodeDataRow(body, func(_ int, value []byte) { row = append(row, string(value)) }); err != nil {
				return nil, err
			}
			rows = append(rows, row)
		case 'E':
			e, err := wire.DecodeError(body)
			if err != nil {
				return nil, err
			}
			return nil, e
		case 'Z':
			return rows, nil
		}
	}
}

// settingNames are the settings that startup parameters name, in lower case;
// ok is false if one is something else than a setting.
func settingNames(fixed []wire.Param) (names []string, ok bool) {
	for _, p := range fixed {
		if !strings.EqualFold(p.Name, "options") {
			names = append(names, strings.ToLower(p.Name))
			continue
		}
		words := optionWords(p.Value)
		for i := 0; i < len(words); i++ {
			word := words[i]
			switch {
			case word == "-c" && i+1 < len(words):
				i++
				word = words[i]
			case strings.HasPrefix(word, "--"), strings.HasPrefix(word, "-c"):
				word = word[2:]
			default:
				return nil, false
			}
			name, _, found := strings.Cut(word, "=")
			if !found {
				return nil, false
			}
			names = append(names, strings.ToLower(strings.ReplaceAll(name, "-", "_")))
		}
	}
	return names, true
}

// optionWords splits the parameter "options" as PostgreSQL does: at blanks,
// unless a backslash stands before them (pg_split_opts).
func optionWords(s string) (words []string) {
	var word []byte
	in := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s):
			i++
			word, in = append(word, s[i]), true
		case c == ' ' || '\t' <= c && c <= '\r':
			if in {
				words = append(words, string(word))
				word, in = nil, false
			}
		default:
			word, in = append(word, c), true
		}
	}
	if in {
		words = append(words, string(word))
	}
	return words
}

// Carried is what a variant's startup parameters set, as the server says it,
// if that is known and can be set on any backend; then its clients can do with
// Plain.
func (p *Pool) Carried(v *Variant) (settings []wire.Param, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return v.carried, v.carries && p.settings.Replay
}

// Plain tells whether it is the variant without startup parameters.
func (v *Variant) Plain() bool { return v.key == "" }

// Key tells a variant from others of its pool; "" of the plain one.
func (v *Variant) Key() string { return v.key }

// Plain is the variant without startup parameters; it is kept until Forget.
func (p *Pool) Plain() *Variant {
	p.mu.Lock()
	defer p.mu.Unlock()
	v := p.variant("", nil)
	v.clients++
	return v
}

// replicates tells whether a backend is a walsender, which may not know SQL.
func replicates(params []wire.Param) bool {
	return slices.ContainsFunc(params, func(p wire.Param) bool { return strings.EqualFold(p.Name, "replication") })
}
