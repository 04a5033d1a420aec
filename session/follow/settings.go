package follow

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
	reading     uint64   // a hash of those of ChangesReading, 0 if there are none
	names       uint64   // the same of ChangesNames
	libraries   []string // that it has loaded, in order; see Loading
	identity    bool     // role or session_authorization are among them
	plain       bool     // all is ASCII
}

// Names of the settings that say who one is.
const (
	NameRole          = "role"
	NameAuthorization = "session_authorization"
)

// IsIdentity tells the settings that say who one is.
func IsIdentity(name string) bool { return name == NameRole || name == NameAuthorization }

// Hash is Fingerprint; 0 of the empty set.
func (s *Settings) Hash() uint64 {
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
	var kinds [ChangesReading + 1]maphash.Hash
	for i := range kinds {
		kinds[i].SetSeed(readingSeed)
	}
	for _, v := range list {
		k := &kinds[KindOf(v.Name)]
		k.WriteString(v.Name)
		k.WriteByte(0)
		k.WriteString(v.Value)
		k.WriteByte(0)
		h.Write([]byte(v.Name))
		h.Write([]byte{0})
		h.Write([]byte(v.Value))
		h.Write([]byte{0})
		s.identity = s.identity || IsIdentity(v.Name)
		s.plain = s.plain && IsASCII(v.Name) && IsASCII(v.Value)
	}
	s.Fingerprint = h.Sum64()
	empty := maphash.Bytes(readingSeed, nil)
	s.reading, s.names = kinds[ChangesReading].Sum64()^empty, kinds[ChangesNames].Sum64()^empty
	return s
}

var readingSeed = maphash.MakeSeed()

// ReadingHash is equal for sets under which constants are read, functions are
// folded and statements are planned alike.
func (s *Settings) ReadingHash() uint64 {
	if s == nil {
		return 0
	}
	return s.reading
}

// NamesHash is equal for sets under which names mean the same.
func (s *Settings) NamesHash() uint64 {
	if s == nil {
		return 0
	}
	return s.names
}

// IsASCII tells whether no byte is 128 or more.
func IsASCII[T string | []byte](s T) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// Customs are the names of those of extensions.
func (s *Settings) Customs() (names []string) {
	for _, v := range s.All() {
		if strings.Contains(v.Name, ".") {
			names = append(names, v.Name)
		}
	}
	return names
}

// Equal compares two sets.
func (s *Settings) Equal(o *Settings) bool {
	if s == o {
		return true
	}
	return s != nil && o != nil && s.Fingerprint == o.Fingerprint && slices.Equal(s.list, o.list) && slices.Equal(s.libraries, o.libraries)
}

// All is the list, nil of the empty set.
func (s *Settings) All() []wire.Param {
	if s == nil {
		return nil
	}
	return s.list
}

// AfterReset is what is left of it behind RESET ALL: what a backend began with, and
// who one is.
func (s *Settings) AfterReset(base *Settings) *Settings {
	others := func(v wire.Param) bool { return !IsIdentity(v.Name) }
	left := NewSettings(slices.Concat(slices.DeleteFunc(slices.Clone(s.All()), others), base.Without(func(v wire.Param) bool { return IsIdentity(v.Name) }).All()))
	if left.Equal(base) {
		return base
	}
	return left
}

// Libraries are those that the client has loaded, in order.
func (s *Settings) Libraries() []string {
	if s == nil {
		return nil
	}
	return s.libraries
}

// Loading is s with these libraries, and no others.
func (s *Settings) Loading(libraries []string) *Settings {
	if len(libraries) == 0 && len(s.Libraries()) == 0 {
		return s
	}
	with := Settings{plain: true}
	if s != nil {
		with = *s
	}
	with.libraries = libraries
	h := fnv.New64a()
	for _, v := range with.list {
		h.Write([]byte(v.Name + "\x00" + v.Value + "\x00"))
	}
	for _, library := range libraries {
		h.Write([]byte(library + "\x00"))
		with.plain = with.plain && IsASCII(library)
	}
	with.Fingerprint = h.Sum64()
	return &with
}

// Alike tells whether a backend with other settings, and with some libraries
// loaded, is as if it had these.
func (s *Settings) Alike(there *Settings, loaded []string) bool {
	for _, library := range s.Libraries() {
		if !slices.Contains(loaded, library) {
			return false
		}
	}
	return slices.Equal(s.All(), there.All())
}

// HasIdentity tells whether role or session_authorization are among them.
func (s *Settings) HasIdentity() bool { return s != nil && s.identity }

// IsPlain tells whether all is ASCII.
func (s *Settings) IsPlain() bool { return s == nil || s.plain }

// Size is how much memory their names and values take, in bytes.
func (s *Settings) Size() (n int) {
	for _, v := range s.All() {
		n += len(v.Name) + len(v.Value)
	}
	return n
}

// Get finds a value.
func (s *Settings) Get(name string) (value string, ok bool) {
	for _, v := range s.All() {
		if v.Name == name {
			return v.Value, true
		}
	}
	return "", false
}

// Without is s but for some.
func (s *Settings) Without(some func(wire.Param) bool) *Settings {
	if !slices.ContainsFunc(s.All(), some) {
		return s
	}
	return NewSettings(slices.DeleteFunc(slices.Clone(s.All()), some)).Loading(s.Libraries())
}

// EmptyCustom tells the settings that are as good as none: those of extensions
// that have no value, as SET LOCAL leaves them, and no role.
func EmptyCustom(v wire.Param) bool {
	return v.Value == "" && strings.Contains(v.Name, ".") || v == wire.Param{Name: NameRole, Value: "none"}
}

// AppendReplay appends the statements that turn from into s on a backend that has
// loaded some libraries; none if there is nothing to be done.
func (s *Settings) AppendReplay(dst []byte, from *Settings, loaded []string) []byte {
	for _, library := range s.Libraries() {
		if !slices.Contains(loaded, library) {
			dst = append(wire.AppendLiteral(append(dst, "LOAD "...), library), ';')
		}
	}
	if s.Equal(from) {
		return dst
	}
	// Who set what with which rights is not known any more. The login's own
	// rights are what every value has been set with, or more.
	if from != nil && from.identity {
		dst = append(dst, "RESET SESSION AUTHORIZATION;RESET ROLE;"...)
	}
	for _, v := range from.All() {
		if _, ok := s.Get(v.Name); !ok && !IsIdentity(v.Name) {
			dst = append(dst, "RESET "...)
			dst = appendSettingName(dst, v.Name)
			dst = append(dst, ';')
		}
	}
	for _, v := range s.All() {
		if was, ok := from.Get(v.Name); ok && was == v.Value || IsIdentity(v.Name) {
			continue
		}
		dst = AppendSet(dst, v)
	}
	for _, name := range []string{NameAuthorization, NameRole} {
		if value, ok := s.Get(name); ok {
			dst = AppendSet(dst, wire.Param{Name: name, Value: value})
		}
	}
	return dst
}

// AppendSet appends the statement that sets v.
func AppendSet(dst []byte, v wire.Param) []byte {
	switch v.Name {
	case NameAuthorization, NameRole, "search_path", "temp_tablespaces", "local_preload_libraries", "session_preload_libraries":
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
