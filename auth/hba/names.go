package hba

import "regexp"

// answer is whether something is so. A list has the highest answer of its
// items, a line the lowest of its conditions.
type answer uint8

const (
	no answer = iota
	unknown
	yes
)

func isSo(b bool) answer {
	if b {
		return yes
	}
	return no
}

// item is a token that means more than itself.
type item struct {
	token
	re *regexp.Regexp // nil for a keyword or a +group
}

// names is the field of databases or of users.
type names struct {
	field   field
	literal map[string]bool // the names that mean themselves
	special []item
}

// newNames reads a field. special tells which tokens mean more than themselves,
// beside regular expressions; a regular expression may stand in quotes.
func (l *loader) newNames(ln *line, f field, special func(token) bool) (n names, ok bool) {
	n = names{field: f, literal: map[string]bool{}}
	ok = true
	for _, t := range f {
		switch {
		case special(t):
			n.special = append(n.special, item{token: t})
		case t.text != "" && t.text[0] == '/':
			re, err := l.compile(t.text[1:])
			if err != nil {
				l.problem(ln.file, ln.number, err.Error())
				ok = false
			}
			n.special = append(n.special, item{t, re})
		default:
			n.literal[t.text] = true
		}
	}
	return n, ok
}

func databaseKeyword(t token) bool {
	return t.is("all") || t.is("sameuser") || sameRole(t) || t.is("replication")
}

// sameRole is true for samegroup too, the older word.
func sameRole(t token) bool { return t.is("samerole") || t.is("samegroup") }

func userKeyword(t token) bool { return t.is("all") || group(t) }

func group(t token) bool { return !t.quoted && t.text != "" && t.text[0] == '+' }

// database tells whether the field has the client's database, and by which
// token; or which token leaves it unknown. A client for physical replication
// has no database, and none of the other words is for it.
func (n *names) database(c *Client, k *asked) (a answer, by token) {
	if !c.Replication && n.literal[c.Database] {
		return yes, token{c.Database, true}
	}
	return n.highest(func(it item) answer {
		switch {
		case it.is("replication"):
			return isSo(c.Replication)
		case c.Replication:
			return no
		case it.is("all"):
			return yes
		case it.is("sameuser"):
			return isSo(c.Database == c.User)
		case sameRole(it.token):
			return k.member(c.User, c.Database)
		}
		return isSo(it.re.MatchString(c.Database))
	})
}

// user tells whether the field has a user, and by which token; or which token
// leaves it unknown.
func (n *names) user(user string, k *asked) (a answer, by token) {
	if n.literal[user] {
		return yes, token{user, true}
	}
	return n.highest(func(it item) answer {
		switch {
		case it.is("all"):
			return yes
		case group(it.token):
			return k.member(user, it.text[1:])
		}
		return isSo(it.re.MatchString(user))
	})
}

// highest is the highest answer of the items, and the first token that has it.
func (n *names) highest(of func(item) answer) (a answer, by token) {
	for _, it := range n.special {
		if so := of(it); so > a {
			a, by = so, it.token
		}
		if a == yes {
			break
		}
	}
	return a, by
}
