package session

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"

	"pgweir/session/follow"
	"pgweir/wire"
)

// backend is a small model of PostgreSQL's side of the protocol: it carries
// messages out in order, commits and rolls back, skips to the Sync after an
// error, reads and ignores what belongs to copies, and keeps what it has to say
// until a message makes PostgreSQL flush. It was compared with version 15 over
// random conversations; what it can do with SQL is in backend_sql_test.go.
type backend struct {
	in  string // has come and was not carried out
	out string // flushed, on its way
	say string // not flushed yet

	tx      byte // 'I', 'T' or 'E'
	begun   bool // a transaction is under way, in a block or not
	skip    bool // to the Sync
	copying *stmt
	copied  int // rows
	inQuery []stmt
	stmts   map[string]*stmt
	portals map[string]*portal
	session
	saved session // what a rollback brings back
	reset wire.Vars
	told  wire.Vars // as reported last

	// verdict tells what becomes of a statement that takes long: it waits until
	// there is one.
	verdict func(token string) verdict
	waiting string // the token of such a statement
	// bare leaves the session's state out of the rows.
	bare bool
	// doubt tells that a message was skipped that would have changed the
	// unnamed statement.
	doubt bool
	// mode is set for the model of a direct connection to which pgweir is
	// compared, and has it say what pgweir says of its own.
	mode Mode
	// unnamedOnly is part of that.
	unnamedOnly bool
	dead        bool
	guarded     bool        // any error ends it
	refuses     func() bool // whether it refuses a RESET under guard
	refused     bool        // it has, and ends
	// fails tells whether a statement of pgweir's own fails, but for those under
	// guard.
	fails func(s *stmt) bool
	rng   func(n int) int

	saves    []savepoint
	unclosed bool // a Close was skipped
	// world is the database, owner whose connection it is, pooled that it is one
	// of the pool's; runs are those of the statements that call functions.
	world    *world
	owner    string
	pooled   bool
	runs     map[string]int
	replaced []int // functions, in the transaction under way
	altered  int   // how often the table v0 was altered in it
	plans    map[string]functionPlan
	rezoned  bool // the lease's own client has set the time zone
	showed   int  // the version of the objects that it has told last
}

type savepoint struct {
	name string
	session
}

// session is what a transaction may change.
type session struct {
	vars     wire.Vars
	settings map[string]string // beyond vars
	state    map[string]string // channels, temporary tables
	locks    map[string]string // these outlive a rollback
}

func (s session) clone() session {
	return session{s.vars, maps.Clone(s.settings), maps.Clone(s.state), s.locks}
}

// rollBack brings saved back. That a setting of an extension's was there shows.
func (s *session) rollBack(saved session) {
	for name := range s.settings {
		if _, ok := saved.settings[name]; !ok && strings.Contains(name, ".") {
			saved.settings[name] = ""
		}
	}
	saved.locks = s.locks
	*s = saved
}

type verdict int

const (
	undecided verdict = iota
	done
	canceled
)

type portal struct {
	*stmt
	sent int // rows
	used bool
}

func newBackend(vars wire.Vars) *backend {
	b := &backend{
		tx: 'I', stmts: map[string]*stmt{}, portals: map[string]*portal{}, reset: startVars, told: vars,
		session: session{vars, map[string]string{}, map[string]string{}, map[string]string{}},
		verdict: func(string) verdict { return done },
		refuses: func() bool { return false },
		fails:   func(*stmt) bool { return false },
		runs:    map[string]int{}, plans: map[string]functionPlan{},
	}
	return b
}

// next carries out the next message; it is false if none has come whole, or
// the one that has takes long.
func (b *backend) next() bool {
	if b.dead || len(b.in) < wire.HeaderLen {
		return false
	}
	_, total := wire.Header([]byte(b.in[:wire.HeaderLen]))
	if total == 0 {
		panic("the backend was sent a message of impossible length")
	}
	if len(b.in) < total {
		return false
	}
	m := b.in[:total]
	if b.waiting = b.slow(m); b.waiting != "" {
		return false
	}
	b.in = b.in[total:]
	b.handle(m[0], m[wire.HeaderLen:])
	return true
}

// slow is the token of the statement that a message would carry out if it has
// no verdict yet.
func (b *backend) slow(m string) string {
	var s *stmt
	if b.skip || b.tx == 'E' || b.copying != nil {
		return ""
	}
	switch m[0] {
	case 'Q':
		if all := parseSQL(cstring(m[wire.HeaderLen:])); len(all) == 1 {
			s = &all[0]
		}
	case 'E':
		if p := b.portals[cstring(m[wire.HeaderLen:])]; p != nil && !p.used {
			s = p.stmt
		}
	}
	if s != nil && b.undecided(s) {
		return s.token
	}
	if s != nil && s.kind == slowSelect && b.verdict(s.token) == undecided {
		return s.token
	}
	return ""
}

// setsUnnamed tells whether a message makes or drops the unnamed statement.
func setsUnnamed(typ byte, body string) bool {
	return typ == 'Q' || typ == 'P' && body[0] == 0 || typ == 'C' && body == "S\x00"
}

// usesUnnamed tells whether it uses that statement.
func usesUnnamed(typ byte, body string) bool {
	_, rest, _ := strings.Cut(body, "\x00")
	return typ == 'B' && rest[0] == 0 || typ == 'D' && body == "S\x00"
}

func cstring(body string) string {
	s, _, _ := strings.Cut(body, "\x00")
	return s
}

func (b *backend) flush() { b.out += b.say; b.say = "" }

func (b *backend) handle(typ byte, body string) {
	if b.copying != nil && b.copyMessage(typ, body) {
		return
	}
	if b.skip && typ != 'S' && typ != 'X' {
		b.doubt = b.doubt || setsUnnamed(typ, body)
		b.unclosed = b.unclosed || typ == 'C'
		return
	}
	switch typ {
	case 'Q':
		delete(b.stmts, "")
		b.query(parseSQL(cstring(body)))
	case 'F':
		b.function(body)
	case 'S':
		b.skip = false
		b.ready()
	case 'H':
		b.flush()
	case 'P', 'B', 'D', 'E', 'C':
		if e := b.extended(typ, body); e != "" {
			b.fail(e)
			b.skip = true
		}
	case 'X':
		b.dead = true
	case 'd', 'c', 'f': // what is left of a copy that failed
	default:
		panic(fmt.Sprintf("the backend was sent a message of type %q", typ))
	}
}

// query carries out the statements of a Query, and what is left of them after
// a copy.
func (b *backend) query(all []stmt) {
	if len(all) == 0 && b.inQuery == nil {
		b.begin()
		b.say += empty
	}
	several := len(all) > 1
	for i := range all { // the text is parsed before anything of it is done
		if all[i].kind == nonsense {
			b.fail(all[i].syntaxError())
			b.ready()
			return
		}
	}
	for i := range all {
		if e := b.run(&portal{stmt: &all[i]}, 0, true, several); e != "" {
			b.fail(e)
			if b.refused {
				b.dead = true
				return
			}
			break
		}
		if b.copying != nil {
			b.inQuery = all[i+1:]
			return
		}
		delete(b.portals, "")
	}
	b.inQuery = nil
	b.ready()
}

func (b *backend) function(body string) {
	if b.tx == 'E' {
		b.fail(errAborted)
	} else {
		b.begin()
		arg := body[14 : 14+binary.BigEndian.Uint32([]byte(body[10:14]))]
		result := []byte(arg)
		slices.Reverse(result)
		b.say += message('V', string(binary.BigEndian.AppendUint32(nil, uint32(len(result)))), string(result))
	}
	b.ready()
}

var errAborted = failure("25P02", "current transaction is aborted, commands ignored until end of transaction block")

// extended carries out one message of the extended protocol; the error it
// returns has not been said yet.
func (b *backend) extended(typ byte, body string) string {
	b.begin()
	name, rest, _ := strings.Cut(body, "\x00")
	switch typ {
	case 'P':
		if name != "" && b.unnamedOnly {
			return failure2("0A000", "named prepared statements are not supported in "+b.mode.String()+" mode",
				"Set max_prepared_statements, or pool_mode = \"session\" for this database or user.")
		}
		if name == "" {
			delete(b.stmts, "")
		}
		s := &stmt{kind: nothing}
		if all := parseSQL(cstring(rest)); len(all) == 1 {
			s = &all[0]
		}
		if s.kind == nonsense {
			return s.syntaxError()
		}
		if b.tx == 'E' && s.kind != nothing && !s.exits() {
			return errAborted
		}
		if b.stmts[key(name)] != nil {
			return errExists(name)
		}
		b.stmts[key(name)] = s
		b.say += parsed
	case 'B':
		s := b.stmts[key(cstring(rest))]
		if s == nil {
			return errNoStatement(cstring(rest))
		}
		if b.tx == 'E' && !s.exits() {
			return errAborted
		}
		if name != "" && b.portals[name] != nil {
			return failure("42P03", fmt.Sprintf("cursor %q already exists", name))
		}
		b.portals[name] = &portal{stmt: s}
		b.say += bound
	case 'D':
		name = name[1:]
		var s *stmt
		if body[0] == 'S' {
			if s = b.stmts[key(name)]; s == nil {
				return errNoStatement(name)
			}
		} else if p := b.portals[name]; p != nil {
			s = p.stmt
		} else {
			return failure("34000", fmt.Sprintf("portal %q does not exist", name))
		}
		if b.tx == 'E' && s.rows() {
			return errAborted
		}
		if body[0] == 'S' {
			b.say += noParams
		}
		if s.kind == readsTable {
			b.say += b.columnsHere()
		} else if s.rows() {
			b.say += columns
		} else {
			b.say += noData
		}
	case 'E':
		p := b.portals[name]
		if p == nil {
			return failure("34000", fmt.Sprintf("portal %q does not exist", name))
		}
		if p.kind == nothing {
			b.say += empty
			return ""
		}
		return b.run(p, int(binary.BigEndian.Uint32([]byte(rest))), false, false)
	case 'C':
		if body[0] == 'S' {
			delete(b.stmts, key(name[1:]))
		} else {
			delete(b.portals, name[1:])
		}
		b.say += closed
	}
	return ""
}

func errExists(name string) string {
	return failure("42P05", fmt.Sprintf("prepared statement %q already exists", name))
}

func errNoStatement(name string) string {
	if name == "" {
		return failure("26000", "unnamed prepared statement does not exist")
	}
	return failure("26000", fmt.Sprintf("prepared statement %q does not exist", name))
}

// begin starts a transaction if none is under way.
func (b *backend) begin() {
	if !b.begun {
		b.begun, b.saved = true, b.session.clone()
	}
}

// end ends it.
func (b *backend) end(commit bool) {
	if b.begun && !commit {
		b.rollBack(b.saved)
	}
	if b.pooled && commit {
		for _, number := range b.replaced {
			b.world.replace(number, b.owner)
		}
		for range b.altered {
			b.world.alter(b.owner)
		}
	}
	b.begun, b.tx = false, 'I'
	b.saves, b.replaced, b.altered = nil, nil, 0
	clear(b.portals)
}

// fault is an error that a statement of pgweir's own is answered with.
func (b *backend) fault() string {
	if b.rng(2) == 0 {
		return failure("57014", "canceling statement due to user request")
	}
	return failure("53200", "out of memory")
}

// fail says that something has failed, and at once.
func (b *backend) fail(e string) {
	b.say += e
	b.flush()
	b.copying, b.inQuery = nil, nil
	switch {
	case b.tx == 'T':
		b.tx = 'E'
		if n := len(b.saves); n > 0 {
			b.rollBack(b.saves[n-1].clone())
		} else {
			b.rollBack(b.saved.clone())
		}
	case b.tx == 'I':
		b.end(false)
	}
}

// ready ends what is not in a block, and says so.
func (b *backend) ready() {
	if b.tx == 'I' {
		b.end(true)
	}
	for i, v := range b.vars {
		if v != b.told[i] {
			b.say += reported(wire.VarNames[i], v)
		}
	}
	b.told = b.vars
	if b.mode == StatementMode && b.tx != 'I' {
		b.say += fatal("0A000", "transaction blocks are not supported in statement mode")
		b.dead = true
	} else {
		b.say += ready(b.tx)
	}
	b.flush()
}

// copyMessage reads what comes in a copy; it is false if the message is not
// the copy's.
func (b *backend) copyMessage(typ byte, body string) bool {
	var e string
	switch typ {
	case 'd':
		for _, line := range strings.SplitAfter(body, "\n") {
			if strings.HasPrefix(line, "bad") {
				e = failure("22P02", "invalid input syntax for type integer: \"bad\"")
				break
			} else if line != "" {
				b.copied++
			}
		}
	case 'f':
		e = failure("57014", "COPY from stdin failed: "+cstring(body))
	case 'S', 'H':
	case 'X':
		b.dead = true
	case 'c':
		s := b.copying
		b.copying = nil
		b.say += complete(fmt.Sprintf("COPY %d", b.copied))
		b.copied = 0
		if !s.extended {
			delete(b.portals, "")
			b.query(b.inQuery)
		}
	default:
		panic(fmt.Sprintf("the backend was sent a message of type %q in a copy", typ))
	}
	if e != "" {
		extended := b.copying.extended
		b.fail(e)
		b.copied = 0
		if extended {
			b.skip = true
		} else {
			b.ready()
		}
	}
	return true
}

// dirty names what would be left to the next client, "" if nothing would.
func (b *backend) dirty() string {
	var left []string
	if b.tx != 'I' || b.begun {
		left = append(left, fmt.Sprintf("a transaction (%c, %v)", b.tx, b.begun))
	}
	if b.skip || b.copying != nil || b.say != "" {
		left = append(left, "unfinished business "+show(b.say))
	}
	for _, m := range splitAll(b.in) {
		// The rest of a copy that has failed is ignored when it comes.
		if strings.IndexByte("dcfH", m[0]) < 0 {
			left = append(left, "a question "+show(m))
		}
	}
	for _, m := range splitAll(b.out) {
		if m != asyncNotice {
			left = append(left, "an answer "+show(m))
		}
	}
	for name := range b.stmts {
		if name != "" && !strings.HasPrefix(name, follow.NamePrefix) {
			left = append(left, "the statement "+name)
		}
	}
	left = append(left, slices.Sorted(maps.Keys(b.state))...)
	left = append(left, slices.Sorted(maps.Keys(b.locks))...)
	return strings.Join(left, ", ")
}

func splitAll(stream string) []string {
	all, rest := frames(stream)
	if rest != "" {
		all = append(all, rest)
	}
	return all
}

var asyncNotice = notice("by the way")
