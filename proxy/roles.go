package proxy

import (
	"pgweir/authquery"
	"pgweir/config"
	"pgweir/wire"
)

// Where a line of auth_hba_file, or a map, hangs on the roles that a user is a member
// of, PostgreSQL is asked for them, over the connection of auth_query. As long as that
// is not answered, nobody is let in by a later line: that may ask for less.

// memberOf are a user and the roles that it is a member of; nil if nobody has been
// asked.
type memberOf map[string]bool

// member is for hba.Facts. The role is always the user.
func (m memberOf) member(_, group string) (is, known bool) { return m[group], m != nil }

// askRoles goes on with then when the user's roles are known. It is true if the client
// may say more.
func (l *login) askRoles(then func() bool) bool {
	var in config.AuthQuery
	ok := false
	if l.rules.connString != nil {
		in, ok = l.rules.config.AuthQueryFor(l.ask.database)
	}
	if !ok {
		return l.rolesUnknown("this one is not configured, or has no auth_user (or auth_dbname, for the console)")
	}
	return l.askServer(in, rolesOf, func(a authquery.Answer, err error) bool {
		switch {
		case err != nil:
			l.why = "which roles the user is a member of: " + err.Error()
			e := wire.Fatalf(wire.CodeConnectionFailure, "the server could not be asked which roles user \"%s\" is a member of", l.ask.user)
			e.Hint = "Try again later; pgweir's log has the reason."
			return l.unanswered(err, e)
		case a.Roles == nil:
			return l.rolesUnknown("the server has no such database")
		}
		l.roles = a.Roles
		return then()
	})
}

// rolesUnknown refuses a client whose roles can be asked for nowhere.
func (l *login) rolesUnknown(why string) bool {
	l.why = "there is no database to ask in which roles the user is a member of: " + why
	return l.prove(l.rules.access.refusing(l.who()))
}
