package hba

import (
	"net/netip"
	"strings"
)

// asked is what has been asked for one client.
type asked struct {
	client      Client
	facts       Facts
	names       []string
	namesErr    error
	haveNames   bool
	networks    []netip.Prefix
	networksErr error
	haveNets    bool
}

func newAsked(c Client, facts Facts) asked {
	c.Addr = c.Addr.Unmap().WithZone("")
	return asked{client: c, facts: facts}
}

// member tells whether a role is a member of a group.
func (k *asked) member(role, group string) answer {
	if role == group {
		return yes
	}
	if k.facts.Member == nil {
		return unknown
	}
	member, known := k.facts.Member(role, group)
	if !known {
		return unknown
	}
	return isSo(member)
}

// named tells whether the client's address has a name, or one that ends in a
// name with a dot in front.
func (k *asked) named(pattern string) answer {
	if k.facts.Names == nil {
		return unknown
	}
	if !k.haveNames {
		k.names, k.namesErr = k.facts.Names(k.client.Addr)
		k.haveNames = true
	}
	if k.namesErr != nil {
		return no
	}
	for _, name := range k.names {
		name = strings.TrimSuffix(name, ".")
		if pattern[0] == '.' && len(name) >= len(pattern) {
			name = name[len(name)-len(pattern):]
		}
		if sameName(name, pattern) {
			return yes
		}
	}
	return no
}

// sameName compares host names: the case of ASCII letters does not count.
func sameName(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if a[i] != b[i] && (a[i]|0x20 != b[i]|0x20 || !letter(a[i])) {
			return false
		}
	}
	return true
}

// ours tells whether an address is one of the machine's, or in one of its
// networks.
func (k *asked) ours(client netip.Addr, r reach) answer {
	if k.facts.Networks == nil {
		return unknown
	}
	if !k.haveNets {
		k.networks, k.networksErr = k.facts.Networks()
		k.haveNets = true
	}
	for _, p := range k.networks {
		own := p.Addr().WithZone("")
		if r == sameHost && own == client || r == sameNet && netip.PrefixFrom(own, p.Bits()).Contains(client) {
			return yes
		}
	}
	return no
}
