package pool

import (
	"slices"
	"strconv"
	"strings"

	"pgweir/wire"
)

// A backend's login ends with questions of pgweir's own, if clients share it:
// what its session has begun with has to be told from what clients leave there.
// The questions run in a transaction with settings of pgweir's own, whatever the
// startup parameters, the role and the database ask for. They never fail a login
// that PostgreSQL has let in: what they do not tell is not known.

// Sharing says how the clients of a pool share its backends.
type Sharing uint8

const (
	SharedNever    Sharing = iota // a backend is one client's as long as that is there
	SharedBlindly                 // what a client leaves behind is not looked at
	SharedAsking                  // it is asked for
	SharedCarrying                // and settings are carried from backend to backend
)

// Begun is what a backend's session has begun with.
type Begun struct {
	// Role is current_setting('role'), "" if that is not known.
	Role string
	// Session is what login event triggers have set: names, and values as
	// pg_settings has them.
	Session []wire.Param
	// IdleTimeout is idle_session_timeout, in milliseconds, as the startup
	// parameters have it, or else the role and the database. It is the client's:
	// on a backend that clients share it is 0.
	IdleTimeout int32
}

// Over is what is set when the login is over, if the startup parameters have set
// these.
func (b *Begun) Over(carried []wire.Param) []wire.Param {
	if len(b.Session) == 0 {
		return carried
	}
	begun := slices.Clone(b.Session)
	for _, p := range carried {
		if !slices.ContainsFunc(b.Session, func(q wire.Param) bool { return q.Name == p.Name }) {
			begun = append(begun, p)
		}
	}
	return begun
}

const idleTimeout = "idle_session_timeout"

// exempt is the startup parameter that keeps PostgreSQL from ending a shared
// backend that no client needs. It stands behind the client's own, which
// PostgreSQL checks as well.
var exempt = wire.Param{Name: idleTimeout, Value: "0"}

// refusesExempt tells whether a server has refused a login because it does not
// know exempt.
func refusesExempt(err error) bool {
	e, ok := err.(*wire.Error)
	return ok && (e.Code == wire.CodeUndefinedObject || e.Code == wire.CodeProtocolViolation) && strings.Contains(e.Message, idleTimeout)
}

// ownSettings are those under which pgweir's own questions run.
func ownSettings(version int) []wire.Param {
	own := []wire.Param{
		{Name: "statement_timeout", Value: "0"}, {Name: "lock_timeout", Value: "0"},
		{Name: "idle_in_transaction_session_timeout", Value: "0"},
		{Name: "standard_conforming_strings", Value: "on"}, {Name: "client_encoding", Value: "UTF8"},
		{Name: "search_path", Value: "pg_catalog"},
	}
	if version >= 17 {
		own = append(own, wire.Param{Name: "transaction_timeout", Value: "0"})
	}
	return own
}

// serverMajor is the server's major version, 0 if it does not say.
func serverMajor(params []wire.Param) int {
	version := reported(params, "server_version")
	end := 0
	for end < len(version) && '0' <= version[end] && version[end] <= '9' {
		end++
	}
	n, _ := strconv.Atoi(version[:end])
	return n
}

// reported is the value of a parameter that the server has reported.
func reported(params []wire.Param, name string) string {
	for _, p := range params {
		if p.Name == name {
			return p.Value
		}
	}
	return ""
}

// setUp asks what the session has begun with, and notes it on b.
func (l *loginConn) setUp(b *Backend, params []wire.Param) error {
	if err := l.askBegun(b, params); err != nil {
		return err
	}
	if err := idle(l.status); err != nil {
		return err
	}
	return l.behind(b)
}

func (l *loginConn) askBegun(b *Backend, params []wire.Param) error {
	fixed, _, _ := split(params)
	u := setUp{own: ownSettings(serverMajor(b.Params)), utf8: b.Vars[wire.VarClientEncoding] == "UTF8"}
	u.pairs, u.settable = settingPairs(fixed)
	shown, rows, err := l.own(u.own, u.question())
	if err != nil || shown == nil {
		return err
	}
	u.read(shown, rows)
	if len(u.customs) > 0 {
		if _, rows, err = l.own(u.own, customQuestion(u.customs)); err != nil {
			return err
		}
		u.read(nil, rows)
	}
	if u.idles { // a trigger's, which DISCARD ALL would not bring back either
		if _, _, err := l.exchange("RESET " + idleTimeout); err != nil {
			return err
		}
	}
	b.Begun = u.begun
	if l.settings.Sharing == SharedCarrying && len(u.pairs) > 0 {
		b.Carried, b.carries = u.carry()
	}
	return nil
}

// maxOwn is how often questions are asked that a timeout of the client's, the
// role's or the database's cancels before pgweir's own is in force.
const maxOwn = 50

// own runs a query under pgweir's own settings, and returns what those were
// before, and the query's rows. Both are nil if the server has refused it.
func (l *loginConn) own(own []wire.Param, sql string) (shown, rows [][]string, err error) {
	begin := "BEGIN"
	for _, s := range own {
		begin += ";SHOW " + s.Name
	}
	for _, s := range own {
		begin += ";SET LOCAL " + s.Name + "='" + s.Value + "'"
	}
	for range maxOwn {
		answers, failed, err := l.exchange(begin, sql+";COMMIT")
		if err != nil {
			return nil, nil, err
		}
		if failed == nil && len(answers[0]) == len(own) {
			return answers[0], answers[1], nil
		}
		if _, _, err := l.exchange("ROLLBACK"); err != nil {
			return nil, nil, err
		}
		if failed == nil || failed.Code != wire.CodeQueryCanceled {
			break
		}
	}
	return nil, nil, nil
}

// exchange sends queries in one write, and returns the rows of each, NULL as "".
// failed is the first error that the session has outlived.
func (l *loginConn) exchange(queries ...string) (rows [][][]string, failed *wire.Error, err error) {
	var out []byte
	for _, sql := range queries {
		out = wire.AppendQuery(out, sql)
	}
	if err := l.send(out); err != nil {
		return nil, nil, err
	}
	rows = make([][][]string, len(queries))
	for n := 0; n < len(queries); {
		typ, body, err := l.receive()
		if err != nil {
			return nil, nil, err
		}
		switch typ {
		case 'D':
			var row []string
			if err := wire.DecodeDataRow(body, func(_ int, value []byte) { row = append(row, string(value)) }); err != nil {
				return nil, nil, err
			}
			rows[n] = append(rows[n], row)
		case 'E':
			e, err := wire.DecodeError(body)
			if err != nil {
				return nil, nil, err
			}
			if e.Severity != "ERROR" {
				return nil, nil, refusal(body)
			}
			if failed == nil {
				failed = e
			}
		case 'Z':
			l.status = body
			n++
		case 'T', 'C', 'I', 'N', 'S', 'A':
		default:
			return nil, nil, wire.Fatalf(wire.CodeProtocolViolation, "the server sent a message of type %q during the login", typ)
		}
	}
	return rows, failed, nil
}

// setUp is what is asked of one backend, and what it has said.
type setUp struct {
	own      []wire.Param
	utf8     bool         // the client's encoding is that of the questions
	pairs    []wire.Param // the settings that the startup parameters name
	settable bool         // they name nothing else

	begun   Begun
	idles   bool                  // idle_session_timeout is not 0
	customs []string              // names that login event triggers may set, which pg_settings does not show
	told    map[string]wire.Param // what the startup parameters have set, by names in lower case
	fixed   bool                  // one of them cannot be set later
}

// question asks for rows of four texts, the first of which says what the row is
// about: a setting of the startup parameters, one of the session's, one of
// pgweir's own as it was before, the role, a login event trigger's function, or
// what the role and the database say of idle_session_timeout.
func (u *setUp) question() string {
	sql := `SELECT 'session', name, setting, '' FROM pg_catalog.pg_settings
 WHERE source OPERATOR(pg_catalog.=) 'session' AND (setting OPERATOR(pg_catalog.=) reset_val) IS NOT TRUE
 AND name OPERATOR(pg_catalog.<>) ALL (` + literals(append(names(u.own), "transaction_isolation", "transaction_read_only", "transaction_deferrable")) + `)
 UNION ALL SELECT 'own', name, reset_val, '' FROM pg_catalog.pg_settings WHERE name OPERATOR(pg_catalog.=) ANY (` + literals(names(u.own)) + `)
 UNION ALL SELECT 'role', '', pg_catalog.current_setting('role'), ''
 UNION ALL SELECT 'trigger', '', p.prosrc, '' FROM pg_catalog.pg_event_trigger e JOIN pg_catalog.pg_proc p ON p.oid OPERATOR(pg_catalog.=) e.evtfoid
 WHERE e.evtevent OPERATOR(pg_catalog.=) 'login' AND e.evtenabled OPERATOR(pg_catalog.<>) 'D'
 UNION ALL (SELECT 'idle', '', pg_catalog.substr(c, 22), '' FROM pg_catalog.pg_db_role_setting s, pg_catalog.unnest(s.setconfig) c
 WHERE pg_catalog.starts_with(c, 'idle_session_timeout=')
 AND (s.setrole OPERATOR(pg_catalog.=) 0::pg_catalog.oid OR s.setrole OPERATOR(pg_catalog.=) (SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolname OPERATOR(pg_catalog.=) SESSION_USER))
 AND (s.setdatabase OPERATOR(pg_catalog.=) 0::pg_catalog.oid OR s.setdatabase OPERATOR(pg_catalog.=) (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()))
 ORDER BY s.setrole OPERATOR(pg_catalog.=) 0::pg_catalog.oid, s.setdatabase OPERATOR(pg_catalog.=) 0::pg_catalog.oid LIMIT 1)`
	if len(u.pairs) > 0 {
		sql += settingsQuestion(u.pairs, "reset_val")
	}
	return sql
}

// settingsQuestion goes on with rows about settings: 'set', the name, its value
// as the column says, and its context. Those that pg_settings does not show have
// no context.
func settingsQuestion(pairs []wire.Param, column string) string {
	sql := ` UNION ALL SELECT 'set', name, ` + column + `, context FROM pg_catalog.pg_settings
 WHERE pg_catalog.lower(name) OPERATOR(pg_catalog.=) ANY (` + literals(names(pairs)) + `)`
	for _, p := range pairs {
		if strings.Contains(p.Name, ".") {
			sql += " UNION ALL SELECT 'set', " + literal(p.Name) + ", pg_catalog.current_setting(" + literal(p.Name) + ", true), ''"
		}
	}
	return sql
}

// customQuestion asks for settings that pg_settings does not show.
func customQuestion(names []string) string {
	var parts []string
	for _, name := range names {
		parts = append(parts, "SELECT 'session', "+literal(name)+", pg_catalog.current_setting("+literal(name)+", true), ''")
	}
	return strings.Join(parts, " UNION ALL ")
}

func literal(s string) string { return string(wire.AppendLiteral(nil, s)) }

// literals is an array of texts.
func literals(list []string) string {
	b := []byte("ARRAY[")
	for i, s := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = wire.AppendLiteral(b, s)
	}
	return string(append(b, "]::pg_catalog.text[]"...))
}

func names(list []wire.Param) (names []string) {
	for _, p := range list {
		names = append(names, p.Name)
	}
	return names
}

// read takes in what pgweir's own settings were before, and the question's rows.
func (u *setUp) read(shown, rows [][]string) {
	for _, row := range rows {
		if len(row) != 4 {
			continue
		}
		name, value := row[1], row[2]
		switch row[0] {
		case "session":
			u.session(name, value)
		case "own":
			for i, o := range u.own {
				if o.Name == name && i < len(shown) && len(shown[i]) == 1 && unitless(shown[i][0]) != value {
					u.session(name, unitless(shown[i][0]))
				}
			}
		case "role":
			u.begun.Role = value
		case "trigger":
			wire.BodyNames([]byte(value), func(n wire.Name) {
				if (n.Kind == wire.NameSet || n.Kind == wire.NameSetConfig) && strings.Contains(n.Text, ".") {
					u.customs = append(u.customs, n.Text)
				}
			})
		case "idle":
			if !u.idles {
				u.begun.IdleTimeout, _ = milliseconds(value)
			}
		case "set":
			u.set(name, value, row[3])
		}
	}
	for _, p := range u.pairs {
		if p.Name == idleTimeout && !u.idles {
			u.begun.IdleTimeout, _ = milliseconds(p.Value)
		}
	}
}

// session: a login event trigger has set this.
func (u *setUp) session(name, value string) {
	switch {
	case name == idleTimeout:
		u.idles = true
		u.begun.IdleTimeout, _ = milliseconds(value)
	case value == "", wire.VarIndex([]byte(name)) >= 0: // not there; or reported
	case !u.utf8 && !isASCII(value): // it could not be written as the client would
	default:
		u.begun.Session = append(u.begun.Session, wire.Param{Name: name, Value: value})
	}
}

// set: the startup parameters have set this.
func (u *setUp) set(name, value, context string) {
	key := strings.ToLower(name)
	if _, ok := u.told[key]; ok && context == "" {
		return // an extension's that has been loaded; pg_settings has said so
	}
	if u.told == nil {
		u.told = map[string]wire.Param{}
	}
	u.told[key] = wire.Param{Name: name, Value: value}
	u.fixed = u.fixed || !maySet(context) || key == "local_preload_libraries" || key == "session_preload_libraries" || !u.utf8 && !isASCII(value)
}

// maySet tells whether a setting of this context can be set in a session.
func maySet(context string) bool { return context == "user" || context == "superuser" || context == "" }

// carry is what the startup parameters have set, if all of that could be set
// later as well; idle_session_timeout is not among them.
func (u *setUp) carry() (carried []wire.Param, ok bool) {
	if !u.settable || u.fixed {
		return nil, false
	}
	return carry(u.pairs, u.told)
}

// carry picks the settings that are named by startup parameters among those
// that the server has told of; ok is false if it has not told of one.
func carry(pairs []wire.Param, told map[string]wire.Param) (carried []wire.Param, ok bool) {
	for i, p := range pairs {
		t, known := told[p.Name]
		if !known {
			return nil, false
		}
		again := false
		for _, q := range pairs[:i] {
			again = again || q.Name == p.Name
		}
		if !again && p.Name != idleTimeout && wire.VarIndex([]byte(p.Name)) < 0 {
			carried = append(carried, t)
		}
	}
	return carried, true
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
