package pool

import (
	"slices"
	"strings"

	"pgweir/wire"
)

// Probe is a question to an idle backend what the server says to startup
// parameters, instead of opening one with them: they are set in a transaction
// that is rolled back. It is asked by whoever has been lent the backend. Where
// the server refuses, or one cannot be asked in this way, only a login tells.
type Probe struct {
	pool    *Pool
	variant *Variant   // that the answer is about
	key     string     // under which it is kept
	stamp   int        // Pool.generation at the question
	at      *hostEntry // where it was asked; nil if that is none of the pool's any more

	pairs   []wire.Param
	carries bool
	base    *Welcome // of a client without startup parameters

	facts bool // whether the server is what it was is all that is asked; see Check

	told     map[string]wire.Param
	reported []wire.Param
	failed   bool
}

// timeouts are settings of one unit and one range. Their values are read by the
// one that does nothing in the midst of a query, for others would end the probe.
var timeouts = []string{"statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", idleTimeout, "transaction_timeout"}

// Probe makes the question what the server says to a client's startup
// parameters; nil if only a login tells.
func (p *Pool) Probe(v *Variant, params []wire.Param) *Probe {
	fixed, wish, _ := split(params)
	pairs, ok := settingPairs(fixed)
	carrying := p.Settings().Sharing == SharedCarrying
	if !ok || len(fixed) > 0 && !carrying {
		return nil
	}
	wish[wire.VarApplicationName] = noName
	for i, value := range wish {
		if i != wire.VarApplicationName && value != "" {
			pairs = append(pairs, wire.Param{Name: strings.ToLower(wire.VarNames[i]), Value: value})
		}
	}
	for _, s := range pairs {
		if !mayProbe(s) {
			return nil
		}
	}
	if len(pairs) == 0 {
		return nil
	}
	return &Probe{pool: p, variant: v, key: wishKey(wish), pairs: pairs, carries: carrying && len(fixed) > 0, told: map[string]wire.Param{}}
}

// mayProbe tells whether a setting means the same in a transaction as at a
// login.
func mayProbe(s wire.Param) bool {
	switch s.Name {
	case "", "role", "session_authorization", "seed", "application_name", "replication", "local_preload_libraries", "session_preload_libraries":
		return false
	}
	for i := range len(s.Name) {
		c := s.Name[i]
		if c != '_' && c != '.' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			return false
		}
	}
	// What is not ASCII a login takes as it is, and a query by its encoding.
	return isASCII(s.Value) && (!strings.HasPrefix(s.Name, "transaction_") || s.Name == "transaction_timeout")
}

// Query is the question to a backend, "" if it cannot be asked now.
func (q *Probe) Query(b *Backend) string {
	q.pool.mu.Lock()
	q.stamp, q.at = q.pool.generation, q.pool.hosts.at(&b.Address)
	if plain := q.pool.variants[""]; plain != nil {
		q.base = plain.welcomes[plainKey]
	}
	q.pool.mu.Unlock()
	if q.base == nil && !q.facts {
		return ""
	}
	version := 0
	if q.base != nil {
		version = serverMajor(q.base.Params)
	}
	sql := "BEGIN"
	for _, s := range ownSettings(version) {
		if slices.Contains(timeouts, s.Name) {
			sql += ";SET LOCAL " + s.Name + "='" + s.Value + "'"
		}
	}
	if q.facts {
		return sql + factsQuestion + ";ROLLBACK"
	}
	var others []wire.Param
	for _, s := range q.pairs {
		kind, name := "", s.Name
		if slices.Contains(timeouts, s.Name) && (s.Name != "transaction_timeout" || version >= 17) {
			kind, name = "timeout", "idle_in_transaction_session_timeout"
		} else {
			others = append(others, s)
		}
		sql += ";SELECT " + literal(kind) + "," + literal(s.Name) + ",pg_catalog.set_config(" + literal(name) + "," + literal(s.Value) + ",true),''"
	}
	for i, r := range q.base.Params {
		sql += []string{";", " UNION ALL "}[min(i, 1)] + "SELECT 'reported'," + literal(r.Name) + ",pg_catalog.current_setting(" + literal(r.Name) + ",true),''"
	}
	if len(others) > 0 {
		sql += settingsQuestion(others, "setting")
	}
	return sql + ";ROLLBACK"
}

// Row takes one DataRow of the answer.
func (q *Probe) Row(body []byte) {
	var row []string
	null := false
	take := func(_ int, value []byte) { row, null = append(row, string(value)), null || value == nil }
	if err := wire.DecodeDataRow(body, take); err != nil || len(row) != 4 {
		q.failed = true
		return
	}
	key := strings.ToLower(row[1])
	switch row[0] {
	case "reported":
		if null {
			break // no setting of PostgreSQL's
		}
		q.reported = append(q.reported, wire.Param{Name: row[1], Value: row[2]})
	case "timeout":
		q.told[key] = wire.Param{Name: row[1], Value: unitless(row[2])}
	case "set":
		if _, ok := q.told[key]; !ok {
			q.told[key] = wire.Param{Name: row[1], Value: row[2]}
		}
		q.failed = q.failed || !maySet(row[3])
	}
}

// Fail says that the server has answered with an error, or not to the end.
func (q *Probe) Fail() { q.failed = true }

// Settle keeps the answer, and is false if there is none.
func (q *Probe) Settle() bool {
	if q.facts {
		q.pool.mu.Lock()
		defer q.pool.mu.Unlock()
		return !q.failed && q.stamp == q.pool.generation && q.settleFacts()
	}
	carried, ok := carry(q.pairs, q.told)
	if q.failed || !ok || len(q.reported) == 0 {
		return false
	}
	w := &Welcome{Params: slices.Clone(q.base.Params), Begun: q.base.Begun}
	vars := *q.base.Vars
	for _, r := range q.reported {
		i := wire.VarIndex([]byte(r.Name))
		if i == wire.VarApplicationName {
			continue
		}
		if i >= 0 {
			vars[i] = r.Value
		}
		for k := range w.Params {
			if w.Params[k].Name == r.Name {
				w.Params[k].Value = r.Value
			}
		}
	}
	w.Vars = &vars
	if idle, ok := q.told[idleTimeout]; ok {
		w.Begun.IdleTimeout, _ = milliseconds(idle.Value)
	}
	p := q.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	if q.stamp != p.generation || q.at == nil {
		return false
	}
	p.told(q.variant, q.key, w, q.at, carried, q.carries)
	return true
}
