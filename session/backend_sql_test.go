package session

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"pgweir/session/follow"
	"pgweir/wire"
)

// stmtKind is what the model makes of a statement.
type stmtKind int

const (
	nothing        stmtKind = iota
	nonsense                // selekt_TOKEN
	selects                 // select 'TOKEN' [from generate_series(1, N)]
	slowSelect              // select 'TOKEN' from pg_sleep(0)
	failsLate               // select cast('TOKEN' || left(random()::text, 0) as int)
	begins                  // begin
	commits                 // commit
	rollsBack               // rollback
	sets                    // set NAME = 'TOKEN'
	setsConfig              // select set_config('NAME', 'TOKEN', false)
	resets                  // reset NAME, reset all
	locks                   // select pg_advisory_lock(NAME)
	unlocks                 // select pg_advisory_unlock(NAME)
	listens                 // listen NAME
	unlistens               // unlisten NAME, unlisten *
	notifies                // notify NAME
	hears                   // select * from pg_listening_channels()
	makesTemp               // create temp table NAME ()
	dropsTemp               // drop table NAME
	prepares                // prepare NAME as select 'TOKEN'
	executes                // execute NAME
	deallocates             // deallocate NAME, deallocate all
	copiesIn                // copy t from stdin
	copiesOut               // copy (select 'TOKEN') to stdout
	discards                // discard all
	notices                 // do $$begin raise notice 'TOKEN'; end$$
	setsInside              // do $$begin set NAME = 'TOKEN'; end$$
	setsForAMoment          // SELECT pg_catalog.set_config('NAME', 'TOKEN', BOOL), ...: pgweir's own
	forgets                 // DISCARD SEQUENCES, of which the model has none
	asks                    // the question of state.go
	savepoints              // savepoint NAME
	rollsBackTo             // rollback to NAME
	releases                // release NAME
	calls                   // select fNAME('TOKEN'), see world
	inserts                 // insert into dNAME values ('TOKEN')
	dropsSequences          // DISCARD SEQUENCES: pgweir's own
	dropsPlans              // DISCARD PLANS: pgweir's own
	replaces                // create or replace function fNAME() as 'TOKEN'
	readsTable              // select * from v0 where 'TOKEN', see columnsHere
	altersTable             // alter table v0 add x int
)

type stmt struct {
	kind     stmtKind
	token    string
	name     string
	n        int
	extended bool // it was run by an Execute
	fromSQL  bool // it was made by PREPARE
}

// A name as PostgreSQL or pgweir write it.
const namePattern = `"?(?P<name>\w+(?:"?\."?\w+)?)"?`

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
	{resets, regexp.MustCompile(`(?i)^reset (?P<name>session authorization)$`)},
	{resets, regexp.MustCompile(`(?i)^reset ` + namePattern + `$`)},
	{forgets, regexp.MustCompile(`(?s)^DISCARD SEQUENCES$|^DO \$pgweir\$.*$`)},
	{sets, regexp.MustCompile(`(?i)^set ` + namePattern + ` = (?:'(?P<token>[^']*)'|on)$`)},
	{setsConfig, regexp.MustCompile(`(?i)^select (?:pg_catalog\.)?set_config\('(?P<name>[\w.]+)', ?'(?P<token>\w*)', ?false\)$`)},
	{setsForAMoment, regexp.MustCompile(`^SELECT (?P<token>pg_catalog\.set_config\(.*\))$`)},
	{locks, regexp.MustCompile(`^select pg_advisory_lock\((?P<name>\d+)\)$`)},
	{unlocks, regexp.MustCompile(`^select pg_advisory_unlock\((?P<name>\d+)\)$`)},
	{listens, regexp.MustCompile(`(?i)^listen ` + namePattern + `$`)},
	{unlistens, regexp.MustCompile(`(?i)^(?P<token>unlisten) "?(?P<name>\w+|\*)"?$`)},
	{notifies, regexp.MustCompile(`^notify (?P<name>\w+)$`)},
	{hears, regexp.MustCompile(`^select \* from pg_listening_channels\(\)$`)},
	{makesTemp, regexp.MustCompile(`^create temp table (?P<name>\w+) \(\)$`)},
	{dropsTemp, regexp.MustCompile(`^drop table (?P<name>\w+)$`)},
	{prepares, regexp.MustCompile(`^prepare ` + namePattern + ` as select '(?P<token>\w+)'$`)},
	{executes, regexp.MustCompile(`(?i)^execute "?(?P<name>[^"]+)"?$`)},
	{deallocates, regexp.MustCompile(`^deallocate ` + namePattern + `$`)},
	{copiesIn, regexp.MustCompile(`^copy t from stdin$`)},
	{copiesOut, regexp.MustCompile(`^copy \(select '(?P<token>\w+)'\) to stdout$`)},
	{discards, regexp.MustCompile(`(?i)^(?P<token>discard) all$`)},
	{dropsPlans, regexp.MustCompile(`^DISCARD PLANS$`)},
	{dropsSequences, regexp.MustCompile(`^DISCARD SEQUENCES$`)},
	{savepoints, regexp.MustCompile(`^savepoint (?P<name>\w+)$`)},
	{rollsBackTo, regexp.MustCompile(`^rollback to (?P<name>\w+)$`)},
	{releases, regexp.MustCompile(`^release (?P<name>\w+)$`)},
	{calls, regexp.MustCompile(`^select f(?P<name>\d)\('(?P<token>\w+)'\)$`)},
	{inserts, regexp.MustCompile(`^insert into d(?P<name>\d) values \('(?P<token>\w+)'\)$`)},
	{replaces, regexp.MustCompile(`^create or replace function f(?P<name>\d)\(\) as '(?P<token>\w+)'$`)},
	{readsTable, regexp.MustCompile(`^select \* from v0 where '(?P<token>\w+)'$`)},
	{altersTable, regexp.MustCompile(`^alter table v0 add x int$`)},
	{notices, regexp.MustCompile(`^do \$\$begin raise notice '(?P<token>\w+)'; end\$\$$`)},
	{setsInside, regexp.MustCompile(`^do \$\$begin set (?P<name>[\w.]+) = '(?P<token>\w+)'; end\$\$$`)},
}

var (
	questionPattern = regexp.MustCompile(`(?s)^(SET LOCAL .*; )?SELECT (CASE WHEN |'\w'(::text)?, )`)
	momentPattern   = regexp.MustCompile(`set_config\('([^']+)', (?:'([^']*)'|NULL), (?:true|false)\)`)
	hashPattern     = regexp.MustCompile(`unnest\('\{([^}]*)\}'`)
	customPattern   = regexp.MustCompile(`current_setting\('([^']+)', true\)`)
)

var parsedSQL = map[string][]stmt{}

// parseSQL reads a text of statements, none of which has a semicolon in it but
// the question and DO.
func parseSQL(text string) []stmt {
	if all, ok := parsedSQL[text]; ok {
		return all
	}
	var all []stmt
	for _, t := range strings.Split(text, ";") {
		if questionPattern.MatchString(text) {
			all = []stmt{{kind: asks, token: text}}
			break
		}
		if strings.HasPrefix(text, "do ") || strings.HasPrefix(text, "DO $pgweir$") {
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

func (s *stmt) exits() bool {
	return s.kind == commits || s.kind == rollsBack || s.kind == rollsBackTo
}

// rows tells whether the statement answers with rows.
func (s *stmt) rows() bool {
	switch s.kind {
	case selects, slowSelect, failsLate, setsConfig, setsForAMoment, locks, unlocks, hears, asks, calls, readsTable:
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

// key is what PostgreSQL knows a prepared statement by.
func key(name string) string { return name[:min(len(name), 63)] }

// set sets a setting.
func (b *backend) set(name, value string) {
	name = strings.ReplaceAll(name, `"`, "")
	b.rezoned = b.rezoned || name == "timezone"
	if i := wire.VarIndex([]byte(name)); i >= 0 {
		b.vars[i] = value
		return
	}
	b.settings[name] = value
	if name == follow.NameRole && value == "none" {
		delete(b.settings, name)
	}
}

// unset sets it back. That one of an extension's was there shows for good.
func (b *backend) unset(name string) {
	name = strings.ReplaceAll(name, `"`, "")
	b.rezoned = b.rezoned || name == "timezone" || strings.EqualFold(name, "all")
	switch i := wire.VarIndex([]byte(name)); {
	case strings.EqualFold(name, "all"):
		b.vars = b.reset
		for name := range b.settings {
			if !follow.IsIdentity(name) {
				b.unset(name)
			}
		}
	case strings.EqualFold(name, "session authorization"):
		delete(b.settings, follow.NameAuthorization)
	case i >= 0:
		b.vars[i] = b.reset[i]
	case strings.Contains(name, "."):
		if _, ok := b.settings[name]; ok {
			b.settings[name] = ""
		}
	default:
		delete(b.settings, strings.ToLower(name))
	}
}

// dropNamed leaves the unnamed statement.
func (b *backend) dropNamed() {
	maps.DeleteFunc(b.stmts, func(name string, _ *stmt) bool { return name != "" })
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
	b.begin()
	if s.kind == executes {
		prepared := b.stmts[key(s.name)]
		switch {
		case prepared == nil:
			return errNoStatement(s.name)
		case prepared.kind != selects && prepared.kind != failsLate && prepared.kind != setsConfig:
			return failure("0A000", "the model does not EXECUTE this")
		}
		s = prepared
		p.stmt = s
	}
	p.used = true
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
	case calls:
		b.effects(s)
		return b.give(p, max, s.token+b.fingerprint())
	case asks:
		if b.fails(s) {
			return b.fault()
		}
		rows := b.answerQuestion(s.token)
		b.say += join(rows) + complete(fmt.Sprintf("SELECT %d", len(rows)))
		return ""
	case hears:
		return b.give(p, max, strings.Join(b.channels(), ", "))
	case setsConfig:
		b.set(s.name, s.token)
		return b.give(p, max, s.token)
	case setsForAMoment:
		for _, m := range momentPattern.FindAllStringSubmatch(s.token, -1) {
			if strings.Contains(m[0], "NULL") {
				b.unset(m[1])
			} else {
				b.set(m[1], m[2])
			}
		}
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
	tag, e := b.command(s, several)
	if e == "" {
		b.say += complete(tag)
	}
	return e
}

// isIdentity tells whether a setting is who the session acts as: its RESET needs no right.
func isIdentity(name string) bool {
	return strings.EqualFold(name, "role") || strings.EqualFold(name, "session authorization")
}

// command carries out what has no rows.
func (b *backend) command(s *stmt, several bool) (tag, e string) {
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
	case sets:
		if s.name == exitOnError {
			b.guarded = true
			return "SET", ""
		}
		b.set(s.name, s.token)
		tag = "SET"
	case setsInside:
		b.set(s.name, s.token)
		tag = "DO"
	case resets:
		if s.name == exitOnError {
			b.guarded = false
			return "RESET", ""
		}
		if b.guarded && !isIdentity(s.name) && b.refuses() {
			b.refused = true
			return "", fatal("42501", "permission denied to set parameter")
		}
		if s.name == nameForbidden && b.guarded {
			b.refused = true
			return "", fatal("42501", "permission denied to set parameter")
		}
		b.unset(s.name)
		tag = "RESET"
	case forgets:
		tag = "DISCARD SEQUENCES"
	case dropsPlans:
		clear(b.plans)
		tag = "DISCARD PLANS"
	case listens:
		b.state["channel "+s.name], tag = "", "LISTEN"
	case unlistens:
		if s.token == "UNLISTEN" && b.fails(s) {
			return "", b.fault()
		}
		maps.DeleteFunc(b.state, func(name, _ string) bool {
			return name == "channel "+s.name || s.name == "*" && strings.HasPrefix(name, "channel ")
		})
		tag = "UNLISTEN"
	case notifies:
		tag = "NOTIFY" // and nobody hears it
	case makesTemp:
		if _, ok := b.state["temp "+s.name]; ok {
			return "", failure("42P07", fmt.Sprintf("relation %q already exists", s.name))
		}
		b.state["temp "+s.name], tag = "", "CREATE TABLE"
	case dropsTemp:
		if _, ok := b.state["temp "+s.name]; !ok {
			return "", failure("42P01", fmt.Sprintf("table %q does not exist", s.name))
		}
		delete(b.state, "temp "+s.name)
		tag = "DROP TABLE"
	case prepares:
		if b.stmts[s.name] != nil {
			return "", errExists(s.name)
		}
		b.stmts[s.name] = &stmt{kind: selects, token: s.token, n: 1, fromSQL: true}
		tag = "PREPARE"
	case deallocates:
		switch {
		case s.name == "all":
			b.dropNamed()
			return "DEALLOCATE ALL", ""
		case b.stmts[s.name] == nil:
			return "", errNoStatement(s.name)
		}
		delete(b.stmts, s.name)
		tag = "DEALLOCATE"
	case copiesOut:
		b.say += copyOut + copyData(s.token+"\n") + copyDone
		tag = "COPY 1"
	case discards:
		if b.tx != 'I' || several {
			return "", failure("25001", "DISCARD ALL cannot run inside a transaction block")
		}
		if s.token == "DISCARD" && b.fails(s) {
			return "", b.fault()
		}
		b.end(true)
		b.unset("all")
		clear(b.plans)
		delete(b.settings, follow.NameRole)
		delete(b.settings, follow.NameAuthorization)
		clear(b.state)
		clear(b.locks)
		b.dropNamed()
		tag = "DISCARD ALL"
	case notices:
		b.say += notice(s.token)
		tag = "DO"
	case dropsSequences:
		tag = "DISCARD SEQUENCES"
	case savepoints, rollsBackTo, releases:
		return b.savepoint(s)
	case inserts:
		b.effects(s)
		tag = "INSERT 0 1"
	case replaces:
		b.replaced = append(b.replaced, int(s.name[0]-'0'))
		tag = "CREATE FUNCTION"
	case altersTable:
		b.altered++
		tag = "ALTER TABLE"
	}
	return tag, ""
}

// savepoint carries out what is about savepoints.
func (b *backend) savepoint(s *stmt) (tag, e string) {
	tag = map[stmtKind]string{savepoints: "SAVEPOINT", rollsBackTo: "ROLLBACK", releases: "RELEASE"}[s.kind]
	if b.tx == 'I' {
		return "", failure("25P01", tag+" can only be used in transaction blocks")
	}
	if s.kind == savepoints {
		b.saves = append(b.saves, savepoint{s.name, b.session.clone()})
		return tag, ""
	}
	i := len(b.saves) - 1
	for i >= 0 && b.saves[i].name != s.name {
		i--
	}
	switch {
	case i < 0:
		return "", failure("3B001", fmt.Sprintf("savepoint %q does not exist", s.name))
	case s.kind == releases:
		b.saves = b.saves[:i]
	default:
		b.saves = b.saves[:i+1]
		b.rollBack(b.saves[i].clone())
		b.tx, b.replaced, b.altered = 'T', nil, 0
	}
	return tag, ""
}

// nameForbidden is a setting that only functions with more rights than the
// client's set.
const nameForbidden = "log_min_messages"

// undecided tells whether it is not known yet what a run of a statement comes
// to.
func (b *backend) undecided(s *stmt) bool {
	if s.kind != calls && s.kind != inserts || b.pooled {
		return false
	}
	_, known := b.world.effectsOf(b.owner, s, b.runs[s.token])
	return !known
}

// effects has a statement leave what the functions leave that it calls.
func (b *backend) effects(s *stmt) {
	var all effects
	if b.pooled {
		b.plan(s)
		all = b.world.decide(b.owner, s)
	} else {
		all, _ = b.world.effectsOf(b.owner, s, b.runs[s.token])
		b.runs[s.token]++
	}
	for _, text := range all {
		b.effect(text, s.token)
	}
}

// plan has a function plan its statements, unless the backend has that plan. One
// that somebody else has made must be as it would be for its client, who has not
// changed the settings itself meanwhile.
func (b *backend) plan(s *stmt) {
	if s.kind != calls {
		return
	}
	made, ok := b.plans[s.name]
	switch zone := b.vars[wire.VarTimeZone]; {
	case !ok:
		b.plans[s.name] = functionPlan{b.owner, zone}
	case made.owner != b.owner && made.zone != zone && !b.rezoned:
		panic(fmt.Sprintf("f%s is run for %s in %s by the plan that %s has made in %s", s.name, b.owner, zone, made.owner, made.zone))
	}
}

// functionPlan is whose plan of a function a backend has, and for which time zone.
type functionPlan struct{ owner, zone string }

func (b *backend) effect(text, arg string) {
	text = strings.TrimPrefix(text, "perform ")
	f := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" ='(),", r) })
	switch f[0] {
	case "set":
		b.set(f[1], f[2])
	case "set_config":
		if f[1] == "name" {
			f[1] = "unknown.v"
		}
		b.set(f[1], arg)
	case "reset":
		b.unset(f[1])
	case "pg_advisory_lock":
		b.locks["lock "+f[1]] += "+"
	case "pg_advisory_unlock":
		if held := b.locks["lock "+f[1]]; len(held) > 1 {
			b.locks["lock "+f[1]] = held[1:]
		} else {
			delete(b.locks, "lock "+f[1])
		}
	case "create":
		b.state["temp "+f[3]] = ""
	case "drop":
		delete(b.state, "temp "+f[2])
	case "listen":
		b.state["channel "+f[1]] = ""
	case "prepare":
		if b.stmts[f[1]] == nil {
			b.stmts[f[1]] = &stmt{kind: selects, token: "x", n: 1, fromSQL: true}
		}
	case "1":
	default:
		panic("the model does not know " + text)
	}
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
	for _, all := range []map[string]string{b.settings, b.state, b.locks} {
		for _, name := range slices.Sorted(maps.Keys(all)) {
			if strings.HasPrefix(name, "channel ") || strings.Contains(name, ".") && all[name] == "" {
				continue // these are asked for by hears, and not to be told from none
			}
			s += "|" + name + "=" + all[name]
		}
	}
	return s
}

// channels are those that are listened to.
func (b *backend) channels() (all []string) {
	for _, name := range slices.Sorted(maps.Keys(b.state)) {
		if c, ok := strings.CutPrefix(name, "channel "); ok {
			all = append(all, c)
		}
	}
	return all
}

// answerQuestion says what PostgreSQL would to the parts that a question has.
func (b *backend) answerQuestion(text string) (rows []string) {
	if strings.Contains(text, "pg_get_ruledef") {
		return b.world.learn()
	}
	if m := hashPattern.FindStringSubmatch(text); m != nil {
		values := ""
		for _, name := range strings.Split(m[1], ",") {
			name = strings.Trim(name, `"`)
			value, ok := b.settings[name]
			if !ok && name == follow.NameRole {
				value = "none"
			}
			values += "|" + value
		}
		rows = append(rows, row("e", "", values))
	}
	if strings.Contains(text, "SELECT 'd'") {
		b.showed = b.world.version
		rows = append(rows, b.world.digest())
	}
	if strings.Contains(text, "pg_settings") {
		identity := map[string]string{follow.NameRole: "none", follow.NameAuthorization: "postgres"}
		for _, name := range slices.Sorted(maps.Keys(b.settings)) {
			switch {
			case follow.IsIdentity(name):
				identity[name] = b.settings[name]
			case name == nameForbidden:
				rows = append(rows, row("w", name, b.settings[name]))
			case !strings.Contains(name, "."):
				rows = append(rows, setting(name, b.settings[name]))
			}
		}
		rows = append(rows, who(identity[follow.NameRole], identity[follow.NameAuthorization]))
		for _, m := range customPattern.FindAllStringSubmatch(text, -1) {
			if value, ok := b.settings[m[1]]; ok {
				rows = append(rows, row("k", m[1], value))
			}
		}
	}
	if strings.Contains(text, "pg_locks") && len(b.locks) > 0 {
		rows = append(rows, left("l"))
	}
	if strings.Contains(text, "pg_my_temp_schema") {
		for name := range b.state {
			if strings.HasPrefix(name, "temp ") {
				rows = append(rows, left("t"))
				break
			}
		}
	}
	if strings.Contains(text, "from_sql") {
		sql, shared := false, 0
		for name, s := range b.stmts {
			sql = sql || s.fromSQL
			if strings.HasPrefix(name, follow.NamePrefix) {
				shared++
			}
		}
		if sql {
			rows = append(rows, left("p"))
		}
		rows = append(rows, left("n", strconv.Itoa(shared)))
	}
	if strings.Contains(text, "pg_listening_channels") {
		for _, c := range b.channels() {
			rows = append(rows, left("c", c))
		}
	}
	return rows
}
