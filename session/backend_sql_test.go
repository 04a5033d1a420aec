package session

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"pgweir/wire"
)

// stmtKind is what the model makes of a statement.
type stmtKind int

const (
	nothing    stmtKind = iota
	nonsense            // selekt_TOKEN
	selects             // select 'TOKEN' [from generate_series(1, N)]
	slowSelect          // select 'TOKEN' from pg_sleep(0)
	failsLate           // select cast('TOKEN' || left(random()::text, 0) as int)
	begins              // begin
	commits             // commit
	rollsBack           // rollback
	setsVar             // set NAME = 'TOKEN'
	setsCustom          // set my.NAME = 'TOKEN'
	setsConfig          // select set_config('my.NAME', 'TOKEN', false)
	locks               // select pg_advisory_lock(NAME)
	unlocks             // select pg_advisory_unlock(NAME)
	listens             // listen NAME
	unlistens           // unlisten NAME
	copiesIn            // copy t from stdin
	copiesOut           // copy (select 'TOKEN') to stdout
	discards            // discard all
	notices             // do $$begin raise notice 'TOKEN'; end$$
	asks                // the question of state.go
)

type stmt struct {
	kind     stmtKind
	token    string
	name     string
	n        int
	extended bool // it was run by an Execute
}

var stmtPatterns = []struct {
	kind    stmtKind
	pattern *regexp.Regexp
}{
	{nonsense, regexp.MustCompile(`^(?P<token>selekt_\w+)$`)},
	{selects, regexp.MustCompile(`^select '(?P<token>[^']+)'(?: from generate_series\(1, (?P<n>\d+)\))?$`)},
	{slowSelect, regexp.MustCompile(`^select '(?P<token>\w+)' from pg_sleep\(0\)$`)},
	{failsLate, regexp.MustCompile(`^select cast\('(?P<token>\w+)' \|\| left\(random\(\)::text, 0\) as int\)$`)},
	{begins, regexp.MustCompile(`^begin$`)},
	{commits, regexp.MustCompile(`^commit$`)},
	{rollsBack, regexp.MustCompile(`(?i)^rollback$`)},
	{setsCustom, regexp.MustCompile(`^set my\.(?P<name>\w+) = '(?P<token>\w+)'$`)},
	{setsVar, regexp.MustCompile(`(?i)^set (?P<name>\w+) = '(?P<token>[^']*)'$`)},
	{setsConfig, regexp.MustCompile(`^select set_config\('my\.(?P<name>\w+)', '(?P<token>\w+)', false\)$`)},
	{locks, regexp.MustCompile(`^select pg_advisory_lock\((?P<name>\d+)\)$`)},
	{unlocks, regexp.MustCompile(`^select pg_advisory_unlock\((?P<name>\d+)\)$`)},
	{listens, regexp.MustCompile(`^listen (?P<name>\w+)$`)},
	{unlistens, regexp.MustCompile(`^unlisten (?P<name>\w+)$`)},
	{copiesIn, regexp.MustCompile(`^copy t from stdin$`)},
	{copiesOut, regexp.MustCompile(`^copy \(select '(?P<token>\w+)'\) to stdout$`)},
	{discards, regexp.MustCompile(`(?i)^discard all$`)},
	{notices, regexp.MustCompile(`^do \$\$begin raise notice '(?P<token>\w+)'; end\$\$$`)},
}

var parsedSQL = map[string][]stmt{}

// parseSQL reads a text of statements, none of which has a semicolon in it but
// the question and DO.
func parseSQL(text string) []stmt {
	if all, ok := parsedSQL[text]; ok {
		return all
	}
	var all []stmt
	for _, t := range strings.Split(text, ";") {
		if strings.HasPrefix(text, "SELECT pg_catalog.concat_ws") {
			all = []stmt{{kind: asks}}
			break
		}
		if strings.HasPrefix(text, "do ") {
			t = text
		}
		if t = strings.TrimSpace(t); t == "" {
			continue
		}
		all = append(all, parseStmt(t))
		if t == text {
			break
		}
	}
	if len(text) < 1000 {
		parsedSQL[text] = all
	}
	return all
}

func parseStmt(text string) stmt {
	for _, p := range stmtPatterns {
		m := p.pattern.FindStringSubmatch(text)
		if m == nil {
			continue
		}
		s := stmt{kind: p.kind, n: 1}
		for i, what := range p.pattern.SubexpNames() {
			switch {
			case what == "token":
				s.token = m[i]
			case what == "name":
				s.name = m[i]
			case what == "n" && m[i] != "":
				s.n, _ = strconv.Atoi(m[i])
			}
		}
		return s
	}
	panic(fmt.Sprintf("the model does not know %q", text))
}

func (s *stmt) exits() bool { return s.kind == commits || s.kind == rollsBack }

// rows tells whether the statement answers with rows.
func (s *stmt) rows() bool {
	switch s.kind {
	case selects, slowSelect, failsLate, setsConfig, locks, unlocks, asks:
		return true
	}
	return false
}

func (s *stmt) syntaxError() string {
	return failure("42601", fmt.Sprintf("syntax error at or near %q", s.token))
}

func warning(code, text string) string {
	return message('N', "SWARNING\x00VWARNING\x00C", code, "\x00M", text, "\x00\x00")
}

func failure2(code, text, hint string) string {
	return message('E', "SERROR\x00VERROR\x00C", code, "\x00M", text, "\x00H", hint, "\x00\x00")
}

// run carries a statement out, up to max rows of it if max is not 0. simple
// tells that it stands in a Query, several that it is not alone there.
func (b *backend) run(p *portal, max int, simple, several bool) string {
	s := p.stmt
	if s.kind == nonsense {
		return s.syntaxError()
	}
	if b.tx == 'E' && !s.exits() {
		return errAborted
	}
	if p.used && !s.rows() {
		return failure("55000", "portal cannot be run")
	}
	p.used = true
	b.begin()
	if simple {
		b.portals[""] = p
	}
	if s.rows() && p.sent > 0 && p.sent == p.n {
		return b.give(p, max, "") // it was carried out before
	}
	if simple && s.rows() {
		b.say += columns
	}
	switch s.kind {
	case selects, slowSelect:
		if s.kind == slowSelect && b.verdict(s.token) == canceled {
			return failure("57014", "canceling statement due to user request")
		}
		return b.give(p, max, s.token+b.fingerprint())
	case failsLate:
		return failure("22P02", fmt.Sprintf("invalid input syntax for type integer: %q", s.token))
	case asks:
		return b.give(p, max, b.answerQuestion())
	case setsConfig:
		b.state["my."+s.name] = s.token
		return b.give(p, max, s.token)
	case locks:
		b.locks["lock "+s.name] += "+" // as often as it is taken it must be given back
		return b.give(p, max, "")
	case unlocks:
		name := "lock " + s.name
		held, ok := b.locks[name]
		switch {
		case !ok:
			b.say += warning("01000", "you don't own a lock of type ExclusiveLock")
			b.flush()
			return b.give(p, max, "f")
		case held == "+":
			delete(b.locks, name)
		default:
			b.locks[name] = held[1:]
		}
		return b.give(p, max, "t")
	case copiesIn:
		b.copying = &stmt{kind: copiesIn, extended: !simple}
		b.copied = 0
		b.say += copyIn
		b.flush()
		return ""
	}
	tag := ""
	switch s.kind {
	case begins:
		if b.tx == 'T' {
			b.say += warning("25001", "there is already a transaction in progress")
		}
		b.tx, tag = 'T', "BEGIN"
	case commits, rollsBack:
		tag = "COMMIT"
		commit := s.kind == commits
		if !commit || b.tx == 'E' {
			tag = "ROLLBACK"
		}
		if b.tx == 'I' {
			b.say += warning("25P01", "there is no transaction in progress")
		}
		b.end(commit && b.tx != 'E')
	case setsVar:
		b.vars[wire.VarIndex([]byte(s.name))], tag = s.token, "SET"
	case setsCustom:
		b.state["my."+s.name], tag = s.token, "SET"
	case listens:
		b.state["channel "+s.name], tag = "", "LISTEN"
	case unlistens:
		delete(b.state, "channel "+s.name)
		tag = "UNLISTEN"
	case copiesOut:
		b.say += copyOut + copyData(s.token+"\n") + copyDone
		tag = "COPY 1"
	case discards:
		if b.tx != 'I' || several {
			return failure("25001", "DISCARD ALL cannot run inside a transaction block")
		}
		b.end(true)
		b.session = session{b.reset, map[string]string{}, map[string]string{}}
		maps.DeleteFunc(b.stmts, func(name string, _ *stmt) bool { return name != "" })
		tag = "DISCARD ALL"
	case notices:
		b.say += notice(s.token)
		tag = "DO"
	}
	b.say += complete(tag)
	return ""
}

// give says the rows of a portal that are left, or max of them.
func (b *backend) give(p *portal, max int, text string) string {
	n := p.n - p.sent
	if max > 0 {
		n = min(n, max)
	}
	for range n {
		p.sent++
		b.say += row(text)
	}
	if max > 0 && n == max {
		b.say += suspended
		return ""
	}
	b.say += complete(fmt.Sprintf("SELECT %d", n))
	return ""
}

// fingerprint is all that a statement can see of its session.
func (b *backend) fingerprint() string {
	if b.bare {
		return ""
	}
	s := ""
	for _, v := range b.vars {
		s += "|" + v
	}
	for _, all := range []map[string]string{b.state, b.locks} {
		for _, name := range slices.Sorted(maps.Keys(all)) {
			s += "|" + name + "=" + all[name]
		}
	}
	return s
}

// answerQuestion says what PostgreSQL would; it does not see custom settings.
func (b *backend) answerQuestion() string {
	left := slices.Sorted(maps.Keys(b.locks))
	for _, name := range slices.Sorted(maps.Keys(b.state)) {
		if !strings.HasPrefix(name, "my.") {
			left = append(left, name)
		}
	}
	return strings.Join(left, ", ")
}
