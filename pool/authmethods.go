package pool

import (
	"slices"
	"strings"

	"pgweir/wire"
)

// AuthMethods is a set of ways to log in to a server: server_auth_methods. The
// zero AuthMethods is all of them.
type AuthMethods uint8

const (
	AuthTrust    AuthMethods = 1 << iota // the server asks for nothing: trust, peer, cert
	AuthPassword                         // in clear text
	AuthMD5
	AuthSCRAM     // with or without channel binding
	AuthSCRAMPlus // with channel binding only
)

// authMethodNames are PostgreSQL's names, in the order of the constants.
var authMethodNames = []string{"trust", "password", "md5", "scram-sha-256", "scram-sha-256-plus"}

// AuthMethodsOf is the set of these names: trust, password, md5, scram-sha-256
// and scram-sha-256-plus, which stands for less than scram-sha-256. It panics if
// there is no such name: they come from a setting, which has checked them.
func AuthMethodsOf(names []string) (m AuthMethods) {
	for _, name := range names {
		i := slices.Index(authMethodNames, name)
		if i < 0 {
			panic("bug: no authentication method is " + name)
		}
		m |= 1 << i
	}
	return m
}

// String names the methods of a set, separated by commas.
func (m AuthMethods) String() string {
	var names []string
	for i, name := range authMethodNames {
		if m&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// allows tells whether a set has a method.
func (m AuthMethods) allows(method AuthMethods) bool {
	return m == 0 || m&method != 0 || method == AuthSCRAMPlus && m&AuthSCRAM != 0
}

// ChannelBinding is server_channel_binding, with libpq's meanings of
// channel_binding. The empty ChannelBinding is BindingPrefer.
type ChannelBinding string

const (
	BindingDisable ChannelBinding = "disable"
	BindingPrefer  ChannelBinding = "prefer" // if the server can, and the connection has TLS
	BindingRequire ChannelBinding = "require"
)

// mayUse refuses a method that the settings do not allow. The error has SQLSTATE
// 08001, not PostgreSQL's 28000: after that, another try may be made without TLS.
func (s *Settings) mayUse(method AuthMethods) error {
	if !s.AuthMethods.allows(method) {
		e := wire.Fatalf(wire.CodeCannotConnect,
			"the server asks for the authentication method %s, which server_auth_methods does not allow", method)
		e.Detail = "server_auth_methods allows " + s.AuthMethods.String() + "."
		return e
	}
	if s.ChannelBinding == BindingRequire && method != AuthSCRAMPlus {
		e := wire.Fatalf(wire.CodeCannotConnect,
			"the server asks for the authentication method %s, but server_channel_binding is \"require\"", method)
		e.Hint = "Only scram-sha-256-plus fulfils that. PostgreSQL offers it over TLS (server_tls_sslmode), where pg_hba.conf asks for scram-sha-256."
		return e
	}
	return nil
}
