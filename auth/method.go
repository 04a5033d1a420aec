package auth

import "fmt"

// Method is how a client proves that it has the password.
type Method uint8

const (
	// Plain asks for the password in clear text and compares it with a secret of
	// any kind.
	Plain Method = iota
	// MD5 asks for an MD5 response, but for SCRAM if the user's secret is a
	// SCRAM secret.
	MD5
	// SCRAM asks for SCRAM-SHA-256. A user whose secret is an MD5 secret cannot
	// log in.
	SCRAM
)

// String gives the name that PostgreSQL has for the method.
func (m Method) String() string {
	switch m {
	case Plain:
		return "password"
	case MD5:
		return "md5"
	case SCRAM:
		return "scram-sha-256"
	}
	return fmt.Sprintf("Method(%d)", uint8(m))
}
