package console

import (
	"pgweir/status"
	"pgweir/wire"
)

// A dialect is how the console looks to a client. The database that it has asked for
// chooses it.
type dialect uint8

const (
	// ours is for people and for tools of pgweir's: more columns, SQLSTATEs that tell
	// one error from another.
	ours dialect = iota
	// pgbouncers is for tools made for PgBouncer's console: its columns and nothing
	// behind them, its spelling of settings, its version, its SQLSTATEs.
	pgbouncers
)

func dialectOf(database string) dialect {
	if database == "pgbouncer" {
		return pgbouncers
	}
	return ours
}

// plan is what a statement means for a client of this session.
func (s *session) plan(st statement) (plan, error) {
	p, ok := s.planSelect(st)
	if !ok {
		var err error
		if p, err = planFor(st, s.access, s.client.User); err != nil {
			return p, err
		}
	}
	if s.speaks == pgbouncers {
		p.table = p.asTheirs()
	}
	return p, nil
}

// asTheirs is what a plan shows as PgBouncer has it, nil if it shows nothing.
func (p *plan) asTheirs() table {
	switch {
	case p.there != nil:
		return theirTable{p.there}
	case p.table != nil:
		return theirTable{p.table}
	}
	return nil
}

// theirTable is a table in which the console has one name, as in PgBouncer.
type theirTable struct{ table }

func (t theirTable) read(s *status.Snapshot) result { return t.table.read(s.AsTheirs()) }

// told is an error as the client gets it. PgBouncer's console has one SQLSTATE for
// all of them but that of a failed RELOAD, and pgcli takes no other for an answer.
func (d dialect) told(e *wire.Error) *wire.Error {
	if d == ours || e.Code == wire.CodeConfigFileError {
		return e
	}
	told := *e
	told.Code = wire.CodeProtocolViolation
	return &told
}

// serverVersion is the parameter server_version; version is pgweir's own.
func (d dialect) serverVersion(version string) string {
	if d == pgbouncers {
		return status.PgBouncerVersion + "/bouncer"
	}
	return version + "/pgweir"
}

// programVersion is what SHOW VERSION says.
func (d dialect) programVersion(version string) string {
	if d == pgbouncers {
		return "PgBouncer " + status.PgBouncerVersion
	}
	return "pgweir " + version
}

// versionTable is SHOW VERSION.
func (d dialect) versionTable() view[string] {
	return view[string]{
		rows:    func(s *status.Snapshot) []string { return []string{d.programVersion(s.Version)} },
		columns: []column[string]{text("version", func(v *string) string { return *v })},
	}
}

// serverVersionTable is SHOW server_version.
func (d dialect) serverVersionTable() view[string] {
	return view[string]{
		rows:    func(s *status.Snapshot) []string { return []string{d.serverVersion(s.Version)} },
		columns: []column[string]{text("server_version", func(v *string) string { return *v })},
	}
}
