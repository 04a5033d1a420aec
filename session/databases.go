package session

import "pgweir/wire"

// noticeDatabases notes the databases that a statement needs for itself: idle
// backends there must get out of its way. It is asked in every mode about the
// text of every Query and Parse, when that is sent. The text may be followed by
// its zero byte and whatever stands behind that.
func (s *Session) noticeDatabases(text []byte, o *Out) {
	nonconforming := s.vars[wire.VarStandardConformingStrings] == "off"
	if names := wire.Databases(text, nonconforming); names != nil {
		o.Vacate = append(o.Vacate, names...)
		o.once(EffectVacate)
	}
}
