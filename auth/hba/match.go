package hba

import "net/netip"

// Client is what is known of a connection before it has shown who it is.
type Client struct {
	Local       bool       // it came over a Unix socket
	Addr        netip.Addr // unless Local; an IPv4 address within IPv6 is the IPv4 address
	TLS         bool
	Database    string // "" with Replication
	User        string
	Replication bool // physical: replication=true. Logical replication has a database and is no other client
}

// Facts is how to learn what neither a file nor a connection tells. A nil
// function is one that knows nothing.
type Facts struct {
	// Member tells whether a role is a member of another, directly or through
	// others. A superuser is no member for being one. A role is a member of
	// itself, which Member is not asked. known is false if that cannot be told.
	// It is asked only if Needs says so.
	Member func(role, group string) (member, known bool)

	// Names gives the names of an address that have it as an address in their
	// turn (forward-confirmed), without or with a dot at the end. None is no
	// error. After an error lines with host names do not apply, not even a
	// reject, as in PostgreSQL. It is asked at most once for a Match, and only
	// if Needs says so: a caller that must not stand still looks up first.
	Names func(netip.Addr) ([]string, error)

	// Networks gives the machine's own addresses, each with the length of its
	// network. After an error samehost and samenet do not apply. It is asked at
	// most once for a Match.
	Networks func() ([]netip.Prefix, error)
}

// Match gives the first line that applies to the client; nil if there is none,
// and the client is refused then.
func (rs *Rules) Match(c Client, facts Facts) *Rule {
	k := newAsked(c, facts)
	for _, r := range rs.list {
		if r.judge(&k).applies {
			return r
		}
	}
	return nil
}

// Need is a fact that Match hangs on.
type Need uint8

const (
	NeedNothing Need = iota
	NeedNames        // of the client's address
	NeedMember       // which roles the client's user is a member of
)

// Needs tells what Match has to ask for that facts do not give: the first fact that
// the answer hangs on, in the order of the lines. With that fact given there may be
// another one. Of a line that something known rules out nothing is needed.
func (rs *Rules) Needs(c Client, facts Facts) Need {
	k := newAsked(c, facts)
	for _, r := range rs.list {
		v := r.judge(&k)
		switch open := v.answer == unknown; {
		case open && v.about != aboutAddress && facts.Member == nil && r.mayReach(&k):
			return NeedMember
		case open && v.about == aboutAddress && r.address.reach == byName && facts.Names == nil:
			return NeedNames
		case v.applies:
			return NeedNothing
		}
	}
	return NeedNothing
}

// mayReach tells whether the address does not rule the line out.
func (r *Rule) mayReach(k *asked) bool {
	return r.Type == Local || r.address.has(k.client.Addr, k) != no
}

// about is the condition that has decided about a line.
type about uint8

const (
	aboutAll about = iota // all are met
	aboutType
	aboutTLS
	aboutGSS
	aboutDatabase
	aboutUser
	aboutAddress
)

// verdict is whether a line applies, and the condition that has decided it: the
// first that is not met, or else the first that is not known to be.
type verdict struct {
	applies      bool
	answer       answer
	about        about
	database, by token // what the client's database and user are in the line by
}

// judge tells whether the line applies. The address comes last, so that names
// are looked up only if all else fits.
func (r *Rule) judge(k *asked) (v verdict) {
	v.answer = yes
	note := func(a answer, about about) bool {
		if a < v.answer {
			v.answer, v.about = a, about
		}
		return v.answer != no
	}
	c := &k.client
	if !note(isSo(c.Local == (r.Type == Local)), aboutType) ||
		!note(isSo(r.Type != HostSSL && r.Type != HostNoSSL || c.TLS == (r.Type == HostSSL)), aboutTLS) ||
		!note(isSo(r.Type != HostGSSEnc), aboutGSS) {
		return v
	}
	var a answer
	if a, v.database = r.databases.database(c, k); !note(a, aboutDatabase) {
		return v
	}
	if a, v.by = r.users.user(c.User, k); !note(a, aboutUser) {
		return v
	}
	if v.answer == unknown && r.Method != Reject {
		return v // whatever the address is
	}
	if r.Type != Local && !note(r.address.has(c.Addr, k), aboutAddress) {
		return v
	}
	v.applies = v.answer == yes || v.answer == unknown && r.Method == Reject
	return v
}
