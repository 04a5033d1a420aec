package proof

import (
	"hash/maphash"
	"slices"
	"strconv"
	"strings"

	"pgweir/wire"
)

// Question is one query of pgweir's own: what is left in a backend, or what the
// database consists of. Its answer has rows of three texts, the first of which
// says what the row is about.
//
// Operators and functions are named in full, because a client may have others
// on its search_path.
type Question struct {
	Parts Reason
	// Names are the settings whose hash PartHash asks for.
	Names string
	// Dblink is the function that lists the connections of dblink, by its whole
	// name; PartDblink calls it.
	Dblink string
	// Prefix begins the names of pgweir's own prepared statements, which
	// ReasonPrepared counts.
	Prefix string
	// User is whom the backend's connection has logged in as.
	User string
	// Customs are settings that pg_settings does not show; PartSettings asks for
	// them by name.
	Customs []string
	// Reset: list settings as well that are what RESET would make them.
	Reset bool
	// Guarded: not under the client's timeouts. It has no PartHash then.
	Guarded bool
}

// noTimeouts takes the client's timeouts away for as long as a question takes.
// plans is for texts that read whole catalogs: before PostgreSQL 18 a plan with
// a node that the client has disabled counts as so costly that it is compiled,
// which takes a second. guard is for texts that do not name everything in full,
// and are about nothing that a client has set.
const (
	noTimeouts = `SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; `
	plans      = `SET LOCAL jit = off; SET LOCAL enable_seqscan = on; SET LOCAL enable_indexscan = on; SET LOCAL enable_nestloop = on;
 SET LOCAL enable_hashjoin = on; SET LOCAL enable_mergejoin = on; SET LOCAL enable_hashagg = on; SET LOCAL enable_sort = on; SET LOCAL work_mem = '4MB'; `
	guard = noTimeouts + plans + `SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL client_encoding = 'UTF8'; `
)

// Under noTimeouts the list of settings has two that are not the client's. What
// these were is asked before; resets is with what RESET would make of them.
const (
	timeouts       = `(ARRAY['statement_timeout','lock_timeout'])`
	timeoutsBefore = `SELECT 'q', n, pg_catalog.current_setting(n) FROM pg_catalog.unnest` + timeouts + ` n; `
	notTimeouts    = ` AND name OPERATOR(pg_catalog.<>) ALL ` + timeouts
	resets         = `SELECT 'Q', name, reset_val FROM pg_catalog.pg_settings WHERE name OPERATOR(pg_catalog.=) ANY ` + timeouts
)

const notReset = " AND ((setting OPERATOR(pg_catalog.=) reset_val) IS NOT TRUE OR name OPERATOR(pg_catalog.=) 'idle_session_timeout')"

// settingsList tells the settings that the login may set anywhere, 's', from
// those that somebody with more rights has set, 'w'. $defined makes an 'm' of those
// that the Question asks for by name, that a library has defined meanwhile, and that
// nobody has set.
const (
	settingsList = `SELECT CASE$defined WHEN context OPERATOR(pg_catalog.=) 'user' OR EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolsuper AND rolname OPERATOR(pg_catalog.=) $user) THEN 's' ELSE 'w' END, name, setting FROM pg_catalog.pg_settings
 WHERE ($session OR $named)
 UNION ALL SELECT 'i', 'role', pg_catalog.current_setting('role')
 UNION ALL SELECT 'i', 'session_authorization', SESSION_USER::pg_catalog.text`
	setInSession = `source OPERATOR(pg_catalog.=) 'session'` + notReset + ` AND name OPERATOR(pg_catalog.<>) ALL (ARRAY['application_name','client_encoding','DateStyle','IntervalStyle',
 'TimeZone','standard_conforming_strings','transaction_isolation','transaction_read_only','transaction_deferrable'])`
)

// settings is settingsList, filled in.
func (q *Question) settings() string {
	session, named, defined := setInSession, "false", ""
	if q.Reset {
		session = strings.Replace(session, notReset, "", 1)
	}
	if len(q.Customs) > 0 {
		var all []byte
		for i, name := range q.Customs {
			if i > 0 {
				all = append(all, ',')
			}
			all = wire.AppendLiteral(all, name)
		}
		named = "pg_catalog.lower(name) OPERATOR(pg_catalog.=) ANY (ARRAY[" + string(all) + "])"
		defined = " WHEN (" + session + ") IS NOT TRUE THEN 'm'"
	}
	return strings.NewReplacer("$user", string(wire.AppendLiteral(nil, q.User)), "$session", session, "$named", named, "$defined", defined).Replace(settingsList)
}

// settingsHash has the array of the settings' names between its halves. A setting
// of an extension that is not set is as good as one without a value. Some are not
// for everybody to read; the whole question fails for others that are not.
const (
	settingsHash = `SELECT 'e', '', pg_catalog.array_agg(COALESCE(pg_catalog.current_setting(n, true), ''))::pg_catalog.text
 FROM pg_catalog.unnest(`
	settingsHashEnd = `::pg_catalog.text[]) n WHERE (SELECT pg_catalog.pg_has_role('pg_read_all_settings', 'USAGE'))
 OR n OPERATOR(pg_catalog.<>) ALL (ARRAY['dynamic_library_path','session_preload_libraries','extension_control_path','extension_destdir','output_plugin_libraries'])`
)

var parts = []struct {
	part Reason
	sql  string
}{
	{ReasonLock, `SELECT 'l', '', '' WHERE EXISTS (SELECT FROM pg_catalog.pg_locks
 WHERE locktype OPERATOR(pg_catalog.=) 'advisory' AND pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid())`},
	{ReasonTemp, `SELECT 't', '', '' WHERE EXISTS (SELECT FROM pg_catalog.pg_depend
 WHERE refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_namespace'::pg_catalog.regclass
 AND refobjid OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema())`},
	{ReasonCursor, `SELECT 'h', '', '' WHERE EXISTS (SELECT FROM pg_catalog.pg_cursors WHERE is_holdable)`},
	{ReasonPrepared, `SELECT 'p', '', '' WHERE EXISTS (SELECT FROM pg_catalog.pg_prepared_statements WHERE from_sql)
 UNION ALL SELECT 'n', pg_catalog.count(*)::pg_catalog.text, '' FROM pg_catalog.pg_prepared_statements
 WHERE pg_catalog.starts_with(name, $prefix)`},
	{PartSlots, `SELECT 'b', '', '' WHERE EXISTS (SELECT FROM pg_catalog.pg_get_replication_slots()
 WHERE active_pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid())`},
	{PartDblink, `SELECT 'b', '', '' WHERE $dblink() IS NOT NULL`},
	{ReasonChannels, `SELECT 'c', channel, '' FROM pg_catalog.pg_listening_channels() AS channel`},
	{PartLearn, learnQuestion},
}

// Append appends the question's text.
func (q *Question) Append(dst []byte) []byte {
	listed := q.Guarded && q.Parts&PartSettings != 0
	if listed {
		dst = append(dst, timeoutsBefore...)
	}
	switch {
	case q.Parts&PartLearn != 0:
		dst = append(dst, guard...)
	case q.Guarded:
		dst = append(dst, noTimeouts...)
	}
	first := true
	add := func(sql ...string) {
		if !first {
			dst = append(dst, "\n UNION ALL "...)
		}
		first = false
		for _, s := range sql {
			dst = append(dst, s...)
		}
	}
	if q.Parts&PartHash != 0 {
		add(settingsHash)
		dst = append(wire.AppendLiteral(dst, q.Names), settingsHashEnd...)
	}
	if q.Parts&PartSettings != 0 {
		list := q.settings()
		if listed {
			list = strings.Replace(list, "\n UNION ALL", notTimeouts+"\n UNION ALL", 1) + "\n UNION ALL " + resets
		}
		add(list)
	}
	for _, p := range parts {
		if q.Parts&p.part != 0 {
			sql := strings.Replace(p.sql, "$prefix", string(wire.AppendLiteral(nil, q.Prefix)), 1)
			add(strings.Replace(sql, "$dblink", q.Dblink, 1))
		}
	}
	if q.Parts&PartSettings != 0 {
		for _, name := range q.Customs {
			add("SELECT 'k', ")
			dst = append(wire.AppendLiteral(dst, name), ", pg_catalog.current_setting("...)
			dst = append(wire.AppendLiteral(dst, name), ", true)"...)
		}
	}
	if q.Parts&PartDigest != 0 {
		if !first {
			dst = append(dst, ";\n "...) // what has been asked so far is under the client's settings
		}
		dst = append(append(dst, plans...), digestQuestion...)
	}
	return dst
}

// maxRow is how long a row of an answer may be, in bytes, and maxRows all that
// is learned; what is longer counts as a failure.
const (
	maxRow  = 16 << 20
	maxRows = 128 << 20
)

var hashSeed = maphash.MakeSeed()

// Row is a row of what is learned of a database.
type Row struct {
	Kind       byte
	Name, Text string
}

// Answer is what a backend has said to a Question. The zero value is ready.
type Answer struct {
	Found    Reason
	Settings []wire.Param
	Library  []string // settings that a library has defined
	Channels []string
	Hash     uint64 // of all settings' values
	Shared   int    // how many statements there are with the Question's Prefix
	Digest   string
	Learned  []Row
	Failed   bool
	// Canceled: it has failed by a cancel request that came late, for the query
	// before, or by a timeout of the client's.
	Canceled bool

	timeouts []wire.Param // as they were before noTimeouts
	defined  []string     // by libraries, of those that were asked for by name
	size     int
	inRow    bool   // a row has come in part
	long     []byte // that part
}

// InRow tells whether a row has come in part.
func (a *Answer) InRow() bool { return a.inRow }

// Part takes a part of a DataRow, of which left bytes are still to come.
func (a *Answer) Part(p []byte, left int) {
	a.inRow = left > 0
	switch {
	case left == 0 && len(a.long) == 0:
		a.row(p)
	case len(a.long)+len(p)+left > maxRow:
		a.Failed, a.long = true, nil
	default:
		if a.long = append(a.long, p...); left == 0 {
			a.row(a.long)
			a.long = nil
		}
	}
}

// row reads one DataRow of the answer: three texts.
func (a *Answer) row(body []byte) {
	var col [3][]byte
	n := 0
	err := wire.DecodeDataRow(body, func(i int, value []byte) {
		n++
		if i < len(col) {
			col[i] = value
		}
	})
	if err != nil || n != len(col) || len(col[0]) != 1 {
		a.Failed = true
		return
	}
	null := col[2] == nil
	name, value := string(col[1]), string(col[2])
	switch kind := col[0][0]; kind {
	case 'w':
		a.Found |= ReasonSetting
		a.defines(name)
	case 'm':
		a.defines(name)
	case 's', 'i', 'k':
		if kind == 's' && strings.Contains(name, ".") {
			a.defines(name)
			a.Library = append(a.Library, strings.ToLower(name))
		}
		if !null && (kind != 'k' || !slices.Contains(a.defined, name)) {
			a.Settings = append(a.Settings, wire.Param{Name: name, Value: value})
		}
	case 'q':
		a.timeouts = append(a.timeouts, wire.Param{Name: name, Value: milliseconds(value)})
	case 'Q':
		// Where it is the same, it is taken as not set.
		if i := slices.IndexFunc(a.timeouts, func(v wire.Param) bool { return v.Name == name }); i < 0 {
			a.Failed = true
		} else if v := a.timeouts[i]; v.Value != value {
			a.Settings = append(a.Settings, v)
		}
	case 'e':
		a.Hash = maphash.Bytes(hashSeed, col[2])
	case 'd':
		a.Digest = value
	case 'b':
		a.Found |= ReasonLibrary
	case 'l':
		a.Found |= ReasonLock
	case 't':
		a.Found |= ReasonTemp
	case 'h':
		a.Found |= ReasonCursor
	case 'p':
		a.Found |= ReasonPrepared
	case 'n':
		a.Shared, err = strconv.Atoi(name)
		a.Failed = a.Failed || err != nil
	case 'c':
		a.Found |= ReasonChannels
		a.Channels = append(a.Channels, name)
	case rowDblink, rowName, rowDefault, rowBody, rowOther, rowCode, rowSets, rowText, rowRead, rowUses, rowConnects, rowPlans, rowEvent:
		if a.size += len(body); a.size > maxRows {
			a.Failed, a.Learned = true, nil
			return
		}
		a.Learned = append(a.Learned, Row{kind, name, value})
	}
}

// defines takes what was answered by name back of a setting that a library has
// defined: the list tells whether somebody has set it. Rows may come in any order.
func (a *Answer) defines(name string) {
	name = strings.ToLower(name)
	a.defined = append(a.defined, name)
	a.Settings = slices.DeleteFunc(a.Settings, func(v wire.Param) bool { return v.Name == name })
}

// milliseconds is a duration as pg_settings has it, of one as SHOW has it. What it
// does not know stays as it is.
func milliseconds(shown string) string {
	for _, unit := range []struct {
		name string
		ms   int
	}{{"ms", 1}, {"s", 1000}, {"min", 60_000}, {"h", 3_600_000}, {"d", 86_400_000}} {
		if digits, ok := strings.CutSuffix(shown, unit.name); ok {
			if n, err := strconv.Atoi(digits); err == nil {
				return strconv.Itoa(n * unit.ms)
			}
		}
	}
	return shown
}
