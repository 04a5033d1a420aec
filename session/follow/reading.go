package follow

import (
	"hash/maphash"
	"strconv"
	"strings"
	"sync"

	"pgweir/wire"
)

// Reading are the settings under which a text is read.
type Reading struct {
	Vars     *wire.Vars // nil for a stand-in, which has no constants
	Settings *Settings
}

// As tells whether constants and functions of them are the same under both.
func (r Reading) As(q Reading) bool {
	if r.Settings.ReadingHash() != q.Settings.ReadingHash() {
		return false
	}
	return r.Vars == q.Vars || r.Vars[wire.VarDateStyle] == q.Vars[wire.VarDateStyle] &&
		r.Vars[wire.VarIntervalStyle] == q.Vars[wire.VarIntervalStyle] && r.Vars[wire.VarTimeZone] == q.Vars[wire.VarTimeZone] &&
		r.Vars[wire.VarStandardConformingStrings] == q.Vars[wire.VarStandardConformingStrings]
}

// Same tells whether both are one for the registry: also names mean the same
// then, and bytes are the same characters.
func (r Reading) Same(q Reading) bool {
	return r.As(q) && r.Settings.NamesHash() == q.Settings.NamesHash() &&
		r.Vars[wire.VarClientEncoding] == q.Vars[wire.VarClientEncoding]
}

// hash adds to h what Same compares.
func (r Reading) hash(h *maphash.Hash) {
	for i, v := range r.Vars {
		if i != wire.VarApplicationName {
			h.WriteString(v)
			h.WriteByte(0)
		}
	}
	maphash.WriteComparable(h, [2]uint64{r.Settings.ReadingHash(), r.Settings.NamesHash()})
}

// SettingKind is what a setting means for prepared statements.
type SettingKind uint8

const (
	// Harmless: it takes effect when a statement runs, or not at all.
	Harmless SettingKind = iota
	// ChangesNames: PostgreSQL itself makes plans anew when it changes.
	ChangesNames
	// ChangesReading: it may change how constants are read, functions are folded
	// or statements are planned, and plans that were made before stay.
	ChangesReading
)

// settingKinds are those of PostgreSQL's own settings that are not
// ChangesReading. What is not known is taken for that.
var settingKinds = func() map[string]SettingKind {
	kinds := map[string]SettingKind{}
	for _, name := range strings.Fields(`role session_authorization search_path row_security session_replication_role`) {
		kinds[name] = ChangesNames
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
		kinds[name] = Harmless
	}
	return kinds
}()

// LibrarySettings are the names of settings with a dot that a library has been
// seen to define. Others are nothing but values that SQL may ask for.
var LibrarySettings sync.Map

// KindOf is the kind of a setting beyond wire.Vars.
func KindOf(name string) SettingKind {
	name = strings.ToLower(name)
	if strings.Contains(name, ".") {
		if _, ok := LibrarySettings.Load(name); ok {
			return ChangesReading
		}
		return Harmless
	}
	if kind, ok := settingKinds[name]; ok {
		return kind
	}
	return ChangesReading
}

// analysisSettings are those beyond wire.Vars under which constants are read.
var analysisSettings = []string{"array_nulls", "backslash_quote", "lc_monetary", "timezone_abbreviations", "transform_null_equals", "xmloption"}

// Change is one of a setting; to its default if value is nil.
type Change struct {
	name  string
	value *string
}

// ReadAs are the changes that turn the settings under which a text is read from
// one reading into another. Bytes of a text that are not ASCII mean the
// characters of an encoding.
func ReadAs(from, to Reading, ascii bool) (list []Change) {
	for i := range to.Vars {
		switch {
		case i == wire.VarApplicationName, i == wire.VarClientEncoding && ascii:
		case from.Vars[i] != to.Vars[i] && to.Vars[i] != "":
			list = append(list, Change{wire.VarNames[i], &to.Vars[i]})
		}
	}
	if from.Settings.ReadingHash() == to.Settings.ReadingHash() {
		return list
	}
	for _, name := range analysisSettings {
		was, had := from.Settings.Get(name)
		value, has := to.Settings.Get(name)
		switch {
		case has && (!had || was != value):
			list = append(list, Change{name, &value})
		case had && !has:
			list = append(list, Change{name, nil})
		}
	}
	return list
}

// SetConfigs is a query that makes changes.
func SetConfigs(list []Change, local bool) string {
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
