package proxy

import (
	"slices"
	"strings"

	"pgweir/wire"
)

// knowsLongNames tells whether a server of this server_version takes a long name
// for another than the one that it would be cut to (see config.CutName): it knows
// nobody of that name.
func knowsLongNames(version string) bool {
	number, _, _ := strings.Cut(version, " ")
	return slices.Contains([]string{"17.0", "17.1", "17.2"}, number)
}

// unknownName is the server's refusal of a name that is longer than any that it
// knows; nil if it cuts such a name, as the client's was here.
func (a *ask) unknownName(server []wire.Param) *wire.Error {
	if a.sentUser == a.user && (a.sentDatabase == a.database || a.sentDatabase == "") {
		return nil
	}
	version := slices.IndexFunc(server, func(p wire.Param) bool { return p.Name == "server_version" })
	switch {
	case version < 0 || !knowsLongNames(server[version].Value):
		return nil
	case a.sentUser != a.user:
		return wire.Fatalf(wire.CodeInvalidAuthorization, "role \"%s\" does not exist", a.sentUser)
	}
	return wire.Fatalf(wire.CodeInvalidCatalogName, "database \"%s\" does not exist", a.sentDatabase)
}
