package console

import (
	"encoding/binary"
	"math"

	"pgweir/wire"
)

// maxPrepared bounds what a client may have open at a time: statements, and
// portals, which may hold a snapshot each.
const maxPrepared = 64

// A prepared statement; a nil plan is that of an empty text.
type prepared struct{ plan *plan }

// A portal is a plan that is about to be executed, or has been in part.
type portal struct {
	plan    plan
	empty   bool    // of an empty text
	formats []int16 // of each column; nil if all are text
	begun   bool    // run has run, and result is there
	fields  []field
	result  result
	next    int // the first row that has not been given
}

// extended answers a message of the extended query protocol. Its error is a
// *wire.Error, after which all is skipped up to Sync, or that of the connection.
func (s *session) extended(typ byte, body []byte) error {
	switch typ {
	case 'P':
		return s.parse(body)
	case 'B':
		return s.bind(body)
	case 'D':
		return s.describe(body)
	case 'E':
		return s.executePortal(body)
	case 'C':
		return s.close(body)
	}
	panic("bug: a message type that receive lets in and nobody answers")
}

func (s *session) parse(body []byte) error {
	name, query, _, err := wire.DecodeParse(body)
	if err != nil {
		return err
	}
	if len(name) > 0 {
		if _, ok := s.statements[string(name)]; ok {
			return wire.Errorf(codeDuplicateName, "prepared statement \"%s\" already exists", clip(string(name)))
		}
		if len(s.statements) >= maxPrepared {
			return wire.Errorf(codeLimitExceeded, "the console keeps at most %d prepared statements of a client", maxPrepared)
		}
	}
	statements, err := split(string(query))
	if err != nil {
		return err
	}
	var p prepared
	switch len(statements) {
	case 0:
	case 1:
		made, err := s.plan(statements[0])
		if err != nil {
			return err
		}
		p.plan = &made
	default:
		return wire.Errorf(wire.CodeSyntaxError, "cannot insert multiple commands into a prepared statement")
	}
	s.statements[string(name)] = p
	s.out = wire.AppendParseComplete(s.out)
	return nil
}

func (s *session) bind(body []byte) error {
	name, statement, rest, err := wire.DecodeBind(body)
	if err != nil {
		return err
	}
	st, ok := s.statements[string(statement)]
	if !ok {
		return wire.Errorf(wire.CodeInvalidStatementName, "prepared statement \"%s\" does not exist", clip(string(statement)))
	}
	if len(name) > 0 {
		if _, ok := s.portals[string(name)]; ok {
			return wire.Errorf(codeDuplicatePortal, "portal \"%s\" already exists", clip(string(name)))
		}
		if len(s.portals) >= maxPrepared {
			return wire.Errorf(codeLimitExceeded, "the console keeps at most %d portals of a client", maxPrepared)
		}
	}
	parameters, formats, ok := decodeBindRest(rest)
	if !ok {
		return wire.Errorf(wire.CodeProtocolViolation, "invalid Bind message format")
	}
	if parameters > 0 {
		return wire.Errorf(wire.CodeProtocolViolation,
			"bind message supplies %d parameters, but prepared statement \"%s\" requires 0", parameters, clip(string(statement)))
	}
	p := &portal{empty: st.plan == nil}
	if st.plan != nil {
		p.plan = *st.plan
		if p.formats, err = columnFormats(formats, p.plan.columns()); err != nil {
			return err
		}
	}
	s.portals[string(name)] = p
	s.out = wire.AppendBindComplete(s.out)
	return nil
}

// decodeBindRest reads what follows the names in a Bind: the formats of the
// parameters, the parameters, and the formats of the results. Counts are
// checked against what is there.
func decodeBindRest(b []byte) (parameters int, formats []int16, ok bool) {
	count := func() (int, bool) {
		if len(b) < 2 {
			return 0, false
		}
		n := int(binary.BigEndian.Uint16(b))
		b = b[2:]
		return n, true
	}
	n, ok := count()
	if !ok || len(b) < 2*n {
		return 0, nil, false
	}
	b = b[2*n:]
	if parameters, ok = count(); !ok {
		return 0, nil, false
	}
	for range parameters {
		if len(b) < 4 {
			return 0, nil, false
		}
		size := binary.BigEndian.Uint32(b)
		b = b[4:]
		if size == math.MaxUint32 { // NULL
			continue
		}
		if uint64(size) > uint64(len(b)) {
			return 0, nil, false
		}
		b = b[size:]
	}
	if n, ok = count(); !ok || len(b) != 2*n {
		return 0, nil, false
	}
	for ; len(b) > 0; b = b[2:] {
		formats = append(formats, int16(binary.BigEndian.Uint16(b)))
	}
	return parameters, formats, true
}

// columnFormats spreads the formats of a Bind over the columns: none is text
// for all, one holds for all. A plan without columns takes any.
func columnFormats(formats []int16, columns int) ([]int16, error) {
	for _, f := range formats {
		if f != textFormat && f != binaryFormat {
			return nil, wire.Errorf(wire.CodeInvalidParameterValue, "unsupported format code: %d", f)
		}
	}
	if columns == 0 || len(formats) == 0 {
		return nil, nil
	}
	if len(formats) == 1 {
		all := make([]int16, columns)
		for i := range all {
			all[i] = formats[0]
		}
		return all, nil
	}
	if len(formats) != columns {
		return nil, wire.Errorf(wire.CodeProtocolViolation,
			"bind message has %d result formats but query has %d columns", len(formats), columns)
	}
	return formats, nil
}

func (p *plan) columns() int {
	if p.table == nil {
		return 0
	}
	return len(p.table.fields())
}

func (s *session) describe(body []byte) error {
	kind, name, err := wire.DecodeDescribe(body)
	if err != nil {
		return err
	}
	if kind == 'P' {
		p, ok := s.portals[string(name)]
		if !ok {
			return noPortal(name)
		}
		s.describePlan(&p.plan, p.formats)
		return nil
	}
	st, ok := s.statements[string(name)]
	if !ok {
		return wire.Errorf(wire.CodeInvalidStatementName, "prepared statement \"%s\" does not exist", clip(string(name)))
	}
	s.out = wire.AppendParameterDescription(s.out, nil)
	if st.plan == nil {
		s.out = wire.AppendNoData(s.out)
		return nil
	}
	s.describePlan(st.plan, nil)
	return nil
}

func (s *session) describePlan(p *plan, formats []int16) {
	if p.table == nil {
		s.out = wire.AppendNoData(s.out)
		return
	}
	s.out = appendRowDescription(s.out, p.table.fields(), formats)
}

func (s *session) executePortal(body []byte) error {
	name, maxRows, err := wire.DecodeExecute(body)
	if err != nil {
		return err
	}
	p, ok := s.portals[string(name)]
	if !ok {
		return noPortal(name)
	}
	if p.empty {
		s.out = wire.AppendEmptyQueryResponse(s.out)
		return nil
	}
	if p.begun && p.plan.table == nil {
		return wire.Errorf(codeObjectNotInState, "portal \"%s\" cannot be run again", clip(string(name)))
	}
	most := math.MaxInt
	if maxRows > 0 && maxRows <= math.MaxInt32 {
		most = int(maxRows)
	}
	return s.execute(p, most)
}

func noPortal(name []byte) error {
	return wire.Errorf(codeInvalidPortalName, "portal \"%s\" does not exist", clip(string(name)))
}

// close ends a statement or a portal; one that does not exist is no error.
func (s *session) close(body []byte) error {
	kind, name, err := wire.DecodeDescribe(body)
	if err != nil {
		return err
	}
	if kind == 'S' {
		delete(s.statements, string(name))
	} else {
		delete(s.portals, string(name))
	}
	s.out = wire.AppendCloseComplete(s.out)
	return nil
}
