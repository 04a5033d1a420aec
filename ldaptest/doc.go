// Package ldaptest is a throwaway LDAP server for tests: it listens on a free port of
// 127.0.0.1, knows some entries, and remembers what it was asked.
//
// It must not know pgweir. Like many servers it takes an empty password for an
// anonymous login, and says that it is fine (RFC 4513, 5.1.2).
package ldaptest
