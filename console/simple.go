package console

import (
	"errors"
	"math"

	"pgweir/status"
	"pgweir/wire"
)

// query answers a Query: every statement of its text in turn, up to the first
// that fails. As in PostgreSQL, a text that cannot be taken apart fails as a
// whole, before any of it is done.
func (s *session) query(body []byte) error {
	delete(s.statements, "")
	delete(s.portals, "")
	text, rest, ok := wire.CString(body)
	if !ok || len(rest) > 0 {
		return wire.Fatalf(wire.CodeProtocolViolation, "invalid Query message format")
	}
	if err := s.simple(string(text)); err != nil {
		e, ok := errors.AsType[*wire.Error](err)
		if !ok {
			return err
		}
		s.fail(e)
	}
	return s.ready()
}

// simple executes a text. Its error is a *wire.Error for the client, or that of
// the connection.
func (s *session) simple(text string) error {
	statements, err := split(text)
	if err != nil {
		return err
	}
	if len(statements) == 0 {
		s.out = wire.AppendEmptyQueryResponse(s.out)
		return nil
	}
	for _, st := range statements {
		p, err := s.plan(st)
		if err != nil {
			return err
		}
		if p.table != nil {
			s.out = appendRowDescription(s.out, p.table.fields(), nil)
		}
		if err := s.execute(&portal{plan: p}, math.MaxInt); err != nil {
			return err
		}
	}
	return nil
}

// snapshot reads the figures, as far as the client may see them.
func (s *session) snapshot(detail status.Detail) *status.Snapshot {
	all := s.ctl.Snapshot(detail)
	if s.access < Admin {
		return all.WithoutStatements()
	}
	return all
}

// execute runs a portal for at most this many rows, and answers all but its
// description.
func (s *session) execute(p *portal, most int) error {
	if !p.begun {
		if p.plan.needs > s.access { // it was prepared when the client still might
			return denied(p.plan.tag, s.client.User)
		}
		if err := s.act(&p.plan); err != nil {
			return asError(err, p.plan.code)
		}
		if p.plan.table != nil {
			p.result = p.plan.table.read(s.snapshot(p.plan.table.detail()))
			p.fields = p.plan.table.fields()
		}
		if p.plan.status != 0 {
			s.status = p.plan.status
		}
		p.begun = true
	}
	// As in PostgreSQL, a portal that has given as many rows as were asked for
	// is suspended, even if these were the last.
	for given := 0; ; given++ {
		if given == most {
			s.out = wire.AppendPortalSuspended(s.out)
			return nil
		}
		if p.next == p.result.rows {
			break
		}
		s.out = s.rows.append(s.out, p, p.next)
		p.next++
		if err := s.flushIfFull(); err != nil {
			return err
		}
	}
	if p.plan.notice != nil {
		s.out = wire.AppendNotice(s.out, p.plan.notice)
	}
	s.out = wire.AppendCommandComplete(s.out, p.plan.tag)
	return nil
}
