package session

import (
	"hash/fnv"
	"hash/maphash"
	"slices"
	"strings"

	"pgweir/wire"
)

// Settings are what a client has set in its session, beyond wire.Vars and its
// startup parameters: each one's name and its value as PostgreSQL says it. nil
// is the empty set. They are never changed once they are made.
type Settings struct {
	list []wire.Param // in order of their names
	// Fingerprint is a hash of all.
	Fingerprint uint64
	reading     uint64   // a hash of those of settingReading, 0 if there are none
	names       uint64   // the same of settingNames
	libraries   []string // that it has loaded, in order; see loading
	identity    bool     // role or session_authorization are among them
	plain       bool     // all is ASCII
}

// Names of the settings that say who one is.
const (
	nameRole          = "role"
	nameAuthorization = "session_authorization"
)

func isIdentity(name string) bool { return name == nameRole || name == nameAuthorization }

// hash is Fingerprint; 0 of the empty set.
func (s *Settings) hash() uint64 {
	if s == nil {
		return 0
	}
	return s.Fingerprint
}

// NewSettings makes a set of a list, in which a name may come twice with the
// same value. The list is the caller's own.
func NewSettings(list []wire.Param) *Settings {
	if len(list) == 0 {
		return nil
	}
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b wire.Param) int { return strings.Compare(a.Name, b.Name) })
	list = slices.CompactFunc(list, func(a, b wire.Param) bool { return a.Name == b.Name })
	s := &Settings{list: list, plain: true}
	h := fnv.New64a()
	var kinds [settingReading + 1]maphash.Hash
	for i := range kinds {
		kinds[i].SetSeed(readingSeed)
	}
	for _, v := range list {
		k := &kinds[kindOf(v.Name)]
		k.WriteString(v.Name)
		k.WriteByte(0)
		k.WriteString(v.Value)
		k.WriteByte(0)
		h.Write([]byte(v.Name))
		h.Write([]byte{0})
		h.Write([]byte(v.Value))
		h.Write([]byte{0})
		s.identity = s.identity || isIdentity(v.Name)
		s.plain = s.plain && isASCII(v.Name) && isASCII(v.Value)
	}
	s.Fingerprint = h.Sum64()
	empty := maphash.Bytes(readingSeed, nil)
	s.reading, s.names = kinds[settingReading].Sum64()^empty, kinds[settingNames].Sum64()^empty
	return s
}

var readingSeed = maphash.MakeSeed()

// readingHash is equal for sets under which constants are read, functions are
// folded and statements are planned alike.
func (s *Settings) readingHash() uint64 {
	if s == nil {
		return 0
	}
	return s.reading
}

// namesHash is equal for sets under which names mean the same.
func (s *Settings) namesHash() uint64 {
	if s == nil {
		return 0
	}
	return s.names
}

func isASCII[T string | []byte](s T) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// customs are the names of those of extensions.
func (s *Settings) customs() (names []string) {
	for _, v := range s.all() {
		if strings.Contains(v.Name, ".") {
			names = append(names, v.Name)
		}
	}
	return names
}

// equal compares two sets.
func (s *Settings) equal(o *Settings) bool {
	if s == o {
		return true
	}
	return s != nil && o != nil && s.Fingerprint == o.Fingerprint && slices.Equal(s.list, o.list) && slices.Equal(s.libraries, o.libraries)
}

// all is the list, nil of the empty set.
func (s *Settings) all() []wire.Param {
	if s == nil {
		return nil
	}
	return s.list
}

// afterReset is what is left of it behind RESET ALL: what a backend began with, and
// who one is.
func (s *Settings) afterReset(base *Settings) *Settings {
	others := func(v wire.Param) bool { return !isIdentity(v.Name) }
	left := NewSettings(slices.Concat(slices.DeleteFunc(slices.Clone(s.all()), others), base.without(func(v wire.Param) bool { return isIdentity(v.Name) }).all()))
	if left.equal(base) {
		return base
	}
	return left
}

func (s *Settings) isPlain() bool { return s == nil || s.plain }

// get finds a value.
func (s *Settings) get(name string) (value string, ok bool) {
	for _, v := range s.all() {
		if v.Name == name {
			return v.Value, true
		}
	}
	return "", false
}

// without is s but for some.
func (s *Settings) without(some func(wire.Param) bool) *Settings {
	if !slices.ContainsFunc(s.all(), some) {
		return s
	}
	return NewSettings(slices.DeleteFunc(slices.Clone(s.all()), some)).loading(s.Libraries())
}

// emptyCustom tells the settings that are as good as none: those of extensions
// that have no value, as SET LOCAL leaves them, and no role.
func emptyCustom(v wire.Param) bool {
	return v.Value == "" && strings.Contains(v.Name, ".") || v == wire.Param{Name: nameRole, Value: "none"}
}

// appendReplay appends the statements that turn from into s on a backend that has
// loaded some libraries; none if there is nothing to be done.
func (s *Settings) appendReplay(dst []byte, from *Settings, loaded []string) []byte {
	for _, library := range s.Libraries() {
		if !slices.Contains(loaded, library) {
			dst = append(wire.AppendLiteral(append(dst, "LOAD "...), library), ';')
		}
	}
	if s.equal(from) {
		return dst
	}
	// Who set what with which rights is not known any more. The login's own
	// rights are what every value has been set with, or more.
	if from != nil && from.identity {
		dst = append(dst, "RESET SESSION AUTHORIZATION;RESET ROLE;"...)
	}
	for _, v := range from.all() {
		if _, ok := s.get(v.Name); !ok && !isIdentity(v.Name) {
			dst = append(dst, "RESET "...)
			dst = appendSettingName(dst, v.Name)
			dst = append(dst, ';')
		}
	}
	for _, v := range s.all() {
		if was, ok := from.get(v.Name); ok && was == v.Value || isIdentity(v.Name) {
			continue
		}
		dst = appendSet(dst, v)
	}
	for _, name := range []string{nameAuthorization, nameRole} {
		if value, ok := s.get(name); ok {
			dst = appendSet(dst, wire.Param{Name: name, Value: value})
		}
	}
	return dst
}

// appendSet appends the statement that sets v.
func appendSet(dst []byte, v wire.Param) []byte {
	switch v.Name {
	case nameAuthorization, nameRole, "search_path", "temp_tablespaces", "local_preload_libraries", "session_preload_libraries":
		// A list of names is to be read as one, which SET does not do with a
		// string.
	default:
		dst = append(dst, "SET "...)
		dst = appendSettingName(dst, v.Name)
		dst = append(dst, " = "...)
		dst = wire.AppendLiteral(dst, v.Value)
		return append(dst, ';')
	}
	dst = append(dst, "SELECT pg_catalog.set_config("...)
	dst = wire.AppendLiteral(dst, v.Name)
	dst = append(dst, ',')
	dst = wire.AppendLiteral(dst, v.Value)
	return append(dst, ",false);"...)
}

// appendSettingName appends a setting's name as an identifier, or two with a
// dot between.
func appendSettingName(dst []byte, name string) []byte {
	for i, part := range strings.Split(name, ".") {
		if i > 0 {
			dst = append(dst, '.')
		}
		dst = wire.QuoteIdent(dst, part)
	}
	return dst
}
