package session

import (
	"strings"

	"pgweir/wire"
)

// asking is a question that is under way, and its answer.
type asking struct {
	parts    Reason
	canceled bool // by a request that came late, for the query before, or by the client's statement_timeout
	tries    int  // how often it was canceled before
	leak     bool // nothing is expected
	role     bool // the client had chosen roles
	settings []wire.Param
	found    Reason
	channels []string
	failed   bool
	idle     int32 // idle_session_timeout, if the session has set it
	idleTold bool
	learned  []wire.Function
	suspects []string
	inRow    bool   // a row has come in part
	long     []byte // that part
}

const notReset = " AND ((setting OPERATOR(pg_catalog.=) reset_val) IS NOT TRUE OR name OPERATOR(pg_catalog.=) 'idle_session_timeout')"

// The parts of the question: rows of three texts, the first of which says what
// the row is about. Operators are named in full, because a client may have
// others on its search_path.
var questions = []struct {
	part Reason
	sql  string
}{
	{partSettings, `SELECT 's', name, setting FROM pg_catalog.pg_settings
 WHERE source OPERATOR(pg_catalog.=) 'session'` + notReset + ` AND name OPERATOR(pg_catalog.<>) ALL (ARRAY['application_name','client_encoding','DateStyle','IntervalStyle',
 'TimeZone','standard_conforming_strings','transaction_isolation','transaction_read_only','transaction_deferrable'])
 UNION ALL SELECT 'i', 'role', pg_catalog.current_setting('role')
 UNION ALL SELECT 'i', 'session_authorization', SESSION_USER::pg_catalog.text`},
	{ReasonLock, `SELECT 'l', '', '' WHERE EXISTS (SELECT FROM pg_catalog.pg_locks
 WHERE locktype OPERATOR(pg_catalog.=) 'advisory' AND pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid())`},
	{ReasonTemp, `SELECT 't', '', '' WHERE EXISTS (SELECT FROM pg_catalog.pg_depend
 WHERE refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_namespace'::pg_catalog.regclass
 AND refobjid OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema())`},
	{ReasonCursor, `SELECT 'h', '', '' WHERE EXISTS (SELECT FROM pg_catalog.pg_cursors WHERE is_holdable)`},
	{ReasonPrepared, `SELECT 'p', '', '' WHERE EXISTS (SELECT FROM pg_catalog.pg_prepared_statements WHERE from_sql)`},
	{ReasonChannels, `SELECT 'c', channel, '' FROM pg_catalog.pg_listening_channels() AS channel`},
}

// ask asks the backend about some parts.
func (s *Session) ask(parts Reason, leak bool, o *Out) {
	x := s.more()
	x.asking = &asking{parts: parts, leak: leak, role: x.role}
	if parts&ReasonChannels != 0 && s.config.Listen == ListenShare {
		s.alone = true // what comes of it is not to be mixed with anything
	}
	s.asked = parts != partFunctions
	b := []byte(nil)
	for _, q := range questions {
		if parts&q.part == 0 {
			continue
		}
		if len(b) > 0 {
			b = append(b, "\n UNION ALL "...)
		}
		sql := q.sql
		if s.base != nil {
			// What was turned back must be told from what was set to the same.
			sql = strings.Replace(sql, notReset, "", 1)
		}
		b = append(b, sql...)
	}
	if parts&partSettings != 0 {
		for _, name := range x.customs {
			b = append(b, "\n UNION ALL SELECT 's', "...)
			b = append(wire.AppendLiteral(b, name), ", pg_catalog.current_setting("...)
			b = append(wire.AppendLiteral(b, name), ", true)"...)
		}
	}
	if parts&partFunctions != 0 {
		if len(b) > 0 {
			b = append(b, "\n UNION ALL "...)
		}
		b = append(b, functionsQuestion...)
	}
	o.ToServer.keep(wire.AppendQuery(o.ToServer.own(), string(b)))
	s.unnamedHere = false // gone, as with every simple query
	s.owed.push(entQuestion)
	o.Questions++
}

// maxTries is how often a question is asked again that is canceled.
const maxTries = 5

// maxRow is how long a row of an answer may be, in bytes; one that is longer
// counts as a failure, for a setting of that size cannot be carried about.
const maxRow = 16 << 20

// part takes a part of a DataRow, of which left bytes are still to come.
func (a *asking) part(p []byte, left int) {
	a.inRow = left > 0
	switch {
	case left == 0 && len(a.long) == 0:
		a.row(p)
	case len(a.long)+len(p)+left > maxRow:
		a.failed, a.long = true, nil
	default:
		if a.long = append(a.long, p...); left == 0 {
			a.row(a.long)
			a.long = nil
		}
	}
}

// row reads one DataRow of the answer: three texts.
func (a *asking) row(body []byte) {
	var col [3][]byte
	n := 0
	err := wire.DecodeDataRow(body, func(i int, value []byte) {
		n++
		if i < len(col) {
			col[i] = value
		}
	})
	if err != nil || n != len(col) || len(col[0]) != 1 {
		a.failed = true
		return
	}
	null := col[2] == nil
	name, value := string(col[1]), string(col[2])
	switch col[0][0] {
	case 's', 'i':
		if name == nameIdleTimeout {
			a.idleIs(value)
		} else if !null {
			a.settings = append(a.settings, wire.Param{Name: name, Value: value})
		}
	case 'l':
		a.found |= ReasonLock
	case 't':
		a.found |= ReasonTemp
	case 'h':
		a.found |= ReasonCursor
	case 'p':
		a.found |= ReasonPrepared
	case 'c':
		a.found |= ReasonChannels
		a.channels = append(a.channels, name)
	case 'f':
		a.learned = learnFunction(a.learned, name, col[2])
	case 'n':
		a.suspects = append(a.suspects, name)
	}
}
