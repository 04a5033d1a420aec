package session

import (
	"hash/maphash"
	"strconv"
	"strings"
	"sync"

	"pgweir/session/pipeline"
	"pgweir/wire"
)

// What a prepared statement means depends on more than its text. PostgreSQL
// reads the constants in it under the settings of its Parse, and folds
// functions of constants under those of the moment at which it plans. Both last
// until the plan is made anew. So clients share a statement only as long as
// these settings are the same for all of them. While a transaction may have
// changed them in a way that pgweir does not know, what the backend has of a
// statement serves that transaction only (a taint), and is made anew afterwards.

// reading are the settings under which a text is read.
type reading struct {
	vars     *wire.Vars // nil for a stand-in, which has no constants
	settings *Settings
}

// reading is what is in force for the client, unless unsure says otherwise.
func (s *Session) reading() reading { return reading{s.vars, s.settings} }

// as tells whether constants and functions of them are the same under both.
func (r reading) as(q reading) bool {
	if r.settings.readingHash() != q.settings.readingHash() {
		return false
	}
	return r.vars == q.vars || r.vars[wire.VarDateStyle] == q.vars[wire.VarDateStyle] &&
		r.vars[wire.VarIntervalStyle] == q.vars[wire.VarIntervalStyle] && r.vars[wire.VarTimeZone] == q.vars[wire.VarTimeZone] &&
		r.vars[wire.VarStandardConformingStrings] == q.vars[wire.VarStandardConformingStrings]
}

// same tells whether both are one for the registry: also names mean the same
// then, and bytes are the same characters.
func (r reading) same(q reading) bool {
	return r.as(q) && r.settings.namesHash() == q.settings.namesHash() &&
		r.vars[wire.VarClientEncoding] == q.vars[wire.VarClientEncoding]
}

// hash adds to h what same compares.
func (r reading) hash(h *maphash.Hash) {
	for i, v := range r.vars {
		if i != wire.VarApplicationName {
			h.WriteString(v)
			h.WriteByte(0)
		}
	}
	maphash.WriteComparable(h, [2]uint64{r.settings.readingHash(), r.settings.namesHash()})
}

// settingKind is what a setting means for prepared statements.
type settingKind uint8

const (
	// settingHarmless: it takes effect when a statement runs, or not at all.
	settingHarmless settingKind = iota
	// settingNames: PostgreSQL itself makes plans anew when it changes.
	settingNames
	// settingReading: it may change how constants are read, functions are folded
	// or statements are planned, and plans that were made before stay.
	settingReading
)

// settingKinds are those of PostgreSQL's own settings that are not
// settingReading. What is not known is taken for that.
var settingKinds = func() map[string]settingKind {
	kinds := map[string]settingKind{}
	for _, name := range strings.Fields(`role session_authorization search_path row_security session_replication_role`) {
		kinds[name] = settingNames
	}
	for _, name := range strings.Fields(`statement_timeout lock_timeout transaction_timeout idle_in_transaction_session_timeout
 idle_session_timeout deadlock_timeout work_mem maintenance_work_mem logical_decoding_work_mem hash_mem_multiplier temp_buffers
 temp_file_limit temp_tablespaces default_tablespace synchronous_commit commit_delay commit_siblings client_min_messages
 log_min_messages log_min_error_statement log_min_duration_statement log_min_duration_sample log_statement log_duration
 log_error_verbosity log_executor_stats log_lock_waits log_parser_stats log_planner_stats log_statement_stats log_temp_files
 log_transaction_sample_rate debug_print_parse debug_print_plan debug_print_rewritten debug_pretty_print
 default_transaction_isolation default_transaction_read_only default_transaction_deferrable transaction_isolation
 transaction_read_only transaction_deferrable track_activities track_counts track_functions track_io_timing
 track_wal_io_timing vacuum_cost_delay vacuum_cost_limit vacuum_cost_page_hit vacuum_cost_page_miss
 vacuum_cost_page_dirty lc_messages lo_compat_privileges check_function_bodies tcp_keepalives_idle
 tcp_keepalives_interval tcp_keepalives_count tcp_user_timeout client_connection_check_interval`) {
		kinds[name] = settingHarmless
	}
	return kinds
}()

// librarySettings are the names of settings with a dot that a library has been
// seen to define. Others are nothing but values that SQL may ask for.
var librarySettings sync.Map

// kindOf is the kind of a setting beyond wire.Vars.
func kindOf(name string) settingKind {
	name = strings.ToLower(name)
	if strings.Contains(name, ".") {
		if _, ok := librarySettings.Load(name); ok {
			return settingReading
		}
		return settingHarmless
	}
	if kind, ok := settingKinds[name]; ok {
		return kind
	}
	return settingReading
}

// Hints of the session's own about the settings that are in force.
const (
	// hintReading: one of settingReading may have another value now, until the
	// transaction ends or the backend has said so.
	hintReading = wire.CallerHints & (1 << 63)
	// hintReadingVar: one of wire.Vars may; the backend reports it before its
	// next ReadyForQuery.
	hintReadingVar = wire.CallerHints & (1 << 62)
)

// readingHint is the hint of a text that gives a setting another value; "" is
// one whose name is not known, and "all" all.
func readingHint(name string) wire.Hints {
	switch i := wire.VarIndex([]byte(name)); {
	case name == "", name == "all":
		return hintReading | hintReadingVar
	case i == wire.VarApplicationName:
		return 0
	case i >= 0:
		return hintReadingVar
	case kindOf(name) == settingReading:
		return hintReading
	}
	return 0
}

// unsure tells whether the transaction under way may have changed settings of a
// reading, and the backend has not said to what.
func (s *Session) unsure() bool {
	h := s.hints
	return h&(hintReading|wire.HintDo|wire.HintCall|wire.HintDiscard) != 0 ||
		h&hintReadingVar != 0 && (s.batch == batchRuns || s.owed.OwesClient())
}

// suit has a name stand for the statement that suits the client's settings now:
// PostgreSQL plans under these what it has read under those of the Parse.
func (s *Session) suit(n *named) {
	now := s.reading()
	if n.pending || !n.unsure && n.st.used.as(now) || s.unsure() {
		return
	}
	made := n.st.made
	switch {
	case n.unsure:
		made = now // it has seen what is known only now
	case !n.st.constants:
		made.vars = now.vars
	}
	n.unsure = false
	r := &s.config.Shared.Statements
	st := r.get(made, now, n.st.body())
	r.put(n.st)
	n.st = st
}

// usable tells whether the backend has a statement as the client needs it now.
func (s *Session) usable(st *Statement) bool {
	if !s.link.have.use(st) {
		return false
	}
	h, unsure := s.link.have.ring.next, s.unsure()
	if h.stale || h.taint != 0 && (h.taint != s.link.epoch || !unsure && s.tx != 'E') {
		return false
	}
	if unsure {
		h.taint = s.link.epoch
	}
	return true
}

// analysisSettings are those beyond wire.Vars under which constants are read.
var analysisSettings = []string{"array_nulls", "backslash_quote", "lc_monetary", "timezone_abbreviations", "transform_null_equals", "xmloption"}

// change is one of a setting; to its default if value is nil.
type change struct {
	name  string
	value *string
}

// readAs are the changes that turn the settings under which a text is read from
// one reading into another. Bytes of a text that are not ASCII mean the
// characters of an encoding.
func readAs(from, to reading, ascii bool) (list []change) {
	for i := range to.vars {
		switch {
		case i == wire.VarApplicationName, i == wire.VarClientEncoding && ascii:
		case from.vars[i] != to.vars[i] && to.vars[i] != "":
			list = append(list, change{wire.VarNames[i], &to.vars[i]})
		}
	}
	if from.settings.readingHash() == to.settings.readingHash() {
		return list
	}
	for _, name := range analysisSettings {
		was, had := from.settings.get(name)
		value, has := to.settings.get(name)
		switch {
		case has && (!had || was != value):
			list = append(list, change{name, &value})
		case had && !has:
			list = append(list, change{name, nil})
		}
	}
	return list
}

// setConfigs is a query that makes changes.
func setConfigs(list []change, local bool) string {
	b := []byte("SELECT ")
	for i, c := range list {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = wire.AppendLiteral(append(b, "pg_catalog.set_config("...), c.name)
		b = append(b, ", "...)
		if c.value == nil {
			b = append(b, "NULL"...)
		} else {
			b = wire.AppendLiteral(b, *c.value)
		}
		b = append(strconv.AppendBool(append(b, ", "...), local), ')')
	}
	return string(b)
}

// make has the backend read a statement under the settings of its own, as far
// as that is possible.
func (s *Session) make(st *Statement, o *Out) {
	var there, back []change
	unsure := s.unsure()
	if now := s.reading(); !unsure && !st.standsIn() {
		ascii := isASCII(st.parse)
		there, back = readAs(now, st.made, ascii), readAs(st.made, now, ascii)
	}
	// Ahead of all others a query of its own keeps what follows free of the
	// transaction that it runs in.
	alone := s.tx == 'I' && s.batch == batchNone && !s.owed.OwesClient()
	aside := !alone && s.tx != 'E'
	switch {
	case len(there) == 0:
	case alone:
		s.detour(setConfigs(there, false), o)
	case aside:
		s.aside(setConfigs(there, true), o)
	}
	o.ServerParses++
	o.ToServer.keep(append(o.ToServer.own(), st.parse...))
	s.link.have.add(st, s.config.Shared.changes.Load())
	if unsure || len(there) > 0 && s.tx == 'E' {
		s.link.have.ring.next.taint = s.link.epoch
	}
	s.pushOp(pipeline.ParseShared, op{added: st})
	switch {
	case len(back) == 0:
	case alone:
		s.ownSync(o)
		s.detour(setConfigs(back, false), o)
	case aside:
		s.aside(setConfigs(back, true), o)
	}
}

// detour has the backend run a query whose effect is taken back by another. The
// query ends the client's portals and its unnamed statement: it may only stand
// where no transaction is under way.
func (s *Session) detour(sql string, o *Out) {
	o.ToServer.keep(wire.AppendQuery(o.ToServer.own(), sql))
	s.unnamedHere, s.unnamedSent = false, false
	s.owed.Push(pipeline.Detour)
}

// aside has the backend run a statement in the midst of a transaction, which
// goes on: the client's portals and its unnamed statement stay.
func (s *Session) aside(sql string, o *Out) {
	b := o.ToServer.own()
	if s.link.scratched {
		s.link.scratched = false
		b = wire.AppendCloseStatement(b, scratchName)
		s.owed.Push(pipeline.Aside)
	}
	b = appendNamed(b, scratchName, append([]byte(sql), 0, 0, 0))
	b = wire.AppendBind(b, scratchName, scratchName)
	b = wire.AppendExecute(b, scratchName, 0)
	b = wire.AppendMessage(b, 'C', []byte{'P'}, []byte(scratchName), []byte{0})
	o.ToServer.keep(wire.AppendCloseStatement(b, scratchName))
	for range 5 {
		s.owed.Push(pipeline.Aside)
	}
}

// insert is aside ahead of any message of the client's. A Sync follows where the
// client's own messages do not wait for one; within a block it ends nothing.
func (s *Session) insert(statements []string, o *Out) {
	open := s.batch != batchNone || s.owed.MaySkip()
	for _, sql := range statements {
		s.aside(sql, o)
	}
	if !open && len(statements) > 0 {
		s.ownSync(o)
	}
}

// hasConstants tells whether a text may have constants that are read under
// settings: those in quotes.
func hasConstants(text []byte) bool {
	for i, c := range text {
		if c == '\'' || c == '$' && (i+1 == len(text) || text[i+1] < '0' || text[i+1] > '9') {
			return true
		}
	}
	return false
}
