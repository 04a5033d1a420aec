package proxy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"pgweir/config"
	"pgweir/status"
	"pgweir/wire"
)

// mode is what the console has said of all clients.
//
//	         PAUSE, KILL
//	active ──────────────▶ paused
//	  │ ▲──────────────────────┘
//	  │ │      RESUME
//	  │ └──────────────────────┐
//	  └──────────────────▶ suspended
//	          SUSPEND
type mode uint8

const (
	modeActive    mode = iota
	modePaused         // every pool is halted
	modeSuspended      // no connection is read, but for the console's
)

func (m mode) status() status.Mode {
	switch m {
	case modePaused:
		return status.Paused
	case modeSuspended:
		return status.Suspended
	}
	return status.Active
}

// restraint is what the commands of the console hold up. A value is never changed: a
// command replaces it as a whole. It outlives a reload, and so do the names in it, be
// they configured or not.
type restraint struct {
	mode     mode
	paused   map[string]bool // databases, by PAUSE or KILL with their name
	disabled map[string]bool // databases that nobody may connect to
}

// pauses tells whether a database's pools are halted.
func (r *restraint) pauses(database string) bool { return r.mode == modePaused || r.paused[database] }

// with is r with or without a database in one of its sets.
func with(set map[string]bool, database string, in bool) map[string]bool {
	set = maps.Clone(set)
	if in && set == nil {
		set = map[string]bool{}
	}
	if in {
		set[database] = true
	} else {
		delete(set, database)
	}
	return set
}

// restrain replaces the restraint by what change makes of it, and has pools and
// auth_query follow. An error of change leaves all as it is.
func (p *Proxy) restrain(change func(*restraint) error) error {
	p.commanding.Lock()
	defer p.commanding.Unlock()
	before := p.restraint.Load()
	next := *before
	if err := change(&next); err != nil {
		return err
	}
	// Under the lock under which pools are made: those that come to be from now on
	// begin with it.
	p.mu.Lock()
	p.restraint.Store(&next)
	pools := slices.Clone(p.mu.order)
	p.mu.Unlock()
	for _, cp := range pools {
		if cp.pool == nil || before.pauses(cp.key.database) == next.pauses(cp.key.database) {
			continue
		}
		if next.pauses(cp.key.database) {
			cp.pool.Pause()
		} else {
			cp.conf.Load().Catalog.Changed() // the server may be another one
			p.expireName(cp.pool)
			cp.pool.Resume()
		}
	}
	p.asker.Reconsider()
	return nil
}

// holdsSource tells whether auth_query may not be connected to a database, by the
// addresses of its hosts and its name there.
func (p *Proxy) holdsSource(server, database string) bool {
	r := p.restraint.Load()
	if r.mode == modePaused {
		return true
	}
	for name := range r.paused {
		db, ok := p.Config().Database(name)
		if !ok {
			continue
		}
		if db.At() == server && db.DBName == database {
			return true
		}
	}
	return false
}

// commandError is an error of a command, with PgBouncer's SQLSTATE for all of them.
func commandError(format string, args ...any) *wire.Error {
	return wire.Errorf(wire.CodeProtocolViolation, format, args...)
}

// mayName is the error for a name in a command that is no database's, or the console's.
func (p *Proxy) mayName(verb, database string) error {
	if config.IsConsole(database) {
		return commandError("cannot %s admin db: %s", verb, database)
	}
	c := p.Config()
	if _, ok := c.Database(database); ok {
		return nil
	}
	if r := p.restraint.Load(); r.paused[database] || r.disabled[database] || len(p.poolsOf(database)) > 0 {
		return nil // it is not configured any more
	}
	e := commandError("no such database: %s", database)
	e.Hint = perhaps(c, database)
	return e
}

// perhaps is the hint of a database that is not configured; "" if there is none near.
func perhaps(c *config.Config, database string) string {
	if near := config.Nearest(database, slices.Sorted(maps.Keys(c.Databases))); near != "" {
		return "Perhaps you mean " + near + "."
	}
	return ""
}

// Unnamed is what a client of the console is told of a database that only
// [databases."*"] stands for, and that nobody uses; nil of any other. As in PgBouncer, a
// command takes it all the same: its clients may be still to come.
func (p *Proxy) Unnamed(database string) *wire.Error {
	c := p.Config()
	if config.IsConsole(database) || c.Databases[database] != nil || c.Databases["*"] == nil {
		return nil
	}
	if r := p.restraint.Load(); r.paused[database] || r.disabled[database] || len(p.poolsOf(database)) > 0 {
		return nil
	}
	return &wire.Error{Severity: "NOTICE", Code: "00000", Hint: perhaps(c, database),
		Message: fmt.Sprintf("no database %s is configured, and nobody uses one: [databases.\"*\"] stands for it", database)}
}

// poolsOf are the pools of a database, "" for all; the console's are none.
func (p *Proxy) poolsOf(database string) (of []*clientPool) {
	for _, cp := range p.pools() {
		if cp.pool != nil && (database == "" || cp.key.database == database) {
			of = append(of, cp)
		}
	}
	return of
}

// notBusy is the error while a command holds everything up that a further one cannot be
// told from, and after the end has begun.
func (p *Proxy) notBusy(r *restraint) error {
	if p.draining.Load() {
		return commandError("pooler is shutting down")
	}
	if r.mode != modeActive {
		return commandError("already suspended/paused")
	}
	return nil
}

// Disable has new clients of a database refused. Those who are in stay.
func (p *Proxy) Disable(database string) error { return p.setDisabled("disable", database, true) }

// Enable ends Disable.
func (p *Proxy) Enable(database string) error { return p.setDisabled("enable", database, false) }

func (p *Proxy) setDisabled(verb, database string, disabled bool) error {
	if err := p.mayName(verb, database); err != nil {
		return err
	}
	return p.restrain(func(r *restraint) error {
		r.disabled = with(r.disabled, database, disabled)
		return nil
	})
}

// admits is the error for a client that wants a database that is disabled.
func (r *restraint) admits(database string) *wire.Error {
	if r.disabled[database] {
		return wire.Fatalf(wire.CodeProtocolViolation, "database \"%s\" is disabled", database)
	}
	return nil
}

// admitsQuestions is the error for a client about whom a database would be asked that is
// disabled (auth_query).
func (r *restraint) admitsQuestions(in, database string) *wire.Error {
	if in == database {
		return r.admits(database)
	}
	if r.disabled[in] {
		return wire.Fatalf(wire.CodeProtocolViolation, "authentication database \"%s\" is disabled", in)
	}
	return nil
}

// pausedByName words which databases only their names resume; "" if none.
func (r *restraint) pausedByName() string {
	return strings.Join(slices.Sorted(maps.Keys(r.paused)), ", ")
}
