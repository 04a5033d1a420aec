package proxy

import (
	"context"
	"net"
	"net/netip"
	"os/user"
	"slices"
	"strconv"
	"sync"
	"time"

	"pgweir/auth/hba"
)

// What a line of auth_hba_file may hang on besides the connection: names of
// addresses, the machine's networks, and users of the operating system. The roles that
// a user is a member of are roles.go's.

// namesTimeout bounds how long the names of an address are looked for.
const namesTimeout = 3 * time.Second

// facts are those that can be had at once.
var facts = hba.Facts{Networks: ownNetworks}

// blockingFacts are all of them but for roles.
var blockingFacts = hba.Facts{Networks: ownNetworks, Names: func(addr netip.Addr) ([]string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), namesTimeout)
	defer cancel()
	return namesOf(ctx, addr)
}}

// networksAge is how long the machine's networks are believed.
const networksAge = time.Second

// networks are those that were read last.
var networks struct {
	sync.Mutex
	list []netip.Prefix
	err  error
	read time.Time
}

// ownNetworks are the machine's addresses with the lengths of their networks. It is
// called on event loops, at logins of which there may be very many.
func ownNetworks() ([]netip.Prefix, error) {
	networks.Lock()
	defer networks.Unlock()
	if time.Since(networks.read) > networksAge {
		networks.list, networks.err = readNetworks()
		networks.read = time.Now()
	}
	return networks.list, networks.err
}

func readNetworks() (list []netip.Prefix, err error) {
	addrs, err := net.InterfaceAddrs()
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			list = append(list, p)
		}
	}
	return list, err
}

// namesOf are the names of an address that lead back to it.
func namesOf(ctx context.Context, addr netip.Addr) (names []string, err error) {
	all, err := net.DefaultResolver.LookupAddr(ctx, addr.String())
	if dns, ok := err.(*net.DNSError); ok && dns.IsNotFound {
		return nil, nil
	}
	for _, name := range all {
		back, err := net.DefaultResolver.LookupNetIP(ctx, "ip", name)
		if err == nil && slices.ContainsFunc(back, func(a netip.Addr) bool { return a.Unmap() == addr.Unmap() }) {
			names = append(names, name)
		}
	}
	return names, err
}

// peerName is the operating system's name for the user at the other end of a Unix
// socket.
func peerName(uid int) (string, error) {
	u, err := user.LookupId(strconv.Itoa(uid))
	if err != nil {
		return "", err
	}
	return u.Username, nil
}
